//! The k best of a stream: a bounded heap.
//!
//! Scans reject nearly everything once the pool is full, so what counts is the test against
//! [`threshold`](TopK::threshold), which is one comparison; what passes costs O(log k). A pool that is not full
//! yet is a plain list, and is made a heap once.

use simd_kernels::Distance;

use crate::error::{Error, reserve_all};
use crate::neighbor::{Neighbor, farthest, is_nan};

/// The `k` nearest of all neighbours pushed, ties to the lower id, whatever their order.
///
/// Memory for `k` is taken when `k` is set, none by a push. Clamp `k` to the number of rows first: more cannot
/// be found.
///
/// ```
/// use layouts::{Neighbor, TopK};
/// let mut best = TopK::new(2)?;
/// for (id, distance) in [(0, 5.0f32), (1, 1.0), (2, 3.0), (3, 3.0)] {
///     best.push(Neighbor::new(id, distance));
/// }
/// assert_eq!(best.threshold(), 3.0);
/// assert_eq!(best.sorted(), [Neighbor::new(1, 1.0), Neighbor::new(2, 3.0)]);
/// # Ok::<(), layouts::Error>(())
/// ```
#[derive(Debug)]
pub struct TopK<D = f32> {
    /// At most `k`, in the order that `order` names.
    pool: Vec<Neighbor<D>>,
    k: usize,
    order: Order,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// As pushed. Only below `k`.
    Pushed,
    /// A binary heap, the farthest at the root. Only at `k`.
    Heap,
    /// Nearest first.
    Sorted,
}

impl<D: Distance> TopK<D> {
    /// A pool for the `k` nearest.
    ///
    /// # Errors
    /// [`Error::Zero`] if `k` is 0, [`Error::Memory`].
    pub fn new(k: usize) -> Result<Self, Error> {
        let mut best = Self { pool: Vec::new(), k: 0, order: Order::Pushed };
        best.reset(k)?;
        Ok(best)
    }

    /// Empties the pool and sets `k`. Allocates only if `k` is larger than any before it.
    ///
    /// # Errors
    /// As [`new`](Self::new); the pool is then unchanged.
    pub fn reset(&mut self, k: usize) -> Result<(), Error> {
        if k == 0 {
            return Err(Error::Zero { argument: "k" });
        }
        reserve_all(&mut self.pool, k)?;
        self.k = k;
        self.clear();
        Ok(())
    }

    /// Empties the pool, for the next query.
    pub fn clear(&mut self) {
        self.pool.clear();
        self.order = Order::Pushed;
    }

    /// The number of neighbours wanted.
    pub fn k(&self) -> usize {
        self.k
    }

    /// The number of neighbours held, at most `k`.
    pub fn len(&self) -> usize {
        self.pool.len()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.pool.is_empty()
    }

    /// The distance above which nothing can enter: that of the k-th best, or the farthest there is while fewer
    /// are held. What lies *at* the threshold may still enter, by a lower id: skip only `distance > threshold`.
    #[inline]
    pub fn threshold(&self) -> D {
        let farthest_held = match self.order {
            Order::Heap => self.pool.first(),
            Order::Sorted if self.pool.len() == self.k => self.pool.last(),
            Order::Pushed | Order::Sorted => None,
        };
        farthest_held.map_or(farthest(), |neighbor| neighbor.distance)
    }

    /// Takes `neighbor` up if it is among the `k` best so far, and says whether. NaN never is. O(log k).
    #[inline]
    pub fn push(&mut self, neighbor: Neighbor<D>) -> bool {
        // Most pushes end here.
        if neighbor.distance > self.threshold() || is_nan(neighbor.distance) {
            return false;
        }
        self.push_near(neighbor)
    }

    fn push_near(&mut self, neighbor: Neighbor<D>) -> bool {
        if self.order == Order::Sorted {
            self.unsort();
        }
        if self.pool.len() < self.k {
            self.pool.push(neighbor);
            if self.pool.len() == self.k {
                self.make_heap();
            }
            return true;
        }
        match self.pool.first_mut() {
            Some(root) if neighbor.nearer_than(*root) => {
                *root = neighbor;
                self.sift_down(0);
                true
            }
            _ => false,
        }
    }

    /// The neighbours held, nearest first. O(k log k) after a push, else free. Pushing may go on.
    pub fn sorted(&mut self) -> &[Neighbor<D>] {
        if self.order != Order::Sorted {
            self.pool.sort_unstable();
            self.order = Order::Sorted;
        }
        &self.pool
    }

    /// The neighbours held, nearest first, as a vector.
    pub fn into_sorted(mut self) -> Vec<Neighbor<D>> {
        self.sorted();
        self.pool
    }

    /// The neighbours held, in no particular order.
    pub fn as_slice(&self) -> &[Neighbor<D>] {
        &self.pool
    }

    /// From sorted back to what a push works on: farthest first is a heap.
    fn unsort(&mut self) {
        self.pool.reverse();
        self.order = if self.pool.len() == self.k { Order::Heap } else { Order::Pushed };
    }

    fn make_heap(&mut self) {
        for node in (0..self.k / 2).rev() {
            self.sift_down(node);
        }
        self.order = Order::Heap;
    }

    fn sift_down(&mut self, mut node: usize) {
        let pool = &mut self.pool[..];
        loop {
            let (left, right) = (2 * node + 1, 2 * node + 2);
            let mut farther = left;
            if right < pool.len() && pool[left].nearer_than(pool[right]) {
                farther = right;
            }
            if farther >= pool.len() || !pool[node].nearer_than(pool[farther]) {
                return;
            }
            pool.swap(node, farther);
            node = farther;
        }
    }
}
