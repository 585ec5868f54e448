#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| crutils_fuzz::deleted::check(data));
