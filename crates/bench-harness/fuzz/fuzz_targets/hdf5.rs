//! Any bytes as an HDF5 data set.
#![no_main]

use bench_harness::read;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(set) = read::hdf5_from_bytes(bytes, "a.hdf5") {
        // Deflate cannot unpack more than this.
        assert!(set.base.bytes() <= 1032 * bytes.len());
    }
});
