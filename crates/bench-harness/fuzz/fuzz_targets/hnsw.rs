//! Any bytes as an index, as they are and as edits of a sound one whose checksums are made right again: what opens is
//! searched.
#![no_main]

use std::sync::OnceLock;

use hnsw::{BuildParams, Hnsw, Metric, Quality, SearchParams, Searcher, Storage};
use layouts::AlignedVec;
use libfuzzer_sys::fuzz_target;
use simd_kernels::{Element, Rows};
use xxhash_rust::xxh3::xxh3_64;

const FRONT: usize = 64;

fn sample<T: Element>(rows: usize, dim: usize, metric: Metric, storage: Storage) -> Vec<u8> {
    // Low-rank, so that a long vector's code is rotated.
    let element = |at: usize| T::from_f64(((at / dim * 37 + 11) % 101 * (at % dim * 13 % 7 + 1) % 127) as f64 + 1.0);
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

/// Makes every checksum that can be reached right again.
fn reseal(bytes: &mut [u8]) {
    let word = |bytes: &[u8], at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
    let count = u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize;
    let end = FRONT.saturating_add(count.saturating_mul(64));
    if end <= bytes.len() {
        for entry in (FRONT..end).step_by(64) {
            let (offset, len) = (word(bytes, entry + 24), word(bytes, entry + 32));
            if let Some(section) = bytes.get(offset..offset.saturating_add(len)) {
                let checksum = xxh3_64(section);
                bytes[entry + 40..entry + 48].copy_from_slice(&checksum.to_le_bytes());
            }
        }
        let checksum = xxh3_64(&bytes[FRONT..end]);
        bytes[48..56].copy_from_slice(&checksum.to_le_bytes());
    }
    let checksum = xxh3_64(&bytes[..56]);
    bytes[56..64].copy_from_slice(&checksum.to_le_bytes());
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
    let Some((&first, edits)) = bytes.split_first() else { return };
    let samples = samples();
    let mut forged = samples[usize::from(first) % samples.len()].clone();
    // Each a place (two bytes) and what is written there (four).
    for edit in edits.chunks_exact(6) {
        let at = usize::from(u16::from_le_bytes([edit[0], edit[1]])) % forged.len();
        let len = (forged.len() - at).min(4);
        forged[at..at + len].copy_from_slice(&edit[2..2 + len]);
    }
    reseal(&mut forged);
    open_as_all(&forged);
});
