//! Codes on a scale of the vector's own: 4 or 8 bits a dimension between its least and its greatest value.

use simd_kernels::Kernels;

use super::error::{expect_finite, expect_len};
use super::factors::factors;
use super::prepared::nearest;
use super::{Error, Factors, Layout, Metric, Prepared, Quantiser, Scratch, expect_dim};

/// Locally adaptive quantisation, x̂ = low + step · u with u of 4 or 8 bits (Aguerrebere and others, "Similarity search
/// in the blink of an eye with compressed indices", VLDB 2023).
///
/// Encoding is one pass and there is no rotation: the best there is at 8 bits where the dimensions have about one
/// spread. Where a few dimensions are much wider than the rest, these get nearly all the levels: rotate first, or take
/// [`Rabitq`](super::Rabitq). Subtract the mean of the data: pass [`mean`](super::mean) as the centroid.
///
/// A code is D bytes, or half of that, and 16 bytes of factors, the length correction of [`Factors`] included, which
/// the original does not have. The query is rounded to signed bytes; products are exact integers.
///
/// ```
/// use simd_kernels::Kernels;
/// use zonal_pq::quantiser::{Codes, Lvq, Metric, Prepared, mean};
/// let kernels = Kernels::active()?;
/// let vectors: Vec<f32> = (0..10 * 8).map(|i| (i % 13) as f32).collect();
/// let (lvq, centre) = (Lvq::new(8, 8)?, mean(&vectors, 8)?);
/// let codes = Codes::encode(kernels, &lvq, &vectors, Some(&centre), Metric::L2Squared)?;
/// let mut distances = [0.0; 10];
/// codes.estimate(kernels, &lvq, &vectors[..8], &mut Prepared::default(), &mut distances)?;
/// assert!(distances[0].abs() < 1.0 && distances[1] > 100.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Lvq {
    dim: usize,
    bits: u8,
}

impl Lvq {
    /// A quantiser of `dim` dimensions.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless `dim` is in 1..=32,768 and `bits` is 4 or 8.
    pub fn new(dim: usize, bits: u8) -> Result<Self, Error> {
        expect_dim(dim)?;
        if bits != 4 && bits != 8 {
            return Err(Error::Parameter { argument: "bits", value: bits.into(), expected: "4 or 8" });
        }
        Ok(Self { dim, bits })
    }

    /// Bits a dimension.
    pub fn bits(&self) -> u8 {
        self.bits
    }

    fn levels(&self) -> f32 {
        ((1u32 << self.bits) - 1) as f32
    }
}

impl Quantiser for Lvq {
    fn dim(&self) -> usize {
        self.dim
    }

    fn layout(&self) -> Layout {
        if self.bits == 4 { Layout::Rows4 { symbols: self.dim } } else { Layout::Rows8 { symbols: self.dim } }
    }

    /// Copies.
    fn transform(&self, _: &'static Kernels, vector: &[f32], out: &mut [f32]) -> Result<(), Error> {
        expect_len("vector", self.dim, vector.len())?;
        expect_len("out", self.dim, out.len())?;
        expect_finite("vector", 0, vector)?;
        out.copy_from_slice(vector);
        Ok(())
    }

    /// One pass, O(dim).
    fn encode(
        &self,
        _: &'static Kernels,
        residual: &[f32],
        centroid: Option<&[f32]>,
        metric: Metric,
        scratch: &mut Scratch,
        code: &mut [u8],
    ) -> Result<Factors, Error> {
        expect_len("residual", self.dim, residual.len())?;
        expect_len("code", self.dim, code.len())?;
        let low = residual.iter().fold(f32::INFINITY, |least, &x| if x < least { x } else { least });
        let high = residual.iter().fold(f32::NEG_INFINITY, |most, &x| if x > most { x } else { most });
        let levels = self.levels();
        let step = (high - low) / levels;
        let inverse = if step > 0.0 { 1.0 / step } else { 0.0 };
        // Values so close to each other that their distance has no inverse are all the same.
        let (step, inverse) = if inverse.is_finite() { (step, inverse) } else { (0.0, 0.0) };
        scratch.code.clear();
        scratch.code.resize(self.dim, 0.0);
        for ((symbol, value), x) in code.iter_mut().zip(&mut scratch.code).zip(residual) {
            let u = nearest(((x - low) * inverse).clamp(0.0, levels));
            *symbol = u as u8;
            *value = low + step * u as f32;
        }
        let mut factors = factors(residual, &scratch.code, centroid, metric)?;
        // The product is one with u − levels / 2, so that rounding the query touches only what varies.
        factors.slope = factors.rescale * (low + step * 0.5 * levels);
        factors.rescale *= step;
        Ok(factors)
    }

    fn decode(&self, code: &[u8], factors: Factors, metric: Metric, out: &mut [f32]) -> Result<(), Error> {
        expect_len("code", self.dim, code.len())?;
        expect_len("out", self.dim, out.len())?;
        for (x, &u) in out.iter_mut().zip(code) {
            let level = f32::from(u) - 0.5 * self.levels();
            *x = -(factors.slope + factors.rescale * level) / metric.weight();
        }
        Ok(())
    }

    /// Rounds to signed bytes, O(dim).
    fn prepare(&self, query: &[f32], prepared: &mut Prepared) -> Result<(), Error> {
        expect_len("query", self.dim, query.len())?;
        // The spread of evenly used levels, from which data in the middle of their range stay below.
        prepared.set_rows(self.layout(), query, 0.5 * self.levels(), self.levels() / 12f32.sqrt())
    }
}
