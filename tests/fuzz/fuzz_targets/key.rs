//! See [`exhibit_fuzz::key`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    exhibit_fuzz::key(bytes);
});
