//! See [`exhibit_fuzz::s3::policy`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    exhibit_fuzz::s3::policy(bytes);
});
