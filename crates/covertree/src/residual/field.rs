//! The residual field: points with their factor rows and variances, in spatial order, and exact correlations.
//!
//! Every correlation that reaches a result is computed here, in `f64`, by the same operations in the same order
//! whether it belongs to a tile or to picked points, so that equal pairs have bit-equal distances.

use layouts::AlignedVec;
use simd_kernels::{Covariance, Kernels, Measure, Rows};

use super::basis::dot;
use super::error::{ResidualError, expect_finite, expect_positive};
use super::factor::{Factor, Stored, stride_of};
use super::model::CovarianceModel;
use super::order::{Order, Range};
use super::parallel;

/// Unit roundoff of `f64`.
const UNIT: f64 = f64::EPSILON / 2.0;

/// Places where the rows of V may be cut into head and tail.
pub(super) const CUTS: usize = 16;

/// Rows that meet all queries of a tile before the next.
const GATHERED: usize = 64;

/// Places cut into pieces that go to threads.
const PIECE: usize = 256;

/// All points.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) kernels: &'static Kernels,
    pub(super) covariance: Covariance,
    pub(super) variance: f64,
    pub(super) inverse_lengthscales: Vec<f64>,
    /// Coordinate `t` of the point at place `i` is `axes[t * n + i]`.
    pub(super) axes: AlignedVec<f64>,
    /// V, with a column of zeros if it has none.
    pub(super) v: Stored,
    pub(super) rank: usize,
    /// From one row of V to the next in [`Queries`].
    pub(super) stride: usize,
    /// Weight wᵢ = pᵢ^(−1/2).
    pub(super) weights: Vec<f64>,
    /// Squared norm of the residual feature: (σ² − |vᵢ|²) wᵢ², 1 where p is exactly that.
    pub(super) norms: Vec<f64>,
    /// aᵢ of the bound aᵢ aⱼ on the error of ρᵢⱼ in `f64`.
    pub(super) errors: Vec<f64>,
}

/// Queries of one group, points in rows.
#[derive(Debug, Default)]
pub(super) struct Queries {
    pub(super) coords: Vec<f64>,
    pub(super) v: AlignedVec<f64>,
    /// `v` in `f32`.
    pub(super) rounded: AlignedVec<f32>,
    /// Weighted lengths of rows of V from every [`Field::cut`]-th column on, [`CUTS`] a row.
    pub(super) tails: Vec<f64>,
    pub(super) weights: Vec<f64>,
    pub(super) norms: Vec<f64>,
    pub(super) errors: Vec<f64>,
    /// The place of a query that is a member, else `u32::MAX`.
    pub(super) places: Vec<u32>,
    /// The block that a query lies in.
    pub(super) homes: Vec<u32>,
    /// Only ids below this are eligible.
    pub(super) limits: Vec<u32>,
}

impl Queries {
    pub(super) fn clear(&mut self) {
        self.coords.clear();
        self.v.clear();
        self.tails.clear();
        self.weights.clear();
        self.norms.clear();
        self.errors.clear();
        self.places.clear();
        self.homes.clear();
        self.limits.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.weights.len()
    }

    /// Weighted length of a query's row of V from column `head` on, one of those where rows may be cut.
    pub(super) fn tail(&self, i: usize, head: usize, cut: usize) -> f64 {
        self.tails.chunks_exact(CUTS).nth(i).and_then(|tails| tails.get(head / cut)).copied().unwrap_or(0.0)
    }

    /// Fills `rounded`.
    pub(super) fn round(&mut self) -> Result<(), ResidualError> {
        self.rounded.resize_stale(self.v.len())?;
        for (to, &from) in self.rounded.iter_mut().zip(self.v.iter()) {
            *to = from as f32;
        }
        Ok(())
    }
}

/// Squared norm of a residual feature, and aᵢ of the error bound.
///
/// The kernels compute v·v within (r/2 + 32) u |vᵢ| |vⱼ| and k within (8 + 3 a) u k, a exp(−a) < 0.4, u being the
/// unit roundoff; with the differences, (r/2 + 48) u (|k| + |vᵢ| |vⱼ|) / √(pᵢ pⱼ) bounds the error of ρ for the given
/// V and p, and |k| + |vᵢ| |vⱼ| ≤ √(σ² + |vᵢ|²) √(σ² + |vⱼ|²).
fn norm_and_error(variance: f64, v_squared: f64, weight: f64, rank: usize) -> (f64, f64) {
    let norm = ((variance - v_squared) * weight * weight).max(0.0);
    let error = (rank as f64 / 2.0 + 48.0) * UNIT * (variance + v_squared);
    (norm, error.sqrt() * weight)
}

/// Adds the weighted lengths of a row of V from every `cut`-th column on, some more rather than less.
fn tail_lengths(row: &[f64], cut: usize, weight: f64, to: &mut Vec<f64>) {
    let mut lengths = [0.0; CUTS];
    let mut squared = 0.0;
    for (length, columns) in lengths.iter_mut().zip(row.chunks(cut)).rev() {
        squared += dot(columns, columns);
        *length = squared.sqrt() * weight * (1.0 + 1e-9);
    }
    to.extend(lengths);
}

impl Field {
    pub(super) fn new(
        kernels: &'static Kernels,
        order: &Order,
        coords: &[f64],
        model: &CovarianceModel,
    ) -> Result<Self, ResidualError> {
        let (n, dim) = (order.ids.len(), order.dim());
        let mut axes = AlignedVec::zeroed(n * dim)?;
        for (t, axis) in axes.chunks_exact_mut(n).enumerate() {
            for (x, &id) in axis.iter_mut().zip(&order.ids) {
                *x = coords[id as usize * dim + t];
            }
        }
        Ok(Self {
            kernels,
            covariance: model.covariance,
            variance: model.variance,
            inverse_lengthscales: model.inverse_lengthscales(dim)?,
            axes,
            v: Stored::Placed(AlignedVec::new()),
            rank: 1,
            stride: 1,
            weights: Vec::new(),
            norms: Vec::new(),
            errors: Vec::new(),
        })
    }

    pub(super) fn len(&self) -> usize {
        self.axes.len() / self.dim().max(1)
    }

    pub(super) fn dim(&self) -> usize {
        self.inverse_lengthscales.len()
    }

    pub(super) fn set_model(&mut self, model: &CovarianceModel) -> Result<(), ResidualError> {
        self.inverse_lengthscales = model.inverse_lengthscales(self.dim())?;
        (self.covariance, self.variance) = (model.covariance, model.variance);
        Ok(())
    }

    /// Takes over a checked factor whose rows are in the order of ids.
    pub(super) fn set_factor(&mut self, order: &Order, factor: Factor<'_>) -> Result<(), ResidualError> {
        let mut v = self.reusable();
        if let Err(refused) = v.resize_stale(order.ids.len() * stride_of(factor.rank.max(1))) {
            if let Stored::Placed(before) = &mut self.v {
                *before = v;
            }
            return Err(refused.into());
        }
        self.set_rank(factor.rank.max(1));
        let fill = |row: &mut [f64], id: usize| match factor.rank {
            0 => row.fill(0.0),
            rank => row.copy_from_slice(&factor.v[id * rank..(id + 1) * rank]),
        };
        self.fill(order, v, fill, |id| factor.p[id])
    }

    /// Takes over a factor of checked shape, at least one column wide, for other parameters, whose rows stay where they are.
    /// Gives back the rows that were kept so before. A refused factor changes nothing.
    pub(super) fn take_factor(
        &mut self,
        order: &Order,
        model: &CovarianceModel,
        v: Vec<f64>,
        rank: usize,
        p: &[f64],
    ) -> Result<Vec<f64>, ResidualError> {
        expect_positive("p", p)?;
        let inner = self.kernels.forms::<f64>(Measure::InnerProduct);
        // As V lies: rows picked one by one come at a fraction of the speed.
        let norms = parallel::try_map(v.chunks(PIECE * rank).collect(), |(): &mut (), rows| {
            let mut norms = Vec::with_capacity(PIECE);
            for row in rows.chunks_exact(rank) {
                let squared = inner.pair(row, row)?;
                if !squared.is_finite() {
                    expect_finite("v", &v)?;
                }
                norms.push(squared);
            }
            Ok::<_, ResidualError>(norms)
        })?;
        self.set_model(model)?;
        self.set_rank(rank);
        let squared = |id: usize| norms.get(id / PIECE).and_then(|norms| norms.get(id % PIECE)).copied();
        let of_place = |&id: &u32| (squared(id as usize).unwrap_or_default(), p[id as usize]);
        self.set_variances(order.ids.iter().map(of_place));
        let before = match std::mem::replace(&mut self.v, Stored::Taken(v, order.ids.clone())) {
            Stored::Taken(v, _) => v,
            Stored::Placed(_) => Vec::new(),
        };
        Ok(before)
    }

    /// The memory of rows in spatial order, to be given back by [`fill`](Self::fill).
    pub(super) fn reusable(&mut self) -> AlignedVec<f64> {
        match &mut self.v {
            Stored::Placed(v) => std::mem::take(v),
            Stored::Taken(..) => AlignedVec::new(),
        }
    }

    /// The rows that were taken over, if any. A factor has to be set after that.
    pub(super) fn hand_back(&mut self) -> Vec<f64> {
        match &mut self.v {
            Stored::Taken(v, _) => std::mem::take(v),
            Stored::Placed(_) => Vec::new(),
        }
    }

    /// Columns from one place where rows of V may be cut to the next.
    pub(super) fn cut(&self) -> usize {
        self.rank.div_ceil(CUTS).next_multiple_of(16)
    }

    /// Weighted lengths of the row of V at a place from every [`cut`](Self::cut)-th column on, [`CUTS`] of them.
    pub(super) fn tails(&self, place: usize, to: &mut Vec<f64>) {
        tail_lengths(self.row(place), self.cut(), self.weights[place], to);
    }

    /// Takes over V in spatial order, and (|v|², p) of every place.
    #[cfg(feature = "inducing")]
    pub(super) fn set_rows(
        &mut self,
        v: AlignedVec<f64>,
        rank: usize,
        variances: impl Iterator<Item = (f64, f64)>,
    ) {
        self.set_rank(rank);
        self.set_variances(variances);
        self.v = Stored::Placed(v);
    }

    /// Derives weights, norms and error bounds from (|v|², p) of every place.
    fn set_variances(&mut self, variances: impl Iterator<Item = (f64, f64)>) {
        for values in [&mut self.weights, &mut self.norms, &mut self.errors] {
            values.clear();
        }
        for (squared, p) in variances {
            let weight = 1.0 / p.sqrt();
            let (norm, error) = norm_and_error(self.variance, squared, weight, self.rank);
            self.weights.push(weight);
            self.norms.push(norm);
            self.errors.push(error);
        }
    }

    /// Fills rows of `v`, and derives the rest while they are in the cache.
    fn fill(
        &mut self,
        order: &Order,
        mut v: AlignedVec<f64>,
        fill: impl Fn(&mut [f64], usize) + Sync,
        p: impl Fn(usize) -> f64 + Sync,
    ) -> Result<(), ResidualError> {
        let n = order.ids.len();
        for values in [&mut self.weights, &mut self.norms, &mut self.errors] {
            values.clear();
            values.resize(n, 0.0);
        }
        let (rank, stride, variance) = (self.rank, self.stride, self.variance);
        let inner = self.kernels.forms::<f64>(Measure::InnerProduct);
        let pieces: Vec<_> = v
            .chunks_mut(PIECE * stride)
            .zip(order.ids.chunks(PIECE))
            .zip(self.weights.chunks_mut(PIECE))
            .zip(self.norms.chunks_mut(PIECE).zip(self.errors.chunks_mut(PIECE)))
            .collect();
        let done = parallel::try_map(pieces, |(): &mut (), (((v, ids), weights), (norms, errors))| {
            for (i, row) in v.chunks_exact_mut(stride).enumerate() {
                let row = &mut row[..rank];
                let id = ids[i] as usize;
                fill(row, id);
                let squared = inner.pair(row, row)?;
                weights[i] = 1.0 / p(id).sqrt();
                (norms[i], errors[i]) = norm_and_error(variance, squared, weights[i], rank);
            }
            Ok::<(), ResidualError>(())
        });
        done?;
        self.v = Stored::Placed(v);
        Ok(())
    }

    /// Takes over a rank.
    pub(super) fn set_rank(&mut self, rank: usize) {
        self.rank = rank;
        self.stride = stride_of(rank);
    }

    /// Completes the row of V that was added to the queries.
    fn pad(&self, queries: &mut Queries) -> Result<(), ResidualError> {
        let rows = queries.weights.len() + 1;
        Ok(queries.v.resize(rows * self.stride, 0.0)?)
    }

    /// Row of V at a place.
    pub(super) fn row(&self, place: usize) -> &[f64] {
        self.v.row(place, self.rank)
    }

    /// Rows of V of a range of places; if they do not lie together, in `gathered`.
    pub(super) fn rows<'a>(
        &'a self,
        range: Range,
        gathered: &'a mut AlignedVec<f64>,
    ) -> Result<Rows<'a, f64>, ResidualError> {
        self.v.rows(range, self.rank, gathered)
    }

    /// Writes the coordinates of a place and returns its weight.
    pub(super) fn read(&self, place: usize, x: &mut [f64]) -> f64 {
        let n = self.len();
        for (t, x) in x.iter_mut().enumerate() {
            *x = self.axes[t * n + place];
        }
        self.weights[place]
    }

    /// The coordinates of a place.
    pub(super) fn point(&self, place: usize) -> impl Iterator<Item = f64> {
        self.axes.iter().skip(place).step_by(self.len().max(1)).copied()
    }

    /// Adds the point at a place to the queries.
    pub(super) fn push_member(
        &self,
        queries: &mut Queries,
        place: usize,
        limit: u32,
    ) -> Result<(), ResidualError> {
        queries.coords.extend(self.point(place));
        queries.v.extend_from_slice(self.row(place))?;
        self.pad(queries)?;
        tail_lengths(self.row(place), self.cut(), self.weights[place], &mut queries.tails);
        queries.weights.push(self.weights[place]);
        queries.norms.push(self.norms[place]);
        queries.errors.push(self.errors[place]);
        queries.places.push(place as u32);
        queries.limits.push(limit);
        Ok(())
    }

    /// Adds a point that is no member to the queries.
    pub(super) fn push_point(
        &self,
        queries: &mut Queries,
        x: &[f64],
        v: &[f64],
        p: f64,
    ) -> Result<(), ResidualError> {
        queries.coords.extend_from_slice(x);
        if v.is_empty() {
            queries.v.push(0.0)?;
        } else {
            queries.v.extend_from_slice(v)?;
        }
        self.pad(queries)?;
        let squared: f64 = v.iter().map(|v| v * v).sum();
        let weight = 1.0 / p.sqrt();
        let (norm, error) = norm_and_error(self.variance, squared, weight, self.rank);
        tail_lengths(v, self.cut(), weight, &mut queries.tails);
        queries.weights.push(weight);
        queries.norms.push(norm);
        queries.errors.push(error);
        queries.places.push(u32::MAX);
        queries.limits.push(u32::MAX);
        Ok(())
    }

    /// Squared scaled distances of `x` to points whose coordinates stand axis by axis, `stride` apart.
    #[inline]
    pub(super) fn squared_distances(&self, x: &[f64], axes: &[f64], stride: usize, out: &mut [f64]) {
        squared_distances(&self.inverse_lengthscales, x, axes, stride, out);
    }

    /// Squared distances to covariances, in place.
    pub(super) fn covariances(&self, squared: &mut [f64]) -> Result<(), ResidualError> {
        Ok(self.kernels.covariance(self.covariance, 1.0, self.variance, squared)?)
    }

    /// Residual correlations of query `i` with the points at `places`, in `out`; the pair is scratch.
    pub(super) fn correlations_at(
        &self,
        queries: &Queries,
        i: usize,
        places: &[u32],
        (numbers, dots): (&mut Vec<u32>, &mut Vec<f64>),
        out: &mut Vec<f64>,
    ) -> Result<(), ResidualError> {
        dots.resize(places.len(), 0.0);
        out.clear();
        let (n, dim) = (self.len(), self.dim());
        let x = &queries.coords[i * dim..(i + 1) * dim];
        out.extend(places.iter().map(|&place| {
            let mut squared = 0.0;
            for (t, (x, scale)) in x.iter().zip(&self.inverse_lengthscales).enumerate() {
                let step = (x - self.axes[t * n + place as usize]) * scale;
                squared = if t == 0 { step * step } else { squared + step * step };
            }
            squared
        }));
        self.covariances(out)?;
        let (rows, numbers) = self.v.picked(places, self.rank, numbers)?;
        let v = &queries.v[i * self.stride..i * self.stride + self.rank];
        self.kernels.forms::<f64>(Measure::InnerProduct).ids(v, rows, numbers, dots)?;
        let weight = queries.weights[i];
        for ((out, dot), &place) in out.iter_mut().zip(&*dots).zip(places) {
            *out = (*out - dot) * (weight * self.weights[place as usize]);
        }
        Ok(())
    }

    /// Residual correlations of a row of queries with all points of a range: query `i`'s from
    /// `out[i * range.len]` on.
    pub(super) fn correlations_tile(
        &self,
        queries: &Queries,
        rows: Rows<'_, f64>,
        which: &[usize],
        range: Range,
        (gathered, dots): (&mut AlignedVec<f64>, &mut Vec<f64>),
        out: &mut Vec<f64>,
    ) -> Result<(), ResidualError> {
        dots.resize(which.len() * range.len, 0.0);
        out.resize(rows.len() * range.len, 0.0);
        let inner = self.kernels.forms::<f64>(Measure::InnerProduct);
        // So few at a time that they are still in the cache when the last queries are multiplied.
        for start in (0..range.len).step_by(GATHERED) {
            let part = Range { start: range.start + start, len: GATHERED.min(range.len - start) };
            let products = &mut out[..rows.len() * part.len];
            inner.tile(rows, self.rows(part, gathered)?, products)?;
            let lines = dots.chunks_exact_mut(range.len).zip(products.chunks_exact(part.len));
            for (dots, products) in lines {
                dots[start..start + part.len].copy_from_slice(products);
            }
        }
        out.truncate(which.len() * range.len);
        let (n, dim) = (self.len(), self.dim());
        for (&i, out) in which.iter().zip(out.chunks_exact_mut(range.len)) {
            let x = &queries.coords[i * dim..(i + 1) * dim];
            self.squared_distances(x, &self.axes[range.start..], n, out);
        }
        self.covariances(out)?;
        let weights = &self.weights[range.start..range.end()];
        let lines = out.chunks_exact_mut(range.len).zip(dots.chunks_exact(range.len));
        for (&i, (out, dots)) in which.iter().zip(lines) {
            let weight = queries.weights[i];
            for ((out, dot), other) in out.iter_mut().zip(dots).zip(weights) {
                *out = (*out - dot) * (weight * other);
            }
        }
        Ok(())
    }
}

/// Σ ((x − y) / ℓ)² of `x` to points whose coordinates stand axis by axis, `stride` apart.
#[inline]
pub(super) fn squared_distances(scale: &[f64], x: &[f64], axes: &[f64], stride: usize, out: &mut [f64]) {
    for (t, (&x, &scale)) in x.iter().zip(scale).enumerate() {
        let axis = &axes[t * stride..t * stride + out.len()];
        if t == 0 {
            for (out, &y) in out.iter_mut().zip(axis) {
                let step = (x - y) * scale;
                *out = step * step;
            }
        } else {
            for (out, &y) in out.iter_mut().zip(axis) {
                let step = (x - y) * scale;
                *out += step * step;
            }
        }
    }
}

/// Whose span pivots are chosen for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Feature {
    /// Residual features: their inner products are ρ.
    #[default]
    Residual,
    /// Weighted rows of V: their inner products are what the low-rank part takes off the weighted covariance.
    LowRank,
}

impl Feature {
    /// Squared norm of the feature of a place.
    pub(super) fn norm(self, field: &Field, place: usize) -> f64 {
        self.norm_of(field, field.norms[place], field.weights[place])
    }

    /// The same for a query, from its residual norm and weight.
    pub(super) fn norm_of(self, field: &Field, residual: f64, weight: f64) -> f64 {
        match self {
            Self::Residual => residual,
            Self::LowRank => (field.variance * weight * weight - residual).max(0.0),
        }
    }
}

/// Coordinates that a point may have.
pub(super) const MAX_DIM: usize = 64;
