//! Points in a balanced binary tree of boxes, for searches that must not lose a tie.
//!
//! The tree is implicit: 2ʰ leaves share the rows evenly, node i has the children 2i and 2i + 1, the leaves are
//! the last 2ʰ nodes. Every node is split at its middle row along the longest side of its box. A leaf stores its
//! points axis after axis, so that a block of distances is a plain loop over lanes, and its ids ascend.
//!
//! Distances are sums of squares in the order of the axes, without fused operations: the same on every CPU, and
//! what a plain loop over two points gives. The gap between a point and a box is summed alike, and every step of
//! it is monotone under rounding, so **a gap is never above the distance of a point in the box**: pruning needs
//! no slack and loses nothing, ties included.

use simd_kernels::Rows;

use super::error::{OrderingError, filled, ids};

/// The most points of a leaf.
pub(crate) const LEAF: usize = 32;

/// Points in a tree of boxes.
#[derive(Debug)]
pub(crate) struct Blocks {
    dim: usize,
    /// Leaves, a power of two.
    leaves: usize,
    /// The row at each place; ascending within a leaf.
    ids: Vec<u32>,
    /// The coordinates, leaf after leaf, within it axis after axis.
    coords: Vec<f64>,
    /// The box of each node: the low side of every axis, then the high side.
    boxes: Vec<f64>,
}

impl Blocks {
    /// The tree over the first `n` of the rows. O(n log n).
    pub(crate) fn build(coords: Rows<'_, f64>, n: usize) -> Result<Self, OrderingError> {
        let dim = coords.dim();
        let leaves = n.div_ceil(LEAF).next_power_of_two();
        let mut blocks = Self {
            dim,
            leaves,
            ids: ids(n)?,
            coords: filled(0.0, n * dim)?,
            boxes: filled(0.0, 2 * leaves * 2 * dim)?,
        };
        // Split on a packed copy: a comparison must not cost a miss.
        let mut keys = filled((0.0, 0), n)?;
        let mut order = std::mem::take(&mut blocks.ids);
        blocks.split(coords, 1, 0, &mut order, &mut keys);
        blocks.ids = order;
        for leaf in 0..leaves {
            let (start, end) = (blocks.start(leaf), blocks.start(leaf + 1));
            blocks.ids[start..end].sort_unstable();
            let to = &mut blocks.coords[start * dim..end * dim];
            for (at, &id) in blocks.ids[start..end].iter().enumerate() {
                for (axis, &x) in coords.row(id as usize).unwrap_or_default().iter().enumerate() {
                    to[axis * (end - start) + at] = x;
                }
            }
        }
        Ok(blocks)
    }

    /// Gives `node` its box and shares its rows out to its children. `start` is where its rows start.
    fn split(
        &mut self,
        coords: Rows<'_, f64>,
        node: usize,
        start: usize,
        rows: &mut [u32],
        keys: &mut [(f64, u32)],
    ) {
        let dim = self.dim;
        let (low, high) = self.boxes[node * 2 * dim..][..2 * dim].split_at_mut(dim);
        low.fill(f64::INFINITY);
        high.fill(f64::NEG_INFINITY);
        for &id in rows.iter() {
            let row = coords.row(id as usize).unwrap_or_default();
            for ((low, high), &x) in low.iter_mut().zip(high.iter_mut()).zip(row) {
                *low = if x < *low { x } else { *low };
                *high = if x > *high { x } else { *high };
            }
        }
        if node >= self.leaves {
            return;
        }
        let side = |axis: usize| high[axis] / 2.0 - low[axis] / 2.0;
        let axis = (1..dim).fold(0, |longest, axis| if side(axis) > side(longest) { axis } else { longest });
        for (key, &id) in keys.iter_mut().zip(rows.iter()) {
            *key = (coords.row(id as usize).map_or(0.0, |row| row[axis]), id);
        }
        // The first leaf of the right child starts where the rows are shared evenly between all leaves.
        let height = node.ilog2();
        let right = (2 * node + 1) << (self.leaves.ilog2() - height - 1);
        let middle = self.start(right - self.leaves) - start;
        if middle < rows.len() {
            keys[..rows.len()].select_nth_unstable_by(middle, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        }
        for (row, key) in rows.iter_mut().zip(keys.iter()) {
            *row = key.1;
        }
        let (left_rows, right_rows) = rows.split_at_mut(middle);
        let (left_keys, right_keys) = keys.split_at_mut(middle);
        self.split(coords, 2 * node, start, left_rows, left_keys);
        self.split(coords, 2 * node + 1, start + middle, right_rows, right_keys);
    }

    /// Number of leaves, a power of two; leaf `l` is node `leaves + l`.
    pub(crate) fn leaves(&self) -> usize {
        self.leaves
    }

    /// The first place of leaf `leaf`.
    pub(crate) fn start(&self, leaf: usize) -> usize {
        (self.ids_len() as u128 * leaf as u128 / self.leaves as u128) as usize
    }

    fn ids_len(&self) -> usize {
        // While the tree is being built the ids are elsewhere.
        self.coords.len() / self.dim
    }

    /// The rows of leaf `leaf`, ascending.
    pub(crate) fn ids(&self, leaf: usize) -> &[u32] {
        &self.ids[self.start(leaf)..self.start(leaf + 1)]
    }

    /// The rows at all places.
    pub(crate) fn all_ids(&self) -> &[u32] {
        &self.ids
    }

    /// The squared gap between `x` and the box of `node`: 0 inside.
    #[inline]
    pub(crate) fn gap(&self, node: usize, x: &[f64]) -> f64 {
        let dim = self.dim;
        let (low, high) = self.boxes[node * 2 * dim..][..2 * dim].split_at(dim);
        let mut sum = 0.0;
        for ((&low, &high), &x) in low.iter().zip(high).zip(x) {
            let below = if low > x { low - x } else { 0.0 };
            let out = if x > high { x - high } else { below };
            sum += out * out;
        }
        sum
    }

    /// The squared distances of `x` to the first `count` points of leaf `leaf`, in `out`.
    #[inline]
    pub(crate) fn distances<'a>(
        &self,
        leaf: usize,
        count: usize,
        x: &[f64],
        out: &'a mut [f64; LEAF],
    ) -> &'a [f64] {
        let (start, end) = (self.start(leaf), self.start(leaf + 1));
        let out = &mut out[..count.min(LEAF)];
        out.fill(0.0);
        if let Some(axes) = self.coords.get(start * self.dim..end * self.dim) {
            for (axis, &x) in axes.chunks_exact((end - start).max(1)).zip(x) {
                for (sum, &y) in out.iter_mut().zip(axis) {
                    let difference = y - x;
                    *sum += difference * difference;
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_in_one_leaf_and_in_the_boxes_above_it() {
        for (n, dim) in [(1, 2), (31, 1), (33, 3), (1000, 2), (4097, 3)] {
            let order = super::super::random(n * dim, 3).unwrap();
            let coords: Vec<f64> = order.order().iter().map(|&value| f64::from(value % 50)).collect();
            let rows = Rows::new(&coords, dim).unwrap();
            let blocks = Blocks::build(rows, n).unwrap();
            let mut seen = vec![0; n];
            for leaf in 0..blocks.leaves() {
                let ids = blocks.ids(leaf);
                assert!(ids.len() <= LEAF && ids.is_sorted(), "n = {n}");
                for (at, &id) in ids.iter().enumerate() {
                    seen[id as usize] += 1;
                    let x = rows.row(id as usize).unwrap();
                    let mut node = blocks.leaves() + leaf;
                    while node > 0 {
                        assert_eq!(blocks.gap(node, x), 0.0);
                        node /= 2;
                    }
                    let mut out = [0.0; LEAF];
                    assert_eq!(blocks.distances(leaf, ids.len(), x, &mut out)[at], 0.0);
                }
            }
            assert!(seen.iter().all(|&count| count == 1), "n = {n}");
        }
    }
}
