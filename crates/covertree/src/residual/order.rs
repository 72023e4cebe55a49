//! The spatial order: points that are near lie near in memory.
//!
//! Medians of the widest side, halving down to leaves; the halves that reach the block size are the blocks that
//! bounds are computed for. The order depends on coordinates alone and survives every change of parameters.
//! Bentley, *Multidimensional binary search trees used for associative searching* (1975).

use std::cmp::Ordering;

/// Points in a leaf: below that, order is arbitrary.
pub(super) const LEAF: usize = 16;

/// A block of consecutive places of the order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) start: usize,
    pub(super) len: usize,
}

impl Range {
    pub(super) fn end(self) -> usize {
        self.start + self.len
    }

    /// The halves in which the order cuts it. Expects more than one point.
    pub(super) fn halves(self) -> (Self, Self) {
        let half = half_of(self.len);
        (Self { len: half, ..self }, Self { start: self.start + half, len: self.len - half })
    }
}

/// Points in the lower half of so many: whole leaves, which keeps leaves full.
fn half_of(points: usize) -> usize {
    (points / 2).next_multiple_of(LEAF).min(points - 1).max(1)
}

/// Where a half was cut, so that points that are not members find their block.
#[derive(Clone, Copy, Debug)]
enum Node {
    Cut { axis: usize, at: f64, upper: usize },
    Block(usize),
}

/// The order of a set of points, and its blocks.
#[derive(Clone, Debug)]
pub(super) struct Order {
    /// Id of the point at each place.
    pub(super) ids: Vec<u32>,
    /// Place of each id.
    pub(super) places: Vec<u32>,
    /// Blocks in order, none empty.
    pub(super) blocks: Vec<Range>,
    /// In preorder; the lower half of a cut follows it.
    nodes: Vec<Node>,
    scale: Vec<f64>,
}

/// The points as the cutting sees them.
struct Points<'a> {
    coords: &'a [f64],
    scale: &'a [f64],
}

impl Points<'_> {
    fn at(&self, id: u32, axis: usize) -> f64 {
        self.coords[id as usize * self.scale.len() + axis]
    }

    /// The axis along which the points reach farthest, in units of its lengthscale.
    fn widest(&self, ids: &[u32]) -> usize {
        let mut widest = (f64::NEG_INFINITY, 0);
        for (axis, scale) in self.scale.iter().enumerate() {
            let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
            for &id in ids {
                let x = self.at(id, axis);
                low = low.min(x);
                high = high.max(x);
            }
            let reach = (high - low) * scale;
            if reach > widest.0 {
                widest = (reach, axis);
            }
        }
        widest.1
    }

    /// Cuts `ids` at the median of the widest axis and says where.
    fn cut(&self, ids: &mut [u32]) -> (usize, usize, f64) {
        let axis = self.widest(ids);
        let half = half_of(ids.len());
        let by =
            |a: &u32, b: &u32| -> Ordering { self.at(*a, axis).total_cmp(&self.at(*b, axis)).then(a.cmp(b)) };
        let (_, &mut median, _) = ids.select_nth_unstable_by(half, by);
        (half, axis, self.at(median, axis))
    }

    fn leaves(&self, ids: &mut [u32]) {
        if ids.len() > LEAF {
            let (half, ..) = self.cut(ids);
            let (low, high) = ids.split_at_mut(half);
            self.leaves(low);
            self.leaves(high);
        }
    }
}

impl Order {
    /// The order of points with `coords` row by row, lengths along axis `t` counting `scale[t]`-fold, in blocks
    /// of at most `block` points. O(n log n).
    pub(super) fn new(coords: &[f64], scale: &[f64], block: usize) -> Self {
        let n = coords.len() / scale.len();
        let points = Points { coords, scale };
        let mut order = Self {
            ids: (0..n as u32).collect(),
            places: vec![0; n],
            blocks: Vec::new(),
            nodes: Vec::new(),
            scale: scale.to_vec(),
        };
        let mut ids = std::mem::take(&mut order.ids);
        order.split(&points, &mut ids, 0, block);
        let mut parts: Vec<&mut [u32]> = Vec::new();
        let mut rest = &mut ids[..];
        for range in &order.blocks {
            let (part, later) = rest.split_at_mut(range.len);
            parts.push(part);
            rest = later;
        }
        super::parallel::for_each(parts, |part| points.leaves(part));
        for (place, &id) in ids.iter().enumerate() {
            order.places[id as usize] = place as u32;
        }
        order.ids = ids;
        order
    }

    fn split(&mut self, points: &Points<'_>, ids: &mut [u32], start: usize, block: usize) {
        if ids.len() <= block {
            self.nodes.push(Node::Block(self.blocks.len()));
            self.blocks.push(Range { start, len: ids.len() });
            return;
        }
        let (half, axis, at) = points.cut(ids);
        let node = self.nodes.len();
        self.nodes.push(Node::Cut { axis, at, upper: 0 });
        let (low, high) = ids.split_at_mut(half);
        self.split(points, low, start, block);
        let next = self.nodes.len();
        if let Some(Node::Cut { upper, .. }) = self.nodes.get_mut(node) {
            *upper = next;
        }
        self.split(points, high, start + half, block);
    }

    /// The block in whose cell a point lies. O(log n).
    pub(super) fn block_of_point(&self, x: &[f64]) -> usize {
        let mut node = 0;
        loop {
            match self.nodes.get(node) {
                Some(Node::Cut { axis, at, upper }) => node = if x[*axis] < *at { node + 1 } else { *upper },
                Some(Node::Block(block)) => return *block,
                None => return 0,
            }
        }
    }

    /// Coordinates of the order.
    pub(super) fn dim(&self) -> usize {
        self.scale.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_has_one_place_and_near_points_share_blocks() {
        let coords: Vec<f64> =
            (0..1000u32).flat_map(|i| [f64::from(i * 7919 % 1000), f64::from(i % 3)]).collect();
        let order = Order::new(&coords, &[1.0, 1.0], 100);
        let mut seen: Vec<u32> = order.ids.clone();
        seen.sort_unstable();
        assert!(seen.iter().copied().eq(0..1000));
        assert!(order.blocks.iter().all(|block| (1..=100).contains(&block.len)));
        assert_eq!(order.blocks.iter().map(|block| block.len).sum::<usize>(), 1000);
        for (place, &id) in order.ids.iter().enumerate() {
            assert_eq!(order.places[id as usize] as usize, place);
        }
        let x = |range: &Range| {
            let ids = order.ids[range.start..range.end()].iter();
            ids.map(|&id| coords[2 * id as usize])
        };
        let reach = |block: &Range| x(block).fold(f64::MIN, f64::max) - x(block).fold(f64::MAX, f64::min);
        assert!(order.blocks.iter().all(|block| reach(block) < 150.0));
        for block in &order.blocks {
            let (low, high) = block.halves();
            assert_eq!((low.start, low.end(), high.end()), (block.start, high.start, block.end()));
            assert!(x(&low).fold(f64::MIN, f64::max) < x(&high).fold(f64::MAX, f64::min));
        }
    }

    #[test]
    fn equal_points_can_be_cut() {
        let order = Order::new(&[1.0; 500], &[1.0], 64);
        assert_eq!(order.blocks.iter().map(|block| block.len).sum::<usize>(), 500);
        assert!(order.block_of_point(&[1.0]) < order.blocks.len());
    }
}
