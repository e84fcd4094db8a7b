//! See [`exhibit_fuzz::statement`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    exhibit_fuzz::statement(bytes);
});
