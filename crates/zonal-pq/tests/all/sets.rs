//! Data of known shape, and the truth about them.
#![allow(dead_code, unreachable_pub, reason = "every test uses a part of it")]
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use simd_kernels::{Element, Rows};
use zonal_pq::{BuildParams, Metric, Neighbor, SearchParams, Searcher, ZonalPq};

/// SplitMix64.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// In -1 to 1.
    pub fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

/// Clusters in a space of few directions.
pub fn clustered(rows: usize, dim: usize, seed: u64) -> Vec<f64> {
    // The space is the same whatever the seed, so that queries lie where rows do.
    let mut shape = Random(77);
    let rank = dim.min(12);
    let basis: Vec<f64> = (0..rank * dim).map(|_| shape.uniform()).collect();
    let centres: Vec<f64> = (0..16 * rank).map(|_| 2.0 * shape.uniform()).collect();
    let mut random = Random(seed);
    let mut data = Vec::with_capacity(rows * dim);
    for _ in 0..rows {
        let centre = random.below(16) * rank;
        let place: Vec<f64> = (0..rank).map(|k| centres[centre + k] + 0.6 * random.uniform()).collect();
        for j in 0..dim {
            let along: f64 = (0..rank).map(|k| place[k] * basis[k * dim + j]).sum();
            data.push(along + 0.02 * random.uniform());
        }
    }
    data
}

/// As elements of `T`: bytes are spread over their range.
pub fn elements<T: Element>(data: &[f64]) -> Vec<T> {
    data.iter()
        .map(|x| match T::NAME {
            "u8" => T::from_f64((128.0 + 8.0 * x).clamp(0.0, 255.0).round()),
            "i8" => T::from_f64((8.0 * x).clamp(-128.0, 127.0).round()),
            _ => T::from_f64(*x),
        })
        .collect()
}

/// The distance by definition, in `f64`.
pub fn distance<T: Element>(a: &[T], b: &[T], metric: Metric) -> f64 {
    let pairs = || a.iter().zip(b).map(|(x, y)| (x.to_f64(), y.to_f64()));
    let dot: f64 = pairs().map(|(x, y)| x * y).sum();
    match metric {
        Metric::InnerProduct => -dot,
        Metric::Cosine => {
            let norm = |v: &[T]| v.iter().map(|x| x.to_f64() * x.to_f64()).sum::<f64>().sqrt();
            1.0 - dot / norm(a) / norm(b)
        }
        _ => pairs().map(|(x, y)| (x - y) * (x - y)).sum(),
    }
}

/// The `k` nearest rows that `accepts`, by comparing all.
pub fn truth<T: Element>(
    data: &[T],
    dim: usize,
    query: &[T],
    metric: Metric,
    k: usize,
    accepts: impl Fn(u32) -> bool,
) -> Vec<(u32, f64)> {
    let mut all: Vec<(u32, f64)> = data
        .chunks_exact(dim)
        .enumerate()
        .filter(|&(id, _)| accepts(id as u32))
        .map(|(id, row)| (id as u32, distance(query, row, metric)))
        .collect();
    all.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
    all.truncate(k);
    all
}

/// The share of the truth that was found, counting what is as near as the last of it.
pub fn recall(found: &[Neighbor], truth: &[(u32, f64)]) -> f64 {
    let Some(&(_, last)) = truth.last() else { return 1.0 };
    let within = |distance: f32| f64::from(distance) <= last + 1e-5 * last.abs() + 2e-7;
    found.iter().filter(|neighbor| within(neighbor.distance)).count().min(truth.len()) as f64
        / truth.len() as f64
}

pub fn build<T: Element>(data: &[T], dim: usize, metric: Metric, params: &BuildParams) -> ZonalPq<T> {
    ZonalPq::build(Rows::new(data, dim).unwrap(), metric, params).unwrap()
}

/// Ways to search: few zones and many, few candidates and many, more neighbours than there are.
pub const ASKED: [SearchParams; 5] = [
    SearchParams::new(7, 3),
    SearchParams::new(10, 9).rerank(60),
    SearchParams::new(1, 1).rerank(1),
    SearchParams::new(5, 100).reach(1.5),
    SearchParams::new(1000, 1000),
];

/// Answers to every seventeenth row, asked in every way.
pub fn answers<T: Element>(index: &ZonalPq<T>, data: &[T], dim: usize) -> Vec<Vec<Neighbor>> {
    let mut searcher = Searcher::new().unwrap();
    let mut all = Vec::new();
    for params in &ASKED {
        for query in data.chunks_exact(dim).step_by(17) {
            all.push(index.search(&mut searcher, query, params).unwrap().to_vec());
        }
    }
    all
}
