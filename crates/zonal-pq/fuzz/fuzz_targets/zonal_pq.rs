//! Any bytes as zones, read whole or zone by zone, as they are and as edits of a sound file whose checksums are made
//! right again: what opens is searched.
#![no_main]

mod forge;

use std::sync::OnceLock;

use forge::forged;
use layouts::AlignedVec;
use libfuzzer_sys::fuzz_target;
use simd_kernels::{Element, Rows};
use zonal_pq::quantiser::SymbolBits;
use zonal_pq::{BuildParams, DiskIndex, DiskSearcher, Metric, ScanCode, SearchParams, Searcher, ZonalPq};

const DIMS: [usize; 2] = [9, 40];

fn sample<T: Element>(rows: usize, dim: usize, metric: Metric, params: &BuildParams) -> [Vec<u8>; 2] {
    let element =
        |at: usize| T::from_f64(((at / dim * 37 + 11) % 101 * (at % dim * 13 % 7 + 1) % 127) as f64 + 1.0);
    let data: Vec<T> = (0..rows * dim).map(element).collect();
    let index = ZonalPq::build(Rows::new(&data, dim).unwrap(), metric, params).unwrap();
    let path = path();
    index.save_by_zone(&path).unwrap();
    [index.to_bytes().unwrap().to_vec(), std::fs::read(&path).unwrap()]
}

/// A file of this process.
fn path() -> std::path::PathBuf {
    std::env::temp_dir().join(format!("nigh-fuzz-{}", std::process::id()))
}

fn samples() -> &'static [Vec<u8>] {
    static SAMPLES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    SAMPLES.get_or_init(|| {
        let zones = |zones| BuildParams::new().zones(zones);
        let product = ScanCode::Product { subspaces: 5, bits: SymbolBits::Four };
        [
            sample::<f32>(90, 40, Metric::L2, &zones(5)),
            sample::<f32>(90, 9, Metric::Cosine, &zones(4).second(0.5)),
            sample::<i8>(90, 9, Metric::InnerProduct, &zones(3).code(ScanCode::Rabitq { bits: 2 })),
            sample::<i8>(90, 40, Metric::L2, &zones(3).code(ScanCode::Lvq { bits: 4 })),
            sample::<f32>(90, 40, Metric::InnerProduct, &zones(3).code(product)),
            sample::<f32>(90, 9, Metric::L2, &zones(60).experiment("graph_from", 30.0)),
        ]
        .concat()
    })
}

const ASKED: [SearchParams; 3] =
    [SearchParams::new(1, 1), SearchParams::new(7, 3).rerank(20), SearchParams::new(1000, 1000)];

fn open<T: Element>(bytes: &[u8]) {
    let queries = || DIMS.into_iter().map(|dim| vec![T::from_f64(3.0); dim]);
    if let Ok(index) = ZonalPq::<T>::from_bytes(AlignedVec::from_slice(bytes).unwrap()) {
        let mut searcher = Searcher::new().unwrap();
        for (query, params) in queries().flat_map(|query| ASKED.map(|params| (query.clone(), params))) {
            if let Ok(found) = index.search(&mut searcher, &query, &params) {
                assert!(found.len() <= params.k && found.windows(2).all(|pair| pair[0] < pair[1]));
            }
            let even = |id: u32| id % 2 == 0;
            if let Ok(found) = index.search_filtered(&mut searcher, &query, &params, &even) {
                assert!(found.iter().all(|found| found.id % 2 == 0));
            }
        }
        index.to_bytes().unwrap();
    }
    let path = path();
    std::fs::write(&path, bytes).unwrap();
    if let Ok(index) = DiskIndex::<T>::open(&path, 1 << 14) {
        let mut searcher = DiskSearcher::new().unwrap();
        for (query, params) in queries().flat_map(|query| ASKED.map(|params| (query.clone(), params))) {
            if let Ok(found) = index.search(&mut searcher, &query, &params) {
                assert!(found.len() <= params.k && found.is_sorted());
            }
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    open::<f32>(bytes);
    if let Some(forged) = forged(bytes, samples()) {
        open::<f32>(&forged);
        open::<i8>(&forged);
    }
});
