//! Range search, iteration, batches and recall targets against brute force and against one another.
#![allow(clippy::unwrap_used)]

use crate::common::{DIM, build, clustered, exact, recall, sorted_and_unique};
use hnsw::{
    BatchSearcher, BuildParams, Calibration, Error, Hnsw, IdSet, Metric, NO_NEIGHBOR, Neighbors,
    SearchParams, Searcher, Storage,
};
use simd_kernels::Rows;

const ROWS: usize = 3000;

#[test]
fn all_within_a_radius_are_found() {
    let (base, queries) = (clustered(ROWS, 20, 1), clustered(20, 20, 2));
    for (metric, storage) in [
        (Metric::L2, Storage::Lines(1)),
        (Metric::Cosine, Storage::Lines(1)),
        (Metric::InnerProduct, Storage::Full),
    ] {
        let index = build(&base, metric, storage);
        let mut searcher = Searcher::new().unwrap();
        for rank in [0, 3, 120, 800] {
            let (mut sum, mut all) = (0.0, 0.0);
            for query in queries.chunks_exact(DIM) {
                let truth = exact(&base, query, metric);
                // Between two rows: the rounding of neither decides.
                let radius = (truth[rank].distance + truth[rank + 1].distance) / 2.0;
                let found = index.search_range(&mut searcher, query, radius, 64).unwrap();
                assert!(sorted_and_unique(found));
                assert!(found.iter().all(|neighbor| neighbor.distance <= radius));
                sum += recall(found, &truth[..rank + 1]);
                all += 1.0;
                let near =
                    index.search_within(&mut searcher, query, radius, &SearchParams::new(10, 64)).unwrap();
                assert!(near.len() <= 10.min(rank + 1) && sorted_and_unique(near));
                assert!(near.iter().all(|neighbor| neighbor.distance <= radius));
            }
            assert!(sum / all >= 0.97, "{metric:?} {rank}: {}", sum / all);
        }
    }
}

#[test]
fn a_radius_is_inclusive_and_may_be_anything_but_nan() {
    let line: Vec<f32> = (0..500).map(|x| x as f32).collect();
    let index = Hnsw::build(Rows::new(&line, 1).unwrap(), Metric::L2, &BuildParams::new()).unwrap();
    let mut searcher = Searcher::new().unwrap();
    let mut count = |radius| index.search_range(&mut searcher, &[250.0], radius, 16).map(|found| found.len());
    assert_eq!(count(9.0).unwrap(), 7);
    assert_eq!(count(8.99).unwrap(), 5);
    assert_eq!(count(0.0).unwrap(), 1);
    assert_eq!(count(-1.0).unwrap(), 0);
    assert_eq!(count(f32::NEG_INFINITY).unwrap(), 0);
    assert_eq!(count(f32::INFINITY).unwrap(), 500);
    assert!(matches!(count(f32::NAN), Err(Error::Parameter { argument: "radius", .. })));
    assert!(matches!(
        index.search_within(&mut searcher, &[0.0], f32::NAN, &SearchParams::new(1, 16)),
        Err(Error::Parameter { argument: "radius", .. })
    ));
}

#[test]
fn an_iterator_yields_everything_once_and_nearly_in_order() {
    // One cluster: everything can be reached.
    let base = clustered(ROWS, 1, 1);
    let index = build(&base, Metric::L2, Storage::Lines(1));
    let mut searcher = Searcher::new().unwrap();
    let query = &clustered(1, 1, 9)[..];
    let truth = exact(&base, query, Metric::L2);
    let all: Vec<_> = index.iter(&mut searcher, query, 64).unwrap().map(Result::unwrap).collect();
    let mut ids: Vec<u32> = all.iter().map(|neighbor| neighbor.id).collect();
    ids.sort_unstable();
    assert!(ids.iter().copied().eq(0..ROWS as u32));
    assert!(recall(&all[..100], &truth[..100]) >= 0.97);
    let swaps = all.windows(2).filter(|pair| pair[0] > pair[1]).count();
    assert!(swaps < ROWS / 20, "{swaps} out of order");
    // With room for all, order is exact; dropping half-way leaves the scratch in order.
    for _ in 0..2 {
        let mut sorted = index.iter(&mut searcher, query, ROWS).unwrap();
        for near in &truth[..50] {
            assert_eq!(sorted.next().unwrap().unwrap().id, near.id);
        }
    }
    let mut ended = index.iter(&mut searcher, query, 8).unwrap();
    assert_eq!(ended.by_ref().count(), ROWS);
    assert!(ended.next().is_none());
}

#[test]
fn a_batch_is_its_single_searches_bit_for_bit() {
    let (base, queries) = (clustered(ROWS, 20, 1), clustered(150, 20, 2));
    for storage in [Storage::Lines(1), Storage::Full] {
        let index = build(&base, Metric::L2, storage);
        let (mut searcher, scratch) = (Searcher::new().unwrap(), BatchSearcher::new());
        for params in [SearchParams::new(10, 32), SearchParams::new(1, 1), SearchParams::new(70, 64)] {
            let k = params.k;
            let mut out = vec![NO_NEIGHBOR; 150 * k];
            index.search_batch(&scratch, Rows::new(&queries, DIM).unwrap(), &params, &mut out).unwrap();
            for (query, found) in queries.chunks_exact(DIM).zip(out.chunks_exact(k)) {
                let single = index.search(&mut searcher, query, &params).unwrap();
                let bits = |found: &[hnsw::Neighbor]| -> Vec<(u32, u32)> {
                    found.iter().map(|neighbor| (neighbor.id, neighbor.distance.to_bits())).collect()
                };
                assert_eq!(bits(single), bits(found));
            }
        }
    }
}

/// Codes of principal components: the queries of a block are turned together.
#[test]
fn queries_that_are_turned_together_are_those_that_are_turned_alone() {
    const WIDE: usize = 150;
    let mut state = 3u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    // Twelve directions and a little of every other, so that components are worth more than dimensions.
    let directions: Vec<f32> = (0..12 * WIDE).map(|_| next()).collect();
    let mut vectors = |rows: usize| -> Vec<f32> {
        let mut all = Vec::with_capacity(rows * WIDE);
        for _ in 0..rows {
            let weights: Vec<f32> = (0..12).map(|_| next()).collect();
            all.extend((0..WIDE).map(|at| {
                let sum: f32 =
                    weights.iter().zip(directions.chunks_exact(WIDE)).map(|(w, x)| w * x[at]).sum();
                sum + 0.05 * next() + 0.2
            }));
        }
        all
    };
    let (base, queries) = (vectors(2500), vectors(70));
    let halves = |all: &[f32]| all.iter().map(|&x| simd_kernels::f16::from_f32(x)).collect::<Vec<_>>();
    fn compare<T: simd_kernels::Element>(base: &[T], queries: &[T], metric: Metric) {
        let params = BuildParams::new().storage(Storage::Lines(1)).experiment("scan_bytes", 0.0);
        let index = Hnsw::build(Rows::new(base, WIDE).unwrap(), metric, &params).unwrap();
        let (mut searcher, scratch) = (Searcher::new().unwrap(), BatchSearcher::new());
        // So short a list is not refined into what any walk would find.
        let params = SearchParams::new(3, 3);
        let mut out = vec![NO_NEIGHBOR; queries.len() / WIDE * 3];
        index.search_batch(&scratch, Rows::new(queries, WIDE).unwrap(), &params, &mut out).unwrap();
        for (query, found) in queries.chunks_exact(WIDE).zip(out.chunks_exact(3)) {
            assert_eq!(index.search(&mut searcher, query, &params).unwrap(), found, "{metric:?}");
        }
    }
    for metric in [Metric::L2, Metric::InnerProduct, Metric::Cosine] {
        compare(&base, &queries, metric);
        compare(&halves(&base), &halves(&queries), metric);
    }
}

#[cfg(feature = "rayon")]
#[test]
fn a_batch_does_not_depend_on_threads() {
    let (base, queries) = (clustered(ROWS, 20, 1), clustered(300, 20, 2));
    let index = build(&base, Metric::L2, Storage::Lines(1));
    let scratch = BatchSearcher::new();
    let run = |threads| {
        let mut out = vec![NO_NEIGHBOR; 300 * 5];
        let params = SearchParams::new(5, 24);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            index.search_batch(&scratch, Rows::new(&queries, DIM).unwrap(), &params, &mut out).unwrap();
        });
        out
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(5));
    assert!(one.iter().all(|neighbor| neighbor.id != u32::MAX));
}

#[test]
fn a_batch_pads_and_names_the_first_bad_row() {
    let line = [1.0f32, 2.0, 3.0, 5.0];
    let index = Hnsw::build(Rows::new(&line, 1).unwrap(), Metric::L2, &BuildParams::new()).unwrap();
    let scratch = BatchSearcher::new();
    let batch = |queries: &[f32], k: usize, out: &mut [hnsw::Neighbor]| {
        index.search_batch(&scratch, Rows::new(queries, 1).unwrap(), &SearchParams::new(k, 8), out)
    };
    let mut out = [hnsw::Neighbor::new(0, -1.0); 12];
    batch(&[0.0, 6.0], 6, &mut out).unwrap();
    assert_eq!(
        out.map(|neighbor| neighbor.id),
        [0, 1, 2, 3, u32::MAX, u32::MAX, 3, 2, 1, 0, u32::MAX, u32::MAX]
    );
    assert_eq!(out[4], NO_NEIGHBOR);
    batch(&[], 6, &mut []).unwrap();
    batch(&[1.0], 0, &mut []).unwrap();
    assert!(matches!(batch(&[1.0], 6, &mut out), Err(Error::Shape(_))));
    let bad: Vec<f32> = (0..100).map(|row| if row % 40 == 39 { f32::NAN } else { 1.0 }).collect();
    let mut out = vec![NO_NEIGHBOR; 100];
    assert!(matches!(
        batch(&bad, 1, &mut out),
        Err(Error::NotFinite { argument: "queries", row: 39, column: 0 })
    ));
    let wide = Rows::new(&[1.0f32, 2.0][..], 2).unwrap();
    assert!(matches!(
        index.search_batch(&scratch, wide, &SearchParams::new(1, 1), &mut out[..1]),
        Err(Error::Dimension { argument: "queries", expected: 1, actual: 2 })
    ));
}

#[test]
fn a_recall_that_was_asked_for_is_reached() {
    let base = clustered(ROWS, 3, 1);
    let mut index = build(&base, Metric::L2, Storage::Lines(1));
    let mut searcher = Searcher::new().unwrap();
    let queries = clustered(300, 3, 5);
    let near = SearchParams::recall(10, 0.95);
    assert!(matches!(index.search(&mut searcher, &base[..DIM], &near), Err(Error::NotCalibrated)));
    let own = index.calibrate(None).unwrap().clone();
    assert_eq!(Calibration::from_slice(own.as_slice()).unwrap(), own);
    assert_eq!(&own, index.calibrate(None).unwrap());
    let mut efs = Vec::new();
    for target in [0.8f32, 0.9, 0.95, 0.99] {
        let params = SearchParams::recall(10, target);
        let mut sum = 0.0;
        for query in queries.chunks_exact(DIM) {
            let found = index.search(&mut searcher, query, &params).unwrap();
            sum += recall(found, &exact(&base, query, Metric::L2)[..10]);
        }
        let reached = sum / 300.0;
        assert!(reached >= f64::from(target) - 0.02, "{target}: {reached}");
        efs.push(own.ef_search(10, target).unwrap());
    }
    assert!(efs.is_sorted() && efs[0] < efs[3], "{efs:?}");
    let asked = index.calibrate(Some(Rows::new(&queries, DIM).unwrap())).unwrap();
    assert_ne!(&own, asked);
    let built = Hnsw::build(
        Rows::new(&base, DIM).unwrap(),
        Metric::L2,
        &BuildParams::new().storage(Storage::Lines(1)).calibrate(true),
    )
    .unwrap();
    assert_eq!(built.calibration(), Some(&own));
}

#[test]
fn a_calibration_refuses_what_it_cannot_answer() {
    let table = [1.0, 1.0, 0.5, 1.0, 4.0, 0.9, 10.0, 10.0, 0.7, 10.0, 30.0, 0.98];
    let calibration = Calibration::from_slice(&table).unwrap();
    assert_eq!(calibration.ef_search(1, 0.9).unwrap(), 4);
    assert_eq!(calibration.ef_search(2, 0.9).unwrap(), 30);
    assert_eq!(calibration.ef_search(15, 0.9).unwrap(), 60);
    assert!(matches!(calibration.ef_search(10, 0.99), Err(Error::Unreached { .. })));
    for target in [-0.1, 1.1, f32::NAN] {
        assert!(matches!(
            calibration.ef_search(10, target),
            Err(Error::Parameter { argument: "recall", .. })
        ));
    }
    assert!(matches!(Calibration::default().ef_search(1, 0.5), Err(Error::Unreached { .. })));
    for damaged in [
        &[1.0, 1.0][..],
        &[1.0, 0.0, 0.5],
        &[2.0, 1.0, 0.5],
        &[1.0, 1.5, 0.5],
        &[1.0, 1.0, 1.5],
        &[f32::NAN, 1.0, 0.5],
        &[1.0, 1.0, f32::NAN],
        &[1.0, 4.0, 0.9, 1.0, 1.0, 0.5],
    ] {
        assert!(matches!(Calibration::from_slice(damaged), Err(Error::Damaged { .. })), "{damaged:?}");
    }
    let mut one = build(&clustered(1, 1, 1), Metric::L2, Storage::Full);
    assert!(matches!(one.calibrate(None), Err(Error::Parameter { argument: "queries", .. })));
}

#[test]
fn one_searcher_serves_indexes_of_any_size() {
    let sizes = [3000, 40, 900, 2, 3000, 901];
    let bases: Vec<_> = sizes.iter().map(|&rows| clustered(rows, 5, rows as u64)).collect();
    let indexes: Vec<_> = bases
        .iter()
        .zip([
            Storage::Lines(1),
            Storage::Full,
            Storage::Lines(2),
            Storage::Full,
            Storage::Lines(1),
            Storage::Lines(1),
        ])
        .map(|(base, storage)| build(base, Metric::L2, storage))
        .collect();
    let mut shared = Searcher::new().unwrap();
    let query = &clustered(1, 5, 77)[..];
    let odd = |id: u32| id % 2 == 1;
    for round in 0..12 {
        let index = &indexes[round * 5 % sizes.len()];
        let params = SearchParams::new(1 + round * 3, 20);
        let mut fresh = Searcher::new().unwrap();
        assert_eq!(
            index.search(&mut shared, query, &params).unwrap(),
            index.search(&mut fresh, query, &params).unwrap()
        );
        let mut fresh = Searcher::new().unwrap();
        assert_eq!(
            index.search_filtered(&mut shared, query, &params, &odd).unwrap(),
            index.search_filtered(&mut fresh, query, &params, &odd).unwrap()
        );
        let mut fresh = Searcher::new().unwrap();
        assert_eq!(
            index.search_range(&mut shared, query, 60.0, 20).unwrap(),
            index.search_range(&mut fresh, query, 60.0, 20).unwrap()
        );
        let mut fresh = Searcher::new().unwrap();
        let ids = |searcher: &mut Searcher<f32>| -> Vec<u32> {
            index.iter(searcher, query, 10).unwrap().map(|neighbor| neighbor.unwrap().id).collect()
        };
        assert_eq!(ids(&mut shared), ids(&mut fresh));
    }
}

#[test]
fn public_types_cross_threads() {
    fn check<T: Send + Sync>() {}
    check::<Hnsw<f32>>();
    check::<Searcher<u8>>();
    check::<BatchSearcher<f32>>();
    check::<Neighbors<'_, f32>>();
    check::<IdSet>();
    check::<Calibration>();
    check::<SearchParams>();
    check::<BuildParams>();
    check::<Error>();
}
