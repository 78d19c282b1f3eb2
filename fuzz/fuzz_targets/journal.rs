//! Fuzzes recovery from any journal.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ottla_fuzz::journal::run(data));
