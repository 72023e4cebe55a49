//! Where a search begins: rows drawn at random that are all scored, of which the best few are walked from.
//!
//! In more than about 32 dimensions the upper layers of HNSW do no more than this (Munyampirwa and others, *Down
//! with the hierarchy*, arXiv 2412.01940), and it is one kernel call. The first seed is always walked from as well:
//! every row can be reached from it.

use layouts::Storage;
use simd_kernels::Element;

use crate::Error;
use crate::build::partition::mix;
use crate::view::{Prepared, View};

/// Of the seeds the best few are begun from.
const STARTS: usize = 4;

/// Rows to begin from; the first is the root.
#[derive(Debug)]
pub(crate) struct Seeds {
    pub(crate) ids: Storage<u32>,
}

/// `count` of `rows` rows, drawn by hash, ascending.
pub(crate) fn draw(rows: usize, count: usize) -> Vec<u32> {
    let mut drawn: Vec<(u64, u32)> = (0..rows as u32).map(|id| (mix(99, u64::from(id)), id)).collect();
    if count < drawn.len() {
        drawn.select_nth_unstable(count);
        drawn.truncate(count);
    }
    let mut ids: Vec<u32> = drawn.into_iter().map(|(_, id)| id).collect();
    ids.sort_unstable();
    ids
}

impl Seeds {
    /// The best rows to begin from and the root, with their scores, in `starts`.
    pub(crate) fn nearest<T: Element>(
        &self,
        view: &View<'_, T>,
        query: &[T],
        prepared: &mut Prepared<T::Distance>,
        scores: &mut Vec<i32>,
        starts: &mut Vec<(i32, u32)>,
    ) -> Result<(), Error> {
        scores.resize(self.ids.len(), 0);
        view.score(query, prepared, &self.ids, scores)?;
        let (mut places, mut least) = ([0; STARTS], [0; STARTS]);
        let count = view.kernels.top_k(scores, 0, STARTS.min(scores.len()), &mut places, &mut least)?;
        starts.clear();
        for (&score, &place) in least.iter().zip(&places).take(count) {
            starts.extend(self.ids.get(place as usize).map(|&id| (score, id)));
        }
        starts.extend(scores.first().copied().zip(self.ids.first().copied()));
        Ok(())
    }
}
