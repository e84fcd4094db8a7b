//! See [`exhibit_fuzz::file`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    exhibit_fuzz::file(bytes);
});
