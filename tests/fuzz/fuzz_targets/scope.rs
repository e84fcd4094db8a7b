//! See [`exhibit_fuzz::scope`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    exhibit_fuzz::scope(bytes);
});
