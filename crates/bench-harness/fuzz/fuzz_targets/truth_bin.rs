//! Any bytes as a big-ann ground truth.
#![no_main]

use bench_harness::read;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(truth) = read::truth_from_bytes(bytes, "a.gtbin") {
        assert_eq!(truth.ids().len() * 8 + 8, bytes.len());
    }
});
