//! RaBitQ: a random rotation, then 1 to 8 bits a dimension, with an unbiased estimate and its error.

mod encode;
mod scale;

use simd_kernels::Kernels;

use super::error::expect_len;
use super::factors::factors;
use super::{Error, Factors, Layout, Metric, Prepared, Quantiser, Rotation, Scratch, expect_dim};

/// How a code is chosen among those of its width. All have the same form and the same estimate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Encoding {
    /// The residual times a scale that depends only on its length and the dimension, rounded: one pass, and as
    /// good as any up to 5 bits in 768 dimensions.
    #[default]
    Constant,
    /// The scale of each vector that gives the code most along it (Gao and others, "Practical and asymptotically
    /// optimal quantization of high-dimensional vectors", SIGMOD 2025): a sort of some thousand critical values,
    /// a hundred to a thousand times the cost.
    Exact,
    /// Rounds over the dimensions, each moved by one level where that brings the code closer to the direction of
    /// the vector, until nothing moves or the rounds are over (CAQ, of SAQ, SIGMOD 2026). Near [`Exact`](Self::Exact)
    /// at a tenth of its cost, and ahead of it at low dimensions; six rounds suffice.
    CoordinateDescent {
        /// The most rounds.
        rounds: u32,
    },
}

/// How codes will be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Access {
    /// Whole blocks of 64: 1, 2 and 3 bits in planes that table look-ups scan, 4 in packed rows, 5 to 8 a byte.
    #[default]
    Blocks,
    /// Rows picked one by one: 1 bit in strings of bits, 2 to 4 in packed rows of 4, 5 to 8 a byte.
    Rows,
}

/// Parameters of [`Rabitq`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RabitqParams {
    /// Bits a dimension, 1 to 8.
    pub bits: u8,
    /// Seed of the rotation.
    pub seed: u64,
    /// How codes are chosen.
    pub encoding: Encoding,
    /// How codes will be read.
    pub access: Access,
}

impl Default for RabitqParams {
    fn default() -> Self {
        Self { bits: 1, seed: 0, encoding: Encoding::default(), access: Access::default() }
    }
}

/// RaBitQ codes of 1 to 8 bits (Gao and Long, SIGMOD 2024; Gao and others, SIGMOD 2025).
///
/// A rotated residual r is stored as u_i = ⌊t r_i / |r|⌋ + 2^(B−1), cut to 0..2^B, and stands for
/// x̂_i = u_i − (2^B − 1) / 2: a point of a grid of odd halves near t r / |r|. With the factors of [`Factors`],
/// estimates of products are unbiased over the rotation, with a standard deviation of c_B |r| |q − c| / √D where c_B is
/// about .755, .37, .20, .11, .058, .032, .018, .009 for B = 1 to 8.
///
/// 1, 2 and 3 bits are scanned by tables of 64 entries, made from the rotated query once for all zones; from 4 bits on
/// the query is rounded to signed bytes and products are integer. At 8 bits that rounding (.0074) is most of the error.
///
/// ```
/// use simd_kernels::Kernels;
/// use zonal_pq::quantiser::{Metric, Prepared, Quantiser, Rabitq, RabitqParams, Scratch, Zone};
/// let kernels = Kernels::active()?;
/// let rabitq = Rabitq::new(100, &RabitqParams { bits: 2, seed: 7, ..Default::default() })?;
/// let (vector, query) = ([0.1; 100], [0.2; 100]);
///
/// // One code, by hand.
/// let (mut rotated, mut code) = ([0.0; 100], [0; 100]);
/// rabitq.transform(kernels, &vector, &mut rotated)?;
/// let mut block = vec![0; rabitq.layout().block_bytes()];
/// let metric = Metric::L2Squared;
/// let factors = rabitq.encode(kernels, &rotated, None, metric, &mut Scratch::default(), &mut code)?;
/// rabitq.layout().write(&mut block, 0, &code)?;
///
/// // One query.
/// let (mut prepared, mut sums) = (Prepared::default(), [0; 64]);
/// rabitq.transform(kernels, &query, &mut rotated)?;
/// rabitq.prepare(&rotated, &mut prepared)?;
/// prepared.scan(kernels, &block, &mut sums)?;
/// let product = prepared.scale() * sums[0] as f32 + prepared.offset();
/// let estimate = Zone::new(metric, &rotated, None)?.add + factors.add + factors.rescale * product;
/// assert!((estimate - 1.0).abs() < 0.4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Rabitq {
    params: RabitqParams,
    rotation: Rotation,
    /// The grid's steps per unit of a unit vector.
    scale: f32,
    /// The usual size of x̂_i.
    spread: f32,
}

impl Rabitq {
    /// A quantiser of `dim` dimensions. Finds the constant scale on random directions, the same for the same
    /// arguments; some milliseconds.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless `dim` is in 1..=32,768 and `bits` in 1..=8.
    pub fn new(dim: usize, params: &RabitqParams) -> Result<Self, Error> {
        expect_dim(dim)?;
        let bits = params.bits;
        if !(1..=8).contains(&bits) {
            return Err(Error::Parameter { argument: "bits", value: bits.into(), expected: "1 to 8" });
        }
        let (scale, spread) = scale::constant(dim, bits);
        Ok(Self { params: *params, rotation: Rotation::new(dim, params.seed)?, scale, spread })
    }

    /// What it was made with.
    pub fn params(&self) -> &RabitqParams {
        &self.params
    }

    /// The rotation that [`transform`](Quantiser::transform) applies.
    pub fn rotation(&self) -> &Rotation {
        &self.rotation
    }

    /// What symbol 0 is away from 0.
    fn middle(&self) -> f32 {
        ((1u32 << self.params.bits) - 1) as f32 / 2.0
    }
}

impl Quantiser for Rabitq {
    fn dim(&self) -> usize {
        self.rotation.dim()
    }

    fn layout(&self) -> Layout {
        let symbols = self.dim();
        match (self.params.access, self.params.bits) {
            (Access::Blocks, bits @ 1..=3) => Layout::Sixes { symbols, bits },
            (Access::Rows, 1) => Layout::Rows1 { symbols },
            (_, 2..=4) => Layout::Rows4 { symbols },
            _ => Layout::Rows8 { symbols },
        }
    }

    /// Rotates, O(dim log dim).
    fn transform(&self, kernels: &'static Kernels, vector: &[f32], out: &mut [f32]) -> Result<(), Error> {
        self.rotation.apply(kernels, vector, out)
    }

    /// O(dim) by the constant scale, O(rounds · dim) by coordinate descent, O(2^bits · dim · log) exactly.
    fn encode(
        &self,
        _: &'static Kernels,
        residual: &[f32],
        centroid: Option<&[f32]>,
        metric: Metric,
        scratch: &mut Scratch,
        code: &mut [u8],
    ) -> Result<Factors, Error> {
        expect_len("residual", self.dim(), residual.len())?;
        expect_len("code", self.dim(), code.len())?;
        encode::encode(residual, self.params.bits, self.params.encoding, self.scale, scratch, code);
        factors(residual, &scratch.code, centroid, metric)
    }

    fn decode(&self, code: &[u8], factors: Factors, metric: Metric, out: &mut [f32]) -> Result<(), Error> {
        expect_len("code", self.dim(), code.len())?;
        expect_len("out", self.dim(), out.len())?;
        let (scale, middle) = (-factors.rescale / metric.weight(), self.middle());
        for (x, &u) in out.iter_mut().zip(code) {
            *x = scale * (f32::from(u) - middle);
        }
        Ok(())
    }

    /// Makes tables for planes (64 entries for each 6 bits), or rounds the query for rows. O(dim).
    fn prepare(&self, query: &[f32], prepared: &mut Prepared) -> Result<(), Error> {
        expect_len("query", self.dim(), query.len())?;
        match self.layout() {
            Layout::Sixes { bits, .. } => prepared.set_sixes(query, bits, self.middle()),
            layout => prepared.set_rows(layout, query, self.middle(), self.spread),
        }
    }
}
