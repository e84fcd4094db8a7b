//! See [`exhibit_fuzz::s3::body`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    exhibit_fuzz::s3::body(bytes);
});
