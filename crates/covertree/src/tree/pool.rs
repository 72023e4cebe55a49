//! The nearest points met so far, as keys that sort by (distance, id).
//!
//! What a search needs all the time is a distance that k points are known to be within; the k points themselves it
//! needs once. So arrivals are only counted, by distance, in equal steps from 0 to the first such limit: whenever
//! the lower steps hold k points by themselves, the limit sinks to their end. That is O(1) an arrival, and nothing
//! is sorted before the end. (A heap costs a chain of mispredicted branches an arrival, selecting the k least again
//! and again costs as much as all the rest of a search; `docs/` has the figures.) A few neighbours are kept sorted.

use crate::scalar::Scalar;

/// Steps in which distances are counted.
const STEPS: usize = 64;
/// When the limit has sunk to this step, what is left is counted anew.
const COARSE: usize = 8;
/// Up to this k the neighbours are kept sorted.
const FEW: usize = 4;
/// Up to so many results are sorted by their steps.
const MANY: usize = 512;

#[derive(Clone, Debug)]
pub(crate) struct Pool<D> {
    keys: Vec<u128>,
    /// Where the results are sorted.
    sorted: Vec<u128>,
    /// How many are wanted; `usize::MAX` for all.
    k: usize,
    /// What is farther cannot be among the results.
    limit: D,
    /// Steps by distance; 0 while fewer than `k` were met.
    per_distance: f64,
    counts: [u32; STEPS],
    /// The last step that is within the limit.
    last: usize,
    /// Keys in the steps up to `last`.
    within: usize,
    /// Keys at which those beyond the limit are thrown out.
    full: usize,
}

impl<D: Scalar> Pool<D> {
    pub(crate) fn new() -> Self {
        Self {
            keys: Vec::new(),
            sorted: Vec::new(),
            k: 0,
            limit: D::ZERO,
            per_distance: 0.0,
            counts: [0; STEPS],
            last: 0,
            within: 0,
            full: 0,
        }
    }

    /// Empties the pool. At most `most` points can be pushed in all.
    pub(crate) fn reset(&mut self, k: Option<usize>, limit: D, most: usize) -> Result<(), layouts::Error> {
        self.keys.clear();
        self.k = k.unwrap_or(usize::MAX);
        self.full = self.k;
        self.limit = limit;
        self.per_distance = 0.0;
        if FEW < self.k && self.k < usize::MAX && limit < D::INFINITY {
            self.count_up_to(limit);
        }
        if self.k < usize::MAX {
            let room = self.k.saturating_mul(4).min(most).saturating_add(STEPS);
            let missing = room.saturating_sub(self.keys.len());
            self.keys
                .try_reserve(missing)
                .map_err(|_| layouts::Error::Memory { bytes: room.saturating_mul(16) })?;
        }
        Ok(())
    }

    /// What is farther than this need not be pushed. What lies at it may still enter, by a lower id.
    #[inline]
    pub(crate) fn limit(&self) -> D {
        self.limit
    }

    /// Takes a point that is within the limit that was asked for last.
    #[inline]
    pub(crate) fn push(&mut self, distance: D, id: u32) {
        if self.k <= FEW {
            return self.insert(distance.key(id));
        }
        self.keys.push(distance.key(id));
        if self.per_distance > 0.0 {
            let step = self.step(distance);
            self.counts[step] += 1;
            self.within += usize::from(step <= self.last);
        }
    }

    /// To be called now and then between pushes: lowers the limit.
    #[inline]
    pub(crate) fn settle(&mut self) {
        if self.per_distance > 0.0 {
            let before = self.last;
            while self.last > 0 && self.within - self.counts[self.last] as usize >= self.k {
                self.within -= self.counts[self.last] as usize;
                self.last -= 1;
            }
            if self.last < before {
                // The end of the step, rounded up by more than `step` can have rounded.
                let end = (self.last + 1) as f64 / self.per_distance * (1.0 + 4.0 * f64::EPSILON);
                let end = D::narrow(end).above();
                self.limit = if end < self.limit { end } else { self.limit };
            }
        }
        if self.k > FEW && self.keys.len() >= self.full || (self.per_distance > 0.0 && self.last < COARSE) {
            self.count();
        }
    }

    #[inline]
    fn step(&self, distance: D) -> usize {
        ((distance.wide() * self.per_distance) as i32 as usize).min(STEPS - 1)
    }

    fn insert(&mut self, key: u128) {
        if self.keys.len() == self.k {
            if self.keys[self.k - 1] <= key {
                return;
            }
            self.keys[self.k - 1] = key;
        } else {
            self.keys.push(key);
        }
        let mut at = self.keys.len() - 1;
        while at > 0 && self.keys[at] < self.keys[at - 1] {
            self.keys.swap(at, at - 1);
            at -= 1;
        }
        if self.keys.len() == self.k {
            self.limit = D::of_key(self.keys[self.k - 1]);
        }
    }

    /// Throws out what is beyond the limit, and counts the rest in steps up to it.
    #[cold]
    fn count(&mut self) {
        if self.k <= FEW {
            return;
        }
        let limit = self.limit;
        self.keys.retain(|&key| D::of_key(key) <= limit);
        if self.keys.len() > 2 * self.k {
            // Most of them lie in the last step.
            self.keys.select_nth_unstable(self.k - 1);
            self.keys.truncate(self.k);
        }
        let farthest = self.keys.iter().fold(0, |farthest, &key| farthest.max(key));
        self.count_up_to(D::of_key(farthest));
        if self.per_distance > 0.0 {
            self.within = self.keys.len();
            for at in 0..self.keys.len() {
                let step = self.step(D::of_key(self.keys[at]));
                self.counts[step] += 1;
            }
        }
    }

    /// Steps from 0 to `limit`, in which nothing is counted yet.
    fn count_up_to(&mut self, limit: D) {
        self.limit = limit;
        self.counts = [0; STEPS];
        self.full = self.k.saturating_mul(4);
        (self.last, self.within) = (STEPS - 1, 0);
        let per_distance = STEPS as f64 / limit.wide();
        // Not for a limit of zero or infinity, nor one so small that its inverse is infinite.
        self.per_distance = if per_distance.is_finite() { per_distance } else { 0.0 };
    }

    /// The distance of the k-th of the results, if there are as many. After [`finish`](Self::finish).
    pub(crate) fn farthest(&self) -> Option<D> {
        self.keys.get(self.k.checked_sub(1)?).map(|&key| D::of_key(key))
    }

    /// The results, sorted.
    pub(crate) fn finish(&mut self) -> &[u128] {
        if self.k > FEW {
            if self.per_distance > 0.0 && self.keys.len() <= MANY {
                self.sort_by_steps();
            } else {
                let limit = self.limit;
                self.keys.retain(|&key| D::of_key(key) <= limit);
                self.keys.sort_unstable();
            }
        }
        self.keys.truncate(self.k);
        &self.keys
    }

    /// The keys within the limit to their steps, whose sizes are known, then the few of a step by insertion.
    fn sort_by_steps(&mut self) {
        let mut next = [0u32; STEPS];
        let mut start = 0;
        for (next, &count) in next.iter_mut().zip(&self.counts[..=self.last]) {
            *next = start;
            start += count;
        }
        self.sorted.clear();
        self.sorted.resize(start as usize, 0);
        for &key in &self.keys {
            let step = self.step(D::of_key(key));
            if step <= self.last {
                self.sorted[next[step] as usize] = key;
                next[step] += 1;
            }
        }
        for end in 1..self.sorted.len() {
            let key = self.sorted[end];
            let mut at = end;
            while at > 0 && self.sorted[at - 1] > key {
                self.sorted[at] = self.sorted[at - 1];
                at -= 1;
            }
            self.sorted[at] = key;
        }
        std::mem::swap(&mut self.keys, &mut self.sorted);
    }
}
