//! The factor from inducing points: V = K(X, U) L⁻ᵀ with LLᵀ = K(U, U) + jitter · σ² I.
//!
//! The Cholesky factor comes from `nalgebra`. The triangular solve for the points runs in tiles: columns of V in
//! strips of 64, each the covariances less what earlier strips explain, times the inverse of a 64 × 64 triangle
//! (which is far better conditioned than the whole one).

use layouts::{AlignedVec, Interleaved};
use nalgebra::{Cholesky, DMatrix};
use simd_kernels::{Kernels, Measure, PANEL_ROWS, Panels, Rows};

use super::error::{ResidualError, expect_finite, expect_len, expect_points};
use super::factor::Factor;
use super::field::squared_distances;
use super::model::CovarianceModel;
use super::parallel;

/// Columns of V that are solved together.
const STRIP: usize = 64;
/// Points that are solved together.
const CHUNK: usize = 96;
/// Least residual variance, in units of σ².
pub(super) const FLOOR: f64 = 1e-9;

/// The factor of points that follows from inducing points U: V = K(X, U) L⁻ᵀ, LLᵀ = K(U, U) + jitter · σ² I, and
/// p = σ² + nugget − |v|², at least 10⁻⁹ σ².
///
/// For whoever needs V and p besides searching, as a likelihood does; [`ResidualIndex::with_inducing`] computes the same
/// for itself.
///
/// ```
/// use covertree::residual::{Covariance, CovarianceModel, InducedFactor, ResidualIndex};
/// let model = CovarianceModel::new(Covariance::Matern32, &[1.0], 1.0);
/// let coords = [0.0, 0.5, 3.0, 4.0];
/// let mut factor = InducedFactor::new(&coords, 1, &model, &[0.25, 3.5], 1e-6)?;
/// assert_eq!(factor.as_factor().v.len(), 4 * 2);
/// assert!(factor.as_factor().p.iter().all(|&p| p < 0.5));
/// let mut index = ResidualIndex::from_factor(&coords, 1, &model, factor.as_factor())?;
/// // The same points with another lengthscale.
/// let model = CovarianceModel::new(Covariance::Matern32, &[2.0], 1.0);
/// factor.update(&coords, &model)?;
/// index.update_factor(&model, factor.as_factor())?;
/// # Ok::<(), covertree::residual::ResidualError>(())
/// ```
///
/// [`ResidualIndex::with_inducing`]: super::ResidualIndex::with_inducing
#[derive(Debug)]
pub struct InducedFactor {
    inducing: Inducing,
    v: AlignedVec<f64>,
    p: AlignedVec<f64>,
}

impl InducedFactor {
    /// The factor of points with `coords` row by row, `dim` a row. 10⁻⁶ is a usual jitter. O(n · rank² + rank³).
    ///
    /// # Errors
    /// [`ResidualError`] that names what is empty, not finite, not positive, or of the wrong length, and
    /// [`ResidualError::NotPositiveDefinite`].
    pub fn new(
        coords: &[f64],
        dim: usize,
        model: &CovarianceModel,
        inducing: &[f64],
        jitter: f64,
    ) -> Result<Self, ResidualError> {
        let n = expect_points(coords, dim)?;
        let inducing = Inducing::new(Kernels::active()?, inducing, dim, jitter, model)?;
        let mut factor = Self { inducing, v: AlignedVec::new(), p: AlignedVec::new() };
        factor.reserve(n)?;
        factor.compute(coords, n, model)?;
        Ok(factor)
    }

    /// Computes the factor again, for other parameters and as many or other points. Memory is reused.
    ///
    /// # Errors
    /// As [`new`](Self::new); the factor is then as it was.
    pub fn update(&mut self, coords: &[f64], model: &CovarianceModel) -> Result<(), ResidualError> {
        let n = expect_points(coords, self.inducing.dim())?;
        let inducing = self.inducing.with_model(Kernels::active()?, model)?;
        self.reserve(n)?;
        self.inducing = inducing;
        self.compute(coords, n, model)
    }

    /// What [`ResidualIndex`](super::ResidualIndex) takes.
    pub fn as_factor(&self) -> Factor<'_> {
        Factor { v: &self.v, rank: self.inducing.rank, p: &self.p }
    }

    /// Room for so many points.
    fn reserve(&mut self, n: usize) -> Result<(), ResidualError> {
        self.v.reserve_exact(n.saturating_mul(self.inducing.rank).saturating_sub(self.v.len()))?;
        Ok(self.p.reserve_exact(n.saturating_sub(self.p.len()))?)
    }

    fn compute(&mut self, coords: &[f64], n: usize, model: &CovarianceModel) -> Result<(), ResidualError> {
        let (rank, dim) = (self.inducing.rank, self.inducing.dim());
        self.v.resize_stale(n * rank)?;
        let point = |i: usize, x: &mut [f64]| x.copy_from_slice(&coords[i * dim..(i + 1) * dim]);
        let squares = self.inducing.solve(Kernels::active()?, model, point, &mut self.v, rank)?;
        self.p.resize_stale(n)?;
        for (to, (_, p)) in self.p.iter_mut().zip(squares.variances(model)) {
            *to = p;
        }
        Ok(())
    }
}

/// One strip of the Cholesky factor.
#[derive(Debug)]
struct Strip {
    start: usize,
    width: usize,
    /// Rows of the factor, their columns before the strip, in panels.
    before: AlignedVec<f64>,
    /// Inverse of the triangle on the diagonal, in panels.
    inverse: AlignedVec<f64>,
}

/// Inducing points and the factor of their covariance.
#[derive(Debug)]
pub(super) struct Inducing {
    /// Coordinates as given, row by row.
    coords: Vec<f64>,
    jitter: f64,
    /// Coordinate `t` of inducing point `i` at `t * rank + i`.
    axes: Vec<f64>,
    scale: Vec<f64>,
    strips: Vec<Strip>,
    pub(super) rank: usize,
}

/// Buffers of one thread.
#[derive(Debug, Default)]
struct Scratch {
    covariances: Vec<f64>,
    products: Vec<f64>,
}

impl Inducing {
    /// Factorises the covariance of `inducing`. O(rank³).
    pub(super) fn new(
        kernels: &'static Kernels,
        inducing: &[f64],
        dim: usize,
        jitter: f64,
        model: &CovarianceModel,
    ) -> Result<Self, ResidualError> {
        if inducing.is_empty() {
            return Err(ResidualError::Empty { argument: "inducing" });
        }
        expect_len("inducing", inducing.len().next_multiple_of(dim), inducing.len())?;
        expect_finite("inducing", inducing)?;
        if !(jitter >= 0.0 && jitter.is_finite()) {
            return Err(ResidualError::NotPositive { argument: "jitter", index: 0, value: jitter });
        }
        let rank = inducing.len() / dim;
        let scale = model.inverse_lengthscales(dim)?;
        let axes: Vec<f64> = (0..dim).flat_map(|t| inducing.iter().skip(t).step_by(dim).copied()).collect();
        let mut gram = vec![0.0; rank * rank];
        for (row, x) in gram.chunks_exact_mut(rank).zip(inducing.chunks_exact(dim)) {
            squared_distances(&scale, x, &axes, rank, row);
        }
        kernels.covariance(model.covariance, 1.0, model.variance, &mut gram)?;
        for i in 0..rank {
            gram[i * rank + i] = model.variance * (1.0 + jitter);
        }
        let lower = Cholesky::new(DMatrix::from_row_slice(rank, rank, &gram))
            .ok_or(ResidualError::NotPositiveDefinite)?
            .unpack();
        let mut strips = Vec::new();
        for start in (0..rank).step_by(STRIP) {
            let width = STRIP.min(rank - start);
            let triangle = lower.view((start, start), (width, width)).into_owned();
            let inverse = triangle
                .solve_lower_triangular(&DMatrix::identity(width, width))
                .ok_or(ResidualError::NotPositiveDefinite)?;
            let rows = |matrix: &DMatrix<f64>, columns: usize, from: usize| -> Vec<f64> {
                (0..width).flat_map(|i| (0..columns).map(move |j| matrix[(from + i, j)])).collect()
            };
            let pack = |rows: &[f64], columns: usize| -> Result<AlignedVec<f64>, ResidualError> {
                let mut panels =
                    AlignedVec::zeroed(Interleaved::<f64, PANEL_ROWS, 1>::packed_len(width, columns)?)?;
                Interleaved::<f64, PANEL_ROWS, 1>::pack_into(Rows::new(rows, columns)?, &mut panels)?;
                Ok(panels)
            };
            let before =
                if start == 0 { AlignedVec::new() } else { pack(&rows(&lower, start, start), start)? };
            strips.push(Strip { start, width, before, inverse: pack(&rows(&inverse, width, 0), width)? });
        }
        Ok(Self { coords: inducing.to_vec(), jitter, axes, scale, strips, rank })
    }

    /// The same inducing points under another model.
    pub(super) fn with_model(
        &self,
        kernels: &'static Kernels,
        model: &CovarianceModel,
    ) -> Result<Self, ResidualError> {
        Self::new(kernels, &self.coords, self.scale.len(), self.jitter, model)
    }

    /// Numbers of a point.
    fn dim(&self) -> usize {
        self.scale.len()
    }

    /// Rows of V for points, whose coordinates `point(i, x)` writes, into `v`, `stride` apart. Returns their squared
    /// norms, some at a time. O(points · rank²).
    pub(super) fn solve(
        &self,
        kernels: &'static Kernels,
        model: &CovarianceModel,
        point: impl Fn(usize, &mut [f64]) + Sync,
        v: &mut [f64],
        stride: usize,
    ) -> Result<Squares, ResidualError> {
        let (rank, dim) = (self.rank, self.dim());
        let inner = kernels.forms::<f64>(Measure::InnerProduct);
        let chunks = v.chunks_mut(CHUNK * stride).enumerate().collect();
        let squares = parallel::try_map(chunks, |scratch: &mut Scratch, (chunk, v): (usize, &mut [f64])| {
            let n = v.len() / stride;
            scratch.covariances.resize(n * rank, 0.0);
            let mut x = vec![0.0; dim];
            for (i, row) in scratch.covariances.chunks_exact_mut(rank).enumerate() {
                point(chunk * CHUNK + i, &mut x);
                squared_distances(&self.scale, &x, &self.axes, rank, row);
            }
            kernels.covariance(model.covariance, 1.0, model.variance, &mut scratch.covariances)?;
            let panels = kernels.panels::<f64>();
            for strip in &self.strips {
                let padded = strip.width.next_multiple_of(PANEL_ROWS);
                scratch.products.resize(n * padded, 0.0);
                if strip.start > 0 {
                    let solved = Rows::with_stride(v, n, strip.start, stride)?;
                    panels.inner_product(
                        solved,
                        Panels::new(&strip.before, strip.start)?,
                        &mut scratch.products,
                    )?;
                    let lines = scratch.covariances.chunks_exact_mut(rank);
                    for (row, products) in lines.zip(scratch.products.chunks_exact(padded)) {
                        for (entry, product) in
                            row[strip.start..strip.start + strip.width].iter_mut().zip(products)
                        {
                            *entry -= product;
                        }
                    }
                }
                let from = scratch.covariances.get(strip.start..).unwrap_or_default();
                let left = Rows::with_stride(from, n, strip.width, rank)?;
                panels.inner_product(
                    left,
                    Panels::new(&strip.inverse, strip.width)?,
                    &mut scratch.products,
                )?;
                for (row, products) in v.chunks_exact_mut(stride).zip(scratch.products.chunks_exact(padded)) {
                    row[strip.start..strip.start + strip.width].copy_from_slice(&products[..strip.width]);
                }
            }
            // While the rows are in the cache.
            let rows = v.chunks_exact(stride).map(|row| &row[..rank]);
            rows.map(|row| Ok(inner.pair(row, row)?)).collect::<Result<Vec<f64>, ResidualError>>()
        });
        squares.map(Squares)
    }
}

/// Squared norms of rows of V.
#[derive(Debug)]
pub(super) struct Squares(Vec<Vec<f64>>);

impl Squares {
    /// (|v|², p) of every point, p being σ² + nugget − |v|², at least [`FLOOR`] σ².
    pub(super) fn variances(&self, model: &CovarianceModel) -> impl Iterator<Item = (f64, f64)> {
        let p = |squared: f64| (model.variance + model.nugget - squared).max(FLOOR * model.variance);
        self.0.iter().flatten().map(move |&squared| (squared, p(squared)))
    }
}
