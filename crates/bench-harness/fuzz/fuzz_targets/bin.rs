//! Any bytes as a big-ann matrix.
#![no_main]

use bench_harness::read;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for name in ["a.fbin", "a.u8bin", "a.i8bin"] {
        if let Ok(vectors) = read::vectors_from_bytes(bytes, name, None) {
            assert_eq!(vectors.bytes() + 8, bytes.len());
        }
    }
    if let Ok(ids) = read::ids_from_bytes(bytes, "a.ibin") {
        assert_eq!(ids.data().len() * 4 + 8, bytes.len());
    }
});
