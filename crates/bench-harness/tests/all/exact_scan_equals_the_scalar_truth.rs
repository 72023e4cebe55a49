//! The exact scan against plain loops in `f64`, for every element type, metric, mode and number of threads.
// A test's helper may fail it, as the test itself may.
#![allow(clippy::unwrap_used, clippy::panic)]

use bench_harness::dataset::Metric;
use bench_harness::dtype::Dtype;
use bench_harness::engine::{Index, Neighbor};
use bench_harness::exact::ExactIndex;
use bench_harness::vectors::{Matrix, Vectors};
use simd_kernels::{Kernels, Tier};

const NUMBERS: [Dtype; 6] = [Dtype::F32, Dtype::F64, Dtype::F16, Dtype::Bf16, Dtype::U8, Dtype::I8];
const METRICS: [Metric; 4] = [Metric::L2, Metric::InnerProduct, Metric::Cosine, Metric::L1];

/// Small integers, which every element type holds exactly and whose few values make many ties; no row is all
/// zeros.
fn integers(rows: usize, dim: usize, seed: u64) -> Vec<f64> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % 4
    };
    (0..rows * dim).map(|at| if at % dim == 0 { 1.0 } else { next() as f64 }).collect()
}

fn vectors(data: &[f64], dim: usize, dtype: Dtype) -> Vectors {
    Vectors::F64(Matrix::new(data.to_vec(), dim).unwrap()).convert(dtype).unwrap().vectors
}

fn bits(rows: usize, bits: usize, seed: u64) -> Vectors {
    let ones: Vec<f64> = integers(rows, bits, seed).iter().map(|value| value % 2.0).collect();
    vectors(&ones, bits, Dtype::Bits)
}

fn distance(metric: Metric, a: &[f64], b: &[f64]) -> f64 {
    let pairs = || a.iter().zip(b);
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
    match metric {
        Metric::L2 => pairs().map(|(x, y)| (x - y) * (x - y)).sum::<f64>().sqrt(),
        Metric::InnerProduct => -dot(a, b),
        Metric::Cosine => {
            let (a_norm, b_norm) = (dot(a, a), dot(b, b));
            if a_norm == 0.0 || b_norm == 0.0 {
                1.0
            } else {
                1.0 - dot(a, b) * (1.0 / a_norm.sqrt()) * (1.0 / b_norm.sqrt())
            }
        }
        Metric::L1 => pairs().map(|(x, y)| (x - y).abs()).sum(),
        Metric::Hamming => pairs().filter(|(x, y)| x != y).count() as f64,
        Metric::Jaccard => {
            let any = pairs().filter(|(x, y)| **x + **y > 0.0).count() as f64;
            if any == 0.0 { 0.0 } else { 1.0 - dot(a, b) / any }
        }
        other => panic!("{other} is not known to this test"),
    }
}

/// All distances by (distance, id), the nearest `k`.
fn truth(base: &Vectors, queries: &Vectors, metric: Metric, k: usize) -> Vec<Vec<Neighbor>> {
    let row = |vectors: &Vectors, row: usize| -> Vec<f64> {
        (0..vectors.dim()).map(|column| vectors.get(row, column).unwrap()).collect()
    };
    let of_query = |query: usize| {
        let query = row(queries, query);
        let mut all: Vec<Neighbor> = (0..base.len())
            .map(|id| Neighbor { id: id as u32, distance: distance(metric, &query, &row(base, id)) })
            .collect();
        all.sort_by(|a, b| a.distance.total_cmp(&b.distance).then(a.id.cmp(&b.id)));
        all.truncate(k);
        all
    };
    (0..queries.len()).map(of_query).collect()
}

fn kernels() -> impl Iterator<Item = &'static Kernels> {
    Tier::ALL.iter().filter_map(|&tier| Kernels::for_tier(tier))
}

fn singles(index: &ExactIndex, queries: &Vectors, k: usize, threads: usize) -> Vec<Vec<Neighbor>> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let mut searcher = index.prepare(0, queries, k, threads).unwrap();
    pool.install(|| {
        (0..queries.len())
            .map(|query| {
                let mut found = Vec::new();
                searcher.single(query, &mut found).unwrap();
                found
            })
            .collect()
    })
}

fn batch(index: &ExactIndex, queries: &Vectors, k: usize, threads: usize) -> Vec<Vec<Neighbor>> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let mut found = Vec::new();
    let mut searcher = index.prepare(0, queries, k, threads).unwrap();
    pool.install(|| searcher.batch(&mut found)).unwrap();
    found.chunks(found.len() / queries.len()).map(<[_]>::to_vec).collect()
}

/// Equal ids, and distances within a few units in the last place of the coarsest arithmetic involved.
fn assert_close(found: &[Vec<Neighbor>], truth: &[Vec<Neighbor>], what: &str) {
    assert_eq!(found.len(), truth.len(), "{what}");
    for (query, (found, truth)) in found.iter().zip(truth).enumerate() {
        let ids = |list: &[Neighbor]| list.iter().map(|n| n.id).collect::<Vec<_>>();
        assert_eq!(ids(found), ids(truth), "{what}, query {query}");
        for (found, truth) in found.iter().zip(truth) {
            let error = (found.distance - truth.distance).abs();
            assert!(error <= 1e-6 * truth.distance.abs().max(1.0), "{what}: {found:?}, truth {truth:?}");
        }
    }
}

#[test]
fn every_dtype_metric_and_tier_finds_what_plain_loops_find() {
    // More rows than one chunk of the larger types, and a dimension with a tail.
    let (rows, dim, k) = (1500, 37, 10);
    let (base, queries) = (integers(rows, dim, 1), integers(37, dim, 2));
    for dtype in NUMBERS {
        let (base, queries) = (vectors(&base, dim, dtype), vectors(&queries, dim, dtype));
        for metric in METRICS {
            let truth = truth(&base, &queries, metric, k);
            for kernels in kernels() {
                let index = ExactIndex::new(kernels, &base, metric).unwrap();
                let what = format!("{dtype} {metric} {}", kernels.tier());
                assert_close(&singles(&index, &queries, k, 1), &truth, &what);
            }
        }
    }
}

#[test]
fn bit_strings_find_what_plain_loops_find() {
    for width in [5, 64, 257] {
        let (base, queries) = (bits(1200, width, 3), bits(35, width, 4));
        for metric in [Metric::Hamming, Metric::Jaccard] {
            let truth = truth(&base, &queries, metric, 10);
            for kernels in kernels() {
                let index = ExactIndex::new(kernels, &base, metric).unwrap();
                let found = singles(&index, &queries, 10, 1);
                if metric == Metric::Hamming {
                    assert_close(&found, &truth, "hamming");
                } else {
                    // Jaccard is held in f32: compare distances, as equal shares may round apart in f64.
                    for (found, truth) in found.iter().flatten().zip(truth.iter().flatten()) {
                        assert!((found.distance - truth.distance).abs() < 1e-6, "{found:?} {truth:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_batch_equals_single_queries_for_every_number_of_threads() {
    let (rows, dim, k) = (3000, 37, 7);
    // Fractions, so that sums round and a different order of addition would show.
    let fractions =
        |data: Vec<f64>| data.iter().enumerate().map(|(i, v)| v + (i % 17) as f64 / 19.0).collect();
    let (base, queries): (Vec<f64>, Vec<f64>) =
        (fractions(integers(rows, dim, 5)), fractions(integers(70, dim, 6)));
    for dtype in [Dtype::F32, Dtype::F64, Dtype::F16, Dtype::Bf16, Dtype::U8] {
        let (base, queries) = (vectors(&base, dim, dtype), vectors(&queries, dim, dtype));
        for metric in METRICS {
            let index = ExactIndex::new(Kernels::active().unwrap(), &base, metric).unwrap();
            let one = singles(&index, &queries, k, 1);
            for threads in [1, 2, 5] {
                assert_eq!(singles(&index, &queries, k, threads), one, "{dtype} {metric} single {threads}");
                assert_eq!(batch(&index, &queries, k, threads), one, "{dtype} {metric} batch {threads}");
            }
        }
    }
}

#[test]
fn equal_vectors_come_in_the_order_of_their_ids() {
    let base = vectors(&[1.0, 2.0].repeat(5000), 2, Dtype::F32);
    let queries = vectors(&[1.0, 2.0, 0.0, 1.0], 2, Dtype::F32);
    for metric in METRICS {
        let index = ExactIndex::new(Kernels::active().unwrap(), &base, metric).unwrap();
        for threads in [1, 3] {
            for found in singles(&index, &queries, 20, threads) {
                assert_eq!(found.iter().map(|n| n.id).collect::<Vec<_>>(), (0..20).collect::<Vec<_>>());
            }
        }
    }
}

#[test]
fn more_neighbours_than_vectors_gives_all_of_them() {
    let (base, queries) =
        (vectors(&integers(6, 3, 7), 3, Dtype::U8), vectors(&integers(2, 3, 8), 3, Dtype::U8));
    let index = ExactIndex::new(Kernels::active().unwrap(), &base, Metric::L2).unwrap();
    let truth = truth(&base, &queries, Metric::L2, 6);
    assert_close(&singles(&index, &queries, 100, 2), &truth, "single");
    assert_close(&batch(&index, &queries, 100, 2), &truth, "batch");
}

#[test]
fn scratch_of_one_search_does_not_show_in_the_next() {
    let (base, queries) =
        (vectors(&integers(900, 9, 9), 9, Dtype::I8), vectors(&integers(3, 9, 10), 9, Dtype::I8));
    let index = ExactIndex::new(Kernels::active().unwrap(), &base, Metric::L1).unwrap();
    let mut searcher = index.prepare(0, &queries, 5, 1).unwrap();
    let mut found = Vec::new();
    for round in 0..2 {
        for (query, truth) in truth(&base, &queries, Metric::L1, 5).iter().enumerate() {
            searcher.single(query, &mut found).unwrap();
            assert_eq!(&found, truth, "round {round}");
            searcher.batch(&mut found).unwrap();
        }
    }
}
