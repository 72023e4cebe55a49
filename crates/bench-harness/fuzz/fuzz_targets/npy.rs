//! Any bytes as a numpy array, of vectors and of ids.
#![no_main]

use bench_harness::read;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(vectors) = read::vectors_from_bytes(bytes, "a.npy", None) {
        assert!(vectors.bytes() < bytes.len());
    }
    if let Ok(ids) = read::ids_from_bytes(bytes, "a.npy") {
        assert!(ids.data().len() * 4 < bytes.len());
    }
});
