//! Rows of numbers under a built-in metric, in panels of sixteen, bounded by boxes.
//!
//! A leaf is a few panels: lane `i` of a panel is a point, so a block of points is measured without a horizontal
//! sum, whatever the dimension. The boxes of a node's children are one panel too. A box is stored as the row
//! `(lo₀, −hi₀, lo₁, −hi₁, …)`: against the query `(q₀, −q₀, …)` the part of each difference above zero is how far
//! the query lies outside, so one kernel gives the bounds of all sixteen children.
//!
//! **Distances are the same everywhere.** Differences are squared (L1: made positive) and added up one by one in
//! the order of the dimensions, without fused operations. That is what the plainest loop computes, on any CPU and
//! tier, in any order of search; and since rounding is monotone, a box's bound computed by the same operations is
//! never above the computed distance of a point in the box. Pruning therefore needs no tolerance.

mod build;
mod embed;
mod measure;
mod order;

use std::ops::Range;

use layouts::Storage;
use simd_kernels::Kernels;

use super::{FANOUT, Frame, Sealed, Space};
use crate::error::Error;
use crate::scalar::Scalar;
use crate::tree::Shape;

pub(crate) use build::{VectorBuilder, bound_boxes};
pub(crate) use embed::Embedding;
use embed::Norm;
pub use embed::VectorMetric;

/// Numbers in a stored row up to which the gap between two boxes tells nearly as much as that between a point and a
/// box, so that a leaf's points share a walk of the tree. From four on it was slower for every k (`docs/`).
const FLAT: usize = 3;

/// Rows of `T` under a [`VectorMetric`]: the points of a [`VectorTree`](crate::VectorTree).
#[derive(Debug)]
pub struct Vectors<T> {
    pub(crate) embedding: Embedding,
    /// The points in panels, by slot.
    pub(crate) panels: Storage<T>,
    /// The boxes of the children of each node, one panel a node.
    pub(crate) boxes: Storage<T>,
    pub(crate) kernels: &'static Kernels,
}

/// A query as the kernels want it.
#[doc(hidden)]
#[derive(Clone, Debug, Default)]
pub struct PreparedRow<T> {
    /// The embedded row.
    pub(crate) row: Vec<T>,
    /// `(q₀, −q₀, q₁, …)`.
    pub(crate) signed: Vec<T>,
}

impl<T: Scalar> PreparedRow<T> {
    /// Fills `signed` from `row`.
    pub(crate) fn sign(&mut self) {
        self.signed.clear();
        for &q in &self.row {
            self.signed.push(q);
            self.signed.push(-q);
        }
    }
}

impl<T: Scalar> Vectors<T> {
    /// The metric.
    pub fn metric(&self) -> VectorMetric {
        self.embedding.metric
    }

    /// Numbers in a row.
    pub fn dim(&self) -> usize {
        self.embedding.dim
    }

    /// Writes the embedded coordinates of the point in `slot` to `out`.
    pub(crate) fn unpack(&self, slot: usize, out: &mut Vec<T>) {
        let width = self.embedding.width();
        let panel = slot / FANOUT * FANOUT * width;
        out.extend((0..width).map(|j| self.panels[panel + j * FANOUT + slot % FANOUT]));
    }
}

impl<T> Sealed for Vectors<T> {}

impl<T: Scalar> Space for Vectors<T> {
    type Point = [T];
    type Batch = [T];
    type Distance = T;
    type Prepared = PreparedRow<T>;
    const LANES: usize = FANOUT;

    fn prepare(&self, query: &[T], prepared: &mut PreparedRow<T>) -> Result<(), Error> {
        prepared.row.clear();
        self.embedding.embed("query", 0, query, &mut prepared.row)?;
        prepared.sign();
        Ok(())
    }

    fn batch_len(&self, queries: &[T]) -> Result<usize, Error> {
        let dim = self.embedding.dim;
        if !queries.len().is_multiple_of(dim) {
            let expected = format!("a multiple of {dim}");
            return Err(Error::Length { argument: "queries", expected, actual: queries.len() });
        }
        Ok(queries.len() / dim)
    }

    fn batch_query<'q>(&self, queries: &'q [T], index: usize) -> &'q [T] {
        let dim = self.embedding.dim;
        queries.get(index * dim..(index + 1) * dim).unwrap_or_default()
    }

    fn prepare_slot(&self, slot: usize, prepared: &mut PreparedRow<T>) {
        prepared.row.clear();
        self.unpack(slot, &mut prepared.row);
        prepared.sign();
    }

    fn stored(&self, _: usize) -> &[T] {
        &[]
    }

    fn bounds_blocks(&self) -> bool {
        self.embedding.width() <= FLAT
    }

    fn prepare_block(&self, slots: Range<usize>, prepared: &mut PreparedRow<T>) {
        let width = self.embedding.width();
        prepared.signed.clear();
        prepared.signed.resize(2 * width, -T::INFINITY);
        for slot in slots {
            let panel = slot / FANOUT * FANOUT * width + slot % FANOUT;
            for (axis, signed) in prepared.signed.chunks_exact_mut(2).enumerate() {
                // The highest against what lies above, the lowest against what lies below.
                let x = self.panels[panel + axis * FANOUT];
                signed[0] = if x > signed[0] { x } else { signed[0] };
                signed[1] = if -x > signed[1] { -x } else { signed[1] };
            }
        }
    }

    #[inline]
    fn bound_block(&self, slots: Range<usize>, node: u32, child: usize, out: &mut Vec<T>) {
        let width = self.embedding.width();
        let bounds = &self.boxes[node as usize * 2 * width * FANOUT..][..2 * width * FANOUT];
        let end = slots.end.next_multiple_of(FANOUT);
        let panels = &self.panels[slots.start * width..end * width];
        let start = out.len();
        out.resize(start + end - slots.start, T::ZERO);
        measure::outside(self.embedding.norm(), bounds, child, panels, &mut out[start..]);
    }

    fn order(&self, queries: &[T], count: usize) -> Vec<u32> {
        order::along_a_curve(queries, self.embedding.dim, count)
    }

    fn carry(&self, limit: T, from: &PreparedRow<T>, to: &PreparedRow<T>) -> T {
        let norm = self.embedding.norm();
        let apart = measure::pair(norm, &from.row, &to.row).wide();
        // Each of the terms and sums may be rounded.
        let slack = 1.0 + 4.0 * (self.embedding.width() + 8) as f64 * T::EPSILON;
        let sum = match norm {
            Norm::L1 => limit.wide() + apart,
            Norm::L2 => (limit.wide().sqrt() + apart.sqrt()).powi(2),
        };
        // Where squares vanish, nothing is carried.
        let least = T::narrow(T::TINY);
        let carried = T::narrow(sum * slack).above();
        if carried > least { carried } else { T::INFINITY }
    }

    #[inline]
    fn open(
        &self,
        shape: &Shape,
        _: &[T],
        prepared: &mut PreparedRow<T>,
        _: T,
        limit: T,
        frame: &mut Frame<T>,
        _: &mut Vec<T>,
    ) -> Range<usize> {
        let size = 2 * self.embedding.width() * FANOUT;
        let start = frame.node as usize * size;
        let boxes = &self.boxes[start..start + size];
        let count = shape.nodes[frame.node as usize].count;
        let (within, first) = measure::excess(
            self.kernels,
            self.embedding.norm(),
            &prepared.signed,
            boxes,
            limit,
            &mut frame.bounds,
        );
        frame.open = within & ((1 << count) - 1);
        frame.first = first;
        0..0
    }

    #[inline]
    fn scan(
        &self,
        _: &[T],
        prepared: &mut PreparedRow<T>,
        slots: Range<usize>,
        _: T,
        limit: T,
        one: bool,
        out: &mut Vec<T>,
        near: &mut Vec<u64>,
    ) -> Range<usize> {
        let width = self.embedding.width();
        let end = slots.end.next_multiple_of(FANOUT);
        if out.len() < end - slots.start {
            out.resize(end - slots.start, T::ZERO);
        }
        let panels = &self.panels[slots.start * width..end * width];
        let out = &mut out[..end - slots.start];
        // Lanes of the padding could be the nearest.
        let one = one && slots.end == end;
        measure::distances(self.kernels, self.embedding.norm(), &prepared.row, panels, limit, one, out, near);
        slots
    }

    fn distance(&self, comparable: T) -> T {
        self.embedding.distance(comparable)
    }

    fn reach(&self, radius: f64) -> T {
        self.embedding.reach(radius)
    }

    fn fault(_: &PreparedRow<T>) -> Result<(), Error> {
        Ok(())
    }
}
