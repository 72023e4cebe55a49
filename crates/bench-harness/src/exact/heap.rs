//! The nearest so far: a bounded heap whose worst entry is the threshold for the next.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::engine::Neighbor;

/// A candidate, ordered by (distance, id).
#[derive(Clone, Copy, Debug)]
struct Candidate(Neighbor);

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.distance.total_cmp(&other.0.distance).then(self.0.id.cmp(&other.0.id))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Candidate {}

/// The `k` nearest of what was offered.
#[derive(Debug, Default)]
pub struct Nearest {
    heap: BinaryHeap<Candidate>,
    k: usize,
}

impl Nearest {
    /// Forgets everything and makes room for `k`; allocates only when `k` is larger than ever before.
    pub(super) fn reset(&mut self, k: usize) {
        self.heap.clear();
        self.heap.reserve(k);
        self.k = k;
    }

    /// How many are kept.
    pub(super) fn k(&self) -> usize {
        self.k
    }

    /// No distance above this one can still get in.
    pub(super) fn threshold(&self) -> f64 {
        match self.heap.peek() {
            Some(worst) if self.heap.len() == self.k => worst.0.distance,
            _ => f64::INFINITY,
        }
    }

    /// Offers one; O(log k) if it is taken.
    pub(super) fn offer(&mut self, neighbor: Neighbor) {
        // Adding zero turns -0.0 into 0.0, which the total order would tell apart.
        let candidate = Candidate(Neighbor { distance: neighbor.distance + 0.0, ..neighbor });
        if self.heap.len() < self.k {
            self.heap.push(candidate);
        } else if let Some(mut worst) = self.heap.peek_mut()
            && candidate < *worst
        {
            *worst = candidate;
        }
    }

    /// Offers all that `other` holds.
    pub(super) fn merge(&mut self, other: &Self) {
        other.heap.iter().for_each(|candidate| self.offer(candidate.0));
    }

    /// Writes what was kept, nearest first, distances passed through `finish` (which must be monotone), and
    /// the rest of `out` is left alone.
    pub(super) fn write(&mut self, out: &mut [Neighbor], finish: impl Fn(f64) -> f64) {
        for (out, candidate) in out.iter_mut().zip(self.heap.drain()) {
            *out = Neighbor { distance: finish(candidate.0.distance), ..candidate.0 };
        }
        // Sorted last, because rounding in `finish` may make two distances equal.
        out.sort_unstable_by(|a, b| a.distance.total_cmp(&b.distance).then(a.id.cmp(&b.id)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_keeps_what_a_sort_would(distances in prop::collection::vec(0u8..20, 0..200), k in 1usize..30) {
            let mut nearest = Nearest::default();
            nearest.reset(k);
            let mut all: Vec<(u8, u32)> = Vec::new();
            for (id, &distance) in distances.iter().enumerate() {
                nearest.offer(Neighbor { id: id as u32, distance: f64::from(distance) });
                all.push((distance, id as u32));
            }
            all.sort_unstable();
            all.truncate(k);
            let mut out = vec![Neighbor { id: u32::MAX, distance: 0.0 }; all.len()];
            nearest.write(&mut out, |distance| distance);
            let kept: Vec<(u8, u32)> = out.iter().map(|n| (n.distance as u8, n.id)).collect();
            prop_assert_eq!(kept, all);
        }
    }

    #[test]
    fn both_zeros_are_equal() {
        let mut nearest = Nearest::default();
        nearest.reset(3);
        for (id, distance) in [(0, 1.0), (1, 0.0), (2, -0.0)] {
            nearest.offer(Neighbor { id, distance });
        }
        let mut out = [Neighbor::default(); 3];
        nearest.write(&mut out, |distance| distance);
        assert_eq!(out.map(|n| n.id), [1, 2, 0]);
    }
}
