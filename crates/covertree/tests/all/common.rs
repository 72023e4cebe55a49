//! Brute force, by the plainest loops, and points to try it on.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use covertree::{Neighbor, VectorMetric};

/// A reproducible stream of numbers (splitmix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// In 0..1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub(crate) fn rows(&mut self, n: usize, dim: usize) -> Vec<f64> {
        (0..n * dim).map(|_| self.unit() * 2.0 - 1.0).collect()
    }
}

/// `(lat, lon)` in degrees on the unit sphere.
fn on_sphere(row: &[f64]) -> Vec<f64> {
    let (latitude, longitude) = (row[0].to_radians(), (row[1] % 360.0).to_radians());
    vec![latitude.cos() * longitude.cos(), latitude.cos() * longitude.sin(), latitude.sin()]
}

fn direction(row: &[f64]) -> Vec<f64> {
    let largest = row.iter().fold(0.0f64, |largest, x| largest.max(x.abs()));
    let length = row.iter().map(|x| (x / largest) * (x / largest)).sum::<f64>().sqrt();
    row.iter().map(|x| x / largest / length).collect()
}

fn squared(a: &[f64], b: &[f64]) -> f64 {
    let mut sum = 0.0;
    for (a, b) in a.iter().zip(b) {
        sum += (a - b) * (a - b);
    }
    sum
}

/// What the metric compares, and the distance.
pub(crate) fn measure(metric: VectorMetric, a: &[f64], b: &[f64]) -> (f64, f64) {
    let arc = |squared: f64| 2.0 * (squared.sqrt() / 2.0).min(1.0).asin();
    match metric {
        VectorMetric::L1 => {
            let mut sum = 0.0;
            for (a, b) in a.iter().zip(b) {
                sum += (a - b).abs();
            }
            (sum, sum)
        }
        VectorMetric::Angular => {
            let chord = squared(&direction(a), &direction(b));
            (chord, arc(chord))
        }
        VectorMetric::GreatCircle { radius } => {
            let chord = squared(&on_sphere(a), &on_sphere(b));
            (chord, radius * arc(chord))
        }
        _ => {
            let sum = squared(a, b);
            (sum, sum.sqrt())
        }
    }
}

/// The `k` nearest of the points for which `accept` holds, within `radius`.
pub(crate) fn nearest(
    measured: impl Iterator<Item = (u32, (f64, f64))>,
    k: usize,
    radius: f64,
    accept: impl Fn(u32) -> bool,
) -> Vec<Neighbor<f64>> {
    let mut all: Vec<(f64, u32, f64)> = measured
        .filter(|&(id, _)| accept(id))
        .map(|(id, (compared, distance))| (compared, id, distance))
        .collect();
    all.sort_by(|a, b| a.0.partial_cmp(&b.0).unwrap().then(a.1.cmp(&b.1)));
    all.truncate(k);
    let mut found: Vec<_> = all
        .into_iter()
        .filter(|a| a.2 <= radius)
        .map(|(_, id, distance)| Neighbor::new(id, distance))
        .collect();
    found.sort();
    found
}

pub(crate) fn brute_force(
    rows: &[f64],
    dim: usize,
    metric: VectorMetric,
    query: &[f64],
    k: usize,
    radius: f64,
    accept: impl Fn(u32) -> bool,
) -> Vec<Neighbor<f64>> {
    let measured =
        rows.chunks_exact(dim).enumerate().map(|(id, row)| (id as u32, measure(metric, query, row)));
    nearest(measured, k, radius, accept)
}

/// The same ids at the same distances, bit for bit.
pub(crate) fn assert_same(found: &[Neighbor<f64>], expected: &[Neighbor<f64>], what: &str) {
    let plain = |all: &[Neighbor<f64>]| all.iter().map(|n| (n.id, n.distance.to_bits())).collect::<Vec<_>>();
    assert_eq!(plain(found), plain(expected), "{what}");
}
