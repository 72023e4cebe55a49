//! Recall against brute force: every metric, element type and storage; and exact where the beam holds everything.
#![allow(clippy::unwrap_used)]

use crate::sets::{Random, clustered, elements, expect_sound, recall, truth};
use hnsw::{BuildParams, Hnsw, Metric, Quality, SearchParams, Searcher, Storage};
use simd_kernels::{Element, Rows, bf16, f16};

const ROWS: usize = 4000;
const QUERIES: usize = 60;

/// Mean recall@10 of the last vectors of `data` among the others.
fn measured<T: Element>(data: &[T], dim: usize, metric: Metric, storage: Storage, ef: usize) -> f64 {
    let (base, queries) = data.split_at(data.len() - QUERIES * dim);
    let index =
        Hnsw::build(Rows::new(base, dim).unwrap(), metric, &BuildParams::new().storage(storage)).unwrap();
    let mut searcher = Searcher::new().unwrap();
    let mut sum = 0.0;
    for query in queries.chunks_exact(dim) {
        let found = index.search(&mut searcher, query, &SearchParams::new(10, ef)).unwrap();
        assert_eq!(found.len(), 10);
        expect_sound(found, metric, base, query, 10, T::NAME);
        sum += recall(found, &truth(metric, base, query), 10);
    }
    sum / QUERIES as f64
}

fn expect<T: Element>(dim: usize, metric: Metric, storage: Storage, ef: usize, least: f64) {
    let data: Vec<T> = elements(&clustered(ROWS + QUERIES, dim, 5));
    let found = measured(&data, dim, metric, storage, ef);
    assert!(found >= least, "{metric:?} {} {storage:?} d={dim}: recall {found}", T::NAME);
}

#[test]
fn euclidean_vectors_of_every_type() {
    expect::<f32>(48, Metric::L2, Storage::Auto, 40, 0.95);
    expect::<f16>(48, Metric::L2, Storage::Auto, 40, 0.95);
    expect::<bf16>(48, Metric::L2, Storage::Auto, 40, 0.95);
    expect::<u8>(48, Metric::L2, Storage::Auto, 40, 0.95);
    expect::<i8>(48, Metric::L2, Storage::Auto, 40, 0.95);
}

/// 256 dimensions are too many for a scan: these walk.
#[test]
fn every_storage_walks() {
    for (storage, ef) in [
        (Storage::Full, 40),
        (Storage::Lines(1), 60),
        (Storage::Lines(3), 40),
        (Storage::Bytes, 40),
        (Storage::Bits, 400),
    ] {
        expect::<f32>(256, Metric::L2, storage, ef, 0.93);
        expect::<f32>(256, Metric::Cosine, storage, ef, 0.93);
    }
}

#[test]
fn angles_and_products() {
    expect::<f32>(100, Metric::Cosine, Storage::Auto, 40, 0.95);
    expect::<f16>(100, Metric::Cosine, Storage::Auto, 40, 0.95);
    expect::<u8>(256, Metric::Cosine, Storage::Full, 40, 0.95);
    expect::<f32>(200, Metric::InnerProduct, Storage::Auto, 80, 0.9);
}

/// Lengths that differ by a factor of a hundred: what maximum inner product search is about.
#[test]
fn products_of_vectors_of_very_different_lengths() {
    let dim = 200;
    let mut data: Vec<f32> = elements(&clustered(ROWS + QUERIES, dim, 5));
    let mut random = Random(9);
    for row in data.chunks_exact_mut(dim).take(ROWS) {
        let length = 10f64.powf(random.uniform()) as f32;
        row.iter_mut().for_each(|x| *x *= length);
    }
    for storage in [Storage::Auto, Storage::Full, Storage::Bytes] {
        let found = measured(&data, dim, Metric::InnerProduct, storage, 80);
        assert!(found >= 0.9, "{storage:?}: recall {found}");
    }
}

#[test]
fn bits_by_hamming_distance() {
    let mut random = Random(3);
    let centres: Vec<u64> = (0..40).map(|_| random.next()).collect();
    let mut noisy = |word: u64| word ^ (random.next() & random.next() & random.next());
    let data: Vec<u8> = (0..ROWS + QUERIES)
        .flat_map(|row| {
            let centre = centres[row % 40];
            [noisy(centre), noisy(centre.rotate_left(7))]
        })
        .flat_map(u64::to_le_bytes)
        .collect();
    let found = measured(&data, 16, Metric::Hamming, Storage::Auto, 60);
    assert!(found >= 0.95, "recall {found}");
}

/// A beam as wide as the set finds everything: every row can be reached, however far apart they lie, and equal ones
/// are all told.
#[test]
fn a_beam_as_wide_as_the_set_is_exact() {
    let (rows, dim) = (3000, 300);
    let mut data: Vec<f32> = elements(&clustered(rows, dim, 1));
    for row in (0..rows).step_by(10) {
        data.copy_within((row / 20) * dim..(row / 20 + 1) * dim, row * dim);
    }
    // Islands that no neighbour list would bridge.
    for row in data.chunks_exact_mut(dim) {
        let far = row[0].signum() + 2.0 * row[1].signum();
        row.iter_mut().for_each(|x| *x += 1000.0 * far);
    }
    let params = BuildParams::new().degree(8).storage(Storage::Lines(1)).quality(Quality::Fast);
    let index = Hnsw::build(Rows::new(&data, dim).unwrap(), Metric::L2, &params).unwrap();
    let mut searcher = Searcher::new().unwrap();
    for query in data.chunks_exact(dim).step_by(499) {
        let found = index.search(&mut searcher, query, &SearchParams::new(rows, rows)).unwrap();
        assert_eq!(found.len(), rows);
        expect_sound(found, Metric::L2, &data, query, rows, "all");
    }
}

#[test]
fn one_searcher_serves_indexes_of_any_size() {
    let mut searcher = Searcher::new().unwrap();
    for rows in [3000, 50, 4000, 1] {
        let data: Vec<f32> = elements(&clustered(rows, 256, 1));
        let params = BuildParams::new().storage(Storage::Lines(1));
        let index = Hnsw::build(Rows::new(&data, 256).unwrap(), Metric::L2, &params).unwrap();
        let found = index.search(&mut searcher, &data[..256], &SearchParams::new(20, 100)).unwrap();
        assert_eq!((found.len(), found[0].id), (20.min(rows), 0));
    }
}
