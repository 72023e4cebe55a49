//! Which ids a filtered search may return: a trait, and a bitmap that implements it.

use layouts::Error as LayoutError;

use crate::Error;

/// A condition on ids (the rows of the block that an index was built from).
///
/// Implemented by [`IdSet`], which a search can also enumerate, and by every closure `Fn(u32) -> bool`. A search asks
/// about the same id more than once and in no particular order; the answer must not change meanwhile.
pub trait IdFilter {
    /// Whether `id` may be returned.
    fn accepts(&self, id: u32) -> bool;

    /// How many ids are accepted, where that is known. It only steers how the search goes about its work: a wrong
    /// number costs time, and may cost recall, but never lets a search return too few.
    fn count_hint(&self) -> Option<usize> {
        None
    }

    /// The lowest accepted id of `from..end`.
    ///
    /// The default asks about one id after the other. Override it where matches can be enumerated quicker: searches
    /// with few matches measure these and nothing else.
    fn next_accepted(&self, from: u32, end: u32) -> Option<u32> {
        (from..end).find(|&id| self.accepts(id))
    }
}

impl<F: Fn(u32) -> bool> IdFilter for F {
    fn accepts(&self, id: u32) -> bool {
        self(id)
    }
}

/// A set of ids as a bitmap: one bit for each id up to the highest.
///
/// ```
/// use hnsw::{IdFilter, IdSet};
/// let mut set = IdSet::from_ids([3, 70, 3])?;
/// assert!(set.insert(5)? && set.remove(70));
/// assert!(set.contains(3) && !set.contains(4) && !set.contains(1_000_000));
/// assert_eq!(set.len(), 2);
/// assert_eq!(set.iter().collect::<Vec<_>>(), [3, 5]);
/// # Ok::<(), hnsw::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct IdSet {
    words: Vec<u64>,
    count: usize,
}

const BITS: u32 = u64::BITS;

impl IdSet {
    /// The empty set.
    pub const fn new() -> Self {
        Self { words: Vec::new(), count: 0 }
    }

    /// The set of `ids`, in any order; repetitions count once. Memory is a bit for each id up to the highest.
    ///
    /// # Errors
    /// [`Error::Layout`] without memory.
    pub fn from_ids(ids: impl IntoIterator<Item = u32>) -> Result<Self, Error> {
        let mut set = Self::new();
        for id in ids {
            set.insert(id)?;
        }
        Ok(set)
    }

    /// Adds `id` and says whether it is new. O(1), but where the bitmap grows.
    ///
    /// # Errors
    /// [`Error::Layout`] without memory; the set is then unchanged.
    pub fn insert(&mut self, id: u32) -> Result<bool, Error> {
        let at = (id / BITS) as usize;
        if at >= self.words.len() {
            let more = at + 1 - self.words.len();
            self.words
                .try_reserve(more)
                .map_err(|_| LayoutError::Memory { bytes: more.saturating_mul(8) })?;
            self.words.resize(at + 1, 0);
        }
        let Some(word) = self.words.get_mut(at) else { return Ok(false) };
        let new = *word & (1 << (id % BITS)) == 0;
        *word |= 1 << (id % BITS);
        self.count += usize::from(new);
        Ok(new)
    }

    /// Takes `id` out and says whether it was in. O(1).
    pub fn remove(&mut self, id: u32) -> bool {
        let Some(word) = self.words.get_mut((id / BITS) as usize) else { return false };
        let held = *word & (1 << (id % BITS)) != 0;
        *word &= !(1 << (id % BITS));
        self.count -= usize::from(held);
        held
    }

    /// Empties the set and keeps its memory.
    pub fn clear(&mut self) {
        self.words.clear();
        self.count = 0;
    }

    /// Whether `id` is in the set. O(1).
    #[inline]
    pub fn contains(&self, id: u32) -> bool {
        self.words.get((id / BITS) as usize).is_some_and(|word| word >> (id % BITS) & 1 != 0)
    }

    /// The number of ids. O(1).
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether no id is in the set.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The ids, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.words.iter().zip(0u32..).flat_map(|(&word, at)| {
            let mut left = word;
            std::iter::from_fn(move || {
                (left != 0).then(|| {
                    let bit = left.trailing_zeros();
                    left &= left - 1;
                    at * BITS + bit
                })
            })
        })
    }
}

impl IdFilter for IdSet {
    #[inline]
    fn accepts(&self, id: u32) -> bool {
        self.contains(id)
    }

    fn count_hint(&self) -> Option<usize> {
        Some(self.count)
    }

    fn next_accepted(&self, from: u32, end: u32) -> Option<u32> {
        let first = (from / BITS) as usize;
        let mut kept = u64::MAX << (from % BITS);
        for (at, &word) in self.words.iter().enumerate().skip(first) {
            let word = word & kept;
            if word != 0 {
                let id = at as u32 * BITS + word.trailing_zeros();
                return (id < end).then_some(id);
            }
            if at as u32 >= end / BITS {
                return None;
            }
            kept = u64::MAX;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enumerates_like_asking_one_by_one() {
        let ids: Vec<u32> =
            (0..2000u32).filter(|id| id % 320 == 0 || id.wrapping_mul(2_654_435_761) >> 28 == 0).collect();
        let set = IdSet::from_ids(ids.iter().rev().copied()).unwrap();
        assert_eq!(set.iter().collect::<Vec<_>>(), ids);
        assert_eq!(set.len(), ids.len());
        let asked = |id| set.contains(id);
        for from in (0..2100).step_by(7) {
            for end in [0, from, from + 1, from + 63, from + 64, 1999, 5000] {
                assert_eq!(
                    set.next_accepted(from, end),
                    IdFilter::next_accepted(&asked, from, end),
                    "{from}..{end}"
                );
            }
        }
    }

    #[test]
    fn counts_what_changes() {
        let mut set = IdSet::new();
        assert!(set.is_empty() && set.insert(64).unwrap() && !set.insert(64).unwrap());
        assert_eq!((set.len(), set.remove(64), set.remove(64), set.remove(9999)), (1, true, false, false));
        assert!(set.is_empty());
    }
}
