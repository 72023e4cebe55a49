//! The zones of a version: shared by all versions in which they are the same.

use std::sync::Arc;

use layouts::Heap;
use simd_kernels::Element;

use super::zone::{Shape, Zone};
use crate::Error;

/// Bytes that are not worth packing for.
const LITTLE: usize = 1 << 20;
/// Zones whose pointers lie together.
const CHUNK: usize = 64;

/// Zones by number. A copy shares them all; what is changed afterwards is copied first.
///
/// Invariant: all chunks but the last are full, and the last is not empty.
#[derive(Debug)]
pub(crate) struct Table<T> {
    chunks: Vec<Arc<Vec<Arc<Zone<T>>>>>,
    /// Where zones get their memory.
    heap: Heap,
}

impl<T> Clone for Table<T> {
    fn clone(&self) -> Self {
        Self { chunks: self.chunks.clone(), heap: self.heap.clone() }
    }
}

impl<T: Element> Table<T> {
    /// Zones that got their memory from `heap`, as those that are changed will.
    pub(crate) fn new(heap: Heap, zones: impl IntoIterator<Item = Zone<T>>) -> Self {
        let mut table = Self { chunks: Vec::new(), heap };
        zones.into_iter().for_each(|zone| table.push(zone));
        table
    }

    /// Zones.
    pub(crate) fn len(&self) -> usize {
        let last = self.chunks.last().map_or(0, |chunk| chunk.len());
        self.chunks.len().saturating_sub(1) * CHUNK + last
    }

    /// A zone, if there is one of this number.
    #[inline]
    pub(crate) fn get(&self, zone: u32) -> Option<&Zone<T>> {
        let chunk = self.chunks.get(zone as usize / CHUNK)?;
        chunk.get(zone as usize % CHUNK).map(|zone| &**zone)
    }

    /// Rows of a zone.
    pub(crate) fn rows(&self, zone: u32) -> usize {
        self.get(zone).map_or(0, Zone::len)
    }

    /// A zone, to be changed, with room for `more` rows: copied first, if another version has it too or room is wanting.
    pub(crate) fn get_mut(&mut self, zone: u32, shape: Shape, more: usize) -> Result<&mut Zone<T>, Error> {
        let broken = layouts::Error::Invariant {
            structure: "zones",
            index: zone as usize,
            reason: "there is no such zone",
        };
        let chunk = self.chunks.get_mut(zone as usize / CHUNK).ok_or(broken)?;
        let shared = Arc::make_mut(chunk).get_mut(zone as usize % CHUNK).ok_or(broken)?;
        if Arc::get_mut(shared).is_none() {
            *shared = Arc::new(shared.copy(&self.heap, shape, more)?);
        } else if shared.spare() < more {
            // An eighth over: there are many zones, and doubling them all would double the index.
            *shared = Arc::new(shared.copy(&self.heap, shape, more + (shared.len() + more) / 8)?);
        }
        Ok(Arc::get_mut(shared).ok_or(broken)?)
    }

    /// Puts a zone in place of another.
    pub(crate) fn set(&mut self, zone: u32, to: Zone<T>) {
        if let Some(chunk) = self.chunks.get_mut(zone as usize / CHUNK)
            && let Some(place) = Arc::make_mut(chunk).get_mut(zone as usize % CHUNK)
        {
            *place = Arc::new(to);
        }
    }

    /// Adds a zone at the end.
    pub(crate) fn push(&mut self, zone: Zone<T>) {
        match self.chunks.last_mut().filter(|chunk| chunk.len() < CHUNK) {
            Some(chunk) => Arc::make_mut(chunk).push(Arc::new(zone)),
            None => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(Arc::new(zone));
                self.chunks.push(Arc::new(chunk));
            }
        }
    }

    /// Removes a zone; the last one takes its number.
    pub(crate) fn swap_remove(&mut self, zone: u32) {
        let Some(chunk) = self.chunks.last_mut() else { return };
        let Some(last) = Arc::make_mut(chunk).pop() else { return };
        if chunk.is_empty() {
            self.chunks.pop();
        }
        if (zone as usize) < self.len()
            && let Some(chunk) = self.chunks.get_mut(zone as usize / CHUNK)
            && let Some(place) = Arc::make_mut(chunk).get_mut(zone as usize % CHUNK)
        {
            *place = last;
        }
    }

    /// Bytes of all zones of this version, and those that are kept for the next.
    pub(crate) fn memory_bytes(&self) -> usize {
        let zones = self.iter().map(|zone| zone.memory_bytes() + size_of_val(zone)).sum::<usize>();
        zones + self.heap.held_bytes().saturating_sub(self.heap.used_bytes())
    }

    /// Whether half as much memory again is held for zones as they take.
    pub(crate) fn is_loose(&self) -> bool {
        let (held, used) = (self.heap.held_bytes(), self.heap.used_bytes());
        held > used + used / 2 + LITTLE
    }

    /// Copies all zones into memory of their own, one behind the other. That of before is given back with the versions
    /// that have it.
    pub(crate) fn pack(&mut self, shape: Shape) -> Result<(), Error> {
        let heap = Heap::new();
        let copies = self.iter().map(|zone| zone.copy(&heap, shape, 0)).collect::<Result<Vec<_>, _>>()?;
        *self = Self::new(heap, copies);
        Ok(())
    }

    /// All zones in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Zone<T>> {
        self.chunks.iter().flat_map(|chunk| chunk.iter()).map(|zone| &**zone)
    }
}
