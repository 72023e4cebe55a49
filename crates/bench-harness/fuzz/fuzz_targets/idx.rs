//! Any bytes as an idx file.
#![no_main]

use bench_harness::read;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(vectors) = read::vectors_from_bytes(bytes, "a.idx", None) {
        assert!(vectors.bytes() < bytes.len());
    }
});
