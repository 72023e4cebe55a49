//! The nearest points met so far, as keys that sort by (distance, id).
//!
//! Points are appended; only when enough have gathered are the k least selected and the limit lowered. For the
//! numbers that matter (k from 10 to 50, a few dozen arrivals after the first k) that is cheaper than a heap whose
//! every sift is a chain of mispredicted branches.

use crate::scalar::Scalar;

#[derive(Clone, Debug)]
pub(crate) struct Pool<D> {
    keys: Vec<u128>,
    /// How many are wanted; `usize::MAX` for all.
    k: usize,
    /// Keys at which they are cut back to `k`.
    full: usize,
    /// What is farther cannot be among the results.
    limit: D,
}

impl<D: Scalar> Pool<D> {
    pub(crate) fn new() -> Self {
        Self { keys: Vec::new(), k: 0, full: 0, limit: D::ZERO }
    }

    /// Empties the pool. At most `most` points can be pushed in all.
    pub(crate) fn reset(&mut self, k: Option<usize>, limit: D, most: usize) -> Result<(), layouts::Error> {
        self.keys.clear();
        self.k = k.unwrap_or(usize::MAX);
        self.full = self.k;
        self.limit = limit;
        let room = self.k.min(most).saturating_mul(2).saturating_add(64).min(most.saturating_add(64));
        if self.k != usize::MAX && self.keys.capacity() < room {
            self.keys
                .try_reserve(room)
                .map_err(|_| layouts::Error::Memory { bytes: room.saturating_mul(16) })?;
        }
        Ok(())
    }

    /// What is farther than this need not be pushed. What lies at it may still enter, by a lower id.
    #[inline]
    pub(crate) fn limit(&self) -> D {
        self.limit
    }

    /// Takes a point that is within the limit.
    #[inline]
    pub(crate) fn push(&mut self, distance: D, id: u32) {
        self.keys.push(distance.key(id));
    }

    /// To be called now and then between pushes: lowers the limit if that pays.
    #[inline]
    pub(crate) fn settle(&mut self) {
        if self.keys.len() >= self.full {
            self.cut();
        }
    }

    fn cut(&mut self) {
        if self.keys.len() > self.k {
            self.keys.select_nth_unstable(self.k - 1);
            self.keys.truncate(self.k);
            self.limit = D::of_key(self.keys[self.k - 1]);
        } else if let Some(&farthest) = self.keys.iter().max() {
            self.limit = D::of_key(farthest);
        }
        self.full = self.k + (self.k / 4).max(4);
    }

    /// The results, sorted.
    pub(crate) fn finish(&mut self) -> &[u128] {
        if self.keys.len() > self.k {
            self.keys.select_nth_unstable(self.k - 1);
            self.keys.truncate(self.k);
        }
        self.keys.sort_unstable();
        &self.keys
    }
}
