//! A graph as one flat array: every node has the same number of slots, on cache lines of its own.
//!
//! A search reads a node's neighbours by one multiplication and one to a few line fetches, with nothing to
//! chase; offsets or a vector per node would each add a miss. The price is the empty slots of nodes that have
//! fewer neighbours.

use std::ops::{Deref, DerefMut};

use simd_kernels::prefetch_slice;

use crate::aligned::AlignedVec;
use crate::error::{Error, expect_below, expect_len, no_memory, wide};
use crate::linear_pool::LinearPool;
use crate::permutation::Permutation;
use crate::region::CACHE_LINE;

/// Slots of one cache line.
const LINE_SLOTS: usize = CACHE_LINE / size_of::<u32>();

/// Up to `degree` out-neighbours for each of the nodes `0..len`, in rows of [`stride`](Self::stride) slots.
///
/// `S` is where the slots lie: [`AlignedVec`] while a graph is built, a
/// [`Section`](crate::container::Section) or [`Storage`](crate::Storage) when it may come from a file.
///
/// Invariants: `len` is at most [`MAX_LEN`](Self::MAX_LEN); a row starts with its neighbours, all below `len` and
/// none the node itself, and every slot after them is [`NONE`](Self::NONE). The order of neighbours is the
/// caller's. A power of two up to 16, or else a multiple of 16 slots, keeps rows off each other's cache lines.
///
/// ```
/// use layouts::{Adjacency, Pushed};
/// let mut graph = Adjacency::new(3, 2)?;
/// graph.set(0, &[2, 1])?;
/// assert_eq!(graph.push(1, 0)?, Pushed::Added);
/// assert_eq!(graph.push(0, 1)?, Pushed::Present);
/// assert_eq!((graph.neighbors(0), graph.neighbors(1)), (&[2u32, 1][..], &[0u32][..]));
/// assert!(graph.push(2, 3).is_err()); // there is no node 3
/// # Ok::<(), layouts::Error>(())
/// ```
#[derive(Debug)]
pub struct Adjacency<S = AlignedVec<u32>> {
    slots: S,
    len: usize,
    degree: usize,
}

/// What became of a neighbour that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It took the first empty slot.
    Added,
    /// It was there already.
    Present,
    /// Every slot is taken: something has to be pruned.
    Full,
}

impl Adjacency {
    /// What an empty slot holds.
    pub const NONE: u32 = u32::MAX;

    /// The most nodes: ids must fit the pool that searches the graph.
    pub const MAX_LEN: usize = LinearPool::<f32>::MAX_ID as usize + 1;

    /// `len` nodes without neighbours.
    ///
    /// # Errors
    /// [`Error::Zero`] if `degree` is 0, [`Error::Range`] if `len` is above [`MAX_LEN`](Self::MAX_LEN),
    /// [`Error::Memory`].
    pub fn new(len: usize, degree: usize) -> Result<Self, Error> {
        let mut graph = Self { slots: AlignedVec::new(), len: 0, degree };
        graph.grow(len)?;
        Ok(graph)
    }

    /// Adds nodes without neighbours until there are `len`; never takes any away.
    ///
    /// # Errors
    /// As [`new`](Self::new); the graph is then unchanged.
    pub fn grow(&mut self, len: usize) -> Result<(), Error> {
        if len > self.len || self.len == 0 {
            self.slots.resize(slots_of(len, self.degree)?, Self::NONE)?;
            self.len = len;
        }
        Ok(())
    }

    /// The slots themselves, row after row: what [`from_storage`](Adjacency::from_storage) takes.
    pub fn into_slots(self) -> AlignedVec<u32> {
        self.slots
    }

    /// Slots between the starts of two rows, for rows of `degree` neighbours.
    pub fn stride_of(degree: usize) -> usize {
        if degree <= LINE_SLOTS {
            degree.next_power_of_two()
        } else {
            degree.saturating_add(LINE_SLOTS - 1) & !(LINE_SLOTS - 1)
        }
    }
}

/// The slots of a graph, once its shape is found to be one.
fn slots_of(len: usize, degree: usize) -> Result<usize, Error> {
    if degree == 0 {
        return Err(Error::Zero { argument: "degree" });
    }
    if len > Adjacency::MAX_LEN {
        return Err(Error::Range { argument: "len", value: wide(len), limit: wide(Adjacency::MAX_LEN) + 1 });
    }
    len.checked_mul(Adjacency::stride_of(degree)).ok_or(no_memory::<u32>(usize::MAX))
}

impl<S: Deref<Target = [u32]>> Adjacency<S> {
    /// The graph that `slots` hold. O(slots): every invariant is checked, so a damaged file cannot lead a search
    /// astray.
    ///
    /// # Errors
    /// As [`Adjacency::new`]; [`Error::Length`] if the number of slots is not `len * stride`;
    /// [`Error::Invariant`] naming the first row that breaks one.
    pub fn from_storage(slots: S, len: usize, degree: usize) -> Result<Self, Error> {
        expect_len("slots", slots_of(len, degree)?, slots.len())?;
        let graph = Self { slots, len, degree };
        graph.validate()?;
        Ok(graph)
    }

    /// Checks every invariant.
    ///
    /// # Errors
    /// [`Error::Invariant`].
    pub fn validate(&self) -> Result<(), Error> {
        for (node, row) in self.slots.chunks_exact(self.stride()).enumerate() {
            let broken = |reason| Error::Invariant { structure: "adjacency", index: node, reason };
            let (neighbors, empty) = row.split_at(self.count(row));
            if neighbors.len() > self.degree {
                return Err(broken("more neighbours than the degree"));
            }
            if neighbors.iter().any(|&id| id as usize >= self.len) {
                return Err(broken("a neighbour is no node, or an empty slot lies before it"));
            }
            if neighbors.iter().any(|&id| id as usize == node) {
                return Err(broken("a node is its own neighbour"));
            }
            if empty.iter().any(|&id| id != Adjacency::NONE) {
                return Err(broken("a neighbour follows an empty slot"));
            }
        }
        Ok(())
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The most neighbours of a node.
    pub fn degree(&self) -> usize {
        self.degree
    }

    /// Slots between the starts of two rows.
    pub fn stride(&self) -> usize {
        Adjacency::stride_of(self.degree)
    }

    /// The neighbours of `node`; none if there is no such node.
    #[inline]
    pub fn neighbors(&self, node: u32) -> &[u32] {
        let row = self.row(node);
        row.get(..self.count(row)).unwrap_or_default()
    }

    /// The slots of `node`, its neighbours first and [`NONE`](Adjacency::NONE) after them; empty if there is no
    /// such node.
    #[inline]
    pub fn row(&self, node: u32) -> &[u32] {
        let start = (node as usize).saturating_mul(self.stride());
        self.slots.get(start..start.saturating_add(self.stride())).unwrap_or_default()
    }

    /// Asks for the row of `node` before it is read. A hint.
    #[inline]
    pub fn prefetch(&self, node: u32) {
        prefetch_slice(self.row(node), usize::MAX);
    }

    /// All slots, row after row: what a file stores.
    pub fn as_slice(&self) -> &[u32] {
        &self.slots
    }

    /// Neighbours in front of the empty slots of `row`.
    #[inline]
    fn count(&self, row: &[u32]) -> usize {
        row.partition_point(|&id| id != Adjacency::NONE)
    }

    /// The same graph over nodes in the order `permutation`, rows moved and ids renamed.
    ///
    /// # Errors
    /// [`Error::Length`] unless it is of as many nodes; [`Error::Memory`].
    pub fn reorder(&self, permutation: &Permutation) -> Result<Adjacency, Error> {
        expect_len("permutation", self.len, permutation.len())?;
        let new_of = permutation.inverse()?;
        let mut slots = AlignedVec::with_capacity(self.slots.len())?;
        for &old in permutation.order() {
            for &id in self.row(old) {
                slots.push(new_of.order().get(id as usize).copied().unwrap_or(Adjacency::NONE))?;
            }
        }
        Ok(Adjacency { slots, len: self.len, degree: self.degree })
    }
}

impl<S: DerefMut<Target = [u32]>> Adjacency<S> {
    /// Makes `neighbors` the neighbours of `node`. O(stride).
    ///
    /// # Errors
    /// [`Error::Range`] if there is no such node, a neighbour is no node, or there are more than `degree`;
    /// [`Error::Duplicate`] if one is the node itself. The row is then unchanged.
    pub fn set(&mut self, node: u32, neighbors: &[u32]) -> Result<(), Error> {
        expect_below("neighbors.len()", neighbors.len(), self.degree.saturating_add(1))?;
        expect_below("node", node as usize, self.len)?;
        for &neighbor in neighbors {
            self.expect_neighbor(node, neighbor)?;
        }
        let row = self.row_mut(node);
        let (taken, empty) = row.split_at_mut(neighbors.len().min(row.len()));
        taken.copy_from_slice(&neighbors[..taken.len()]);
        empty.fill(Adjacency::NONE);
        Ok(())
    }

    /// Adds `neighbor` after the neighbours of `node`, if a slot is empty and it is not there yet. O(stride).
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn push(&mut self, node: u32, neighbor: u32) -> Result<Pushed, Error> {
        expect_below("node", node as usize, self.len)?;
        self.expect_neighbor(node, neighbor)?;
        let count = self.neighbors(node).len();
        if self.neighbors(node).contains(&neighbor) {
            return Ok(Pushed::Present);
        }
        let degree = self.degree;
        match self.row_mut(node).get_mut(..degree).and_then(|slots| slots.get_mut(count)) {
            Some(slot) => {
                *slot = neighbor;
                Ok(Pushed::Added)
            }
            None => Ok(Pushed::Full),
        }
    }

    /// Puts `neighbor` in the place of the neighbour in `slot`.
    ///
    /// # Errors
    /// As [`set`](Self::set), and [`Error::Range`] if `slot` is empty.
    pub fn replace(&mut self, node: u32, slot: usize, neighbor: u32) -> Result<(), Error> {
        expect_below("node", node as usize, self.len)?;
        expect_below("slot", slot, self.neighbors(node).len())?;
        self.expect_neighbor(node, neighbor)?;
        if let Some(place) = self.row_mut(node).get_mut(slot) {
            *place = neighbor;
        }
        Ok(())
    }

    fn row_mut(&mut self, node: u32) -> &mut [u32] {
        let stride = self.stride();
        let start = (node as usize).saturating_mul(stride);
        self.slots.get_mut(start..start.saturating_add(stride)).unwrap_or_default()
    }

    fn expect_neighbor(&self, node: u32, neighbor: u32) -> Result<(), Error> {
        expect_below("neighbor", neighbor as usize, self.len)?;
        if neighbor == node {
            return Err(Error::Duplicate { argument: "neighbor and node", value: u64::from(node) });
        }
        Ok(())
    }
}
