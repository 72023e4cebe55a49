//! The candidates of a graph search: sorted, bounded, each marked once it has been expanded.
//!
//! A best-first search asks two things over and over: the nearest candidate that has not been expanded, and
//! the distance that a new one must beat. One sorted array answers both, and up to a few hundred candidates an
//! insertion (a binary search and a short move) costs less than the two heaps that textbooks use.

use simd_kernels::Distance;

use crate::error::{Error, reserve_all};
use crate::neighbor::{Neighbor, farthest, is_nan};

/// The best candidates met so far, at most `capacity` (`ef_search`), nearest first, ties to the lower id.
///
/// Ids are at most [`MAX_ID`](Self::MAX_ID): the bit above them holds the mark, which keeps an `f32` candidate in
/// 8 bytes. [`Adjacency`](crate::Adjacency) refuses larger graphs.
///
/// ```
/// use layouts::{LinearPool, Neighbor};
/// let mut pool = LinearPool::new(2)?;
/// pool.insert(Neighbor::new(4, 9.0f32));
/// assert_eq!(pool.next_unexpanded(), Some(Neighbor::new(4, 9.0)));
/// pool.insert(Neighbor::new(8, 1.0)); // nearer than what was expanded: comes next
/// pool.insert(Neighbor::new(2, 5.0)); // pushes 4 out
/// assert_eq!(pool.next_unexpanded(), Some(Neighbor::new(8, 1.0)));
/// assert_eq!(pool.next_unexpanded(), Some(Neighbor::new(2, 5.0)));
/// assert_eq!(pool.next_unexpanded(), None);
/// assert!(pool.iter().map(|neighbor| neighbor.id).eq([8, 2]));
/// # Ok::<(), layouts::Error>(())
/// ```
#[derive(Debug)]
pub struct LinearPool<D = f32> {
    /// Sorted, no two of one id and distance.
    candidates: Vec<Candidate<D>>,
    capacity: usize,
    /// Everything before it has been expanded.
    cursor: usize,
}

#[derive(Clone, Copy, Debug)]
struct Candidate<D> {
    distance: D,
    /// Twice the id, plus 1 when expanded: sorts as the id does.
    tagged: u32,
}

const EXPANDED: u32 = 1;

impl<D: Distance> Candidate<D> {
    fn neighbor(self) -> Neighbor<D> {
        Neighbor { id: self.tagged >> 1, distance: self.distance }
    }

    fn is_expanded(self) -> bool {
        self.tagged & EXPANDED != 0
    }
}

impl<D: Distance> LinearPool<D> {
    /// The highest id that can be held.
    pub const MAX_ID: u32 = u32::MAX >> 1;

    /// A pool of at most `capacity` candidates.
    ///
    /// # Errors
    /// [`Error::Zero`] if `capacity` is 0, [`Error::Memory`].
    pub fn new(capacity: usize) -> Result<Self, Error> {
        let mut pool = Self { candidates: Vec::new(), capacity: 0, cursor: 0 };
        pool.reset(capacity)?;
        Ok(pool)
    }

    /// Empties the pool and sets its capacity. Allocates only if that is larger than any before it.
    ///
    /// # Errors
    /// As [`new`](Self::new); the pool is then unchanged.
    pub fn reset(&mut self, capacity: usize) -> Result<(), Error> {
        if capacity == 0 {
            return Err(Error::Zero { argument: "capacity" });
        }
        reserve_all(&mut self.candidates, capacity)?;
        self.capacity = capacity;
        self.clear();
        Ok(())
    }

    /// Empties the pool, for the next query.
    pub fn clear(&mut self) {
        self.candidates.clear();
        self.cursor = 0;
    }

    /// The most candidates that are held.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// The number of candidates held.
    pub fn len(&self) -> usize {
        self.candidates.len()
    }

    /// Whether there is no candidate.
    pub fn is_empty(&self) -> bool {
        self.candidates.is_empty()
    }

    /// The distance above which nothing can enter: that of the farthest candidate of a full pool, else the
    /// farthest there is. What lies *at* it may still enter, by a lower id.
    #[inline]
    pub fn threshold(&self) -> D {
        match self.candidates.last() {
            Some(last) if self.candidates.len() == self.capacity => last.distance,
            _ => farthest(),
        }
    }

    /// Takes `neighbor` up, unexpanded, if it is among the best `capacity` so far, and says at which place. The
    /// farthest leaves a full pool for it.
    ///
    /// Not taken: a NaN distance, an id above [`MAX_ID`](Self::MAX_ID), and a candidate that is held already
    /// with the same distance. O(capacity), a move of at most 8 bytes a candidate for `f32`.
    #[inline]
    pub fn insert(&mut self, neighbor: Neighbor<D>) -> Option<usize> {
        if neighbor.distance > self.threshold() || is_nan(neighbor.distance) || neighbor.id > Self::MAX_ID {
            return None;
        }
        let at = self.candidates.partition_point(|candidate| candidate.neighbor().nearer_than(neighbor));
        if at == self.capacity || self.candidates.get(at).is_some_and(|held| held.neighbor() == neighbor) {
            return None;
        }
        if self.candidates.len() == self.capacity {
            self.candidates.pop();
        }
        self.candidates.insert(at, Candidate { distance: neighbor.distance, tagged: neighbor.id << 1 });
        self.cursor = self.cursor.min(at);
        Some(at)
    }

    /// The nearest candidate that has not been expanded, marked as expanded from now on.
    #[inline]
    pub fn next_unexpanded(&mut self) -> Option<Neighbor<D>> {
        let rest = self.candidates.get_mut(self.cursor..)?;
        let Some(ahead) = rest.iter().position(|candidate| !candidate.is_expanded()) else {
            self.cursor = self.candidates.len();
            return None;
        };
        let candidate = rest.get_mut(ahead)?;
        candidate.tagged |= EXPANDED;
        self.cursor += ahead + 1;
        Some(candidate.neighbor())
    }

    /// What [`next_unexpanded`](Self::next_unexpanded) would give if nothing nearer came in, unmarked: the row
    /// to prefetch.
    #[inline]
    pub fn peek_unexpanded(&self) -> Option<Neighbor<D>> {
        let rest = self.candidates.get(self.cursor..)?;
        rest.iter().find(|candidate| !candidate.is_expanded()).map(|candidate| candidate.neighbor())
    }

    /// The candidate at `place`, nearest first.
    pub fn get(&self, place: usize) -> Option<Neighbor<D>> {
        self.candidates.get(place).map(|candidate| candidate.neighbor())
    }

    /// All candidates, nearest first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Neighbor<D>> {
        self.candidates.iter().map(|candidate| candidate.neighbor())
    }
}
