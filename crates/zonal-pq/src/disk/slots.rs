//! What a search has brought from the file: it lends slices of it while more comes in.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use layouts::AlignedVec;

use super::Reads;
use super::rows::Batch;
use super::zone::Zone;
use crate::Error;

/// One search's zones and rows.
///
/// Places are filled once and lent until the search is over, so a scan can hold a slice of one zone while another
/// is read; nothing here is locked but what is counted.
#[derive(Debug, Default)]
pub(super) struct Slots {
    /// By zone.
    pub(super) zones: Vec<OnceLock<Arc<Zone>>>,
    /// Rows, read a batch at a time.
    pub(super) rows: OnceLock<Box<Batch>>,
    pub(super) work: Mutex<Work>,
}

/// What changes with every read.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub(super) reads: Reads,
    /// Zones whose places are filled.
    pub(super) touched: Vec<u32>,
    /// Bytes as they were read.
    pub(super) raw: AlignedVec<u8>,
    /// Batches of earlier searches, whose memory is used again.
    pub(super) spare: Vec<Batch>,
    pub(super) error: Option<Error>,
}

impl Slots {
    /// Gets ready for a search of an index of so many zones.
    pub(super) fn start(&mut self, zones: usize) -> Result<(), Error> {
        self.clear();
        if self.zones.len() < zones {
            let more = zones - self.zones.len();
            self.zones.try_reserve_exact(more).map_err(|_| layouts::Error::Memory {
                bytes: zones.saturating_mul(size_of::<OnceLock<Arc<Zone>>>()),
            })?;
            self.zones.resize_with(zones, OnceLock::new);
        }
        self.work_mut().reads.searches += 1;
        Ok(())
    }

    /// Lets go of everything; what went wrong, if anything did.
    pub(super) fn finish(&mut self) -> Result<(), Error> {
        self.clear();
        self.work_mut().error.take().map_or(Ok(()), Err)
    }

    fn clear(&mut self) {
        let work = self.work.get_mut().unwrap_or_else(PoisonError::into_inner);
        for zone in work.touched.drain(..) {
            if let Some(slot) = self.zones.get_mut(zone as usize) {
                slot.take();
            }
        }
        // One by one: a chain that is dropped as a whole is dropped on the stack.
        let mut next = self.rows.take();
        while let Some(mut batch) = next {
            next = batch.next.take();
            if work.spare.len() < 2 {
                batch.places.clear();
                batch.data.clear();
                work.spare.push(*batch);
            }
        }
    }

    fn work_mut(&mut self) -> &mut Work {
        self.work.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn take_reads(&mut self) -> Reads {
        std::mem::take(&mut self.work_mut().reads)
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        self.clear();
    }
}
