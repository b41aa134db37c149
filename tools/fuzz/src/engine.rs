//! libFuzzer with the target that `LATEEN_FUZZ` names.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::chosen()(data));
