#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| darkslide_format::fuzzing::previews(data));
