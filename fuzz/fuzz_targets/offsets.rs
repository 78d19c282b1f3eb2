//! Fuzzes records of `__consumer_offsets`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ottla_fuzz::offsets::run(data));
