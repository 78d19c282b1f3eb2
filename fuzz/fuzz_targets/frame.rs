//! Fuzzes frames off a stream, whatever the stream holds.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ottla_fuzz::frame::run(data));
