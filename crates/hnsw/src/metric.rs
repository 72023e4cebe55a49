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
    pub(crate) fn expect<T: Element>(self) -> Result<(), Error> {
        let fits = match self {
            Metric::Hamming => T::NAME == "u8",
            _ => T::NAME != "f64",
        };
        if fits { Ok(()) } else { Err(Error::Metric { metric: self.name(), element: T::NAME }) }
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
pub(crate) struct Exact<'a, T> {
    pub(crate) metric: Metric,
    pub(crate) rows: Rows<'a, T>,
    /// Inverse lengths under cosine, else empty.
    pub(crate) inverse_norms: &'a [f32],
    pub(crate) kernels: &'static Kernels,
}

impl<T: Element> Exact<'_, T> {
    /// The distance to row `id`, in the metric's unit.
    #[inline]
    pub(crate) fn distance(&self, query: &Query<'_, T>, id: u32) -> Result<f32, Error> {
        let row = self.rows.row(id as usize).unwrap_or_default();
        let dot = || self.kernels.forms::<T>(Measure::InnerProduct).pair(query.vector, row);
        Ok(match self.metric {
            Metric::L2 => self.kernels.forms::<T>(Measure::L2Squared).pair(query.vector, row)?.to_f32(),
            Metric::InnerProduct => -dot()?.to_f32(),
            Metric::Cosine => {
                let inverse = self.inverse_norms.get(id as usize).copied().unwrap_or(0.0);
                1.0 - (dot()?.to_f32() * query.inverse_norm * inverse).clamp(-1.0, 1.0)
            }
            Metric::Hamming => self.kernels.hamming().pair(bytes(query.vector), bytes(row))?.to_f32(),
        })
    }

    /// Distances to rows `ids`, as numbers that sort like them.
    pub(crate) fn keys(
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
            *out = sortable(match self.metric {
                Metric::L2 => value,
                Metric::Cosine => -value * self.inverse_norms.get(id as usize).copied().unwrap_or(0.0),
                _ => -value,
            });
        }
        Ok(())
    }

    fn data(&self) -> &[T] {
        self.rows.data()
    }
}

/// A query with what its metric needs of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Query<'a, T> {
    pub(crate) vector: &'a [T],
    /// Under cosine.
    pub(crate) inverse_norm: f32,
}

/// An integer that sorts as the number does.
#[inline]
pub(crate) fn sortable(x: f32) -> i32 {
    let bits = x.to_bits() as i32;
    bits ^ ((bits >> 31) & i32::MAX)
}

/// Vectors of `u8` as bytes; of other types, never asked for, their memory.
fn bytes<T: Element>(vector: &[T]) -> &[u8] {
    bytemuck::cast_slice(vector)
}
