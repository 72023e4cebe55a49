//! One version of a changing index: what a snapshot is made of, never changed once it is published.

use std::sync::Arc;

use layouts::{ArenaView, Blocks};
use simd_kernels::{Element, Kernels, Rows};

use crate::codes::Coding;
use crate::error::Error;
use crate::graph::Graph;
use crate::intake::Intake;
use crate::labels::Names;
use crate::metric::{Exact, Metric};
use crate::search::Parts;
use crate::seeds::Seeds;
use crate::view::View;

/// Rows of the graph that are copied together: 3 KiB at degree 48.
pub(crate) const GRAPH_BLOCK: usize = 16;
/// Labels that are copied together: 1 KiB.
pub(crate) const LABEL_BLOCK: usize = 64;
/// An empty slot of a row.
pub(crate) const NONE: u32 = u32::MAX;
/// Link of the last key of a row.
pub(crate) const END: u64 = u64::MAX - 1;
/// Link of a row that was removed.
pub(crate) const DEAD: u64 = u64::MAX;

/// What is learned from data: shared by all versions.
#[derive(Debug)]
pub(crate) struct Trained {
    pub(crate) intake: Intake,
    pub(crate) coding: Coding,
}

/// A version. Rows are numbered by insertion; a row that was removed keeps its number and its edges until the next
/// compaction, which makes a version of new numbers in new memory.
#[derive(Debug)]
pub(crate) struct State<T: Element> {
    pub(crate) kernels: &'static Kernels,
    pub(crate) metric: Metric,
    pub(crate) dim: usize,
    /// `None` while there are too few rows to learn from: then there are no codes and no graph.
    pub(crate) trained: Option<Arc<Trained>>,
    pub(crate) graph: Blocks<u32>,
    /// Of every row its first key and a link: [`END`], [`DEAD`], or the place in `extra` of the next.
    pub(crate) labels: Blocks<u64>,
    /// Further keys of rows that stand for several equal vectors, with links alike.
    pub(crate) extra: Blocks<u64>,
    pub(crate) codes: ArenaView<u8>,
    pub(crate) vectors: ArenaView<T>,
    pub(crate) inverse_norms: ArenaView<f32>,
    pub(crate) seeds: Arc<Seeds>,
    /// Keys that are there.
    pub(crate) keys: usize,
}

impl<T: Element> State<T> {
    pub(crate) fn exact(&self) -> Result<Exact<'_, T>, Error> {
        Ok(Exact {
            metric: self.metric,
            rows: Rows::new(&self.vectors, self.dim)?,
            inverse_norms: &self.inverse_norms,
            kernels: self.kernels,
        })
    }

    /// What every search of this version looks at, once it has learned.
    pub(crate) fn parts(&self) -> Result<Option<Parts<'_, T, Blocks<u32>, Self>>, Error> {
        let Some(trained) = &self.trained else { return Ok(None) };
        let (view, graph, seeds) = (self.view(trained)?, &self.graph, &*self.seeds);
        Ok(Some(Parts { view, graph, seeds, names: self, scan: None }))
    }

    pub(crate) fn view<'a>(&'a self, trained: &'a Trained) -> Result<View<'a, T>, Error> {
        Ok(View {
            intake: &trained.intake,
            coding: &trained.coding,
            codes: trained.coding.rows(&self.codes)?,
            exact: self.exact()?,
            kernels: self.kernels,
        })
    }
}

/// Calls `each` with every key of a row; with none for a row that was removed.
#[inline]
pub(crate) fn for_keys(labels: &Blocks<u64>, extra: &Blocks<u64>, row: u32, mut each: impl FnMut(u64)) {
    let mut entry = labels.row(row as usize);
    while let Some(&[key, link]) = entry {
        if link == DEAD {
            return;
        }
        each(key);
        if link == END {
            return;
        }
        entry = usize::try_from(link).ok().and_then(|at| extra.row(at));
    }
}

/// The rows of a changing graph, seen by a search.
impl Graph for Blocks<u32> {
    /// Rounded up, so that the marks of a search are not laid out anew for every row that comes.
    fn rows(&self) -> usize {
        self.len().next_multiple_of(4096)
    }
    fn degree(&self) -> usize {
        self.width()
    }
    #[inline]
    fn neighbors(&self, row: u32) -> &[u32] {
        self.row(row as usize).unwrap_or_default()
    }
    #[inline]
    fn prefetch(&self, row: u32) {
        Blocks::prefetch(self, row as usize);
    }
}

impl<T: Element> Names for State<T> {
    type Name = u64;
    fn names(&self) -> usize {
        self.keys
    }
    fn extent(&self) -> usize {
        self.labels.len()
    }
    #[inline]
    fn each(&self, row: u32, each: impl FnMut(u64)) {
        for_keys(&self.labels, &self.extra, row, each);
    }
    #[inline]
    fn prefetch(&self, row: u32) {
        self.labels.prefetch(row as usize);
    }
}

/// Live rows that no path from the first seed leads to, which no search would find. O(edges).
pub(crate) fn unreachable(graph: &Blocks<u32>, labels: &Blocks<u64>, root: Option<u32>) -> usize {
    let mut met = vec![false; graph.len()];
    let mut stack: Vec<u32> = Vec::new();
    let mut meet = |row: u32, stack: &mut Vec<u32>| {
        if let Some(met) = met.get_mut(row as usize)
            && !*met
        {
            *met = true;
            stack.push(row);
        }
    };
    if let Some(root) = root {
        meet(root, &mut stack);
    }
    while let Some(row) = stack.pop() {
        for &next in graph.row(row as usize).unwrap_or_default() {
            meet(next, &mut stack);
        }
    }
    let is_live = |row: usize| labels.row(row).is_some_and(|label| label.get(1) != Some(&DEAD));
    (0..graph.len()).filter(|&row| !met.get(row).copied().unwrap_or(false) && is_live(row)).count()
}
