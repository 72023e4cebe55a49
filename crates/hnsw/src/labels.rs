//! From internal rows, which lie in an order of their own and stand for all equal vectors, to the user's rows.

use layouts::Storage;

use crate::Error;

/// The user's ids of every internal row, ascending.
#[derive(Debug)]
pub(crate) struct Labels {
    /// Where the ids of a row begin, one more than rows; `None` while every row has exactly one.
    pub(crate) starts: Option<Storage<u32>>,
    pub(crate) ids: Storage<u32>,
}

impl Labels {
    /// Checks that every row has ids and that starts rise.
    pub(crate) fn new(starts: Option<Storage<u32>>, ids: Storage<u32>, rows: usize) -> Result<Self, Error> {
        let labels = Self { starts, ids };
        let fits = match &labels.starts {
            None => labels.ids.len() == rows,
            Some(starts) => {
                starts.len() == rows + 1
                    && starts.first() == Some(&0)
                    && starts.last().map(|&end| end as usize) == Some(labels.ids.len())
                    && starts.windows(2).all(|pair| pair[0] < pair[1])
            }
        };
        let total = labels.ids.len();
        if !fits || labels.ids.iter().any(|&id| id as usize >= total) {
            return Err(Error::Damaged { section: "labels", reason: "ids do not belong to rows" });
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

    /// The user's vectors, equal ones counted apart.
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }
}
