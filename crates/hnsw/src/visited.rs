//! Which rows a search has met: a bit each, with a log of what was set.

/// A bit per row; clearing costs what was set.
#[derive(Debug, Default)]
pub(crate) struct Visited {
    words: Vec<u64>,
    log: Vec<u32>,
    logged: usize,
    rows: usize,
}

impl Visited {
    /// No row met, of so many.
    pub(crate) fn reset(&mut self, rows: usize) {
        if self.rows != rows {
            self.words.clear();
            self.words.resize(rows / 64 + 1, 0);
            self.log.resize(rows + 64, 0);
            (self.logged, self.rows) = (0, rows);
        }
        for &word in &self.log[..self.logged] {
            self.words[word as usize] = 0;
        }
        self.logged = 0;
    }

    /// Marks `ids` up to the first that names no row and writes those that were not marked into `new`; returns how
    /// many. No branch depends on what was marked, which nobody could predict.
    #[inline]
    pub(crate) fn mark(&mut self, ids: &[u32], new: &mut [u32]) -> usize {
        let mut count = 0;
        let log = &mut self.log[self.logged..];
        for &id in ids {
            if id as usize >= self.rows {
                break;
            }
            let word = &mut self.words[id as usize / 64];
            let bit = 1u64 << (id % 64);
            let fresh = usize::from(*word & bit == 0);
            *word |= bit;
            new[count] = id;
            log[count] = id / 64;
            count += fresh;
        }
        self.logged += count;
        count
    }
}
