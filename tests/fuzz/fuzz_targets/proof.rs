//! See [`exhibit_fuzz::proof`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    exhibit_fuzz::proof(bytes);
});
