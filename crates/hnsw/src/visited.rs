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
        for &word in &self.log[..self.logged] {
            self.words[word as usize] = 0;
        }
        (self.logged, self.rows) = (0, rows);
        if rows / 64 + 1 > self.words.len() {
            self.words.resize(rows / 64 + 1, 0);
            self.log.resize(rows + 64, 0);
        }
    }

    /// Whether row `id` has been met, or does not exist.
    #[inline]
    pub(crate) fn contains(&self, id: u32) -> bool {
        id as usize >= self.rows || self.words[id as usize / 64] & (1u64 << (id % 64)) != 0
    }

    /// Marks row `id`, if it exists; says whether it is new.
    #[inline]
    pub(crate) fn insert(&mut self, id: u32) -> bool {
        let mut new = [0];
        self.mark(&[id], &mut new) == 1
    }

    /// Marks row `id` if `when`, and says whether that made it new. Without a branch, as [`mark`](Self::mark).
    #[inline]
    pub(crate) fn insert_if(&mut self, id: u32, when: bool) -> bool {
        let (Some(word), Some(log)) = (self.words.get_mut(id as usize / 64), self.log.get_mut(self.logged))
        else {
            return false;
        };
        let bit = u64::from(when) << (id % 64);
        let new = *word & bit != bit;
        *word |= bit;
        *log = id / 64;
        self.logged += usize::from(new);
        new
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_new_once_a_query() {
        let mut visited = Visited::default();
        let mut new = [0; 8];
        for _ in 0..3 {
            visited.reset(100);
            assert_eq!(visited.mark(&[3, 99, 3, 64, u32::MAX, 5], &mut new), 3);
            assert_eq!(new[..3], [3, 99, 64]);
            assert_eq!(visited.mark(&[64, 5], &mut new), 1);
        }
        visited.reset(4);
        assert_eq!(visited.mark(&[3, 99], &mut new), 1);
    }
}
