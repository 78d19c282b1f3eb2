//! Fuzzes the records of batches, decompressed.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ottla_fuzz::records::run(data));
