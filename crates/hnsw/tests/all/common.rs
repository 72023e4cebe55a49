//! Generated vectors, and the exact answers that searches are held against.
#![allow(dead_code, clippy::unwrap_used, clippy::missing_panics_doc, missing_docs, unreachable_pub)]

use hnsw::{BuildParams, Hnsw, Metric, Neighbor, Storage};
use simd_kernels::Rows;

pub use crate::sets::Random;

impl Random {
    pub fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 24) as f32
    }

    /// About normal: the sum of twelve uniform numbers.
    pub fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.unit()).sum::<f32>() - 6.0
    }
}

pub const DIM: usize = 24;

/// Vectors in clusters; row `i` belongs to cluster `i % clusters`.
pub fn clustered(rows: usize, clusters: usize, seed: u64) -> Vec<f32> {
    let mut random = Random(41);
    let centers: Vec<f32> = (0..clusters * DIM).map(|_| 3.0 * random.normal()).collect();
    let mut random = Random(seed);
    (0..rows)
        .flat_map(|row| {
            let center = &centers[row % clusters * DIM..][..DIM];
            center.iter().map(|c| c + random.normal()).collect::<Vec<_>>()
        })
        .collect()
}

pub fn distance(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    let dot =
        |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum() };
    match metric {
        Metric::L2 => a.iter().zip(b).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum(),
        Metric::InnerProduct => -dot(a, b),
        _ => 1.0 - dot(a, b) / (dot(a, a) * dot(b, b)).sqrt(),
    }
}

/// All rows, nearest first.
pub fn exact(base: &[f32], query: &[f32], metric: Metric) -> Vec<Neighbor> {
    let mut all: Vec<Neighbor> = base
        .chunks_exact(DIM)
        .zip(0..)
        .map(|(row, id)| Neighbor::new(id, distance(metric, query, row) as f32))
        .collect();
    all.sort();
    all
}

pub fn build(base: &[f32], metric: Metric, storage: Storage) -> Hnsw<f32> {
    Hnsw::build(Rows::new(base, DIM).unwrap(), metric, &BuildParams::new().storage(storage)).unwrap()
}

/// The share of `truth` that lies within the distance of `found`'s ids.
pub fn recall(found: &[Neighbor], truth: &[Neighbor]) -> f64 {
    if truth.is_empty() {
        return 1.0;
    }
    truth.iter().filter(|near| found.iter().any(|found| found.id == near.id)).count() as f64
        / truth.len() as f64
}

pub fn sorted_and_unique(found: &[Neighbor]) -> bool {
    let mut ids: Vec<u32> = found.iter().map(|neighbor| neighbor.id).collect();
    ids.sort_unstable();
    ids.dedup();
    ids.len() == found.len() && found.windows(2).all(|pair| pair[0] <= pair[1])
}
