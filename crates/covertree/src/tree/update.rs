//! Points that come and go, a batch at a time.
//!
//! New points go down to the leaf with the nearest bound (or centre); a leaf that overflows becomes a small tree of
//! its own, made as any other. Points that leave are taken out of their leaves; a node that loses one of its centres
//! is made anew, as is any subtree that has become too deep or too empty for its size, so that the tree stays within
//! a constant of a fresh one. Then all is laid out again, in the order of the tree: a batch costs a copy of the
//! points besides its own work, so changes should come in batches.

use super::{Branch, CoverTree, ItemTree, Layout, Reference, Shape, VectorTree};
use crate::error::Error;
use crate::filter::next_state;
use crate::metric::Metric;
use crate::scalar::Scalar;
use crate::space::{FANOUT, Frame, ItemBuilder, Items, Space, VectorBuilder, Vectors, bound_balls};
use crate::tree::build::{check_count, embed_rows};

/// A row and its distance to the centre above it, 0 where there are no centres.
type Placed = (u32, f64);

/// A tree that is being changed. Rows are the slots of the old tree and, behind them, what is new.
struct Edit<'a> {
    shape: &'a Shape,
    /// Whether the point of a slot stays.
    keep: Vec<bool>,
    to_centre: &'a [f64],
    radii: Vec<f64>,
    /// What comes to each place, a place being a child's number among all, or behind them the root.
    added: Vec<Vec<Placed>>,
    leaf: usize,
    /// Makes a branch of rows below a centre.
    make: &'a dyn Fn(Vec<u32>, Option<u32>) -> Branch,
}

/// What an edited branch amounts to.
struct Edited {
    branch: Branch,
    points: usize,
    leaves: usize,
    depth: usize,
}

impl Edit<'_> {
    fn root(&self) -> Branch {
        self.branch(self.shape.root(), self.added.len() - 1, None).branch
    }

    fn branch(&self, reference: Reference, place: usize, centre: Option<u32>) -> Edited {
        match reference {
            Reference::Empty | Reference::Leaf(_) => {
                let rows = self.leaf_rows(reference, place);
                self.leaf(rows, centre)
            }
            Reference::Inner(node) => self.inner(node, reference, place, centre),
        }
    }

    /// What stays in a leaf, and what comes to it.
    fn leaf_rows(&self, reference: Reference, place: usize) -> Vec<Placed> {
        let mut rows = Vec::new();
        if let Reference::Leaf(leaf) = reference {
            for slot in self.shape.leaves[leaf as usize].range().filter(|&slot| self.keep[slot]) {
                rows.push((slot as u32, self.to_centre.get(slot).copied().unwrap_or(0.0)));
            }
        }
        rows.extend_from_slice(&self.added[place]);
        rows
    }

    fn leaf(&self, mut rows: Vec<Placed>, centre: Option<u32>) -> Edited {
        let points = rows.len();
        if points > self.leaf {
            return self.anew(rows.into_iter().map(|(row, _)| row).collect(), centre);
        }
        if points == 0 {
            return Edited { branch: Branch::Empty, points, leaves: 0, depth: 0 };
        }
        rows.sort_unstable_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        let branch = if self.shape.centred {
            let (rows, to_centre) = rows.into_iter().unzip();
            Branch::Leaf { rows, to_centre }
        } else {
            Branch::leaf(rows.into_iter().map(|(row, _)| row).collect())
        };
        Edited { branch, points, leaves: 1, depth: 1 }
    }

    fn inner(&self, node: u32, reference: Reference, place: usize, centre: Option<u32>) -> Edited {
        let slots = self.shape.centres(node);
        if slots.clone().any(|slot| !self.keep[slot]) {
            return self.collected(reference, place, centre);
        }
        let first = node as usize * FANOUT;
        let count = self.shape.nodes[node as usize].count as usize;
        let (mut children, mut points, mut leaves, mut depth) = (Vec::new(), slots.len(), 0, 0);
        for child in 0..count {
            let own_centre = slots.clone().nth(child).map(|slot| slot as u32);
            let below = self.branch(self.shape.child(node, child), first + child, own_centre);
            points += below.points;
            leaves += below.leaves;
            depth = depth.max(below.depth);
            if self.shape.centred || below.points > 0 {
                children.push(below.branch);
            }
        }
        // What a tree of as many points has, three times over and a bit.
        let wanted = points.div_ceil(self.leaf);
        let bits = wanted.max(1).ilog2() as usize;
        let too_deep = depth > if self.shape.centred { 4 + 3 * bits } else { 3 + bits };
        let too_empty = !self.shape.centred && leaves > 4 + 3 * wanted;
        if points <= self.leaf || too_deep || too_empty {
            return self.collected(reference, place, centre);
        }
        if !self.shape.centred {
            if children.len() == 1
                && let Some(branch) = children.pop()
            {
                return Edited { branch, points, leaves, depth };
            }
            return Edited { branch: Branch::inner(children), points, leaves, depth: depth + 1 };
        }
        let branch = Branch::Inner {
            centres: slots.clone().map(|slot| slot as u32).collect(),
            to_centre: self.to_centre[slots].to_vec(),
            radii: self.radii[first..first + count].to_vec(),
            children,
        };
        Edited { branch, points, leaves, depth: depth + 1 }
    }

    /// The branch of all that is below `reference`, made anew.
    fn collected(&self, reference: Reference, place: usize, centre: Option<u32>) -> Edited {
        let mut rows = Vec::new();
        self.collect(reference, place, &mut rows);
        self.anew(rows, centre)
    }

    fn collect(&self, reference: Reference, place: usize, rows: &mut Vec<u32>) {
        if let Reference::Inner(node) = reference {
            let centres = self.shape.centres(node).filter(|&slot| self.keep[slot]);
            rows.extend(centres.map(|slot| slot as u32));
            for child in 0..self.shape.nodes[node as usize].count as usize {
                self.collect(self.shape.child(node, child), node as usize * FANOUT + child, rows);
            }
        } else {
            rows.extend(self.leaf_rows(reference, place).into_iter().map(|(row, _)| row));
        }
    }

    fn anew(&self, rows: Vec<u32>, centre: Option<u32>) -> Edited {
        let points = rows.len();
        let branch = (self.make)(rows, centre);
        let (mut leaves, mut depth) = (0, 0);
        extent(&branch, 1, &mut leaves, &mut depth);
        Edited { branch, points, leaves, depth }
    }
}

/// Leaves and depth of a branch.
fn extent(branch: &Branch, level: usize, leaves: &mut usize, depth: &mut usize) {
    match branch {
        Branch::Empty => {}
        Branch::Leaf { .. } => {
            *leaves += 1;
            *depth = (*depth).max(level);
        }
        Branch::Inner { children, .. } => {
            *depth = (*depth).max(level);
            children.iter().for_each(|child| extent(child, level + 1, leaves, depth));
        }
    }
}

impl<S> CoverTree<S> {
    /// Whether the point of each slot stays when `ids` go, and how many go.
    fn without(&self, ids: &[u32]) -> Result<Vec<bool>, Error> {
        let mut slot_of = vec![Layout::HOLE; self.shape.next_id as usize];
        for (slot, &id) in (0u32..).zip(self.shape.ids.iter()) {
            if id != Layout::HOLE {
                slot_of[id as usize] = slot;
            }
        }
        let mut keep: Vec<bool> = self.shape.ids.iter().map(|&id| id != Layout::HOLE).collect();
        for &id in ids {
            match slot_of.get(id as usize) {
                Some(&slot) if slot != Layout::HOLE => keep[slot as usize] = false,
                _ => return Err(Error::UnknownId { argument: "ids", id }),
            }
        }
        Ok(keep)
    }

    /// Ids by row, with `more` new ones.
    fn row_ids(&self, more: usize) -> Result<(Vec<u32>, u32), Error> {
        check_count(self.shape.next_id as usize + more)?;
        let next_id = self.shape.next_id + more as u32;
        let new = self.shape.next_id..next_id;
        Ok((self.shape.ids.iter().copied().chain(new).collect(), next_id))
    }

    fn places(&self) -> Vec<Vec<Placed>> {
        vec![Vec::new(); self.shape.nodes.len() * FANOUT + 1]
    }
}

impl<T: Scalar> VectorTree<T> {
    /// Adds `rows`, one after another. Their ids follow the highest that was ever given; they are returned.
    ///
    /// O(m log n) for the search of places, O(n) to lay the points out again.
    ///
    /// # Errors
    /// As [`from_rows`](Self::from_rows) for the rows; no rows are fine and change nothing.
    ///
    /// ```
    /// use covertree::{Search, Searcher, VectorMetric, VectorTree};
    /// let mut tree = VectorTree::from_rows(&[0.0, 0.0, 9.0, 9.0], 2, VectorMetric::L2)?;
    /// assert_eq!(tree.insert(&[5.0, 5.0])?, 2..3);
    /// tree.remove(&[1])?;
    /// let mut searcher = Searcher::new();
    /// assert_eq!(tree.search(&mut searcher, &[8.0, 8.0], &Search::nearest(9))?[0].id, 2);
    /// assert_eq!(tree.len(), 2);
    /// # Ok::<(), covertree::Error>(())
    /// ```
    pub fn insert(&mut self, rows: &[T]) -> Result<std::ops::Range<u32>, Error> {
        let embedding = self.space.embedding;
        let new = embed_rows(&embedding, "rows", rows)?;
        let count = new.len() / embedding.width();
        let first = self.shape.next_id;
        let keep = self.without(&[])?;
        let mut added = self.places();
        let mut prepared = Default::default();
        let mut frame = Frame::new();
        for (row, point) in (self.shape.ids.len() as u32..).zip(new.chunks_exact(embedding.width())) {
            let place = self.place(point, &mut prepared, &mut frame);
            added[place].push((row, 0.0));
        }
        let (ids, next_id) = self.row_ids(count)?;
        self.rearrange(&new, keep, added, &ids, next_id)?;
        Ok(first..next_id)
    }

    /// Removes the points with these ids (once, if named twice). Ids are not given out again.
    ///
    /// O(n).
    ///
    /// # Errors
    /// [`Error::UnknownId`] if there is no such point; nothing is removed then.
    pub fn remove(&mut self, ids: &[u32]) -> Result<(), Error> {
        let keep = self.without(ids)?;
        let (ids, next_id) = self.row_ids(0)?;
        self.rearrange(&[], keep, self.places(), &ids, next_id)
    }

    /// The place of the leaf at the end of the nearest bounds.
    fn place(
        &self,
        point: &[T],
        prepared: &mut <Vectors<T> as Space>::Prepared,
        frame: &mut Frame<T>,
    ) -> usize {
        prepared.row.clear();
        prepared.row.extend_from_slice(point);
        prepared.sign();
        let mut place = self.shape.nodes.len() * FANOUT;
        let mut next = self.shape.root();
        while let Reference::Inner(node) = next {
            frame.node = node;
            let everywhere = T::INFINITY;
            self.space.open(&self.shape, &[], prepared, T::ZERO, everywhere, frame, &mut Vec::new());
            let child = frame.take_nearest(everywhere).unwrap_or(0);
            place = node as usize * FANOUT + child;
            next = self.shape.child(node, child);
        }
        place
    }

    fn rearrange(
        &mut self,
        new: &[T],
        keep: Vec<bool>,
        added: Vec<Vec<Placed>>,
        ids: &[u32],
        next_id: u32,
    ) -> Result<(), Error> {
        let mut rows = Vec::new();
        for slot in 0..self.shape.ids.len() {
            self.space.unpack(slot, &mut rows);
        }
        rows.extend_from_slice(new);
        let leaf = self.options.leaf_size(Vectors::<T>::LANES)?;
        let builder = VectorBuilder { embedding: self.space.embedding, rows: &rows, leaf };
        let make = |mut rows: Vec<u32>, _: Option<u32>| builder.branch(&mut rows);
        let (shape, to_centre) = (&self.shape, &[][..]);
        let edit = Edit { shape, keep, to_centre, radii: Vec::new(), added, leaf, make: &make };
        let layout = Layout::of(&edit.root(), Vectors::<T>::LANES, false, ids, next_id)?;
        let space = builder.arrange(&layout)?;
        *self = CoverTree { space, shape: layout.shape, state: next_state(), options: self.options };
        Ok(())
    }
}

impl<P: Send + Sync, M: Metric<P>> ItemTree<P, M> {
    /// Adds `items`. Their ids follow the highest that was ever given; they are returned.
    ///
    /// About 16 log n distances an item, O(n) moves to lay the items out again.
    ///
    /// # Errors
    /// [`Error::Metric`], [`Error::TooMany`]; the tree is then as it was, and the items are dropped.
    pub fn insert(&mut self, items: Vec<P>) -> Result<std::ops::Range<u32>, Error> {
        let first = self.shape.next_id;
        let keep = self.without(&[])?;
        let (ids, next_id) = self.row_ids(items.len())?;
        self.rearrange(items, keep, &ids, next_id)?;
        Ok(first..next_id)
    }

    /// Removes the items with these ids (once, if named twice). Ids are not given out again.
    ///
    /// O(n) moves; distances only below nodes that lose one of their centres.
    ///
    /// # Errors
    /// [`Error::UnknownId`] if there is no such item, [`Error::Metric`]; nothing is removed then.
    pub fn remove(&mut self, ids: &[u32]) -> Result<(), Error> {
        let keep = self.without(ids)?;
        let (ids, next_id) = self.row_ids(0)?;
        self.rearrange(Vec::new(), keep, &ids, next_id)
    }

    fn rearrange(&mut self, new: Vec<P>, keep: Vec<bool>, ids: &[u32], next_id: u32) -> Result<(), Error> {
        let old = self.space.points.len();
        self.space.points.extend(new);
        match self.edited(old, keep, ids, next_id) {
            Ok(layout) => {
                let points = std::mem::take(&mut self.space.points);
                let metric = &self.space.metric;
                let Items { points, to_centre, radii, .. } = bound_balls(metric, points, &layout);
                (self.space.points, self.space.to_centre, self.space.radii) = (points, to_centre, radii);
                (self.shape, self.state) = (layout.shape, next_state());
                Ok(())
            }
            Err(error) => {
                self.space.points.truncate(old);
                Err(error)
            }
        }
    }

    /// The tree of the points that stay and those from row `old` on.
    fn edited(&self, old: usize, keep: Vec<bool>, ids: &[u32], next_id: u32) -> Result<Layout, Error> {
        let space = &self.space;
        let leaf = self.options.leaf_size(Items::<P, M>::LANES)?;
        let builder = ItemBuilder::new(&space.metric, &space.points, leaf);
        let mut added = self.places();
        let mut radii = space.radii.clone();
        for row in old as u32..space.points.len() as u32 {
            let (mut place, mut to_centre) = (added.len() - 1, 0.0);
            let mut next = self.shape.root();
            while let Reference::Inner(node) = next {
                let mut nearest = (0, f64::INFINITY);
                for (child, slot) in self.shape.centres(node).enumerate() {
                    let distance = builder.measure(slot as u32, row);
                    if distance < nearest.1 {
                        nearest = (child, distance);
                    }
                }
                place = node as usize * FANOUT + nearest.0;
                to_centre = nearest.1;
                radii[place] = radii[place].max(to_centre);
                next = self.shape.child(node, nearest.0);
            }
            added[place].push((row, to_centre));
        }
        let make = |rows: Vec<u32>, centre: Option<u32>| {
            let to_centre = |row| centre.map_or(0.0, |centre| builder.measure(centre, row));
            builder.branch(rows.into_iter().map(|row| (row, to_centre(row))).collect())
        };
        let (shape, to_centre) = (&self.shape, &space.to_centre[..]);
        let root = Edit { shape, keep, to_centre, radii, added, leaf, make: &make }.root();
        builder.check()?;
        Layout::of(&root, Items::<P, M>::LANES, true, ids, next_id)
    }
}
