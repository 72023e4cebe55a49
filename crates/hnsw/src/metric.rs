//! How vectors are compared, and the exact distance of a query to one of them.

use simd_kernels::{Distance, Element, Kernels, Measure, Rows};

use crate::Error;

/// How vectors are compared. Smaller distances are nearer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Metric {
    /// Squared Euclidean distance.
    L2,
    /// Minus the inner product, of vectors of any length (maximum inner product search).
    InnerProduct,
    /// One minus the cosine of the angle. All-zero vectors have no angle and are refused.
    Cosine,
    /// Differing bits of vectors given as bytes, eight bits each; `u8` only.
    Hamming,
}

impl Metric {
    /// Every metric.
    pub const ALL: [Metric; 4] = [Metric::L2, Metric::InnerProduct, Metric::Cosine, Metric::Hamming];

    /// Whether vectors of `T` are compared by it.
    pub fn expect<T: Element>(self) -> Result<(), Error> {
        if self.compares(T::NAME) {
            Ok(())
        } else {
            Err(Error::Metric { metric: self.name(), element: T::NAME })
        }
    }

    /// Whether vectors of the element type of that name are compared by it.
    pub fn compares(self, element: &str) -> bool {
        match self {
            Metric::Hamming => element == "u8",
            _ => element != "f64",
        }
    }

    /// The name used in files and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Metric::L2 => "l2",
            Metric::InnerProduct => "inner product",
            Metric::Cosine => "cosine",
            Metric::Hamming => "hamming",
        }
    }
}

/// Vectors with what their metric needs of each.
#[derive(Clone, Copy, Debug)]
pub struct Exact<'a, T> {
    /// How.
    pub metric: Metric,
    /// The vectors.
    pub rows: Rows<'a, T>,
    /// Inverse lengths under cosine, else empty.
    pub inverse_norms: &'a [f32],
    /// What measures.
    pub kernels: &'static Kernels,
}

/// Products of inverse lengths for which inner products of the vectors are far from both ends of `f32`.
const COMFORTABLE: std::ops::RangeInclusive<f32> = 1e-24..=1e24;

impl<T: Element> Exact<'_, T> {
    /// The distance to row `id`, in the metric's unit: at least 0 under all but inner product, and never NaN.
    /// What does not fit an `f32` is infinite.
    #[inline]
    pub fn distance(&self, query: &Query<'_, T>, id: u32) -> Result<f32, Error> {
        let row = self.rows.row(id as usize).unwrap_or_default();
        let dot = || self.kernels.forms::<T>(Measure::InnerProduct).pair(query.vector, row);
        let distance = match self.metric {
            Metric::L2 => self.kernels.forms::<T>(Measure::L2Squared).pair(query.vector, row)?.to_f32(),
            Metric::InnerProduct => -dot()?.to_f32(),
            Metric::Cosine => {
                let inverse = query.inverse_norm * self.inverse_norm(id);
                if COMFORTABLE.contains(&inverse) {
                    1.0 - (dot()?.to_f32() * inverse).clamp(-1.0, 1.0)
                } else {
                    f32::NAN
                }
            }
            Metric::Hamming => self.kernels.hamming().pair(bytes(query.vector), bytes(row))?.to_f32(),
        };
        Ok(if distance.is_finite() { distance } else { wide_distance(self.metric, query.vector, row) })
    }

    fn inverse_norm(&self, id: u32) -> f32 {
        self.inverse_norms.get(id as usize).copied().unwrap_or(0.0)
    }

    /// Distances to rows `ids`, as numbers that sort like them.
    pub fn keys(
        &self,
        query: &Query<'_, T>,
        ids: &[u32],
        scratch: &mut Vec<T::Distance>,
        out: &mut [i32],
    ) -> Result<(), Error> {
        if self.metric == Metric::Hamming {
            let rows =
                Rows::with_stride(bytes(self.data()), self.rows.len(), self.rows.dim(), self.rows.stride())?;
            return Ok(self.kernels.hamming().ids(bytes(query.vector), rows, ids, out)?);
        }
        scratch.resize(ids.len().max(scratch.len()), T::Distance::default());
        let Some(found) = scratch.get_mut(..ids.len()) else { return Ok(()) };
        let measure = if self.metric == Metric::L2 { Measure::L2Squared } else { Measure::InnerProduct };
        self.kernels.forms::<T>(measure).ids(query.vector, self.rows, ids, found)?;
        for ((out, found), &id) in out.iter_mut().zip(found).zip(ids) {
            let value = found.to_f32();
            let key = match self.metric {
                Metric::L2 => value,
                Metric::Cosine => {
                    let inverse = query.inverse_norm * self.inverse_norm(id);
                    if COMFORTABLE.contains(&inverse) { -value * inverse } else { f32::NAN }
                }
                _ => -value,
            };
            *out = sortable(if key.is_finite() { key } else { self.wide_key(query, id) });
        }
        Ok(())
    }

    #[cold]
    fn wide_key(&self, query: &Query<'_, T>, id: u32) -> f32 {
        let distance =
            wide_distance(self.metric, query.vector, self.rows.row(id as usize).unwrap_or_default());
        if self.metric == Metric::Cosine { distance - 1.0 } else { distance }
    }

    fn data(&self) -> &[T] {
        self.rows.data()
    }
}

/// A query with what its metric needs of it.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a, T> {
    /// The query.
    pub vector: &'a [T],
    /// Under cosine.
    pub inverse_norm: f32,
}

/// A distance whose terms leave the range of `f32`, in `f64`, which holds the squares of all of its numbers.
#[cold]
fn wide_distance<T: Element>(metric: Metric, query: &[T], row: &[T]) -> f32 {
    let (mut dot, mut l2, mut query_norm, mut row_norm) = (0.0f64, 0.0f64, 0.0f64, 0.0f64);
    for (x, y) in query.iter().zip(row) {
        let (x, y) = (x.to_f64(), y.to_f64());
        dot += x * y;
        l2 += (x - y) * (x - y);
        query_norm += x * x;
        row_norm += y * y;
    }
    let distance = match metric {
        Metric::InnerProduct => -dot,
        Metric::Cosine => 1.0 - (dot / query_norm.sqrt() / row_norm.sqrt()).clamp(-1.0, 1.0),
        Metric::L2 | Metric::Hamming => l2,
    };
    // Only vectors of a damaged file get here with NaN.
    if distance.is_nan() { f32::INFINITY } else { distance as f32 }
}

/// An integer that sorts as the number does.
#[inline]
pub fn sortable(x: f32) -> i32 {
    let bits = x.to_bits() as i32;
    bits ^ ((bits >> 31) & i32::MAX)
}

/// The number that [`sortable`] made an integer of.
#[inline]
pub(crate) fn sorted_as(sortable: i32) -> f32 {
    f32::from_bits((sortable ^ ((sortable >> 31) & i32::MAX)) as u32)
}

/// Vectors of `u8` as bytes; of other types, never asked for, their memory.
fn bytes<T: Element>(vector: &[T]) -> &[u8] {
    bytemuck::cast_slice(vector)
}
