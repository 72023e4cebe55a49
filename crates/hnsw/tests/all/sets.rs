//! Data of known shape, and the truth about them.
#![allow(dead_code, unreachable_pub, reason = "every test uses a part of it")]
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use hnsw::{BuildParams, Hnsw, Metric, Neighbor, Quality, SearchParams, Searcher, Storage};
use simd_kernels::{Element, Rows};

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

/// Clusters in a space of few directions: what codes and rotations gain from.
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

/// Walks the graph where a set is small enough to be scanned.
pub fn walked() -> BuildParams {
    BuildParams::new().experiment("scan_bytes", 0.0)
}

/// Whether a search that is no wider than usual finds nearly everything by such codes.
pub fn is_faithful(storage: Storage) -> bool {
    storage != Storage::Bits
}

/// What a metric can walk by, and one that is scanned.
pub fn modes(metric: Metric) -> Vec<(BuildParams, bool)> {
    let all = [Storage::Auto, Storage::Full, Storage::Lines(1), Storage::Bytes, Storage::Bits];
    let count = if metric == Metric::Hamming { 2 } else { all.len() };
    let walked = all[..count].iter().map(|&storage| (walked().storage(storage), is_faithful(storage)));
    walked.chain([(BuildParams::new().quality(Quality::Fast), true)]).collect()
}

pub fn build<T: Element>(data: &[T], dim: usize, metric: Metric, params: &BuildParams) -> Hnsw<T> {
    Hnsw::build(Rows::new(data, dim).unwrap(), metric, params).unwrap()
}

pub fn search<T: Element>(index: &Hnsw<T>, query: &[T], k: usize, ef: usize) -> Vec<Neighbor> {
    let mut searcher = Searcher::new().unwrap();
    index.search(&mut searcher, query, &SearchParams::new(k, ef)).unwrap().to_vec()
}

/// The distance by its definition.
pub fn distance<T: Element>(metric: Metric, a: &[T], b: &[T]) -> f64 {
    let pairs = || a.iter().zip(b).map(|(x, y)| (x.to_f64(), y.to_f64()));
    let dot: f64 = pairs().map(|(x, y)| x * y).sum();
    match metric {
        Metric::L2 => pairs().map(|(x, y)| (x - y) * (x - y)).sum(),
        Metric::InnerProduct => -dot,
        Metric::Cosine => {
            let norm = |v: &[T]| v.iter().map(|x| x.to_f64() * x.to_f64()).sum::<f64>().sqrt();
            1.0 - (dot / norm(a) / norm(b)).clamp(-1.0, 1.0)
        }
        Metric::Hamming => pairs().map(|(x, y)| f64::from((x as u8 ^ y as u8).count_ones())).sum(),
        _ => unreachable!("no other metric"),
    }
}

/// All distances, nearest first, ties by the lower row.
pub fn truth<T: Element>(metric: Metric, data: &[T], query: &[T]) -> Vec<(f64, u32)> {
    let mut all: Vec<(f64, u32)> = (0..)
        .zip(data.chunks_exact(query.len()))
        .map(|(id, row)| (distance(metric, query, row), id))
        .collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    all
}

/// What every answer must be: at most `k` different rows that exist, nearest first, ties by the lower row, with
/// their true distances.
pub fn expect_sound<T: Element>(
    found: &[Neighbor],
    metric: Metric,
    data: &[T],
    query: &[T],
    k: usize,
    what: &str,
) {
    let rows = data.len() / query.len();
    assert!(found.len() <= k.min(rows), "{what}: {} of {k}", found.len());
    let mut seen = vec![false; rows];
    for neighbor in found {
        let seen = &mut seen[neighbor.id as usize];
        assert!(!*seen, "{what}: row {} twice", neighbor.id);
        *seen = true;
        let row = &data[neighbor.id as usize * query.len()..][..query.len()];
        let expected = distance(metric, query, row);
        let scale = match metric {
            Metric::Cosine => 1.0,
            Metric::InnerProduct => query.iter().zip(row).map(|(x, y)| (x.to_f64() * y.to_f64()).abs()).sum(),
            _ => expected,
        };
        let actual = f64::from(neighbor.distance);
        // Below the smallest normal numbers there are fewer and fewer digits.
        let near = (actual - expected).abs() <= 1e-5 * scale + 1e-40 || actual == f64::from(expected as f32);
        assert!(near, "{what}: row {} at {actual}, truly {expected}", neighbor.id);
        assert!(metric == Metric::InnerProduct || actual >= 0.0, "{what}: {actual} is negative");
    }
    for pair in found.windows(2) {
        assert!(pair[0] < pair[1], "{what}: {pair:?} out of order");
    }
}

/// The share of the true `k` nearest that were found; equal distances count as equal.
pub fn recall(found: &[Neighbor], truth: &[(f64, u32)], k: usize) -> f64 {
    let k = k.min(truth.len());
    if k == 0 {
        return 1.0;
    }
    let limit = truth[k - 1].0;
    let limit = limit + 1e-5 * limit.abs() + 1e-6;
    let hits = found.iter().take(k).filter(|neighbor| f64::from(neighbor.distance) <= limit).count();
    hits as f64 / k as f64
}
