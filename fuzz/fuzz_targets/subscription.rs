//! Fuzzes what a member says of itself.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ottla_fuzz::subscription::run(data));
