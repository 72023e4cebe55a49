//! Data for the tests of the quantisers, the same on every machine, and sums that tests compare with.
#![allow(dead_code)]

/// SplitMix64, with sums of uniforms in place of the normal distribution.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Box and Muller's; the last bit may differ between machines, which no test asks about.
    pub(crate) fn normal(&mut self) -> f64 {
        let (u, v) = (self.uniform().max(1e-300), self.uniform());
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }
}

/// `n` vectors of independent normal values.
pub(crate) fn gaussian(n: usize, dim: usize, seed: u64) -> Vec<f32> {
    let mut random = Random(seed);
    (0..n * dim).map(|_| random.normal() as f32).collect()
}

/// `n` random directions.
pub(crate) fn directions(n: usize, dim: usize, seed: u64) -> Vec<f32> {
    let mut rows = gaussian(n, dim, seed);
    for row in rows.chunks_exact_mut(dim) {
        let length = dot(row, row).sqrt();
        for x in row {
            *x = (f64::from(*x) / length) as f32;
        }
    }
    rows
}

pub(crate) fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

pub(crate) fn l2_squared(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum()
}

/// Mean and standard deviation.
pub(crate) fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (mean, (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt())
}
