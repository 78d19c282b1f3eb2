//! Fuzzes the judgement over a produced batch.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ottla_fuzz::batch::run(data));
