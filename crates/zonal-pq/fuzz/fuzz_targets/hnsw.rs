//! Any bytes as an index, as they are and as edits of a sound one whose checksums are made right again: what opens is
//! searched.
#![no_main]

mod forge;

use std::sync::OnceLock;

use hnsw::{BuildParams, Hnsw, Metric, Quality, SearchParams, Searcher, Storage};
use layouts::AlignedVec;
use libfuzzer_sys::fuzz_target;
use simd_kernels::{Element, Rows};

use forge::forged;

fn sample<T: Element>(rows: usize, dim: usize, metric: Metric, storage: Storage) -> Vec<u8> {
    // Low-rank, so that a long vector's code is rotated.
    let element =
        |at: usize| T::from_f64(((at / dim * 37 + 11) % 101 * (at % dim * 13 % 7 + 1) % 127) as f64 + 1.0);
    let data: Vec<T> = (0..rows * dim).map(element).collect();
    let params = BuildParams::new().degree(4).seeds(4).quality(Quality::Fast).storage(storage);
    // The last is scanned, the others are walked.
    let params = if storage == Storage::Auto { params } else { params.experiment("scan_bytes", 0.0) };
    let index = Hnsw::build(Rows::new(&data, dim).unwrap(), metric, &params).unwrap();
    index.to_bytes().unwrap().to_vec()
}

fn samples() -> &'static [Vec<u8>] {
    static SAMPLES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    SAMPLES.get_or_init(|| {
        vec![
            sample::<f32>(30, 150, Metric::L2, Storage::Lines(1)),
            sample::<f32>(30, 3, Metric::Cosine, Storage::Full),
            sample::<u8>(30, 3, Metric::Hamming, Storage::Full),
            sample::<i8>(30, 9, Metric::InnerProduct, Storage::Lines(2)),
            sample::<f32>(30, 9, Metric::L2, Storage::Bytes),
            sample::<i8>(30, 9, Metric::Cosine, Storage::Bits),
            sample::<u8>(30, 9, Metric::L2, Storage::Auto),
        ]
    })
}

fn open<T: Element>(bytes: &[u8]) {
    let Ok(index) = Hnsw::<T>::from_bytes(AlignedVec::from_slice(bytes).unwrap()) else { return };
    let mut searcher = Searcher::new().unwrap();
    for dim in [3, 9, 150] {
        let query = vec![T::from_f64(3.0); dim];
        for (k, ef) in [(1, 1), (40, 10)] {
            if let Ok(found) = index.search(&mut searcher, &query, &SearchParams::new(k, ef)) {
                assert!(found.len() <= k && found.windows(2).all(|pair| pair[0] < pair[1]));
            }
        }
    }
    assert_eq!(index.to_bytes().unwrap().len(), bytes.len());
}

fn open_as_all(bytes: &[u8]) {
    open::<f32>(bytes);
    open::<u8>(bytes);
    open::<i8>(bytes);
}

fuzz_target!(|bytes: &[u8]| {
    open_as_all(bytes);
    if let Some(forged) = forged(bytes, samples()) {
        open_as_all(&forged);
    }
});
