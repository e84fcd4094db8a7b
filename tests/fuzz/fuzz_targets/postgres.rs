//! See [`exhibit_fuzz::postgres`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    exhibit_fuzz::postgres(bytes);
});
