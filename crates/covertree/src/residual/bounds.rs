//! What a block's pivots say about a query, and every rounding error that this has to allow for.

use simd_kernels::{Band, Covariance, Panels, Rows, WordPanels};

use super::error::ResidualError;
use super::field::{Feature, Field, Queries};
use super::pivots::Block;
use super::words::WORDS;

/// Unit roundoffs.
pub(super) const UNIT: f64 = f64::EPSILON / 2.0;
pub(super) const UNIT_F32: f32 = f32::EPSILON / 2.0;

/// A query's bounds with respect to a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct QueryBounds {
    /// |h|, not rounded down.
    pub(super) length: f32,
    /// Bound on √(|x_q|² − |h|²).
    pub(super) remainder: f32,
    /// What bounds of members are to be widened by, over sⱼ.
    pub(super) slack: f32,
    /// Bound on the error of the coordinates.
    pub(super) own: f32,
    /// Bound on |ρ| of all members.
    pub(super) upper: f32,
}

/// Of what is not eligible.
pub(super) const NOTHING: QueryBounds =
    QueryBounds { length: 0.0, remainder: 0.0, slack: 0.0, own: 0.0, upper: f32::NEG_INFINITY };

impl Block {
    /// Bound on the error of the coordinates of a feature of norm `length` that were computed from its inner products
    /// with the pivots, whose errors are `error` times those of the pivots.
    pub(super) fn projection_error(&self, length: f64, error: f64) -> f64 {
        // The kernels' own bound is (size / 4 + 16) ε; as much again for the forming of explicit basis vectors.
        let rounding = (self.probe.size as f64 + 68.0) * UNIT;
        self.pivot_error * error + rounding * self.pivot_length * length
    }

    /// What must be added to a squared remainder: errors of coordinates of norm `length`, the basis, and how far
    /// K − VVᵀ as computed may be from positive semi-definite (taken as 16 times the error bound of its diagonal).
    pub(super) fn remainder_slack(&self, coordinate_error: f64, error: f64, length: f64) -> f64 {
        2.5 * coordinate_error * length.max(coordinate_error)
            + 2.0 * self.gram_error * length * length
            + 16.0 * error * error
    }

    /// Pivots, padding of the basis included: the length of a query's coordinates.
    pub(super) fn size(&self) -> usize {
        self.probe.size * usize::from(!self.pivots.is_empty())
    }

    /// Bound on the error of a query's coordinates as [`Probe::coordinates`](super::probe::Probe::coordinates) has them,
    /// but for the projection, from its feature's norm, its error coefficient and the weighted length of its tail.
    fn query_error(&self, field: &Field, norm: f64, error: f64, tail: f64) -> f64 {
        match self.feature {
            Feature::Residual => self.projection_error(norm, error) + self.tail_error * tail * 1.01,
            Feature::LowRank => {
                let size = self.size() as f64;
                (field.rank as f64 / 2.0 + 34.0) * UNIT * size.sqrt() * norm * 1.01
            }
        }
    }

    /// Bounds of a query at place `i` of a group, from the squared norms of its coordinates, as
    /// [`Probe::coordinates`](super::probe::Probe::coordinates) has them, and of its offset.
    pub(super) fn query_bounds(
        &self,
        field: &Field,
        queries: &Queries,
        i: usize,
        coordinates: f64,
        offset_norm: f32,
    ) -> QueryBounds {
        let (weight, error) = (queries.weights[i], queries.errors[i]);
        let norm = self.feature.norm_of(field, queries.norms[i], weight).sqrt();
        let own = self.query_error(field, norm, error, queries.tail(i, self.probe.columns, field.cut()))
            + 1.01 * f64::from(UNIT_F32) * coordinates.sqrt();
        self.bounds_of(field, queries, i, coordinates, own, offset_norm)
    }

    /// The same where coordinates are wrong by `own`.
    pub(super) fn bounds_of(
        &self,
        field: &Field,
        queries: &Queries,
        i: usize,
        coordinates: f64,
        own: f64,
        offset_norm: f32,
    ) -> QueryBounds {
        let (weight, error) = (queries.weights[i], queries.errors[i]);
        let feature_norm = self.feature.norm_of(field, queries.norms[i], weight);
        let length = coordinates.sqrt();
        let left = (feature_norm - coordinates).max(0.0) + self.remainder_slack(own, error, length);
        let remainder = (left.sqrt() as f32).next_up();
        // The few roundings after the products of words, and a basis that is not quite orthonormal.
        let in_product = 64.0 * f64::from(UNIT_F32) + 2.0 * self.gram_error;
        let mut slack = 1.5 * (own * self.largest_norm + self.coordinate_error * length)
            + in_product * length * self.largest_norm
            + 4.0 * error * self.scaled_error;
        let mut upper = f32::INFINITY;
        match self.feature {
            Feature::Residual => {
                let product = length * self.largest_norm + left.sqrt() * f64::from(self.largest_remainder);
                upper = ((product + slack) as f32).next_up();
            }
            Feature::LowRank => {
                slack += covariance_error(field, f64::from(offset_norm), self.largest_offset) * weight;
            }
        }
        let slack = (slack as f32).next_up();
        QueryBounds {
            length: (length as f32).next_up(),
            remainder,
            slack,
            own: (own as f32).next_up(),
            upper,
        }
    }

    /// A query relative to the block's centre, for `covariances`; returns the squared norm.
    pub(super) fn offset(&self, field: &Field, x: &[f64], offset: &mut [f32]) -> f32 {
        let scaled = x.iter().zip(&self.centre).zip(&field.inverse_lengthscales);
        for (to, ((x, centre), scale)) in offset.iter_mut().zip(scaled) {
            *to = ((x - centre) * scale) as f32;
        }
        offset.iter().map(|x| x * x).sum()
    }

    /// Covariances in `f32` of queries, by offsets and their squared norms, with every member, padding included.
    pub(super) fn covariances(
        &self,
        field: &Field,
        offsets: &[f32],
        norms: &[f32],
        out: &mut [f32],
    ) -> Result<(), ResidualError> {
        let dim = field.dim();
        let rows = Rows::new(offsets, dim)?;
        let panels = Panels::new(&self.offsets, dim)?;
        field.kernels.panels::<f32>().l2_squared(rows, norms, panels, &self.offset_norms, out)?;
        Ok(field.kernels.covariance(field.covariance, 1.0, field.variance as f32, out)?)
    }

    /// h·(g / sⱼ − middle) of every query with every member, padding included, in units of the slope of [`band`](Self::band).
    pub(super) fn products(
        &self,
        field: &Field,
        queries: &[i16],
        out: &mut [i32],
    ) -> Result<(), ResidualError> {
        let panels = WordPanels::new(&self.coordinates, self.size())?;
        Ok(field.kernels.word_panels().inner_product(queries, panels, out)?)
    }

    /// A query's part of the members' bands, from its coordinates and how far off their words are.
    pub(super) fn band(&self, bounds: &QueryBounds, coordinates: &[f32], off: f32, weight: f64) -> Band {
        let (length, unit) = (f64::from(bounds.length), f64::from(WORDS));
        let of_words = f64::from(off) * self.packed.longest + length * self.packed.off;
        let base = match self.feature {
            Feature::Residual => 0.0,
            Feature::LowRank => coordinates.iter().zip(&self.middle).map(|(x, m)| f64::from(*x) * m).sum(),
        };
        Band {
            weight: weight as f32,
            base: base as f32,
            slope: (length / unit * (self.packed.longest / unit)) as f32,
            remainder: bounds.remainder,
            slack: bounds.slack + ((1.01 * of_words) as f32).next_up(),
        }
    }
}

/// Bound on the error of covariances computed in `f32` from offsets with squared norms up to those given.
///
/// The squared distance is wrong by δ = (dim + 16) ε (|a|² + |b|²) and 4 ε more for rounded offsets, and covariances
/// change with it by at most σ² times: 1/2 (RBF), 3/2 (Matérn 3/2), 5/6 (Matérn 5/2); for Matérn 1/2 by
/// σ² √δ in all, and by σ² δ / r where the distance is at least r.
fn covariance_error(field: &Field, query: f64, member: f64) -> f64 {
    let epsilon = f64::from(f32::EPSILON);
    let delta = (field.dim() as f64 + 24.0) * epsilon * (query + member);
    let change = match field.covariance {
        Covariance::Rbf => 0.5 * delta,
        Covariance::Matern32 => 1.5 * delta,
        Covariance::Matern52 => 5.0 / 6.0 * delta,
        _ => delta.sqrt().min(delta / (0.999 * query.sqrt() - 1.001 * member.sqrt()).max(1e-300)),
    };
    // A covariance is wrong by (4 + 1.5 a) ε of itself, and a exp(−a) (1 + a + a²/3) stays below 1.6.
    field.variance * (change.min(1.0) + 10.0 * epsilon)
}
