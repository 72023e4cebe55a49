//! Any bytes as rows that each state their dimension.
#![no_main]

use bench_harness::read;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for name in ["a.fvecs", "a.bvecs"] {
        if let Ok(vectors) = read::vectors_from_bytes(bytes, name, None) {
            assert!(vectors.bytes() < bytes.len());
        }
    }
    if let Ok(ids) = read::ids_from_bytes(bytes, "a.ivecs") {
        assert!(ids.data().iter().all(|&id| id <= i32::MAX as u32));
    }
});
