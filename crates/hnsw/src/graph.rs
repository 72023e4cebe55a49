//! What a search asks of a graph, whether it is frozen, mapped from a file, or changing.

use std::ops::Deref;

use layouts::Adjacency;

/// Rows of neighbours.
pub(crate) trait Graph {
    /// Rows that there are; ids are below it.
    fn rows(&self) -> usize;
    /// The most neighbours a row can have.
    fn degree(&self) -> usize;
    /// The neighbours of a row, ended by the first id that names no row, or by the end.
    fn neighbors(&self, row: u32) -> &[u32];
    /// Asks for the memory of a row's neighbours.
    fn prefetch(&self, row: u32);
}

impl<S: Deref<Target = [u32]>> Graph for Adjacency<S> {
    fn rows(&self) -> usize {
        self.len()
    }
    fn degree(&self) -> usize {
        self.stride()
    }
    #[inline]
    fn neighbors(&self, row: u32) -> &[u32] {
        self.row(row)
    }
    #[inline]
    fn prefetch(&self, row: u32) {
        Adjacency::prefetch(self, row);
    }
}
