//! One search through the tree.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

use layouts::Neighbor;
use simd_kernels::prefetch_slice;

use super::pool::Pool;
use super::{CoverTree, Reference};
use crate::error::Error;
use crate::scalar::Scalar;
use crate::search::{Certificate, Search, Traversal};
use crate::space::{FANOUT, Frame, Space, mark_near};

/// A subtree that waits for its turn, ordered by its bound, then by its number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting<D> {
    bound: D,
    code: u32,
    anchor: D,
}

impl<D: Scalar> Waiting<D> {
    fn key(&self) -> u128 {
        self.bound.key(self.code)
    }
}
impl<D: Scalar> PartialEq for Waiting<D> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}
impl<D: Scalar> Eq for Waiting<D> {}
impl<D: Scalar> PartialOrd for Waiting<D> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<D: Scalar> Ord for Waiting<D> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

/// What a search needs besides the tree: buffers, kept from query to query so that a search allocates nothing once
/// they have grown. One for each thread.
#[derive(Clone, Debug)]
pub struct Searcher<S: Space> {
    pub(crate) prepared: S::Prepared,
    /// The query before this one in a batch, how far its k-th neighbour was and which ids counted.
    previous: S::Prepared,
    carried: Option<(S::Distance, u32)>,
    frames: Vec<Frame<S::Distance>>,
    waiting: BinaryHeap<Reverse<Waiting<S::Distance>>>,
    level: Vec<Waiting<S::Distance>>,
    distances: Vec<S::Distance>,
    /// The bits of those of `distances` that are near enough, 64 a word.
    near: Vec<u64>,
    pub(super) pool: Pool<S::Distance>,
    found: Vec<Neighbor<S::Distance>>,
    pub(super) certificate: Certificate,
}

impl<S: Space> Searcher<S> {
    /// Empty buffers.
    pub fn new() -> Self {
        Self {
            prepared: S::Prepared::default(),
            previous: S::Prepared::default(),
            carried: None,
            frames: Vec::new(),
            waiting: BinaryHeap::new(),
            level: Vec::new(),
            distances: Vec::new(),
            near: Vec::new(),
            pool: Pool::new(),
            found: Vec::new(),
            certificate: Certificate::default(),
        }
    }

    /// The result of the last search: sorted by distance, ties by the lower id.
    pub fn found(&self) -> &[Neighbor<S::Distance>] {
        &self.found
    }

    /// What the last search did.
    pub fn certificate(&self) -> Certificate {
        self.certificate
    }

    /// Forgets the last search.
    pub(super) fn start(
        &mut self,
        tree: &CoverTree<S>,
        task: Task<'_, S::Distance>,
    ) -> Result<(), layouts::Error> {
        self.certificate = Certificate { exact: true, unexplored: f64::INFINITY, ..Certificate::default() };
        self.pool.reset(task.search.k, task.limit, tree.len())
    }

    /// Keeps the search that is over for [`CoverTree::carried_limit`] of the next query.
    pub(super) fn carry(&mut self, before: u32) {
        self.carried = self.pool.farthest().map(|farthest| (farthest, before));
        std::mem::swap(&mut self.previous, &mut self.prepared);
    }
}

impl<S: Space> Default for Searcher<S> {
    fn default() -> Self {
        Self::new()
    }
}

/// What one query asks, worked out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Task<'a, D> {
    pub(crate) search: Search<'a>,
    /// Ids from here on do not count.
    pub(crate) before: u32,
    /// The id that does not count, or none (`u32::MAX`): the query itself.
    pub(crate) except: u32,
    /// A comparable distance beyond which there is nothing to find.
    pub(crate) limit: D,
}

/// A search under way.
pub(super) struct Walk<'a, S: Space> {
    pub(super) tree: &'a CoverTree<S>,
    pub(super) query: &'a S::Point,
    pub(super) task: Task<'a, S::Distance>,
    pub(super) searcher: &'a mut Searcher<S>,
    /// Whether the nearest point of a leaf is all that counts of it.
    one: bool,
}

impl<S: Space> CoverTree<S> {
    /// As [`run`](Self::run), of a batch: what was found for the query before this one limits the search from the
    /// start. The points that it found, and itself, are enough for this one too.
    pub(crate) fn run_next(
        &self,
        searcher: &mut Searcher<S>,
        query: &S::Point,
        mut task: Task<'_, S::Distance>,
    ) -> Result<(), Error> {
        if task.search.k == Some(1) && task.except == u32::MAX {
            // The first leaf gives a limit nearly as good: what a carried one saves is less than it costs.
            return self.run(searcher, query, task);
        }
        task.limit = self.carried_limit(searcher, task);
        self.run(searcher, query, task)?;
        searcher.carry(task.before);
        Ok(())
    }

    /// The limit of `task` for the query that `searcher.prepared` was made of, after the query before it.
    pub(super) fn carried_limit(&self, searcher: &Searcher<S>, task: Task<'_, S::Distance>) -> S::Distance {
        // Where a point is not its own neighbour, it takes the place of the query after it; so it must count itself.
        let counts = task.search.filter.is_none() && task.search.before.is_none();
        if let Some((limit, before)) = searcher.carried
            && before <= task.before
            && (task.except == u32::MAX || counts)
        {
            let limit = self.space.carry(limit, &searcher.previous, &searcher.prepared);
            return if limit < task.limit { limit } else { task.limit };
        }
        task.limit
    }

    /// Runs `task` for the query that `searcher.prepared` was made of.
    pub(crate) fn run(
        &self,
        searcher: &mut Searcher<S>,
        query: &S::Point,
        task: Task<'_, S::Distance>,
    ) -> Result<(), Error> {
        searcher.start(self, task)?;
        let mut walk = Walk::new(self, query, task, searcher);
        match task.search.traversal {
            Traversal::DepthFirst => walk.depth_first(),
            Traversal::BestFirst => walk.best_first(),
            Traversal::LevelSynchronous => walk.level_synchronous(),
        }
        self.collect(searcher, task)
    }

    /// Makes the result of a search that is over.
    pub(super) fn collect(
        &self,
        searcher: &mut Searcher<S>,
        task: Task<'_, S::Distance>,
    ) -> Result<(), Error> {
        S::fault(&searcher.prepared)?;
        let radius = task.search.radius.map_or(S::Distance::INFINITY.wide(), |radius| radius);
        searcher.found.clear();
        for &key in searcher.pool.finish() {
            let distance = self.space.distance(S::Distance::of_key(key));
            if distance.wide() > radius {
                break;
            }
            searcher.found.push(Neighbor::new(key as u32, distance));
        }
        // Comparable distances that differ may stand for equal distances: then ids decide.
        let found = &mut searcher.found[..];
        for at in 1..found.len() {
            let mut at = at;
            while at > 0 && found[at].distance == found[at - 1].distance && found[at].id < found[at - 1].id {
                found.swap(at, at - 1);
                at -= 1;
            }
        }
        Ok(())
    }
}

impl<'a, S: Space> Walk<'a, S> {
    /// At the start.
    pub(super) fn new(
        tree: &'a CoverTree<S>,
        query: &'a S::Point,
        task: Task<'a, S::Distance>,
        searcher: &'a mut Searcher<S>,
    ) -> Self {
        let every = task.before == u32::MAX && task.except == u32::MAX && task.search.filter.is_none();
        Self { tree, query, task, searcher, one: every && task.search.k == Some(1) }
    }

    /// Whether the budget is used up.
    #[inline]
    fn spent(&self) -> bool {
        self.task.search.budget.is_some_and(|budget| self.searcher.certificate.distances >= budget)
    }

    /// Says what was left: nothing below `bound` was missed.
    fn give_up(&mut self, bound: S::Distance) {
        let certificate = &mut self.searcher.certificate;
        if bound <= self.searcher.pool.limit() {
            certificate.exact = false;
            certificate.unexplored = certificate.unexplored.min(self.tree.space.distance(bound).wide());
        }
    }

    /// Bounds the children of `node` into `frame`; those that cannot count are closed.
    #[inline]
    fn open(&mut self, node: u32, anchor: S::Distance, frame: &mut Frame<S::Distance>) {
        let (tree, searcher) = (self.tree, &mut *self.searcher);
        frame.node = node;
        searcher.certificate.nodes += 1;
        let measured = tree.space.open(
            &tree.shape,
            self.query,
            &mut searcher.prepared,
            anchor,
            searcher.pool.limit(),
            frame,
            &mut searcher.distances,
        );
        if !measured.is_empty() {
            let limit = searcher.pool.limit();
            mark_near(&searcher.distances[..measured.len()], limit, &mut searcher.near);
            self.offer(measured);
        }
        if self.task.before != u32::MAX {
            let least = &self.tree.shape.least[node as usize * FANOUT..][..FANOUT];
            let mut counting = 0;
            for (child, &least) in least.iter().enumerate() {
                counting |= u32::from(least < self.task.before) << child;
            }
            frame.keep(counting);
        }
        if let Some(filter) = self.task.search.filter {
            frame.keep(filter.children(node));
        }
    }

    /// Measures the points of `leaf`.
    #[inline]
    pub(super) fn scan(&mut self, leaf: u32, anchor: S::Distance) {
        let searcher = &mut *self.searcher;
        let slots = self.tree.shape.leaves[leaf as usize].range();
        // Few are near enough, and who they are is asked last: fetched meanwhile.
        prefetch_slice(&self.tree.shape.ids[slots.clone()], 256);
        let measured = self.tree.space.scan(
            self.query,
            &mut searcher.prepared,
            slots,
            anchor,
            searcher.pool.limit(),
            self.one,
            &mut searcher.distances,
            &mut searcher.near,
        );
        self.offer(measured);
    }

    /// Takes up those of the points of `slots`, whose distances were just measured, that are near enough.
    #[inline]
    fn offer(&mut self, slots: Range<usize>) {
        let searcher = &mut *self.searcher;
        searcher.certificate.distances += slots.len() as u64;
        let filter = self.task.search.filter;
        let blocks = searcher.near.iter().zip(searcher.distances.chunks(64));
        for ((&near, distances), start) in blocks.zip(slots.clone().step_by(64)) {
            let ids = &self.tree.shape.ids[start..slots.end.min(start + 64)];
            let mut near = near;
            while near != 0 {
                let at = near.trailing_zeros() as usize;
                near &= near - 1;
                // Behind the last there is padding.
                let Some(&id) = ids.get(at) else { break };
                if id < self.task.before
                    && id != self.task.except
                    && filter.is_none_or(|filter| filter.allows(start + at))
                {
                    searcher.pool.push(distances[at], id);
                }
            }
        }
        searcher.pool.settle();
    }

    fn depth_first(&mut self) {
        let mut frames = std::mem::take(&mut self.searcher.frames);
        let mut depth = 0;
        let (mut next, mut anchor) = (self.tree.shape.root(), S::Distance::INFINITY);
        loop {
            match next {
                Reference::Empty => {}
                Reference::Leaf(leaf) => self.scan(leaf, anchor),
                Reference::Inner(node) => {
                    if depth == frames.len() {
                        frames.push(Frame::new());
                    }
                    self.open(node, anchor, &mut frames[depth]);
                    depth += 1;
                }
            }
            if self.spent() {
                for frame in &frames[..depth] {
                    frame.each_open().for_each(|child| self.give_up(frame.bounds[child]));
                }
                break;
            }
            let limit = self.searcher.pool.limit();
            let mut found = None;
            while depth > 0 {
                let frame = &mut frames[depth - 1];
                let child = frame.take_nearest(limit);
                // A node without others is left at once.
                depth -= usize::from(frame.open == 0);
                if let Some(child) = child {
                    found = Some((self.tree.shape.child(frame.node, child), frame.anchors[child]));
                    break;
                }
            }
            match found {
                Some(found) => (next, anchor) = found,
                None => break,
            }
        }
        self.searcher.frames = frames;
    }

    fn best_first(&mut self) {
        let mut waiting = std::mem::take(&mut self.searcher.waiting);
        waiting.clear();
        let mut frame = Frame::new();
        let root = self.tree.shape.root;
        waiting.push(Reverse(Waiting {
            bound: S::Distance::ZERO,
            code: root,
            anchor: S::Distance::INFINITY,
        }));
        while let Some(Reverse(Waiting { bound, code, anchor })) = waiting.pop() {
            if bound > self.searcher.pool.limit() {
                break;
            }
            if self.spent() {
                self.give_up(bound);
                break;
            }
            match Reference::decode(code) {
                Reference::Empty => {}
                Reference::Leaf(leaf) => self.scan(leaf, anchor),
                Reference::Inner(node) => {
                    self.open(node, anchor, &mut frame);
                    let limit = self.searcher.pool.limit();
                    for child in frame.each_open() {
                        let bound = frame.bounds[child];
                        if bound <= limit {
                            waiting.push(Reverse(Waiting {
                                bound,
                                code: self.tree.shape.children[node as usize * FANOUT + child],
                                anchor: frame.anchors[child],
                            }));
                        }
                    }
                }
            }
        }
        self.searcher.waiting = waiting;
    }

    fn level_synchronous(&mut self) {
        let mut level = std::mem::take(&mut self.searcher.level);
        level.clear();
        let mut frame = Frame::new();
        let (bound, anchor) = (S::Distance::ZERO, S::Distance::INFINITY);
        level.push(Waiting { bound, code: self.tree.shape.root, anchor });
        let mut start = 0;
        'levels: while start < level.len() {
            let end = level.len();
            // The nearest first: it lowers the limit for the others.
            level[start..end].sort_unstable();
            for at in start..end {
                let Waiting { bound, code, anchor } = level[at];
                if bound > self.searcher.pool.limit() {
                    continue;
                }
                if self.spent() {
                    for rest in &level[at..] {
                        self.give_up(rest.bound);
                    }
                    break 'levels;
                }
                match Reference::decode(code) {
                    Reference::Empty => {}
                    Reference::Leaf(leaf) => self.scan(leaf, anchor),
                    Reference::Inner(node) => {
                        self.open(node, anchor, &mut frame);
                        for child in frame.each_open() {
                            level.push(Waiting {
                                bound: frame.bounds[child],
                                code: self.tree.shape.children[node as usize * FANOUT + child],
                                anchor: frame.anchors[child],
                            });
                        }
                    }
                }
            }
            start = end;
        }
        self.searcher.level = level;
    }
}
