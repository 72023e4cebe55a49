//! From internal rows, which lie in an order of their own and stand for all equal vectors, to the user's rows.

use std::sync::OnceLock;

use layouts::{Storage, VisitedBits};

use crate::Error;

/// What the rows of an index stand for: ids beside a frozen one, keys within a changing one.
pub(crate) trait Names {
    /// An id or a key.
    type Name: Copy + Ord + std::fmt::Debug;
    /// How many names there are; equal vectors, which share a row, are counted apart.
    fn names(&self) -> usize;
    /// Rows that there are, whether they have a name or lost it.
    fn extent(&self) -> usize;
    /// Calls `each` with every name of a row.
    fn each(&self, row: u32, each: impl FnMut(Self::Name));
    /// Asks for the memory of a row's names.
    fn prefetch(&self, row: u32);
}

/// The user's ids of every internal row, ascending.
#[derive(Debug)]
pub(crate) struct Labels {
    /// Where the ids of a row begin, one more than rows; `None` while every row has exactly one.
    pub(crate) starts: Option<Storage<u32>>,
    pub(crate) ids: Storage<u32>,
    /// The row of every id, made when it is first asked for.
    rows: OnceLock<Vec<u32>>,
}

impl Labels {
    /// Checks that every row has ids, that starts rise and that ids are the numbers below their count, each once.
    pub(crate) fn new(starts: Option<Storage<u32>>, ids: Storage<u32>, rows: usize) -> Result<Self, Error> {
        let labels = Self { starts, ids, rows: OnceLock::new() };
        let fits = match &labels.starts {
            None => labels.ids.len() == rows,
            Some(starts) => {
                starts.len() == rows + 1
                    && starts.first() == Some(&0)
                    && starts.last().map(|&end| end as usize) == Some(labels.ids.len())
                    && starts.windows(2).all(|pair| pair[0] < pair[1])
            }
        };
        if !fits {
            return Err(Error::Damaged { section: "labels", reason: "ids do not belong to rows" });
        }
        let mut seen = VisitedBits::new(labels.ids.len())?;
        if !labels.ids.iter().all(|&id| seen.insert(id)) {
            return Err(Error::Damaged { section: "labels", reason: "an id is given twice, or is none" });
        }
        Ok(labels)
    }

    /// The ids that row `row` stands for.
    #[inline]
    pub(crate) fn of(&self, row: u32) -> &[u32] {
        let row = row as usize;
        let (start, end) = match &self.starts {
            None => (row, row + 1),
            Some(starts) => match starts.get(row..row + 2) {
                Some(&[start, end]) => (start as usize, end as usize),
                _ => (0, 0),
            },
        };
        self.ids.get(start..end).unwrap_or_default()
    }

    /// The row of every id. The first call takes O(n) time and 4 bytes an id.
    pub(crate) fn rows(&self) -> Result<&[u32], Error> {
        if let Some(rows) = self.rows.get() {
            return Ok(rows);
        }
        let total = self.ids.len();
        let mut rows = Vec::new();
        rows.try_reserve_exact(total).map_err(|_| layouts::Error::Memory { bytes: 4 * total })?;
        rows.resize(total, 0);
        let count = self.starts.as_ref().map_or(total, |starts| starts.len() - 1);
        for row in 0..count as u32 {
            for &id in self.of(row) {
                if let Some(place) = rows.get_mut(id as usize) {
                    *place = row;
                }
            }
        }
        Ok(self.rows.get_or_init(|| rows))
    }

    /// The user's vectors, equal ones counted apart.
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }
}

impl Names for Labels {
    type Name = u32;
    fn names(&self) -> usize {
        self.len()
    }
    fn extent(&self) -> usize {
        self.starts.as_ref().map_or(self.ids.len(), |starts| starts.len().saturating_sub(1))
    }
    #[inline]
    fn each(&self, row: u32, each: impl FnMut(u32)) {
        self.of(row).iter().copied().for_each(each);
    }
    /// Four bytes a row, in the order of rows: not worth an instruction.
    #[inline]
    fn prefetch(&self, _: u32) {}
}
