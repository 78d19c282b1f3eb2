//! Fuzzes records of `__cluster_metadata`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ottla_fuzz::metadata::run(data));
