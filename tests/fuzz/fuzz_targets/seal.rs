//! See [`exhibit_fuzz::seal`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    exhibit_fuzz::seal(bytes);
});
