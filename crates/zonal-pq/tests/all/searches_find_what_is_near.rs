//! Searches against the truth by comparison: every metric, element type, way of building and way of searching.
#![allow(clippy::unwrap_used, reason = "tests fail by it")]
use crate::sets::{clustered, distance, elements, recall, truth};
use simd_kernels::{Element, Rows, bf16, f16};
use zonal_pq::quantiser::SymbolBits;
use zonal_pq::{
    BatchSearcher, BuildParams, Metric, NO_NEIGHBOR, Refine, ScanCode, SearchParams, Searcher, ZonalPq,
};

const K: usize = 10;

fn build<T: Element>(data: &[T], dim: usize, metric: Metric, params: &BuildParams) -> ZonalPq<T> {
    ZonalPq::build(Rows::new(data, dim).unwrap(), metric, params).unwrap()
}

/// Mean recall over queries, and that distances are what they say, sorted, ids unique.
fn measured<T: Element>(index: &ZonalPq<T>, data: &[T], queries: &[T], params: &SearchParams) -> f64 {
    let (dim, metric) = (index.dim(), index.metric());
    let mut searcher = Searcher::new().unwrap();
    let mut sum = 0.0;
    for query in queries.chunks_exact(dim) {
        let found = index.search(&mut searcher, query, params).unwrap();
        assert_eq!(found.len(), params.k.min(index.len()));
        assert!(found.windows(2).all(|pair| (pair[0].distance, pair[0].id) < (pair[1].distance, pair[1].id)));
        for neighbor in found {
            let exact = distance(query, &data[neighbor.id as usize * dim..][..dim], metric);
            let off = (f64::from(neighbor.distance) - exact).abs();
            assert!(off <= 1e-4 * exact.abs().max(1.0), "{neighbor:?} is at {exact}");
        }
        sum += recall(found, &truth(data, dim, query, metric, params.k, |_| true));
    }
    sum / (queries.len() / dim) as f64
}

fn every_metric<T: Element>(at_least: f64) {
    for (dim, rows) in [(24, 3000), (101, 2000)] {
        let data: Vec<T> = elements(&clustered(rows, dim, 1));
        let queries: Vec<T> = elements(&clustered(20, dim, 2));
        for metric in [Metric::L2, Metric::Cosine, Metric::InnerProduct] {
            for params in [
                BuildParams::new().zones(40).refine(Refine::Bytes),
                BuildParams::new().zones(40).second(0.5),
                BuildParams::new().zones(40).refine(Refine::Bytes).code(ScanCode::Components { dims: 16 }),
            ] {
                let index = build(&data, dim, metric, &params);
                let found = measured(&index, &data, &queries, &SearchParams::new(K, 40).rerank(200));
                assert!(
                    found >= at_least,
                    "{} {} d={dim} {params:?}: recall {found}",
                    T::NAME,
                    metric.name()
                );
            }
        }
    }
}

#[test]
fn all_zones_of_floats_hold_all_neighbours() {
    every_metric::<f32>(0.99);
}

#[test]
fn all_zones_of_halves_hold_all_neighbours() {
    every_metric::<f16>(0.99);
    every_metric::<bf16>(0.99);
}

#[test]
fn all_zones_of_bytes_hold_all_neighbours() {
    every_metric::<u8>(0.99);
    every_metric::<i8>(0.99);
}

#[test]
fn every_code_leads_to_the_neighbours() {
    let (dim, rows) = (50, 3000);
    let data: Vec<f32> = elements(&clustered(rows, dim, 1));
    let queries: Vec<f32> = elements(&clustered(20, dim, 2));
    for metric in [Metric::L2, Metric::Cosine, Metric::InnerProduct] {
        for (code, rerank) in [
            (ScanCode::Rabitq { bits: 1 }, 600),
            (ScanCode::Rabitq { bits: 2 }, 300),
            (ScanCode::Rabitq { bits: 4 }, 100),
            (ScanCode::Rabitq { bits: 7 }, 40),
            (ScanCode::Lvq { bits: 4 }, 100),
            (ScanCode::Lvq { bits: 8 }, 40),
            (ScanCode::Product { subspaces: 25, bits: SymbolBits::Four }, 300),
            (ScanCode::Product { subspaces: 25, bits: SymbolBits::Six }, 200),
            (ScanCode::Product { subspaces: 10, bits: SymbolBits::Eight }, 300),
        ] {
            let params = BuildParams::new().zones(30).code(code);
            let index = build(&data, dim, metric, &params);
            assert_eq!(index.code(), code);
            let found = measured(&index, &data, &queries, &SearchParams::new(K, 30).rerank(rerank));
            assert!(found >= 0.98, "{} {code:?}: recall {found}", metric.name());
            // Worse codes need to measure more: what they say is not noise.
            let few = measured(&index, &data, &queries, &SearchParams::new(K, 30).rerank(K));
            assert!(few > 0.3, "{} {code:?}: recall {few} without a choice", metric.name());
        }
    }
}

#[test]
fn more_zones_find_more_and_reach_saves_some() {
    let data: Vec<f32> = elements(&clustered(20_000, 32, 1));
    let queries: Vec<f32> = elements(&clustered(50, 32, 2));
    let index = build(&data, 32, Metric::L2, &BuildParams::new().zones(200));
    let at = |nprobe: usize, reach: f32| {
        let mut searcher = Searcher::new().unwrap();
        let params = SearchParams::new(K, nprobe).reach(reach);
        let mut sum = 0.0;
        for query in queries.chunks_exact(32) {
            let found = index.search(&mut searcher, query, &params).unwrap();
            sum += recall(found, &truth(&data, 32, query, Metric::L2, K, |_| true));
        }
        (sum / 50.0, searcher.work().0)
    };
    let (few, some, all) = (at(1, f32::INFINITY), at(20, f32::INFINITY), at(200, f32::INFINITY));
    assert!(few.0 < some.0 && some.0 <= all.0 && all.0 > 0.99, "{few:?} {some:?} {all:?}");
    assert!(few.1 < some.1 && some.1 < all.1 && all.1 == 50 * 20_000);
    let mut searcher = Searcher::new().unwrap();
    let cheap = SearchParams::new(K, 200).budget(1000);
    index.search(&mut searcher, &queries[..32], &cheap).unwrap();
    let largest = index.zone_sizes().into_iter().max().unwrap() as u64;
    assert!((1000..1000 + largest).contains(&searcher.work().0));
    let reached = at(20, 0.3);
    assert!(reached.1 < some.1 && reached.0 > few.0, "{reached:?}");
}

#[test]
fn batches_give_what_single_searches_give() {
    for metric in [Metric::L2, Metric::Cosine, Metric::InnerProduct] {
        let data: Vec<f32> = elements(&clustered(50_000, 40, 1));
        let queries: Vec<f32> = elements(&clustered(150, 40, 2));
        for build_params in [
            BuildParams::new().zones(70).refine(Refine::Bytes),
            BuildParams::new().zones(70).second(0.3),
            BuildParams::new().zones(70).code(ScanCode::Rabitq { bits: 2 }),
            BuildParams::new().zones(70).code(ScanCode::Lvq { bits: 4 }),
        ] {
            let index = build(&data, 40, metric, &build_params);
            for params in [
                SearchParams::new(K, 6),
                SearchParams::new(3, 30).reach(0.5).rerank(20),
                SearchParams::new(5, 70).budget(700),
            ] {
                let mut searcher = Searcher::new().unwrap();
                let mut expected = Vec::new();
                for query in queries.chunks_exact(40) {
                    expected.extend_from_slice(index.search(&mut searcher, query, &params).unwrap());
                }
                for threads in [1, 2] {
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                    let mut out = vec![NO_NEIGHBOR; 150 * params.k];
                    let rows = Rows::new(&queries, 40).unwrap();
                    let scratch = BatchSearcher::new();
                    pool.install(|| index.search_batch(&scratch, rows, &params, &mut out)).unwrap();
                    assert_eq!(out, expected, "{} {params:?}", metric.name());
                }
            }
        }
    }
}

#[test]
fn a_graph_over_centroids_leads_to_the_same_neighbours() {
    let data: Vec<u8> = elements(&clustered(20_000, 32, 1));
    let queries: Vec<u8> = elements(&clustered(60, 32, 2));
    let scanned = build(&data, 32, Metric::L2, &BuildParams::new().zones(2000));
    let led = build(&data, 32, Metric::L2, &BuildParams::new().zones(2000).experiment("graph_from", 100.0));
    let params = SearchParams::new(K, 40);
    let (a, b) = (measured(&scanned, &data, &queries, &params), measured(&led, &data, &queries, &params));
    assert!(a > 0.95 && (a - b).abs() < 0.01, "scan {a}, graph {b}");
}

#[test]
fn filters_hold_and_find_what_there_is() {
    let data: Vec<f32> = elements(&clustered(10_000, 24, 1));
    let queries: Vec<f32> = elements(&clustered(25, 24, 2));
    let index = build(&data, 24, Metric::L2, &BuildParams::new().zones(100));
    let mut searcher = Searcher::new().unwrap();
    for one_in in [2u32, 10, 100, 1000, 20_000] {
        let accepts = |id: u32| id.wrapping_mul(2_654_435_761) % one_in == 1;
        let matches = (0..10_000).filter(|&id| accepts(id)).count();
        let set = zonal_pq::IdSet::from_ids((0..10_000).filter(|&id| accepts(id))).unwrap();
        let mut sum = 0.0;
        for query in queries.chunks_exact(24) {
            let params = SearchParams::new(K, 10);
            let found = index.search_filtered(&mut searcher, query, &params, &accepts).unwrap().to_vec();
            assert_eq!(found.len(), K.min(matches), "one in {one_in}");
            assert!(found.iter().all(|neighbor| accepts(neighbor.id)));
            sum += recall(&found, &truth(&data, 24, query, Metric::L2, K, accepts));
            let by_set = index.search_filtered(&mut searcher, query, &params, &set).unwrap();
            assert_eq!(by_set.len(), K.min(matches));
        }
        assert!(sum / 25.0 > 0.95, "one in {one_in}: recall {}", sum / 25.0);
    }
}

#[test]
fn ranges_hold_what_is_within_them() {
    for metric in [Metric::L2, Metric::Cosine, Metric::InnerProduct] {
        let data: Vec<f32> = elements(&clustered(4000, 24, 1));
        let queries: Vec<f32> = elements(&clustered(20, 24, 2));
        let index = build(&data, 24, metric, &BuildParams::new().zones(50));
        let mut searcher = Searcher::new().unwrap();
        for query in queries.chunks_exact(24) {
            let near = truth(&data, 24, query, metric, 60, |_| true);
            let radius = (near[40].1 + near[41].1) as f32 / 2.0;
            let found = index.search_range(&mut searcher, query, radius, index.zones()).unwrap();
            let ids: Vec<u32> = found.iter().map(|neighbor| neighbor.id).collect();
            let expected: Vec<u32> = near[..41].iter().map(|x| x.0).collect();
            assert!(found.iter().all(|neighbor| neighbor.distance <= radius));
            let same = ids.len() == 41 && expected.iter().all(|id| ids.contains(id));
            assert!(same, "{}: {ids:?} {expected:?}", metric.name());
            let params = SearchParams::new(5, index.zones());
            let few = index.search_within(&mut searcher, query, radius, &params).unwrap();
            assert_eq!(few.len(), 5);
            let none = index.search_within(&mut searcher, query, near[0].1 as f32 - 1.0, &params).unwrap();
            assert!(none.is_empty(), "{none:?}");
        }
    }
}

#[test]
fn a_calibrated_index_keeps_its_word() {
    let data: Vec<f32> = elements(&clustered(20_000, 32, 1));
    let queries: Vec<f32> = elements(&clustered(200, 32, 2));
    let mut index = build(&data, 32, Metric::L2, &BuildParams::new().zones(200));
    let mut searcher = Searcher::new().unwrap();
    let wanted = SearchParams::recall(K, 0.9);
    assert!(matches!(
        index.search(&mut searcher, &queries[..32], &wanted),
        Err(zonal_pq::Error::NotCalibrated)
    ));
    let table = index.calibrate(None).unwrap().clone();
    assert_eq!(zonal_pq::Calibration::from_slice(table.as_slice()).unwrap(), table);
    for target in [0.8, 0.95] {
        let mut sum = 0.0;
        for query in queries.chunks_exact(32) {
            let found = index.search(&mut searcher, query, &SearchParams::recall(K, target)).unwrap();
            sum += recall(found, &truth(&data, 32, query, Metric::L2, K, |_| true));
        }
        assert!(sum / 200.0 > f64::from(target) - 0.04, "asked for {target}, found {}", sum / 200.0);
    }
}

#[test]
fn bytes_are_kept_beside_wide_vectors_that_are_not_short() {
    let bytes = |dim: usize, refine: Refine| {
        let data: Vec<f32> = elements(&clustered(500, dim, 3));
        build(&data, dim, Metric::L2, &BuildParams::new().refine(refine)).memory_bytes()
    };
    for dim in [8, 64, 65, 200] {
        let auto = bytes(dim, Refine::Auto);
        assert_eq!(auto, bytes(dim, if dim > 64 { Refine::Bytes } else { Refine::Vectors }), "{dim}");
        assert!(bytes(dim, Refine::Vectors) < bytes(dim, Refine::Bytes));
    }
}
