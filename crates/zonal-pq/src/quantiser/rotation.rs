//! A random rotation in O(D log D): sign flips, Walsh–Hadamard transforms and Kac steps.

use simd_kernels::Kernels;

use super::error::{expect_finite, expect_len};
use super::random::Random;
use super::{Error, expect_dim};

/// Rounds of flips and transforms.
const ROUNDS: usize = 4;

/// A random rotation of `dim` dimensions, any number from 1 on, without padding.
///
/// With T the greatest power of two not above `dim`, each of four rounds flips random signs, transforms the first
/// T values (in rounds 0 and 2) or the last T (in rounds 1 and 3) by the orthonormal Walsh–Hadamard matrix, and,
/// unless T is `dim`, replaces the pairs (x, y) of the two halves by (x + y, x − y) / √2: the "FHT-Kac" rotation
/// of the RaBitQ library (Gao and Long, SIGMOD 2024; code: VectorDB-NTU/RaBitQ-Library). With an odd `dim` the value
/// in the middle has no partner and stays.
///
/// The same seed gives the same rotation everywhere, and the same bits on every tier. Lengths and inner products
/// are kept within some 1e-6 of the lengths. Below about 64 dimensions the four rounds are less thorough than a
/// rotation drawn from all, and estimates spread a little more.
///
/// ```
/// use simd_kernels::Kernels;
/// use zonal_pq::quantiser::Rotation;
/// let (kernels, rotation) = (Kernels::active()?, Rotation::new(3, 42)?);
/// let (mut rotated, mut back) = ([0.0f32; 3], [0.0f32; 3]);
/// rotation.apply(kernels, &[3.0, 0.0, 4.0], &mut rotated)?;
/// assert!((rotated.iter().map(|x| x * x).sum::<f32>() - 25.0).abs() < 1e-4);
/// rotation.invert(kernels, &rotated, &mut back)?;
/// assert!((back[0] - 3.0).abs() < 1e-5 && back[1].abs() < 1e-5 && (back[2] - 4.0).abs() < 1e-5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Rotation {
    dim: usize,
    seed: u64,
    /// The greatest power of two not above `dim`.
    power: usize,
    /// Sign bits of the four rounds, as masks of an `f32`.
    masks: Vec<u32>,
}

impl Rotation {
    /// The rotation of `seed`. O(dim).
    ///
    /// # Errors
    /// [`Error::Parameter`] unless `dim` is in 1..=32,768.
    pub fn new(dim: usize, seed: u64) -> Result<Self, Error> {
        expect_dim(dim)?;
        let mut random = Random::new(seed);
        let mut masks = Vec::with_capacity(ROUNDS * dim);
        for _ in 0..ROUNDS {
            // A word serves 64 dimensions, bit i the i-th.
            for start in (0..dim).step_by(64) {
                let word = random.next();
                masks.extend((start..dim.min(start + 64)).map(|i| ((word >> (i - start) & 1) as u32) << 31));
            }
        }
        Ok(Self { dim, seed, power: 1 << dim.ilog2(), masks })
    }

    /// Dimensions of a vector, before and after.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The seed, from which the same rotation can be made again.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Writes the rotated `vector` to `out`. O(dim log dim), no allocation.
    ///
    /// # Errors
    /// [`Error::Length`] unless both hold `dim` values; [`Error::NotFinite`] if `vector` holds NaN or infinity;
    /// [`Error::TooLarge`] if values overflow on the way (only above 1e37).
    pub fn apply(&self, kernels: &'static Kernels, vector: &[f32], out: &mut [f32]) -> Result<(), Error> {
        self.check(vector, out)?;
        out.copy_from_slice(vector);
        for (round, masks) in self.masks.chunks_exact(self.dim).enumerate() {
            flip(out, masks);
            self.transform(kernels, round, out)?;
            self.kac(out);
        }
        self.rescale(out)
    }

    /// Writes to `out` the vector that [`apply`](Self::apply) turns into `vector`. O(dim log dim), no allocation.
    ///
    /// # Errors
    /// As for [`apply`](Self::apply).
    pub fn invert(&self, kernels: &'static Kernels, vector: &[f32], out: &mut [f32]) -> Result<(), Error> {
        self.check(vector, out)?;
        out.copy_from_slice(vector);
        for (round, masks) in self.masks.chunks_exact(self.dim).enumerate().rev() {
            self.kac(out);
            self.transform(kernels, round, out)?;
            flip(out, masks);
        }
        self.rescale(out)
    }

    fn check(&self, vector: &[f32], out: &[f32]) -> Result<(), Error> {
        expect_len("vector", self.dim, vector.len())?;
        expect_len("out", self.dim, out.len())?;
        expect_finite("vector", 0, vector)
    }

    fn transform(&self, kernels: &'static Kernels, round: usize, out: &mut [f32]) -> Result<(), Error> {
        let start = if round.is_multiple_of(2) { 0 } else { self.dim - self.power };
        let scale = 1.0 / (self.power as f32).sqrt();
        kernels.walsh_hadamard(&mut out[start..start + self.power], None, scale)?;
        Ok(())
    }

    /// One Kac step, √2 too long: symmetric, and its own inverse up to the length.
    fn kac(&self, out: &mut [f32]) {
        if self.power == self.dim {
            return;
        }
        let half = self.dim.div_ceil(2);
        let (first, second) = out.split_at_mut(half);
        for (x, y) in first.iter_mut().zip(second.iter_mut()) {
            (*x, *y) = (*x + *y, *x - *y);
        }
        if first.len() > second.len()
            && let Some(middle) = first.last_mut()
        {
            *middle *= std::f32::consts::SQRT_2;
        }
    }

    /// Takes back what four Kac steps were too long.
    fn rescale(&self, out: &mut [f32]) -> Result<(), Error> {
        if self.power != self.dim {
            for x in out.iter_mut() {
                *x *= 0.25;
            }
        }
        expect_finite("vector", 0, out).map_err(|_| Error::TooLarge { argument: "vector" })
    }
}

fn flip(values: &mut [f32], masks: &[u32]) {
    for (x, mask) in values.iter_mut().zip(masks) {
        *x = f32::from_bits(x.to_bits() ^ mask);
    }
}
