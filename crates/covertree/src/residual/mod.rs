//! Exact neighbours in residual correlation, as Vecchia and VIF approximations of Gaussian processes want them.
//!
//! A Gaussian process with covariance k is approximated from a low-rank part VVᵀ (inducing points) and, for what
//! that leaves, from each point's nearest neighbours in the metric d(x, y) = √(1 − |ρ(x, y)|) with the *residual
//! correlation* ρ(x, y) = (k(x, y) − v_x·v_y) / √(p_x p_y). [`ResidualIndex`] finds them exactly.
//!
//! Rank 0 gives the plain correlation of k.
//!
//! # Numbers
//!
//! All correlations are computed in `f64`; p can be 10⁻⁶ of the variance, where the difference k − v·v cancels six
//! digits and `f32` would return mostly wrong neighbours ([`Certificate::error_f32`] says so). Bounds that prune are
//! partly kept in `f32` and in 16-bit integers, with their errors added. A result equals that of brute force, [`Pruning::None`], bit for bit
//! on one CPU; |ρ| closer than [`Certificate::error`] are ties.
//!
//! V must be a factor of a covariance that leaves k(X, X) − VVᵀ positive semi-definite, up to rounding, as every
//! V = K(X, U) L⁻ᵀ with LLᵀ = K(U, U) + jitter does. Otherwise ρ is no correlation, no bound holds, and only
//! [`Pruning::None`] is exact.
//!
//! Design: Gyger, Furrer, Sigrist, *Vecchia-inducing-points full-scale approximations for Gaussian processes*
//! (arXiv 2507.05064) for the metric; `pivots.rs`, `bounds.rs`, `search.rs` and `relations.rs` for how it is searched.

mod apart;
mod basis;
mod batch;
mod bounds;
mod columns;
mod error;
mod factor;
mod field;
#[cfg(feature = "inducing")]
mod inducing;
mod members;
mod model;
mod order;
mod parallel;
mod pivots;
mod probe;
mod related;
mod relations;
mod search;
mod table;
mod words;

pub use batch::SearchScratch;
pub use error::ResidualError;
pub use factor::Factor;
#[cfg(feature = "inducing")]
pub use inducing::InducedFactor;
pub use model::CovarianceModel;
pub use search::Pruning;
pub use simd_kernels::Covariance;
pub use table::{Certificate, NO_NEIGHBOR, Neighborhoods};

use std::sync::Mutex;

use columns::Columns;
use error::expect_points;
use field::Field;
use order::{Order, Range};
use pivots::Block;
use relations::Relations;
use simd_kernels::Kernels;

/// Points in a block, at most.
const BLOCK: usize = 1024;

/// Which members may be neighbours of a member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Eligible {
    /// All, the query itself first, at distance 0.
    #[default]
    All,
    /// Those whose id is below the query's own. Query `i` has min(k, i) neighbours.
    Predecessors,
}

/// A set of points, searched by residual correlation.
///
/// ```
/// use covertree::residual::{Covariance, CovarianceModel, Eligible, Factor, Neighborhoods, Pruning, ResidualIndex};
/// // Five points on a line, without a low-rank part: ρ is the correlation itself.
/// let model = CovarianceModel::new(Covariance::Matern32, &[1.0], 2.0);
/// let factor = Factor { v: &[], rank: 0, p: &[2.0; 5] };
/// let index = ResidualIndex::from_factor(&[0.0, 1.0, 3.0, 3.5, 10.0], 1, &model, factor)?;
/// let mut found = Neighborhoods::new();
/// index.search_members(&[3], 2, Eligible::Predecessors, Pruning::Bounds, &mut found)?;
/// assert_eq!(found.ids(), [2, 1]);
/// # Ok::<(), covertree::residual::ResidualError>(())
/// ```
#[derive(Debug)]
pub struct ResidualIndex {
    order: Order,
    field: Field,
    blocks: Vec<Block>,
    /// Members that no block bounds, of all blocks.
    apart: Columns,
    model: CovarianceModel,
    largest_error: f64,
    /// Only after they were asked for.
    relations: Option<Relations>,
    /// Buffers of updates, one for each thread that has worked at a time.
    pool: Mutex<Vec<basis::Scratch>>,
    #[cfg(feature = "inducing")]
    inducing: Option<inducing::Inducing>,
}

const _: () = {
    const fn shareable<T: Send + Sync>() {}
    shareable::<ResidualIndex>();
    shareable::<Neighborhoods>();
    shareable::<SearchScratch>();
    shareable::<ResidualError>();
    #[cfg(feature = "inducing")]
    shareable::<InducedFactor>();
};

impl ResidualIndex {
    /// An index of points with `coords` row by row, `dim` a row, from their factor.
    ///
    /// Copies V into spatial order. O(n log n + n · rank · pivots), pivots being 32 to 128.
    ///
    /// # Errors
    /// [`ResidualError`] that names what is empty, not finite, not positive, or of the wrong length.
    pub fn from_factor(
        coords: &[f64],
        dim: usize,
        model: &CovarianceModel,
        factor: Factor<'_>,
    ) -> Result<Self, ResidualError> {
        let mut index = Self::ordered(coords, dim, model)?;
        factor.check(index.len())?;
        index.field.set_factor(&index.order, factor)?;
        index.update_blocks()?;
        Ok(index)
    }

    /// Points in spatial order, without a factor yet.
    fn ordered(coords: &[f64], dim: usize, model: &CovarianceModel) -> Result<Self, ResidualError> {
        expect_points(coords, dim)?;
        let scale = model.inverse_lengthscales(dim)?;
        let kernels = Kernels::active()?;
        let order = Order::new(coords, &scale, BLOCK);
        let field = Field::new(kernels, &order, coords, model)?;
        field.covariances(&mut [0.0])?;
        Ok(Self {
            order,
            field,
            blocks: Vec::new(),
            apart: Columns::default(),
            model: model.clone(),
            largest_error: 0.0,
            relations: None,
            pool: Mutex::new(Vec::new()),
            #[cfg(feature = "inducing")]
            inducing: None,
        })
    }

    /// Takes over other parameters and the factor that follows from them; the spatial order stays, relations between blocks do not.
    ///
    /// O(n · rank · pivots). Memory is reused if the rank is the same.
    ///
    /// # Errors
    /// As [`from_factor`](Self::from_factor); the index is then as it was.
    pub fn update_factor(
        &mut self,
        model: &CovarianceModel,
        factor: Factor<'_>,
    ) -> Result<(), ResidualError> {
        self.check_model(model)?;
        factor.check(self.len())?;
        self.field.set_model(model)?;
        self.model.clone_from(model);
        self.field.set_factor(&self.order, factor)?;
        self.update_blocks()
    }

    /// As [`from_factor`](Self::from_factor), with a V that the index may keep, of `rank` columns, and p: nothing of V is
    /// copied, which saves half of the memory and some of the time.
    ///
    /// V stays in the order of ids, whose rows lie apart where they are needed together: searches take about a quarter longer.
    ///
    /// ```
    /// use covertree::residual::{Covariance, CovarianceModel, Eligible, Neighborhoods, Pruning, ResidualIndex};
    /// let model = CovarianceModel::new(Covariance::Matern32, &[1.0], 1.0);
    /// let mut index = ResidualIndex::from_owned_factor(&[0.0, 0.5, 3.0], 1, &model, vec![0.5; 3], 1, &[0.75; 3])?;
    /// let mut found = Neighborhoods::new();
    /// index.search_members(&[0], 2, Eligible::All, Pruning::Bounds, &mut found)?;
    /// assert_eq!(found.ids(), [0, 1]);
    /// // Another V, from other parameters.
    /// index.update_owned_factor(&model, vec![0.4; 3], 1, &[0.84; 3])?;
    /// # Ok::<(), covertree::residual::ResidualError>(())
    /// ```
    ///
    /// # Errors
    /// As [`from_factor`](Self::from_factor).
    pub fn from_owned_factor(
        coords: &[f64],
        dim: usize,
        model: &CovarianceModel,
        v: Vec<f64>,
        rank: usize,
        p: &[f64],
    ) -> Result<Self, ResidualError> {
        let mut index = Self::ordered(coords, dim, model)?;
        index.update_owned_factor(model, v, rank, p)?;
        Ok(index)
    }

    /// As [`update_factor`](Self::update_factor), with a V that the index may keep, of `rank` columns, and p. Gives back
    /// the V that it kept before, empty if that was none, so that the next one can be computed in its place.
    ///
    /// # Errors
    /// As [`from_factor`](Self::from_factor); the index is then as it was.
    pub fn update_owned_factor(
        &mut self,
        model: &CovarianceModel,
        v: Vec<f64>,
        rank: usize,
        p: &[f64],
    ) -> Result<Vec<f64>, ResidualError> {
        let factor = Factor { v: &v, rank, p };
        self.check_model(model)?;
        factor.check_shape(self.len())?;
        if rank == 0 {
            factor.check(self.len())?;
            let before = self.field.hand_back();
            self.update_factor(model, factor)?;
            return Ok(before);
        }
        let before = self.field.take_factor(&self.order, model, v, rank, p)?;
        self.model.clone_from(model);
        self.update_blocks()?;
        Ok(before)
    }

    /// An index of points with `coords` row by row, `dim` a row, whose factor is computed from `inducing` points as
    /// [`InducedFactor`] does.
    ///
    /// V is computed where it is kept, in spatial order: less time and memory than
    /// [`from_factor`](Self::from_factor). O(n log n + n · rank² + rank³).
    ///
    /// # Errors
    /// As [`from_factor`](Self::from_factor), [`ResidualError::TooLarge`] for more inducing points than points, and
    /// [`ResidualError::NotPositiveDefinite`].
    #[cfg(feature = "inducing")]
    pub fn with_inducing(
        coords: &[f64],
        dim: usize,
        model: &CovarianceModel,
        inducing: &[f64],
        jitter: f64,
    ) -> Result<Self, ResidualError> {
        let mut index = Self::ordered(coords, dim, model)?;
        let inducing = inducing::Inducing::new(index.field.kernels, inducing, dim, jitter, model)?;
        if inducing.rank > index.len() {
            return Err(ResidualError::TooLarge {
                argument: "inducing",
                value: inducing.rank,
                limit: index.len(),
            });
        }
        index.inducing = Some(inducing);
        index.compute_factor()?;
        index.update_blocks()?;
        Ok(index)
    }

    /// Takes over other parameters; the factor is computed again from the inducing points. The spatial order stays, relations between
    /// blocks do not.
    ///
    /// O(n · rank² + rank³), nearly all of it for the factor. Memory is reused.
    ///
    /// # Errors
    /// What is wrong with the parameters, [`ResidualError::NotPositiveDefinite`], or
    /// [`ResidualError::NoInducing`]; the index is then as it was.
    #[cfg(feature = "inducing")]
    pub fn update_parameters(&mut self, model: &CovarianceModel) -> Result<(), ResidualError> {
        self.check_model(model)?;
        let Some(inducing) = &self.inducing else {
            return Err(ResidualError::NoInducing { operation: "update_parameters" });
        };
        self.inducing = Some(inducing.with_model(self.field.kernels, model)?);
        self.field.set_model(model)?;
        self.model.clone_from(model);
        self.compute_factor()?;
        self.update_blocks()
    }

    /// V and what follows from it, in spatial order.
    #[cfg(feature = "inducing")]
    fn compute_factor(&mut self) -> Result<(), ResidualError> {
        let Some(inducing) = &self.inducing else { return Ok(()) };
        let n = self.len();
        let mut v = self.field.reusable();
        let stride = factor::stride_of(inducing.rank);
        v.resize_stale(n * stride)?;
        let axes = &self.field.axes;
        let point = |place: usize, x: &mut [f64]| {
            for (t, x) in x.iter_mut().enumerate() {
                *x = axes[t * n + place];
            }
        };
        let squares = inducing.solve(self.field.kernels, &self.model, point, &mut v, stride)?;
        self.field.set_rows(v, inducing.rank, squares.variances(&self.model));
        Ok(())
    }

    /// The factor of members that inducing points gave: row of V, and p.
    ///
    /// # Errors
    /// [`ResidualError::UnknownId`].
    pub fn factor_of(&self, id: u32) -> Result<(&[f64], f64), ResidualError> {
        let place = self.order.places.get(id as usize);
        let place =
            *place.ok_or(ResidualError::UnknownId { argument: "id", id, points: self.len() })? as usize;
        let weight = self.field.weights[place];
        Ok((self.field.row(place), 1.0 / (weight * weight)))
    }

    /// Whether the kernels take the parameters.
    fn check_model(&self, model: &CovarianceModel) -> Result<(), ResidualError> {
        model.inverse_lengthscales(self.dim())?;
        Ok(self.field.kernels.covariance(model.covariance, 1.0, model.variance, &mut [0.0f64])?)
    }

    /// Bounds of all blocks, for the factor that the field holds.
    fn update_blocks(&mut self) -> Result<(), ResidualError> {
        self.relations = None;
        let (field, order) = (&self.field, &self.order);
        let ids = |range: Range| &order.ids[range.start..range.end()];
        if self.blocks.is_empty() {
            let ranges = order.blocks.clone();
            let built = parallel::try_map(ranges, |scratch: &mut basis::Scratch, range| {
                Block::build(field, range, ids(range), scratch)
            })?;
            self.blocks = built.into_iter().flatten().collect();
        } else {
            let blocks = self.blocks.iter_mut();
            parallel::try_each(blocks, &self.pool, |scratch: &mut basis::Scratch, block| {
                scratch.forget();
                block.update(field, ids(block.range), scratch)
            })?;
        }
        let apart: Vec<u32> = self.blocks.iter().flat_map(|block| &block.apart).copied().collect();
        self.apart.forget();
        self.apart.gather(field, &apart)?;
        self.largest_error = self.blocks.iter().map(|block| block.member_error).fold(0.0, f64::max);
        Ok(())
    }

    /// Relates blocks with each other, for searches that are to be faster by a fifth to a half from then on, until the next update: what
    /// a query has in common with its own block then tells which others it cannot reach, before it is measured against
    /// them. Results are the same. Says whether it did; where bounds are made from low-rank features, for rough covariances,
    /// there is nothing to relate.
    ///
    /// O(rank · m²), m being [`pivots`](Self::pivots), as long as searching for some m / 2 members; takes up to 2 m² bytes.
    /// [`search_predecessors`](Self::search_predecessors) does so by itself where that pays.
    ///
    /// ```
    /// # use covertree::residual::*;
    /// # let coords: Vec<f64> = (0..600).map(|i| f64::from(i * 37 % 600) / 40.0).collect();
    /// # let (v, p) = (vec![0.1; 600], vec![0.99; 600]);
    /// # let model = CovarianceModel::new(Covariance::Matern52, &[0.5], 1.0);
    /// # let factor = Factor { v: &v, rank: 1, p: &p };
    /// let mut index = ResidualIndex::from_factor(&coords, 1, &model, factor)?;
    /// let (mut before, mut after) = (Neighborhoods::new(), Neighborhoods::new());
    /// let ids: Vec<u32> = (0..600).collect();
    /// index.search_members(&ids, 5, Eligible::All, Pruning::Bounds, &mut before)?;
    /// index.relate_blocks()?;
    /// index.search_members(&ids, 5, Eligible::All, Pruning::Bounds, &mut after)?;
    /// assert_eq!(before.ids(), after.ids());
    /// # Ok::<(), ResidualError>(())
    /// ```
    ///
    /// # Errors
    /// [`ResidualError::Memory`]; the index is then as it was.
    pub fn relate_blocks(&mut self) -> Result<bool, ResidualError> {
        if self.relations.is_none() && Relations::pay(&self.blocks) {
            self.relations = Some(Relations::new(&self.field, &self.blocks)?);
        }
        Ok(self.relations.is_some())
    }

    /// The block that holds a place. O(log n).
    fn block_of_place(&self, place: usize) -> usize {
        self.blocks.partition_point(|block| block.range.start <= place).saturating_sub(1)
    }

    /// The block in or near whose cell a point lies: of those that the order's block was halved into the one with the
    /// nearest centre. O(log n).
    fn block_of_point(&self, x: &[f64]) -> usize {
        let range = self.order.blocks[self.order.block_of_point(x)];
        let first = self.block_of_place(range.start);
        let within = self.blocks[first..].iter().take_while(|block| block.range.start < range.end());
        let distances = within.map(|block| block.centre_distance(&self.field, x));
        let nearest = distances.enumerate().min_by(|a, b| a.1.total_cmp(&b.1));
        first + nearest.map_or(0, |(at, _)| at)
    }

    /// Number of points.
    pub fn len(&self) -> usize {
        self.order.ids.len()
    }

    /// Whether there is no point; never true, for an empty set is refused.
    pub fn is_empty(&self) -> bool {
        self.order.ids.is_empty()
    }

    /// Coordinates of a point.
    pub fn dim(&self) -> usize {
        self.order.dim()
    }

    /// Columns of V.
    pub fn rank(&self) -> usize {
        self.field.rank
    }

    /// The covariance function in use.
    pub fn model(&self) -> &CovarianceModel {
        &self.model
    }

    /// Pivots of all blocks together: what a query is measured against before any member.
    pub fn pivots(&self) -> usize {
        self.blocks.iter().map(|block| block.pivots.len()).sum()
    }
}
