//! Which rows a search has met: sets that the next query need not clear.
//!
//! [`VisitedSet`] spends a byte per row, the number of the query that met it; the next query takes the next
//! number, and only every 255th has to wipe the bytes. [`VisitedBits`] spends a bit per row and remembers which
//! words it touched, so that clearing costs what the query cost. The first is quicker while its bytes stay
//! in cache, the second from a few million rows on.

use crate::aligned::AlignedVec;
use crate::error::{Error, reserve_all};

/// A set of rows, a byte each, cleared in O(1) (O(n) every 255th time).
///
/// ```
/// use layouts::VisitedSet;
/// let mut visited = VisitedSet::new(10)?;
/// assert!(visited.insert(7));
/// assert!(!visited.insert(7));
/// visited.clear();
/// assert!(visited.insert(7));
/// # Ok::<(), layouts::Error>(())
/// ```
#[derive(Debug)]
pub struct VisitedSet {
    /// The last epoch that met each row; no entry is above `epoch`.
    epochs: AlignedVec<u8>,
    /// At least 1, so that fresh entries are of no epoch.
    epoch: u8,
}

impl VisitedSet {
    /// An empty set over the rows `0..n`.
    ///
    /// # Errors
    /// [`Error::Memory`].
    pub fn new(n: usize) -> Result<Self, Error> {
        Ok(Self { epochs: AlignedVec::zeroed(n)?, epoch: 1 })
    }

    /// Empties the set.
    pub fn clear(&mut self) {
        self.epoch = match self.epoch.checked_add(1) {
            Some(next) => next,
            None => {
                self.epochs.fill(0);
                1
            }
        };
    }

    /// Empties the set and makes its rows `0..n`.
    ///
    /// # Errors
    /// [`Error::Memory`]; the set is then unchanged.
    pub fn reset(&mut self, n: usize) -> Result<(), Error> {
        self.epochs.resize(n, 0)?;
        self.clear();
        Ok(())
    }

    /// Adds row `id` and says whether it is new. A row that does not exist never is: it is not to be visited.
    #[inline]
    pub fn insert(&mut self, id: u32) -> bool {
        match self.epochs.get_mut(id as usize) {
            Some(seen) => std::mem::replace(seen, self.epoch) != self.epoch,
            None => false,
        }
    }

    /// Whether row `id` is in the set.
    #[inline]
    pub fn contains(&self, id: u32) -> bool {
        self.epochs.get(id as usize) == Some(&self.epoch)
    }

    /// The number of rows that the set is over.
    pub fn rows(&self) -> usize {
        self.epochs.len()
    }
}

/// A set of rows, a bit each, cleared in O(words touched).
///
/// ```
/// use layouts::VisitedBits;
/// let mut visited = VisitedBits::new(100)?;
/// assert!(visited.insert(64) && visited.contains(64) && !visited.insert(64));
/// visited.clear();
/// assert!(!visited.contains(64));
/// # Ok::<(), layouts::Error>(())
/// ```
#[derive(Debug)]
pub struct VisitedBits {
    words: AlignedVec<u64>,
    /// The words that are not 0, each once. Its capacity is that of all words up to a limit beyond which
    /// wiping them all is quicker than a list.
    touched: Vec<u32>,
    rows: usize,
}

impl VisitedBits {
    const BITS: usize = u64::BITS as usize;
    /// One in this many words may be listed before a plain wipe takes over.
    const WIPE_FROM: usize = 16;

    /// An empty set over the rows `0..n`.
    ///
    /// # Errors
    /// [`Error::Memory`].
    pub fn new(n: usize) -> Result<Self, Error> {
        let mut bits = Self { words: AlignedVec::new(), touched: Vec::new(), rows: 0 };
        bits.reset(n)?;
        Ok(bits)
    }

    /// Empties the set.
    pub fn clear(&mut self) {
        if self.touched.len() == Self::listed(self.words.len()) {
            self.words.fill(0);
        } else {
            for &word in &self.touched {
                if let Some(word) = self.words.get_mut(word as usize) {
                    *word = 0;
                }
            }
        }
        self.touched.clear();
    }

    /// Empties the set and makes its rows `0..n`.
    ///
    /// # Errors
    /// [`Error::Memory`]; the set is then unchanged.
    pub fn reset(&mut self, n: usize) -> Result<(), Error> {
        let words = n.div_ceil(Self::BITS);
        self.words.reserve(words.saturating_sub(self.words.len()))?;
        reserve_all(&mut self.touched, Self::listed(words))?;
        self.clear();
        self.words.resize(words, 0)?;
        self.rows = n;
        Ok(())
    }

    /// Adds row `id` and says whether it is new. A row that does not exist never is: it is not to be visited.
    #[inline]
    pub fn insert(&mut self, id: u32) -> bool {
        let (at, bit) = (id as usize / Self::BITS, 1u64 << (id as usize % Self::BITS));
        if id as usize >= self.rows {
            return false;
        }
        let limit = Self::listed(self.words.len());
        let Some(word) = self.words.get_mut(at) else { return false };
        if *word == 0 && self.touched.len() < limit {
            self.touched.push(id / u64::BITS);
        }
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    /// Whether row `id` is in the set.
    #[inline]
    pub fn contains(&self, id: u32) -> bool {
        let word = self.words.get(id as usize / Self::BITS);
        word.is_some_and(|word| word & (1u64 << (id as usize % Self::BITS)) != 0)
    }

    /// The number of rows that the set is over.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many words are listed, at most, of `words`. A full list means that some may not be on it.
    fn listed(words: usize) -> usize {
        words / Self::WIPE_FROM + 1
    }
}
