//! A small tree of boxes on which single decisions can be taken back: the losing variants live here and not in the
//! library.

use layouts::{Neighbor, TopK, VisitedSet};

/// Points of a leaf.
const LEAF: usize = 32;

/// Where the bound of a node is kept between its parent's visit and its own.
pub(crate) struct Bounds;

impl Bounds {
    /// Beside the node, on the stack.
    pub(crate) const FRAME: u8 = 0;
    /// Nowhere: it is measured again when the node is met.
    pub(crate) const NONE: u8 = 1;
    /// In an array of all nodes, filled anew for each query.
    pub(crate) const FILLED: u8 = 2;
    /// In such an array, the least of all that is offered, reset only where it was written.
    pub(crate) const LAZY: u8 = 3;
}

/// Buffers of a search.
pub(crate) struct Scratch {
    pub(crate) best: TopK<f64>,
    stack: Vec<(u32, f64)>,
    cache: Vec<f64>,
    touched: Vec<u32>,
    visited: VisitedSet,
}

impl Scratch {
    pub(crate) fn new(n: usize) -> Self {
        let nodes = 2 * n.div_ceil(LEAF).next_power_of_two();
        Self {
            best: TopK::new(1).unwrap(),
            stack: Vec::new(),
            cache: vec![f64::INFINITY; nodes],
            touched: Vec::new(),
            visited: VisitedSet::new(nodes).unwrap(),
        }
    }
}

/// Sum over neighbours that tells wrong ones from right ones.
pub(crate) fn fingerprint(found: &[Neighbor<f64>]) -> u64 {
    found.iter().zip(1..).fold(0, |sum: u64, (found, at)| sum.wrapping_add(at * (u64::from(found.id) + 1)))
}

/// Node i has the children 2i and 2i + 1; leaf l is node `leaves + l`.
pub(crate) struct Mini {
    dim: usize,
    leaves: usize,
    ids: Vec<u32>,
    rows: Vec<f64>,
    boxes: Vec<f64>,
}

impl Mini {
    pub(crate) fn new(points: &[f64], dim: usize) -> Self {
        let n = points.len() / dim;
        let leaves = n.div_ceil(LEAF).next_power_of_two();
        let mut ids: Vec<u32> = (0..n as u32).collect();
        let mut mini =
            Self { dim, leaves, ids: Vec::new(), rows: Vec::new(), boxes: vec![0.0; 4 * leaves * dim] };
        mini.split(points, 1, 0, &mut ids);
        mini.rows = ids.iter().flat_map(|&id| points[id as usize * dim..][..dim].to_vec()).collect();
        mini.ids = ids;
        mini
    }

    fn start(&self, leaf: usize, n: usize) -> usize {
        n * leaf / self.leaves
    }

    fn split(&mut self, points: &[f64], node: usize, start: usize, ids: &mut [u32]) {
        let dim = self.dim;
        let at = |id: u32, axis: usize| points[id as usize * dim + axis];
        let mut widest = (0.0, 0);
        for axis in 0..dim {
            let low = ids.iter().map(|&id| at(id, axis)).fold(f64::INFINITY, f64::min);
            let high = ids.iter().map(|&id| at(id, axis)).fold(f64::NEG_INFINITY, f64::max);
            self.boxes[2 * node * dim + axis] = low;
            self.boxes[(2 * node + 1) * dim + axis] = high;
            if high - low > widest.0 {
                widest = (high - low, axis);
            }
        }
        if node >= self.leaves {
            return;
        }
        let right = (2 * node + 1) << (self.leaves.ilog2() - node.ilog2() - 1);
        let middle = self.start(right - self.leaves, points.len() / dim) - start;
        ids.select_nth_unstable_by(middle, |&a, &b| at(a, widest.1).total_cmp(&at(b, widest.1)));
        let (left, right) = ids.split_at_mut(middle);
        self.split(points, 2 * node, start, left);
        self.split(points, 2 * node + 1, start + middle, right);
    }

    fn gap(&self, node: usize, x: &[f64]) -> f64 {
        let (low, high) = self.boxes[2 * node * self.dim..][..2 * self.dim].split_at(self.dim);
        low.iter().zip(high).zip(x).fold(0.0, |sum, ((&low, &high), &x)| {
            let out = if x < low {
                low - x
            } else if x > high {
                x - high
            } else {
                0.0
            };
            sum + out * out
        })
    }

    /// The squared gap between the boxes of two nodes.
    fn gap_between(&self, a: usize, b: usize) -> f64 {
        let side = |node: usize| self.boxes[2 * node * self.dim..][..2 * self.dim].split_at(self.dim);
        let ((low_a, high_a), (low_b, high_b)) = (side(a), side(b));
        (0..self.dim).fold(0.0, |sum, axis| {
            let out = (low_a[axis] - high_b[axis]).max(low_b[axis] - high_a[axis]).max(0.0);
            sum + out * out
        })
    }

    fn scan(&self, leaf: usize, x: &[f64], best: &mut TopK<f64>) {
        let n = self.ids.len();
        let (start, end) = (self.start(leaf, n), self.start(leaf + 1, n));
        let rows = self.rows[start * self.dim..end * self.dim].chunks_exact(self.dim);
        for (&id, row) in self.ids[start..end].iter().zip(rows) {
            let squared = row.iter().zip(x).fold(0.0, |sum, (a, b)| sum + (a - b) * (a - b));
            if squared <= best.threshold() {
                best.push(Neighbor::new(id, squared));
            }
        }
    }

    /// The `k` nearest of `x`, depth first, the nearer child first, in `scratch.best`.
    pub(crate) fn search<const BOUNDS: u8, const VISITED: bool, const ALLOCATE: bool>(
        &self,
        x: &[f64],
        k: usize,
        scratch: &mut Scratch,
    ) {
        let Scratch { best, stack, cache, touched, visited } = scratch;
        best.reset(k).unwrap();
        if BOUNDS == Bounds::FILLED {
            cache.fill(f64::INFINITY);
        }
        if VISITED {
            visited.clear();
        }
        stack.clear();
        stack.push((1, 0.0));
        while let Some((node, bound)) = stack.pop() {
            let node = node as usize;
            if VISITED && !visited.insert(node as u32) {
                continue;
            }
            let bound = match BOUNDS {
                Bounds::NONE => self.gap(node, x),
                Bounds::FILLED | Bounds::LAZY if node > 1 => cache[node],
                _ => bound,
            };
            if bound > best.threshold() {
                continue;
            }
            if node >= self.leaves {
                self.scan(node - self.leaves, x, best);
                continue;
            }
            let mut gaps = [(2 * node, self.gap(2 * node, x)), (2 * node + 1, self.gap(2 * node + 1, x))];
            if gaps[0].1 < gaps[1].1 {
                gaps.swap(0, 1);
            }
            let push = |(child, gap): (usize, f64), stack: &mut Vec<(u32, f64)>| {
                if BOUNDS == Bounds::FILLED {
                    cache[child] = gap;
                } else if BOUNDS == Bounds::LAZY {
                    if cache[child] == f64::INFINITY {
                        touched.push(child as u32);
                    }
                    cache[child] = cache[child].min(gap);
                }
                stack.push((child as u32, gap));
            };
            if ALLOCATE {
                // What a search does that collects the children of a node before it looks at them.
                let children: Vec<(usize, f64)> = std::hint::black_box(gaps.to_vec());
                let mut push = push;
                children.into_iter().for_each(|child| push(child, stack));
            } else {
                let mut push = push;
                gaps.into_iter().for_each(|child| push(child, stack));
            }
        }
        if BOUNDS == Bounds::LAZY {
            touched.drain(..).for_each(|node| cache[node as usize] = f64::INFINITY);
        }
    }

    /// The `k` nearest of every point of the tree, subtree against subtree: two nodes are only opened if their gap is
    /// within the farthest k-th distance of the first one's points. Returns the sum of fingerprints.
    pub(crate) fn dual(&self, k: usize) -> u64 {
        let mut best: Vec<TopK<f64>> = (0..self.ids.len()).map(|_| TopK::new(k).unwrap()).collect();
        let mut reach = vec![f64::INFINITY; 2 * self.leaves];
        self.dual_visit(1, 1, &mut best, &mut reach);
        best.iter_mut().fold(0, |sum, best| sum.wrapping_add(fingerprint(best.sorted())))
    }

    fn dual_visit(&self, query: usize, node: usize, best: &mut [TopK<f64>], reach: &mut [f64]) {
        if self.gap_between(query, node) > reach[query] {
            return;
        }
        match (query >= self.leaves, node >= self.leaves) {
            (true, true) => {
                let n = self.ids.len();
                let leaf = query - self.leaves;
                let places = self.start(leaf, n)..self.start(leaf + 1, n);
                let rows = self.rows[places.start * self.dim..].chunks_exact(self.dim);
                let mut farthest = 0.0f64;
                for (best, x) in best[places].iter_mut().zip(rows) {
                    if self.gap(node, x) <= best.threshold() {
                        self.scan(node - self.leaves, x, best);
                    }
                    farthest = farthest.max(best.threshold());
                }
                reach[query] = farthest;
            }
            (true, false) => {
                let near =
                    usize::from(self.gap_between(query, 2 * node + 1) < self.gap_between(query, 2 * node));
                self.dual_visit(query, 2 * node + near, best, reach);
                self.dual_visit(query, 2 * node + 1 - near, best, reach);
            }
            (false, true) => {
                self.dual_visit(2 * query, node, best, reach);
                self.dual_visit(2 * query + 1, node, best, reach);
                reach[query] = reach[2 * query].max(reach[2 * query + 1]);
            }
            (false, false) => {
                for child in [2 * query, 2 * query + 1] {
                    let near = usize::from(
                        self.gap_between(child, 2 * node + 1) < self.gap_between(child, 2 * node),
                    );
                    self.dual_visit(child, 2 * node + near, best, reach);
                    self.dual_visit(child, 2 * node + 1 - near, best, reach);
                }
                reach[query] = reach[2 * query].max(reach[2 * query + 1]);
            }
        }
    }
}
