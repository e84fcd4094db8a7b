//! See [`exhibit_fuzz::disclosed`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    exhibit_fuzz::disclosed(bytes);
});
