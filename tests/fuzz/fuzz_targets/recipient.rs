//! See [`exhibit_fuzz::recipient`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    exhibit_fuzz::recipient(bytes);
});
