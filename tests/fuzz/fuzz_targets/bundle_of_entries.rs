//! See [`exhibit_fuzz::bundle_of_entries`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    exhibit_fuzz::bundle_of_entries(bytes);
});
