//! Quantisers, each usable alone: RaBitQ of 1 to 8 bits, LVQ of 4 and 8 bits, product codes of 4, 6 and 8 bits.
//!
//! All three follow one plan, the trait [`Quantiser`]. A vector o is stored as the code of its residual r = o − c to
//! a centroid c and three or four numbers ([`Factors`]); a query is made ready once ([`Prepared`]), whatever the
//! number of centroids; a scan of blocks of 64 codes gives exact integer sums; and the distance is estimated, without
//! bias, as
//!
//! `estimate = zone.add + add + rescale · (scale · sum + offset) + slope · total`
//!
//! within a margin that is known ([`Prepared::margins`]). [`Codes`] does all of it for vectors around one centroid.
//!
//! | quantiser | bytes of a D-dimensional code | error of a product × √D / (\|r\| \|q\|) | encoding |
//! |---|---|---|---|
//! | [`Rabitq`] of B bits | B D / 8 (B = 1 to 4), D (B = 5 to 8) | .755, .37, .20, .11, .058, .032, .018, .009 | rotation and one pass |
//! | [`Lvq`] of 4 and 8 bits | D / 2, D | .13, .007, if the dimensions have one spread | one pass |
//! | [`ProductQuantiser`], M sub-spaces of b bits | M b / 8 | depends on the data, which it learns | 2^b D products |
//!
//! Beside a code lie 12 bytes of factors (16 for LVQ; 8 without bounds). The query is rounded too, to 8 bits (adding
//! .0074 to the error above, in quadrature) or to tables of 6 bits (.04); both are in the margin.
//!
//! Nothing depends on the CPU: codes, factors and estimates are the same bits on every tier.
//!
//! ```
//! use simd_kernels::Kernels;
//! use zonal_pq::quantiser::{Codes, Metric, Prepared, Rabitq, RabitqParams, mean};
//!
//! let kernels = Kernels::active()?;
//! let vectors: Vec<f32> = (0..100 * 32).map(|i| ((i * i + 7 * i) % 101) as f32).collect();
//! let quantiser = Rabitq::new(32, &RabitqParams { bits: 4, ..Default::default() })?;
//! let centre = mean(&vectors, 32)?;
//! let codes = Codes::encode(kernels, &quantiser, &vectors, Some(&centre), Metric::L2Squared)?;
//!
//! let mut prepared = Prepared::default();
//! let (mut estimates, mut margins) = (vec![0.0; 100], vec![0.0; 100]);
//! let zone = codes.estimate(kernels, &quantiser, &vectors[..32], &mut prepared, &mut estimates)?;
//! let nearest = (0..100).min_by(|&a, &b| estimates[a].total_cmp(&estimates[b]));
//! assert_eq!(nearest, Some(0));
//! codes.margins(&prepared, zone, 3.0, &mut margins)?;
//! assert!(estimates[0] - margins[0] <= 0.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod codes;
mod error;
mod factors;
mod layout;
mod lvq;
mod prepared;
mod product;
mod rabitq;
mod random;
mod rotation;
mod scan;

use simd_kernels::Kernels;

pub use codes::{Codes, mean};
pub use error::Error;
pub use factors::{Factors, Metric, Zone};
pub use layout::{BLOCK_ROWS, Layout};
pub use lvq::Lvq;
pub use prepared::{FactorColumns, Prepared};
pub use product::{ProductParams, ProductQuantiser, SymbolBits};
pub use rabitq::{Access, Encoding, Rabitq, RabitqParams};
pub use rotation::Rotation;

/// The most dimensions of a vector: what a sum of byte products holds in an `i32`.
pub const MAX_DIM: usize = 32_768;

/// Working memory of encoding; keep one per thread.
#[derive(Debug, Default)]
pub struct Scratch {
    /// What the code stands for.
    code: Vec<f32>,
    /// Coordinates on a grid.
    grid: Vec<f32>,
    /// Distances to centroids.
    scores: Vec<f32>,
    /// The nearest centroids.
    found: Vec<u32>,
    /// Steps of a search for the best scale.
    steps: Vec<(f32, u32)>,
    /// Magnitudes on the way.
    levels: Vec<u8>,
}

/// What turns vectors into codes and queries into what codes are scanned with.
///
/// Everything but [`transform`](Self::transform) works on transformed vectors. The transform is linear and keeps
/// inner products, so centroids and vectors may be transformed once and subtracted later.
pub trait Quantiser: std::fmt::Debug + Send + Sync {
    /// Dimensions of a vector, before and after the transform.
    fn dim(&self) -> usize;

    /// How its codes lie in memory. A code is one byte a symbol until [`Layout::write`] packs it.
    fn layout(&self) -> Layout;

    /// Rotates, or copies.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::NotFinite`], [`Error::TooLarge`].
    fn transform(&self, kernels: &'static Kernels, vector: &[f32], out: &mut [f32]) -> Result<(), Error>;

    /// Writes the code of a residual, one byte a symbol, and returns its factors. With the `centroid` that was
    /// subtracted, the factors are for queries as they are; with `None`, for queries from which the centroid is
    /// subtracted too (or for vectors without one). No allocation once `scratch` has grown.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::NotFinite`], [`Error::TooLarge`].
    fn encode(
        &self,
        kernels: &'static Kernels,
        residual: &[f32],
        centroid: Option<&[f32]>,
        metric: Metric,
        scratch: &mut Scratch,
        code: &mut [u8],
    ) -> Result<Factors, Error>;

    /// [`encode`](Self::encode) for residuals that follow one another, all around one centroid; their codes follow one
    /// another too. The same codes and factors, sooner where there is work to share.
    ///
    /// # Errors
    /// As for [`encode`](Self::encode); [`Error::Length`] unless `residuals` and `codes` hold one vector and one code
    /// for each of `factors`. What was written before the error stays.
    #[expect(clippy::too_many_arguments)]
    fn encode_rows(
        &self,
        kernels: &'static Kernels,
        residuals: &[f32],
        centroid: Option<&[f32]>,
        metric: Metric,
        scratch: &mut Scratch,
        codes: &mut [u8],
        factors: &mut [Factors],
    ) -> Result<(), Error> {
        let (dim, symbols) = (self.dim(), self.layout().symbols());
        error::expect_len("residuals", factors.len().saturating_mul(dim), residuals.len())?;
        error::expect_len("codes", factors.len().saturating_mul(symbols), codes.len())?;
        let rows = residuals.chunks_exact(dim).zip(codes.chunks_exact_mut(symbols));
        for ((residual, code), factors) in rows.zip(factors) {
            *factors = self.encode(kernels, residual, centroid, metric, scratch, code)?;
        }
        Ok(())
    }

    /// The residual that a code and its factors stand for: g x̂ of [`Factors`], whose products with other vectors are
    /// unbiased.
    ///
    /// # Errors
    /// [`Error::Length`]; [`Error::Parameter`] if a symbol is none of the quantiser's.
    fn decode(&self, code: &[u8], factors: Factors, metric: Metric, out: &mut [f32]) -> Result<(), Error>;

    /// Makes a query ready.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::NotFinite`], [`Error::TooLarge`].
    fn prepare(&self, query: &[f32], prepared: &mut Prepared) -> Result<(), Error>;
}

/// Fails to compile should a public type stop being shareable between threads.
const _: () = {
    const fn shareable<T: Send + Sync>() {}
    shareable::<Rabitq>();
    shareable::<Lvq>();
    shareable::<ProductQuantiser>();
    shareable::<Rotation>();
    shareable::<Prepared>();
    shareable::<Codes>();
    shareable::<Scratch>();
    shareable::<Error>();
};

fn expect_dim(dim: usize) -> Result<(), Error> {
    if dim == 0 || dim > MAX_DIM {
        return Err(Error::Parameter { argument: "dim", value: dim, expected: "1 to 32768" });
    }
    Ok(())
}
