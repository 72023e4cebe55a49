//! Which points share a leaf, and which leaves a node: cuts at the median of the widest dimension.
//!
//! A node's points are halved again and again until there is a part for each child. The cuts fall on whole
//! leaves, so every leaf but the last of its node is full and no lane of a panel is wasted. A point's place is
//! decided by (coordinate, id), which no two points share: the tree is the same for every number of threads.

use std::cmp::Ordering;

use layouts::{AlignedVec, Storage};
use simd_kernels::Kernels;

use super::{Embedding, Vectors};
use crate::error::Error;
use crate::parallel;
use crate::scalar::Scalar;
use crate::space::FANOUT;
use crate::tree::{Branch, Layout, Reference, Shape};

/// Points below which a part is not worth a thread.
const PARALLEL: usize = 8192;

/// Rows, embedded, from which a tree is made.
#[derive(Debug)]
pub(crate) struct VectorBuilder<'a, T> {
    pub(crate) embedding: Embedding,
    /// One row after another.
    pub(crate) rows: &'a [T],
    /// Points of a leaf.
    pub(crate) leaf: usize,
}

impl<T: Scalar> VectorBuilder<'_, T> {
    /// The branch of these rows.
    pub(crate) fn branch(&self, rows: &mut [u32]) -> Branch {
        let leaves = rows.len().div_ceil(self.leaf);
        if leaves <= 1 {
            rows.sort_unstable();
            return if rows.is_empty() { Branch::Empty } else { Branch::leaf(rows.to_vec()) };
        }
        // The fewest levels, and in them children of equal size.
        let mut largest = 1;
        while largest * FANOUT < leaves {
            largest *= FANOUT;
        }
        let children = leaves.div_ceil(largest);
        let size = leaves.div_ceil(children) * self.leaf;
        let branches = self.divide(rows, children, size);
        Branch::inner(branches)
    }

    /// `rows` in `parts` of `size` (the last takes what is left), as branches.
    fn divide(&self, rows: &mut [u32], parts: usize, size: usize) -> Vec<Branch> {
        if parts <= 1 || rows.len() <= size {
            return vec![self.branch(rows)];
        }
        let (left, right) = (parts / 2, parts - parts / 2);
        let at = left * size;
        if at >= rows.len() {
            return self.divide(rows, left, size);
        }
        let large = rows.len() >= PARALLEL;
        let axis = self.widest(rows);
        rows.select_nth_unstable_by(at, |&a, &b| self.compare(axis, a, b));
        let (low, high) = rows.split_at_mut(at);
        let (mut low, high) =
            parallel::join(large, || self.divide(low, left, size), || self.divide(high, right, size));
        low.extend(high);
        low
    }

    fn compare(&self, axis: usize, a: u32, b: u32) -> Ordering {
        let width = self.embedding.width();
        let at = |row: u32| self.rows[row as usize * width + axis];
        // Coordinates are finite: they compare.
        at(a).partial_cmp(&at(b)).unwrap_or(Ordering::Equal).then(a.cmp(&b))
    }

    /// The dimension in which the rows extend furthest, the first of equals.
    fn widest(&self, rows: &[u32]) -> usize {
        let width = self.embedding.width();
        let mut low = vec![T::INFINITY; width];
        let mut high = vec![-T::INFINITY; width];
        for &row in rows {
            let row = &self.rows[row as usize * width..][..width];
            for ((low, high), &x) in low.iter_mut().zip(&mut high).zip(row) {
                *low = if x < *low { x } else { *low };
                *high = if x > *high { x } else { *high };
            }
        }
        let mut widest = 0;
        for axis in 1..width {
            // As halves: the difference of the two largest numbers is no number.
            let extent = |axis: usize| high[axis].wide() / 2.0 - low[axis].wide() / 2.0;
            if extent(axis) > extent(widest) {
                widest = axis;
            }
        }
        widest
    }

    /// The points in the order of `layout`, with the boxes of its nodes.
    ///
    /// # Errors
    /// [`Error::Layout`] if there is no memory, [`Error::Kernels`].
    pub(crate) fn arrange(&self, layout: &Layout) -> Result<Vectors<T>, Error> {
        let width = self.embedding.width();
        let mut panels = AlignedVec::zeroed(layout.order.len() * width)?;
        for (panel, rows) in panels.chunks_exact_mut(FANOUT * width).zip(layout.order.chunks_exact(FANOUT)) {
            for (lane, &row) in rows.iter().enumerate().filter(|&(_, &row)| row != Layout::HOLE) {
                let row = &self.rows[row as usize * width..][..width];
                for (&x, place) in row.iter().zip(panel.iter_mut().skip(lane).step_by(FANOUT)) {
                    *place = x;
                }
            }
        }
        let boxes = bound_boxes(&layout.shape, width, &panels)?;
        let (panels, boxes) = (panels.into(), Storage::from(boxes));
        Ok(Vectors { embedding: self.embedding, panels, boxes, kernels: Kernels::active()? })
    }
}

/// The boxes of every node's children: as rows `(lo₀, −hi₀, …)`, a panel a node. Lanes without a child are empty
/// boxes, infinitely far from everything.
///
/// # Errors
/// [`Error::Layout`] if there is no memory.
pub(crate) fn bound_boxes<T: Scalar>(
    shape: &Shape,
    width: usize,
    panels: &[T],
) -> Result<AlignedVec<T>, Error> {
    let size = 2 * width * FANOUT;
    let mut boxes = AlignedVec::<T>::zeroed(shape.nodes.len() * size)?;
    boxes.fill(T::INFINITY);
    let mut bounds = vec![T::INFINITY; 2 * width];
    // Children stand behind their parents, so their boxes are known when a parent's turn comes.
    for node in (0..shape.nodes.len()).rev() {
        for child in 0..shape.nodes[node].count as usize {
            bounds.fill(T::INFINITY);
            let mut lower = |at: usize, x: T| bounds[at] = if x < bounds[at] { x } else { bounds[at] };
            match shape.child(node as u32, child) {
                Reference::Empty => {}
                Reference::Leaf(leaf) => {
                    for slot in shape.leaves[leaf as usize].range() {
                        let panel = slot / FANOUT * FANOUT * width + slot % FANOUT;
                        for axis in 0..width {
                            let x = panels[panel + axis * FANOUT];
                            lower(2 * axis, x);
                            lower(2 * axis + 1, -x);
                        }
                    }
                }
                Reference::Inner(inner) => {
                    let below = &boxes[inner as usize * size..][..size];
                    for (at, lanes) in below.chunks_exact(FANOUT).enumerate() {
                        lanes.iter().for_each(|&x| lower(at, x));
                    }
                }
            }
            for (at, &bound) in bounds.iter().enumerate() {
                boxes[node * size + at * FANOUT + child] = bound;
            }
        }
    }
    Ok(boxes)
}
