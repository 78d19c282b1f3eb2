//! Fuzzes records of `__transaction_state`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ottla_fuzz::transactions::run(data));
