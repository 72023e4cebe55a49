//! Data of known shape, and indexes of them.
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
    let mut random = Random(seed);
    let rank = dim.min(12);
    let basis: Vec<f64> = (0..rank * dim).map(|_| random.uniform()).collect();
    let centres: Vec<f64> = (0..16 * rank).map(|_| 2.0 * random.uniform()).collect();
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
    let largest = data.iter().fold(0.0f64, |largest, x| largest.max(x.abs()));
    data.iter()
        .map(|x| match T::NAME {
            "u8" => T::from_f64(128.0 + 127.0 * x / largest),
            "i8" => T::from_f64(127.0 * x / largest),
            _ => T::from_f64(*x),
        })
        .collect()
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
