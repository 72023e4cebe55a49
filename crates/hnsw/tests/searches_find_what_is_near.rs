//! Recall against brute force: every metric, element type and storage, small sets and large beams.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Random, clustered, recall, truth};
use hnsw::{BuildParams, Hnsw, Metric, Quality, SearchParams, Searcher, Storage};
use simd_kernels::{Element, Rows, bf16, f16};

/// Mean recall@10 of queries that are not in the set.
fn measured<T: Element>(
    base: &[T],
    queries: &[T],
    dim: usize,
    metric: Metric,
    storage: Storage,
    ef: usize,
) -> f64 {
    let params = BuildParams::new().storage(storage);
    let index = Hnsw::build(Rows::new(base, dim).unwrap(), metric, &params).unwrap();
    let mut searcher = Searcher::new().unwrap();
    let mut sum = 0.0;
    let mut count = 0.0;
    for query in queries.chunks_exact(dim) {
        let found = index.search(&mut searcher, query, &SearchParams::new(10, ef)).unwrap();
        assert_eq!(found.len(), 10);
        assert!(found.is_sorted());
        let truth = truth(metric, base, dim, query);
        for found in found {
            let exact = common::distance(metric, query, &base[found.id as usize * dim..][..dim]);
            let close = (f64::from(found.distance) - exact).abs() <= 1e-4 * (1.0 + exact.abs());
            assert!(close, "{metric:?} {}: {} is not {exact}", T::NAME, found.distance);
        }
        sum += recall(found, &truth, 10);
        count += 1.0;
    }
    sum / count
}

fn expect<T: Element>(
    dim: usize,
    metric: Metric,
    storage: Storage,
    ef: usize,
    least: f64,
    (scale, shift): (f64, f64),
) {
    let base = clustered::<T>(4000, dim, 40, 1, scale, shift);
    let queries = clustered::<T>(60, dim, 40, 2, scale, shift);
    let found = measured(&base, &queries, dim, metric, storage, ef);
    assert!(found >= least, "{metric:?} {} {storage:?} d={dim}: recall {found}", T::NAME);
}

#[test]
fn euclidean_vectors_of_every_type() {
    expect::<f32>(48, Metric::L2, Storage::Auto, 40, 0.95, (1.0, 0.0));
    expect::<f16>(48, Metric::L2, Storage::Auto, 40, 0.95, (1.0, 0.0));
    expect::<bf16>(48, Metric::L2, Storage::Auto, 40, 0.95, (1.0, 0.0));
    expect::<u8>(48, Metric::L2, Storage::Auto, 40, 0.95, (30.0, 128.0));
    expect::<i8>(48, Metric::L2, Storage::Auto, 40, 0.95, (30.0, 0.0));
}

#[test]
fn every_storage_walks() {
    for (storage, ef) in [
        (Storage::Full, 40),
        (Storage::Lines(1), 60),
        (Storage::Lines(3), 40),
        (Storage::Bytes, 40),
        (Storage::Bits, 300),
    ] {
        expect::<f32>(256, Metric::L2, storage, ef, 0.93, (1.0, 3.0));
        expect::<f32>(256, Metric::Cosine, storage, ef, 0.93, (1.0, 0.5));
    }
}

#[test]
fn angles_and_products() {
    expect::<f32>(100, Metric::Cosine, Storage::Auto, 40, 0.95, (1.0, 0.0));
    expect::<f16>(100, Metric::Cosine, Storage::Auto, 40, 0.95, (1.0, 0.0));
    expect::<u8>(100, Metric::Cosine, Storage::Full, 40, 0.95, (30.0, 128.0));
    expect::<f32>(200, Metric::InnerProduct, Storage::Auto, 80, 0.9, (1.0, 0.0));
}

/// Lengths that differ by a factor of ten: what maximum inner product search is about.
#[test]
fn products_of_vectors_of_very_different_lengths() {
    let dim = 200;
    let mut base = clustered::<f32>(4000, dim, 40, 1, 1.0, 0.0);
    let mut random = Random(9);
    for row in base.chunks_exact_mut(dim) {
        let length = 10f64.powf(random.unit()) as f32;
        row.iter_mut().for_each(|x| *x *= length);
    }
    let queries = clustered::<f32>(60, dim, 40, 2, 1.0, 0.0);
    for storage in [Storage::Auto, Storage::Full, Storage::Bytes] {
        let found = measured(&base, &queries, dim, Metric::InnerProduct, storage, 80);
        assert!(found >= 0.9, "{storage:?}: recall {found}");
    }
}

#[test]
fn bits_by_hamming_distance() {
    let mut random = Random(3);
    let centres: Vec<u64> = (0..40).map(|_| random.next()).collect();
    let mut draw = |n: usize| -> Vec<u8> {
        (0..n)
            .flat_map(|_| {
                let centre = centres[random.next() as usize % 40];
                let noise = random.next() & random.next() & random.next();
                [centre ^ noise, centre.rotate_left(7) ^ (random.next() & random.next() & random.next())]
            })
            .flat_map(u64::to_le_bytes)
            .collect()
    };
    let (base, queries) = (draw(4000), draw(60));
    let found = measured(&base, &queries, 16, Metric::Hamming, Storage::Auto, 60);
    assert!(found >= 0.95, "recall {found}");
}

/// A beam as wide as the set finds everything: every row can be reached.
#[test]
fn a_beam_as_wide_as_the_set_is_exact() {
    let dim = 40;
    // Clusters so far apart that no neighbour list would bridge them, with every tenth row a copy of another.
    let mut base = clustered::<f32>(3000, dim, 60, 1, 1.0, 0.0);
    for row in (0..3000).step_by(10) {
        base.copy_within((row / 20) * dim..(row / 20 + 1) * dim, row * dim);
    }
    for row in base.chunks_exact_mut(dim) {
        let far = row[0].signum() * row[1].signum();
        row.iter_mut().for_each(|x| *x += 1000.0 * far);
    }
    let params = BuildParams::new().degree(8).storage(Storage::Lines(1)).quality(Quality::Fast);
    let index = Hnsw::build(Rows::new(&base, dim).unwrap(), Metric::L2, &params).unwrap();
    let mut searcher = Searcher::new().unwrap();
    for query in base.chunks_exact(dim).step_by(499) {
        let found = index.search(&mut searcher, query, &SearchParams::new(3000, 3000)).unwrap();
        assert_eq!(found.len(), 3000);
        let mut ids: Vec<u32> = found.iter().map(|found| found.id).collect();
        ids.sort_unstable();
        assert!(ids.iter().copied().eq(0..3000));
    }
}

#[test]
fn one_searcher_serves_indexes_of_any_size() {
    let mut searcher = Searcher::new().unwrap();
    for n in [3000, 50, 4000, 1] {
        let base = clustered::<f32>(n, 64, 10, 1, 1.0, 0.0);
        let params = BuildParams::new().storage(Storage::Lines(1));
        let index = Hnsw::build(Rows::new(&base, 64).unwrap(), Metric::L2, &params).unwrap();
        let found = index.search(&mut searcher, &base[..64], &SearchParams::new(20, 100)).unwrap();
        assert_eq!((found.len(), found[0].id), (20.min(n), 0));
    }
}
