//! The search behind `ordered_neighbors`: segments that double, each in a tree over all points up to its end.

use layouts::{Neighbor, TopK};
use simd_kernels::Rows;

use super::blocks::{Blocks, LEAF};
use super::error::{OrderingError, filled};
use super::neighbors::OrderedNeighbors;

/// Points of the first segment.
const FIRST: usize = 2048;

/// Leaves that one job searches for.
const JOB: usize = 16;

/// Finds the `m` nearest predecessors of all points.
pub(crate) fn search(
    coords: Rows<'_, f64>,
    m: usize,
    found: &mut OrderedNeighbors,
) -> Result<(), OrderingError> {
    let n = coords.len();
    let (mut start, mut end) = (0, FIRST.min(n));
    while start < n {
        // A last segment much smaller than the one before it would not pay for its tree.
        if end + end / 2 >= n {
            end = n;
        }
        Segment::new(coords, start, end)?.search(m, found)?;
        (start, end) = (end, (2 * end).min(n));
    }
    Ok(())
}

/// The points `start..end`, which are searched for in a tree over the points `0..end`.
struct Segment<'a> {
    coords: Rows<'a, f64>,
    start: u32,
    blocks: Blocks,
    /// The lowest number in each node.
    lowest: Vec<u32>,
}

/// The queries of a few leaves, and where what they find is written.
struct Job<'a> {
    leaves: std::ops::Range<usize>,
    ids: &'a mut [u32],
    squared: &'a mut [f64],
}

impl<'a> Segment<'a> {
    fn new(coords: Rows<'a, f64>, start: usize, end: usize) -> Result<Self, OrderingError> {
        let blocks = Blocks::build(coords, end)?;
        let mut lowest = filled(u32::MAX, 2 * blocks.leaves())?;
        for node in (1..2 * blocks.leaves()).rev() {
            lowest[node] = match node.checked_sub(blocks.leaves()) {
                // Ids ascend within a leaf.
                Some(leaf) => blocks.ids(leaf).first().copied().unwrap_or(u32::MAX),
                None => lowest[2 * node].min(lowest[2 * node + 1]),
            };
        }
        Ok(Self { coords, start: start as u32, blocks, lowest })
    }

    /// The points of a leaf that are searched for: those that the segment adds.
    fn queries(&self, leaf: usize) -> &[u32] {
        let ids = self.blocks.ids(leaf);
        &ids[ids.partition_point(|&id| id < self.start)..]
    }

    /// Finds the neighbours of all points of the segment.
    fn search(&self, m: usize, found: &mut OrderedNeighbors) -> Result<(), OrderingError> {
        let count: usize = (0..self.blocks.leaves()).map(|leaf| self.queries(leaf).len()).sum();
        let mut ids = filled(OrderedNeighbors::PADDING, count * m)?;
        let mut squared = filled(f64::INFINITY, count * m)?;
        let (mut rest_ids, mut rest_squared) = (&mut ids[..], &mut squared[..]);
        let mut jobs = Vec::new();
        for first in (0..self.blocks.leaves()).step_by(JOB) {
            let leaves = first..(first + JOB).min(self.blocks.leaves());
            let len = m * leaves.clone().map(|leaf| self.queries(leaf).len()).sum::<usize>();
            let (ids, squared);
            (ids, rest_ids) = rest_ids.split_at_mut(len);
            (squared, rest_squared) = rest_squared.split_at_mut(len);
            jobs.push(Job { leaves, ids, squared });
        }
        run(jobs, |job| self.search_leaves(m, job))?;
        let queries = (0..self.blocks.leaves()).flat_map(|leaf| self.queries(leaf));
        let rows = ids.chunks_exact(m).zip(squared.chunks_exact_mut(m));
        for (&i, (ids, squared)) in queries.zip(rows) {
            squared.iter_mut().for_each(|squared| *squared = squared.sqrt());
            found.set(i as usize, &ids[..m.min(i as usize)], squared);
        }
        Ok(())
    }

    fn search_leaves(&self, m: usize, job: Job<'_>) -> Result<(), OrderingError> {
        let mut best = TopK::new(m)?;
        let mut out = job.ids.chunks_exact_mut(m).zip(job.squared.chunks_exact_mut(m));
        for leaf in job.leaves {
            // The query before, and how far its last neighbour is.
            let mut before: Option<(&[f64], f64)> = None;
            for (&i, (ids, squared)) in self.queries(leaf).iter().zip(&mut out) {
                let x = self.coords.row(i as usize).unwrap_or_default();
                best.clear();
                let bound = before.map_or(f64::INFINITY, |(y, farthest)| reach(x, y, farthest));
                Query { segment: self, x, i, bound, best: &mut best }.search(leaf);
                let sorted = best.sorted();
                before = (sorted.len() == m).then(|| (x, sorted[m - 1].distance));
                for ((id, squared), neighbor) in ids.iter_mut().zip(squared).zip(sorted) {
                    (*id, *squared) = (neighbor.id, neighbor.distance);
                }
            }
        }
        Ok(())
    }
}

/// The squared distance within which `x` has at least as many predecessors as `y`, of lower number, has within
/// the squared distance `farthest`: the triangle inequality, and more than its rounding.
fn reach(x: &[f64], y: &[f64], farthest: f64) -> f64 {
    let between = x.iter().zip(y).fold(0.0, |sum, (x, y)| sum + (x - y) * (x - y));
    let reach = between.sqrt() + farthest.sqrt();
    reach * reach * (1.0 + 1e-9) + f64::MIN_POSITIVE
}

/// One point's search.
struct Query<'a> {
    segment: &'a Segment<'a>,
    x: &'a [f64],
    i: u32,
    /// Everything that is wanted lies within this squared distance.
    bound: f64,
    best: &'a mut TopK<f64>,
}

impl Query<'_> {
    /// The leaf of the point itself, then what lies beside its ancestors, from below.
    fn search(mut self, leaf: usize) {
        let mut node = self.segment.blocks.leaves() + leaf;
        self.scan(leaf);
        while node > 1 {
            let beside = node ^ 1;
            self.visit(beside, self.segment.blocks.gap(beside, self.x));
            node /= 2;
        }
    }

    /// Whether a node at a squared gap can hold what is wanted. What lies *at* the bound may win by its number.
    #[inline]
    fn wanted(&self, node: usize, gap: f64) -> bool {
        gap <= self.bound && self.segment.lowest[node] < self.i
    }

    fn visit(&mut self, node: usize, gap: f64) {
        if !self.wanted(node, gap) {
            return;
        }
        match node.checked_sub(self.segment.blocks.leaves()) {
            Some(leaf) => self.scan(leaf),
            None => {
                let blocks = &self.segment.blocks;
                let gaps = [blocks.gap(2 * node, self.x), blocks.gap(2 * node + 1, self.x)];
                let near = usize::from(gaps[1] < gaps[0]);
                self.visit(2 * node + near, gaps[near]);
                self.visit(2 * node + (1 - near), gaps[1 - near]);
            }
        }
    }

    fn scan(&mut self, leaf: usize) {
        let ids = self.segment.blocks.ids(leaf);
        let count = ids.partition_point(|&id| id < self.i);
        let mut out = [0.0; LEAF];
        for (&squared, &id) in self.segment.blocks.distances(leaf, count, self.x, &mut out).iter().zip(ids) {
            if squared <= self.bound && self.best.push(Neighbor::new(id, squared)) {
                self.bound = self.bound.min(self.best.threshold());
            }
        }
    }
}

/// Runs all jobs, in the caller's pool where there is one.
#[cfg(feature = "rayon")]
fn run<'a>(
    jobs: Vec<Job<'a>>,
    search: impl Fn(Job<'a>) -> Result<(), OrderingError> + Send + Sync,
) -> Result<(), OrderingError> {
    use rayon::prelude::*;
    jobs.into_par_iter().try_for_each(search)
}

/// Runs all jobs.
#[cfg(not(feature = "rayon"))]
fn run<'a>(
    jobs: Vec<Job<'a>>,
    search: impl Fn(Job<'a>) -> Result<(), OrderingError>,
) -> Result<(), OrderingError> {
    jobs.into_iter().try_for_each(search)
}
