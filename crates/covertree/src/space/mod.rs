//! Where the points lie and how they are measured: what the tree's one search asks of its points.
//!
//! There are two: [`Vectors`], rows of numbers under a built-in metric, searched by boxes; and [`Items`], values of
//! any type under a metric of the user's, searched by balls whose centres are points of the set. Both keep their
//! points in the order of the tree, so that what is read together lies together.

mod items;
mod vectors;

use std::fmt;
use std::ops::Range;

use crate::error::Error;
use crate::scalar::Scalar;
use crate::tree::Shape;

pub use items::Items;
pub(crate) use items::{ItemBuilder, bound_balls};
pub(crate) use vectors::{Embedding, VectorBuilder, bound_boxes};
pub use vectors::{VectorMetric, Vectors};

/// The most children of a node: one panel of the kernels.
pub(crate) const FANOUT: usize = simd_kernels::PANEL_ROWS;

/// A node whose children are being visited, nearest bound first.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Frame<D> {
    pub(crate) node: u32,
    /// No point below child c is nearer than `bounds[c]` without its last four bits, which are the number of the
    /// child. Infinite where there is nothing to visit.
    pub(crate) bounds: [D; FANOUT],
    /// The distance to the centre of child c, where children have centres.
    pub(crate) anchors: [D; FANOUT],
}

impl<D: Scalar> Frame<D> {
    pub(crate) fn new() -> Self {
        Self { node: 0, bounds: [D::ZERO; FANOUT], anchors: [D::ZERO; FANOUT] }
    }

    /// Makes the bounds of `count` children, as they were computed, such that the least of them tells whose it is.
    #[inline]
    pub(crate) fn seal(&mut self, count: usize) {
        for (child, bound) in self.bounds.iter_mut().enumerate() {
            *bound = bound.tagged(child as u32);
        }
        self.bounds.iter_mut().skip(count).for_each(|bound| *bound = D::INFINITY);
    }

    /// There is nothing to visit below `child`.
    #[inline]
    pub(crate) fn close(&mut self, child: usize) {
        self.bounds[child] = D::INFINITY;
    }

    /// The open child with the least bound, and that bound.
    #[inline]
    pub(crate) fn nearest(&self) -> Option<(usize, D)> {
        let mut least = [D::INFINITY; 4];
        for bounds in self.bounds.chunks_exact(4) {
            for (least, &bound) in least.iter_mut().zip(bounds) {
                *least = if bound < *least { bound } else { *least };
            }
        }
        let first = if least[1] < least[0] { least[1] } else { least[0] };
        let second = if least[3] < least[2] { least[3] } else { least[2] };
        let least = if second < first { second } else { first };
        if least < D::INFINITY { Some((least.tag() as usize, least.untagged())) } else { None }
    }
}

mod sealed {
    /// Only the spaces of this crate.
    pub trait Sealed {}
}
pub(crate) use sealed::Sealed;

/// Points with their metric, in the order of a tree: [`Vectors`] or [`Items`]. Sealed; to bring a metric of your
/// own, implement [`Metric`](crate::Metric).
///
/// Searches compare *comparable* distances, which order as distances do and cost less (for L2 the square), and
/// turn the results into distances at the end.
pub trait Space: Sealed + Sized + Send + Sync + fmt::Debug {
    /// What a query is: `[T]` for rows of numbers, the item's type otherwise.
    type Point: ?Sized + Sync;
    /// Many queries: `[T]` for rows one after another, `[P]` for items.
    type Batch: ?Sized + Sync;
    /// What distances are held in.
    type Distance: Scalar;
    /// What is computed of a query before it is searched with.
    #[doc(hidden)]
    type Prepared: Default + Clone + Send + Sync + fmt::Debug;

    /// Blocks of points start at a multiple of this.
    #[doc(hidden)]
    const LANES: usize;

    /// Checks a query and computes what the search needs of it.
    #[doc(hidden)]
    fn prepare(&self, query: &Self::Point, prepared: &mut Self::Prepared) -> Result<(), Error>;

    /// How many queries a batch holds.
    #[doc(hidden)]
    fn batch_len(&self, queries: &Self::Batch) -> Result<usize, Error>;

    /// Query `index` of a batch.
    #[doc(hidden)]
    fn batch_query<'q>(&self, queries: &'q Self::Batch, index: usize) -> &'q Self::Point;

    /// Prepares a point of the tree as a query, together with [`stored`](Self::stored).
    #[doc(hidden)]
    fn prepare_slot(&self, slot: usize, prepared: &mut Self::Prepared);

    /// The point in `slot`, as far as searches need it besides its prepared form.
    #[doc(hidden)]
    fn stored(&self, slot: usize) -> &Self::Point;

    /// An order of the queries in which neighbours follow one another.
    #[doc(hidden)]
    fn order(&self, queries: &Self::Batch, count: usize) -> Vec<u32>;

    /// A comparable distance within which `to` has as many points as `from` has within `limit`, by the triangle
    /// inequality; infinite where that costs more than it saves.
    #[doc(hidden)]
    fn carry(&self, limit: Self::Distance, from: &Self::Prepared, to: &Self::Prepared) -> Self::Distance;

    /// Whether bounding blocks of points at once, as the next two functions do, is worth it.
    #[doc(hidden)]
    fn bounds_blocks(&self) -> bool {
        false
    }

    /// Makes of the points in `slots` what [`open`](Self::open) takes for a query: its bounds are then those of the
    /// nearest of them.
    #[doc(hidden)]
    fn prepare_block(&self, _slots: Range<usize>, _prepared: &mut Self::Prepared) {}

    /// Appends the bound of every point in `slots` (filled up to whole blocks) to what is below child `child` of node
    /// `node`.
    #[doc(hidden)]
    fn bound_block(&self, _slots: Range<usize>, _node: u32, _child: usize, _out: &mut Vec<Self::Distance>) {}

    /// Bounds the children of a node, and measures the points that lie in the node itself: their slots are
    /// returned, their comparable distances lie at the start of `out`.
    #[doc(hidden)]
    #[expect(clippy::too_many_arguments, reason = "the state of one step of a search")]
    fn open(
        &self,
        shape: &Shape,
        query: &Self::Point,
        prepared: &mut Self::Prepared,
        anchor: Self::Distance,
        limit: Self::Distance,
        frame: &mut Frame<Self::Distance>,
        out: &mut Vec<Self::Distance>,
    ) -> Range<usize>;

    /// Measures the points of a leaf that may be within `limit`: the slots measured, a part of `slots`, with the
    /// comparable distances at the start of `out`.
    #[doc(hidden)]
    fn scan(
        &self,
        query: &Self::Point,
        prepared: &mut Self::Prepared,
        slots: Range<usize>,
        anchor: Self::Distance,
        limit: Self::Distance,
        out: &mut Vec<Self::Distance>,
    ) -> Range<usize>;

    /// The distance that a comparable distance stands for.
    #[doc(hidden)]
    fn distance(&self, comparable: Self::Distance) -> Self::Distance;

    /// A comparable distance that no point within `radius` exceeds.
    #[doc(hidden)]
    fn reach(&self, radius: f64) -> Self::Distance;

    /// What went wrong while measuring, if anything did.
    #[doc(hidden)]
    fn fault(prepared: &Self::Prepared) -> Result<(), Error>;
}
