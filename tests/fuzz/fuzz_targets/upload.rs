//! See [`exhibit_fuzz::upload`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    exhibit_fuzz::upload(bytes);
});
