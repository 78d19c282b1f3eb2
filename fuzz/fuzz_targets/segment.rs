//! Fuzzes opening and reading any segment, index and snapshot.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ottla_fuzz::segment::run(data));
