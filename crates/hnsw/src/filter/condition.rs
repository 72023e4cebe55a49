//! A filter on the rows of an index: which pass, and by which of their names.

use crate::Error;
use crate::filter::IdFilter;
use crate::labels::Labels;

/// A condition on rows by what they stand for.
pub(crate) trait Condition {
    /// An id or a key.
    type Name;
    /// What asking about one name costs, in rows scanned, where a scan has to ask about all of them.
    const ASKING: f64;
    /// Whether a row stands for an accepted name.
    fn passes(&self, row: u32) -> bool;
    /// Calls `each` with the accepted names of a row.
    fn each(&self, row: u32, each: impl FnMut(Self::Name));
    /// How many names are accepted, where that is known.
    fn count_hint(&self) -> Option<usize>;
    /// The rows that pass; those of equal vectors perhaps more than once.
    fn rows(&self) -> Result<impl Iterator<Item = u32>, Error>;
}

/// A filter on the ids of a frozen index.
pub(crate) struct OfIds<'a, F: ?Sized> {
    pub(crate) labels: &'a Labels,
    pub(crate) filter: &'a F,
}

impl<F: IdFilter + ?Sized> Condition for OfIds<'_, F> {
    type Name = u32;
    const ASKING: f64 = 0.0;
    #[inline]
    fn passes(&self, row: u32) -> bool {
        self.labels.of(row).iter().any(|&label| self.filter.accepts(label))
    }
    fn each(&self, row: u32, each: impl FnMut(u32)) {
        self.labels.of(row).iter().copied().filter(|&label| self.filter.accepts(label)).for_each(each);
    }
    fn count_hint(&self) -> Option<usize> {
        self.filter.count_hint()
    }
    fn rows(&self) -> Result<impl Iterator<Item = u32>, Error> {
        let (rows, total) = (self.labels.rows()?, self.labels.len() as u32);
        let mut next = self.filter.next_accepted(0, total);
        Ok(std::iter::from_fn(move || {
            let id = next?;
            next = if id + 1 < total { self.filter.next_accepted(id + 1, total) } else { None };
            rows.get(id as usize).copied()
        }))
    }
}
