//! See [`exhibit_fuzz::s3::head`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    exhibit_fuzz::s3::head(bytes);
});
