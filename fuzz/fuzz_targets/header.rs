//! Fuzzes headers of requests and answers.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ottla_fuzz::header::run(data));
