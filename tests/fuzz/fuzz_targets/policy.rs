//! See [`exhibit_fuzz::policy`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    exhibit_fuzz::policy(bytes);
});
