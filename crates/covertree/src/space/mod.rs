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
    /// Bit c for each child c that is yet to be visited.
    pub(crate) open: u32,
    /// The open child with the least bound, as long as that is known: else `FANOUT`.
    pub(crate) first: u32,
    /// No point below child c is nearer than `bounds[c]`.
    pub(crate) bounds: [D; FANOUT],
    /// The distance to the centre of child c, where children have centres.
    pub(crate) anchors: [D; FANOUT],
}

impl<D: Scalar> Frame<D> {
    pub(crate) fn new() -> Self {
        let none = FANOUT as u32;
        Self { node: 0, open: 0, first: none, bounds: [D::ZERO; FANOUT], anchors: [D::ZERO; FANOUT] }
    }

    /// There is nothing to visit below the children that are not in `counting`.
    #[inline]
    pub(crate) fn keep(&mut self, counting: u32) {
        self.open &= counting;
        self.first = FANOUT as u32;
    }

    /// Takes the open child with the least bound, the first of equals, if that bound is within `limit`.
    #[inline]
    pub(crate) fn take_nearest(&mut self, limit: D) -> Option<usize> {
        let mut child = self.first as usize;
        if child >= FANOUT {
            if self.open & self.open.wrapping_sub(1) != 0 {
                // Several: those that the limit has passed meanwhile go at once, which mostly leaves few.
                for (child, &bound) in self.bounds.iter().enumerate() {
                    self.open &= !(u32::from(bound > limit) << child);
                }
            }
            if self.open == 0 {
                return None;
            }
            child = self.open.trailing_zeros() as usize;
            let mut others = self.open & (self.open - 1);
            while others != 0 {
                let other = others.trailing_zeros() as usize;
                others &= others - 1;
                child = if self.bounds[other] < self.bounds[child % FANOUT] { other } else { child };
            }
        }
        self.first = FANOUT as u32;
        let child = child % FANOUT;
        if self.bounds[child] <= limit && self.open >> child & 1 != 0 {
            self.open &= !(1 << child);
            Some(child)
        } else {
            // No other is nearer.
            self.open = 0;
            None
        }
    }

    /// The open children.
    #[inline]
    pub(crate) fn each_open(&self) -> impl Iterator<Item = usize> + use<D> {
        let open = self.open;
        (0..FANOUT).filter(move |child| open >> child & 1 != 0)
    }
}

/// The bits of those of `distances` that are within `limit`, 64 a word, in `near`.
#[inline]
pub(crate) fn mark_near<D: Scalar>(distances: &[D], limit: D, near: &mut Vec<u64>) {
    near.clear();
    for distances in distances.chunks(64) {
        let mut bits = 0;
        for (at, distances) in distances.chunks(FANOUT).enumerate() {
            // Mostly none of sixteen is near enough, and that takes few instructions to see. Then a bit for each that
            // is, without a branch.
            if let Ok(panel) = <&[D; FANOUT]>::try_from(distances)
                && !panel.iter().fold(false, |any, distance| any | (*distance <= limit))
            {
                continue;
            }
            for (lane, &distance) in distances.iter().enumerate() {
                bits |= u64::from(distance <= limit) << (at * FANOUT + lane);
            }
        }
        near.push(bits);
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
    /// returned, their comparable distances lie at the start of `out`. Children beyond `limit` need not be open.
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
    /// comparable distances at the start of `out`, and in `near` the bits of those within the limit, 64 a word (others
    /// may be set behind the last). If `one` is wanted, the nearest of them and its equals are enough.
    #[doc(hidden)]
    #[expect(clippy::too_many_arguments, reason = "the state of one step of a search")]
    fn scan(
        &self,
        query: &Self::Point,
        prepared: &mut Self::Prepared,
        slots: Range<usize>,
        anchor: Self::Distance,
        limit: Self::Distance,
        one: bool,
        out: &mut Vec<Self::Distance>,
        near: &mut Vec<u64>,
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
