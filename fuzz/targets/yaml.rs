#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| resnet_fuzz::targets::yaml(data));
