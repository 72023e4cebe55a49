//! The neighbours of every point of the tree, a leaf of queries against a leaf of points: dual-tree search.
//!
//! The points of a leaf lie together, so what one of them has to visit the others mostly have to visit too. The tree
//! is walked once for all of them, with the gaps between boxes for bounds, out to the farthest k-th distance met so far
//! among them; each leaf on the way is bounded for all of them at once (their lanes against its box). What is left for
//! a point is to pick its own from that short list, nearest first. Should the list end before its k-th neighbour, the
//! walk goes on from there.
//!
//! The walk is shared while the list is short ([`MOST`] leaves). Where boxes tell little apart (high dimensions, an
//! outlier in the leaf of a cluster) it would hold much of the tree, and the point is searched by itself.

use std::ops::Range;

use super::batch::Answers;
use super::engine::Walk;
use super::{CoverTree, Neighbors, Reference, Searcher, Task};
use crate::error::Error;
use crate::parallel;
use crate::scalar::Scalar;
use crate::search::{Search, Traversal};
use crate::space::{Frame, Space};

/// Leaves of queries that one task answers.
const CHUNK: usize = 16;
/// Leaves around a leaf of queries.
const MOST: usize = 256;
/// Points of a leaf up to which it is searched as one: a point that is then searched by itself has measured them twice.
const LARGE: usize = 128;

/// The leaves around a leaf of queries.
struct Around<S: Space> {
    /// The box of the queries.
    block: S::Prepared,
    frame: Frame<S::Distance>,
    nodes: Vec<u32>,
    /// No leaf within this gap is missing.
    reach: S::Distance,
    /// A gap within which there are too many leaves.
    beyond: S::Distance,
    leaves: Vec<u32>,
    /// The bounds of the queries to each of `leaves`, `stride` a leaf.
    bounds: Vec<S::Distance>,
    stride: usize,
    /// What one query has yet to visit: bounds, and places in `leaves`.
    near: Vec<S::Distance>,
    places: Vec<u32>,
    opened: u64,
}

impl<S: Space> Around<S> {
    fn new() -> Self {
        Self {
            block: S::Prepared::default(),
            frame: Frame::new(),
            nodes: Vec::new(),
            reach: -S::Distance::INFINITY,
            beyond: S::Distance::INFINITY,
            leaves: Vec::new(),
            bounds: Vec::new(),
            stride: 0,
            near: Vec::new(),
            places: Vec::new(),
            opened: 0,
        }
    }

    fn start(&mut self, tree: &CoverTree<S>, slots: Range<usize>) {
        self.stride = slots.len().next_multiple_of(S::LANES);
        tree.space.prepare_block(slots, &mut self.block);
        self.reach = -S::Distance::INFINITY;
        self.beyond = S::Distance::INFINITY;
        self.leaves.clear();
        self.bounds.clear();
    }

    /// Adds the leaves with gaps up to `reach` to leaf `own`; whether they were not too many.
    fn extend(&mut self, tree: &CoverTree<S>, own: u32, slots: Range<usize>, reach: S::Distance) -> bool {
        let known = self.leaves.len();
        self.nodes.clear();
        if let Reference::Inner(root) = tree.shape.root() {
            self.nodes.push(root);
        }
        while let Some(node) = self.nodes.pop() {
            self.frame.node = node;
            self.opened += 1;
            let (block, frame) = (&mut self.block, &mut self.frame);
            let (stored, infinity) = (tree.space.stored(slots.start), S::Distance::INFINITY);
            tree.space.open(&tree.shape, stored, block, infinity, reach, frame, &mut Vec::new());
            for child in self.frame.each_open() {
                let bound = self.frame.bounds[child];
                if bound > reach {
                    continue;
                }
                match tree.shape.child(node, child) {
                    Reference::Inner(inner) => self.nodes.push(inner),
                    Reference::Leaf(leaf) if leaf != own && bound > self.reach => {
                        if self.leaves.len() == MOST {
                            self.leaves.truncate(known);
                            self.bounds.truncate(known * self.stride);
                            self.beyond = reach;
                            return false;
                        }
                        self.leaves.push(leaf);
                        tree.space.bound_block(slots.clone(), node, child, &mut self.bounds);
                    }
                    _ => {}
                }
            }
        }
        self.reach = reach;
        true
    }

    /// Picks from the leaves behind the first `seen` those within `limit` of the query in `lane`.
    fn choose(&mut self, seen: usize, lane: usize, limit: S::Distance) {
        self.near.clear();
        self.places.clear();
        for (place, bounds) in
            (seen as u32..).zip(self.bounds[seen * self.stride..].chunks_exact(self.stride))
        {
            if bounds[lane] <= limit {
                self.near.push(bounds[lane]);
                self.places.push(place);
            }
        }
    }

    /// Takes the nearest of the chosen leaves, and its bound.
    fn nearest(&mut self) -> Option<(u32, S::Distance)> {
        let mut least = self.near.first().copied()?;
        for &bound in &self.near {
            least = if bound < least { bound } else { least };
        }
        let at = self.near.iter().position(|&bound| bound == least)?;
        self.near.swap_remove(at);
        let place = self.places.swap_remove(at);
        Some((self.leaves[place as usize], least))
    }
}

impl<S: Space> CoverTree<S> {
    /// Whether [`all_by_leaves`](Self::all_by_leaves) answers `search`: where every query asks the same, of blocks.
    pub(super) fn shares_walks(&self, search: &Search<'_>) -> bool {
        let every = search.filter.is_none() && search.before.is_none() && search.budget.is_none();
        let small = self.options.leaf_size(S::LANES).is_ok_and(|leaf| leaf <= LARGE);
        self.space.bounds_blocks() && every && small && search.traversal == Traversal::DepthFirst
    }

    /// The neighbours of every point, itself left out.
    pub(super) fn all_by_leaves(&self, task: Task<'_, S::Distance>) -> Result<Neighbors<S::Distance>, Error> {
        // The same parts for any number of threads, so that certificates are the same too.
        let leaves: Vec<u32> = (0..self.shape.leaves.len() as u32).collect();
        let answers = parallel::map(leaves.chunks(CHUNK).collect(), |leaves| {
            let (mut searcher, mut around) = (Searcher::new(), Around::new());
            let points = leaves.iter().map(|&leaf| self.shape.leaves[leaf as usize].len as usize).sum();
            let mut answers = Answers::new(points);
            let mut usual = -S::Distance::INFINITY;
            for &leaf in leaves {
                usual = self.all_of_leaf(leaf, task, usual, &mut searcher, &mut around, &mut answers)?;
            }
            Ok(answers)
        });
        Self::in_order(self.shape.next_id as usize, answers.into_iter().collect::<Result<_, Error>>()?)
    }

    /// Answers for the points of `leaf`; `usual` is the farthest k-th distance of the leaf before it, and the result
    /// that of this one.
    fn all_of_leaf(
        &self,
        leaf: u32,
        task: Task<'_, S::Distance>,
        usual: S::Distance,
        searcher: &mut Searcher<S>,
        around: &mut Around<S>,
        answers: &mut Answers<S::Distance>,
    ) -> Result<S::Distance, Error> {
        let slots = self.shape.leaves[leaf as usize].range();
        around.start(self, slots.clone());
        let mut farthest = -S::Distance::INFINITY;
        for slot in slots.clone() {
            let id = self.shape.ids[slot];
            let mut task = Task { except: id, ..task };
            self.space.prepare_slot(slot, &mut searcher.prepared);
            task.limit = self.carried_limit(searcher, task);
            searcher.start(self, task)?;
            around.opened = 0;
            let query = self.space.stored(slot);
            let mut walk = Walk::new(self, query, task, searcher);
            if walk.leaf_by_leaf(leaf, slots.clone(), slot - slots.start, usual, around) {
                searcher.certificate.nodes += around.opened;
                self.collect(searcher, task)?;
            } else {
                let before = searcher.certificate;
                self.run(searcher, query, task)?;
                searcher.certificate.distances += before.distances;
                searcher.certificate.nodes += around.opened;
            }
            if let Some(limit) = searcher.pool.farthest() {
                farthest = if limit > farthest { limit } else { farthest };
            }
            searcher.carry(task.before);
            answers.push(id, searcher);
        }
        Ok(farthest)
    }
}

impl<S: Space> Walk<'_, S> {
    /// Searches the leaf of the query and those around it; whether those were not too many.
    fn leaf_by_leaf(
        &mut self,
        own: u32,
        slots: Range<usize>,
        lane: usize,
        usual: S::Distance,
        around: &mut Around<S>,
    ) -> bool {
        self.scan(own, S::Distance::INFINITY);
        self.searcher.pool.settle();
        let mut seen = 0;
        loop {
            around.choose(seen, lane, self.searcher.pool.limit());
            seen = around.leaves.len();
            while let Some((leaf, bound)) = around.nearest()
                && bound <= self.searcher.pool.limit()
            {
                self.scan(leaf, S::Distance::INFINITY);
            }
            let limit = self.searcher.pool.limit();
            if limit <= around.reach {
                return true;
            }
            // First no farther than was enough in the leaf before, which mostly is enough here.
            let reach = if around.reach < usual && usual < limit { usual } else { limit };
            if limit == S::Distance::INFINITY
                || reach >= around.beyond
                || !around.extend(self.tree, own, slots.clone(), reach)
            {
                return false;
            }
        }
    }
}
