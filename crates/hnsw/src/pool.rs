//! The candidates of a search: one sorted array of numbers that hold score, row and mark together.

/// At most `ef` candidates, nearest first; ties to the lower row.
///
/// A candidate is one `u64`: the score in the upper half, with its sign flipped so that it sorts unsigned, then the
/// row, and in the lowest bit whether it has been expanded. An insertion is a branch-free binary search and a
/// short move.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    keys: Vec<u64>,
    len: usize,
    ef: usize,
    /// Everything before it has been expanded.
    cursor: usize,
}

const SIGN: u32 = 1 << 31;

/// One number that sorts by score, then row.
pub(crate) fn key(score: i32, id: u32) -> u64 {
    u64::from(score as u32 ^ SIGN) << 32 | u64::from(id << 1)
}

fn score(key: u64) -> i32 {
    ((key >> 32) as u32 ^ SIGN) as i32
}

/// The row of a [`key`].
pub(crate) fn id(key: u64) -> u32 {
    key as u32 >> 1
}

impl Pool {
    /// Empties it and sets its capacity.
    pub(crate) fn reset(&mut self, ef: usize) {
        self.keys.resize(self.keys.len().max(ef + 1), 0);
        (self.len, self.ef, self.cursor) = (0, ef, 0);
    }

    /// The score above which nothing enters.
    #[inline]
    pub(crate) fn threshold(&self) -> i32 {
        if self.len < self.ef { i32::MAX } else { score(self.keys[self.len - 1]) }
    }

    /// Takes a candidate up if it is among the nearest. It must not be in the pool. If this returns true,
    /// [`next`](Self::next) would give it now; what follows expanded candidates may be next, too, and is not told.
    #[inline]
    pub(crate) fn insert(&mut self, score: i32, id: u32) -> bool {
        let key = key(score, id);
        let at = self.keys[..self.len].partition_point(|&held| held < key);
        if at == self.ef {
            return false;
        }
        self.keys.copy_within(at..self.len, at + 1);
        self.keys[at] = key;
        self.len = (self.len + 1).min(self.ef);
        let is_next = at <= self.cursor;
        self.cursor = self.cursor.min(at);
        is_next
    }

    /// The nearest that has not been expanded, which it now is.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<(i32, u32)> {
        while self.cursor < self.len {
            let key = &mut self.keys[self.cursor];
            self.cursor += 1;
            if *key & 1 == 0 {
                *key |= 1;
                return Some((score(*key), id(*key)));
            }
        }
        None
    }

    /// What [`next`](Self::next) would give now.
    #[inline]
    pub(crate) fn peek(&self) -> Option<u32> {
        self.keys[self.cursor..self.len].iter().find(|&&key| key & 1 == 0).map(|&key| id(key))
    }

    /// All candidates, nearest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (i32, u32)> + '_ {
        self.keys[..self.len].iter().map(|&key| (score(key), id(key)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_are_sorted_bounded_and_expanded_once() {
        let mut pool = Pool::default();
        pool.reset(3);
        let inserted =
            [(5, 1), (-7, 2), (5, 0), (9, 4), (i32::MIN, 3)].map(|(score, id)| pool.insert(score, id));
        assert_eq!(inserted, [true, true, false, false, true]);
        assert!(pool.iter().eq([(i32::MIN, 3), (-7, 2), (5, 0)]));
        assert_eq!((pool.threshold(), pool.peek()), (5, Some(3)));
        assert_eq!(pool.next(), Some((i32::MIN, 3)));
        assert_eq!(pool.next(), Some((-7, 2)));
        pool.insert(-8, 7);
        assert_eq!(pool.peek(), Some(7));
        assert_eq!((pool.next(), pool.next()), (Some((-8, 7)), None));
        pool.reset(1);
        assert_eq!((pool.next(), pool.threshold()), (None, i32::MAX));
    }
}
