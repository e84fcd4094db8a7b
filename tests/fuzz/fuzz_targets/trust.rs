//! See [`exhibit_fuzz::trust`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    exhibit_fuzz::trust(bytes);
});
