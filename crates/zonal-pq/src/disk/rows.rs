//! Rows of a file, many at a time.

use std::sync::OnceLock;

use layouts::AlignedVec;
use layouts::container::{FileReader, SectionInfo};

use super::{PAGE, Reads};
use crate::Error;

/// Rows that are no further apart are read together: the page between them comes as well, or nearly.
const GAP: usize = PAGE;
/// Most bytes that are read together.
const MOST: usize = 1 << 16;

/// Rows that were read together, and those that came after them.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// In rising order.
    pub(super) places: Vec<u32>,
    /// One after another.
    pub(super) data: AlignedVec<u8>,
    pub(super) next: OnceLock<Box<Batch>>,
}

impl Batch {
    /// The bytes of a row, if it is here.
    pub(super) fn get(&self, place: u32, stride: usize) -> Option<&[u8]> {
        let at = self.places.binary_search(&place).ok()?;
        self.data.get(at * stride..(at + 1) * stride)
    }

    /// Reads the rows of all `places`, which are sorted and differ.
    pub(super) fn read(
        &mut self,
        file: &FileReader,
        section: &SectionInfo,
        stride: usize,
        raw: &mut AlignedVec<u8>,
        reads: &mut Reads,
    ) -> Result<(), Error> {
        self.data.resize_stale(self.places.len() * stride)?;
        let near = |&a: &u32, &b: &u32| (b - a) as usize * stride <= stride + GAP;
        let mut to = self.data.chunks_exact_mut(stride);
        for run in self.places.chunk_by(near) {
            for run in run.chunks((MOST / (stride + GAP)).max(1)) {
                let (Some(&first), Some(&last)) = (run.first(), run.last()) else { continue };
                raw.resize_stale(((last - first) as usize + 1) * stride)?;
                file.read(section, first as usize * stride, raw)?;
                reads.reads += 1;
                reads.bytes += raw.len() as u64;
                for (&place, to) in run.iter().zip(&mut to) {
                    let at = (place - first) as usize * stride;
                    to.copy_from_slice(raw.get(at..at + stride).unwrap_or_default());
                }
            }
        }
        reads.rows += self.places.len() as u64;
        Ok(())
    }
}
