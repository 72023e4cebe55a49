//! Generated vectors and the exact truth about them.
#![allow(clippy::unwrap_used, clippy::expect_used, dead_code)]

use hnsw::{Metric, Neighbor};
use simd_kernels::Element;

/// Numbers that look random and are the same every time (SplitMix64).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Within -1 and 1.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    /// About normal.
    pub fn normal(&mut self) -> f64 {
        (0..6).map(|_| self.unit()).sum::<f64>() / 2f64.sqrt()
    }
}

/// `n` vectors around `clusters` centres.
pub fn clustered<T: Element>(
    n: usize,
    dim: usize,
    clusters: usize,
    seed: u64,
    scale: f64,
    shift: f64,
) -> Vec<T> {
    let mut random = Random(17);
    let centres: Vec<f64> = (0..clusters * dim).map(|_| random.normal()).collect();
    let mut random = Random(seed);
    let mut out = Vec::with_capacity(n * dim);
    for _ in 0..n {
        let cluster = random.next() as usize % clusters;
        for centre in &centres[cluster * dim..][..dim] {
            out.push(T::from_f64((centre + 0.5 * random.normal()) * scale + shift));
        }
    }
    out
}

/// The distance as the crate defines it, in `f64`.
pub fn distance<T: Element>(metric: Metric, a: &[T], b: &[T]) -> f64 {
    let pairs = || a.iter().zip(b).map(|(x, y)| (x.to_f64(), y.to_f64()));
    let dot: f64 = pairs().map(|(x, y)| x * y).sum();
    match metric {
        Metric::L2 => pairs().map(|(x, y)| (x - y) * (x - y)).sum(),
        Metric::InnerProduct => -dot,
        Metric::Cosine => {
            let norm = |v: &[T]| v.iter().map(|x| x.to_f64() * x.to_f64()).sum::<f64>().sqrt();
            1.0 - dot / (norm(a) * norm(b))
        }
        Metric::Hamming => pairs().map(|(x, y)| f64::from((x as u8 ^ y as u8).count_ones())).sum(),
        _ => unreachable!("every metric is listed"),
    }
}

/// All ids and distances, nearest first, ties by id.
pub fn truth<T: Element>(metric: Metric, base: &[T], dim: usize, query: &[T]) -> Vec<(u32, f64)> {
    let mut all: Vec<(u32, f64)> = base
        .chunks_exact(dim)
        .enumerate()
        .map(|(id, row)| (id as u32, distance(metric, query, row)))
        .collect();
    all.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
    all
}

/// The share of the `k` nearest that was found, ties forgiven.
pub fn recall(found: &[Neighbor], truth: &[(u32, f64)], k: usize) -> f64 {
    let k = k.min(truth.len());
    if k == 0 {
        return 1.0;
    }
    let limit = truth[k - 1].1;
    let limit = limit + limit.abs() * 1e-5 + 1e-6;
    found.iter().take(k).filter(|found| f64::from(found.distance) <= limit).count() as f64 / k as f64
}
