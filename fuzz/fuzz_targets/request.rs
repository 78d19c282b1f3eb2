//! Fuzzes bodies of requests, by the API and version in the first bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ottla_fuzz::request::run(data));
