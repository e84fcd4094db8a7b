//! See [`exhibit_fuzz::wire`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    exhibit_fuzz::wire(bytes);
});
