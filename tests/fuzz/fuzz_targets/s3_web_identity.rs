//! See [`exhibit_fuzz::s3::web_identity`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    exhibit_fuzz::s3::web_identity(bytes);
});
