//! See [`exhibit_fuzz::copy`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    exhibit_fuzz::copy(bytes);
});
