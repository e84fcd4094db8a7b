//! See [`exhibit_fuzz::tile`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    exhibit_fuzz::tile(bytes);
});
