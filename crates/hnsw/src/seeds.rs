//! Where a search begins: rows drawn at random whose codes are scanned in one go.
//!
//! In more than about 32 dimensions the upper layers of HNSW do no more than this (Munyampirwa and others, *Down
//! with the hierarchy*, arXiv 2412.01940), and a scan is one kernel call.

use layouts::{AlignedVec, Storage};
use simd_kernels::{Element, Rows};

use crate::Error;
use crate::build::partition::mix;
use crate::code::Coder;
use crate::view::{Prepared, View, Walk};

/// Rows to begin from, with copies of their codes side by side.
#[derive(Debug)]
pub(crate) struct Seeds {
    pub(crate) ids: Storage<u32>,
    pub(crate) codes: AlignedVec<u8>,
}

/// Searches begin at the best few.
const STARTS: usize = 4;

/// `count` of `rows` rows, drawn by hash, ascending.
pub(crate) fn draw(rows: usize, count: usize) -> Vec<u32> {
    let mut drawn: Vec<(u64, u32)> = (0..rows as u32).map(|id| (mix(99, u64::from(id)), id)).collect();
    drawn.sort_unstable();
    let mut ids: Vec<u32> = drawn.into_iter().take(count).map(|(_, id)| id).collect();
    ids.sort_unstable();
    ids
}

impl Seeds {
    /// Copies the codes of `ids`, where there are codes.
    pub(crate) fn new(ids: Storage<u32>, coder: Option<&Coder>, codes: &[u8]) -> Result<Self, Error> {
        let mut copies = AlignedVec::new();
        if let Some(bytes) = coder.map(Coder::bytes) {
            for &id in ids.iter() {
                copies.extend_from_slice(
                    codes.get(id as usize * bytes..).and_then(|c| c.get(..bytes)).unwrap_or_default(),
                )?;
            }
        }
        Ok(Self { ids, codes: copies })
    }

    /// The best rows to begin from, with their scores, in `starts`.
    pub(crate) fn nearest<T: Element>(
        &self,
        view: &View<'_, T>,
        query: &[T],
        prepared: &mut Prepared<T::Distance>,
        scores: &mut Vec<i32>,
        starts: &mut Vec<(i32, u32)>,
    ) -> Result<(), Error> {
        scores.resize(self.ids.len(), 0);
        match view.walk {
            Walk::Codes { coder, .. } => {
                prepared.score_rows(view.kernels, Rows::new(&self.codes, coder.bytes())?, scores)?
            }
            Walk::Exact => view.score(query, prepared, &self.ids, scores)?,
        }
        let (mut places, mut least) = ([0; STARTS], [0; STARTS]);
        let count = view.kernels.top_k(scores, 0, STARTS.min(scores.len()), &mut places, &mut least)?;
        starts.clear();
        starts.extend(
            least.iter().zip(&places).take(count).map(|(&score, &place)| (score, self.ids[place as usize])),
        );
        Ok(())
    }
}
