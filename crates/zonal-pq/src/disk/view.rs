//! An index on a disk as one search sees it: postings that are read when they are asked for.

use std::sync::{Arc, PoisonError};

use layouts::container::checksum;
use simd_kernels::Element;

use super::slots::{Slots, Work};
use super::zone::Zone;
use super::{DiskIndex, PAGE, ZONES};
use crate::Error;
use crate::file::damaged;
use crate::posting::{Postings, Scanned};
use crate::zones::NONE;

/// The index, and what the search holds of it.
#[derive(Debug)]
pub(super) struct View<'a, T: Element> {
    pub(super) index: &'a DiskIndex<T>,
    pub(super) slots: &'a Slots,
    /// Units of a zone that are looked at, at most.
    pub(super) units: usize,
}

impl<T: Element> View<'_, T> {
    /// A zone; nothing after something could not be read, which is told at the end.
    fn zone(&self, number: u32) -> Option<&Zone> {
        let slot = self.slots.zones.get(number as usize)?;
        if let Some(zone) = slot.get() {
            return Some(zone);
        }
        let mut work = self.slots.work();
        if work.error.is_some() {
            return None;
        }
        match self.fetch(number, &mut work) {
            Ok(zone) => {
                work.touched.push(number);
                Some(slot.get_or_init(|| zone))
            }
            Err(error) => {
                work.error = Some(error);
                None
            }
        }
    }

    /// A zone out of the cache, or out of the file.
    fn fetch(&self, number: u32, work: &mut Work) -> Result<Arc<Zone>, Error> {
        let index = self.index;
        let at = |values: &[u32]| match values.get(number as usize..) {
            Some(&[start, end, ..]) => (start as usize, end as usize),
            _ => (0, 0),
        };
        let (start, end) = at(&index.starts);
        let len = end - start;
        let whole = len.div_ceil(index.shape.unit_rows);
        let units = whole.min(self.units);
        work.reads.zones += 1;
        let found = index.cache.lock().unwrap_or_else(PoisonError::into_inner).get(number, units);
        if let Some(found) = found {
            work.reads.hits += 1;
            return Ok(found);
        }
        work.raw.resize_stale(units * index.shape.record())?;
        if !work.raw.is_empty() {
            index.file.read(&index.zones, at(&index.pages).0 * PAGE, &mut work.raw)?;
            work.reads.reads += 1;
            work.reads.bytes += work.raw.len() as u64;
        }
        if units == whole && index.sums.get(number as usize) != Some(&checksum(&work.raw)) {
            return Err(damaged(ZONES, "the checksum of a zone does not match"));
        }
        let zone = Arc::new(Zone::new(&work.raw, len, index.shape)?);
        index.cache.lock().unwrap_or_else(PoisonError::into_inner).put(number, &zone);
        Ok(zone)
    }

    /// Reads rows by their places among all.
    fn read(&self, places: impl Iterator<Item = u32>) {
        let mut work = self.slots.work();
        if work.error.is_some() {
            return;
        }
        let mut batch = work.spare.pop().unwrap_or_default();
        batch.places.extend(places);
        batch.places.sort_unstable();
        batch.places.dedup();
        if batch.places.is_empty() {
            work.spare.push(batch);
            return;
        }
        let Work { raw, reads, .. } = &mut *work;
        if let Err(error) =
            batch.read(&self.index.file, &self.index.rows, self.index.shape.stride, raw, reads)
        {
            work.error = Some(error);
            return;
        }
        let mut slot = &self.slots.rows;
        while let Some(batch) = slot.get() {
            slot = &batch.next;
        }
        // Filled by another thread meanwhile: then these rows are read again when they are asked for.
        let _ = slot.set(Box::new(batch));
    }

    /// Where a row is among all, if it is one.
    fn place(&self, zone: u32, row: usize) -> Option<u32> {
        match self.index.starts.get(zone as usize..) {
            Some(&[start, end, ..]) if row < (end - start) as usize => Some(start + row as u32),
            _ => None,
        }
    }

    fn find(&self, place: u32) -> Option<&[u8]> {
        let mut slot = &self.slots.rows;
        while let Some(batch) = slot.get() {
            if let Some(row) = batch.get(place, self.index.shape.stride) {
                return Some(row);
            }
            slot = &batch.next;
        }
        None
    }

    /// The bytes of a row: its vector, then its integers.
    fn row(&self, zone: u32, row: usize) -> &[u8] {
        let Some(place) = self.place(zone, row) else { return &[] };
        if let Some(found) = self.find(place) {
            return found;
        }
        self.read(std::iter::once(place));
        self.find(place).unwrap_or_default()
    }

    /// Units of a zone that are looked at.
    fn units(&self, zone: &Zone) -> usize {
        zone.units.min(self.units)
    }
}

impl<T: Element> Postings<T> for View<'_, T> {
    fn zones(&self) -> usize {
        self.index.shape.zones
    }

    fn rows(&self) -> usize {
        self.index.starts.last().map_or(0, |&end| end as usize)
    }

    /// Nothing: asking for memory here would be reading the file.
    fn fetch(&self, _: u32) {}

    fn scanned(&self, zone: u32) -> Scanned<'_> {
        let Some(zone) = self.zone(zone) else {
            return Scanned { len: 0, codes: &[], places: 0, factors: &[] };
        };
        let (units, shape) = (self.units(zone), &self.index.shape);
        let places = units * shape.unit_rows;
        Scanned {
            len: zone.len.min(places),
            codes: zone.codes().get(..units * shape.unit_bytes).unwrap_or_default(),
            places,
            factors: zone.factors().get(..places * shape.columns).unwrap_or_default(),
        }
    }

    fn ids(&self, zone: u32) -> &[u32] {
        let Some(zone) = self.zone(zone) else { return &[] };
        let len = zone.len.min(self.units(zone) * self.index.shape.unit_rows);
        zone.ids().get(..len).unwrap_or_default()
    }

    fn has_bytes(&self) -> bool {
        self.index.shape.row_dim > 0
    }

    fn bytes(&self, zone: u32, row: usize) -> &[i8] {
        let (start, len) = (self.index.shape.dim * size_of::<T>(), self.index.shape.row_dim);
        bytemuck::cast_slice(self.row(zone, row).get(start..start + len).unwrap_or_default())
    }

    fn vector(&self, zone: u32, row: usize) -> &[T] {
        let bytes = self.row(zone, row).get(..self.index.shape.dim * size_of::<T>()).unwrap_or_default();
        bytemuck::try_cast_slice(bytes).unwrap_or_default()
    }

    fn norm(&self, zone: u32, row: usize) -> f32 {
        self.zone(zone).and_then(|zone| zone.norms().get(row)).copied().unwrap_or(0.0)
    }

    fn bring(&self, rows: impl Iterator<Item = (u32, usize)>) {
        self.read(rows.filter_map(|(zone, row)| self.place(zone, row)));
    }

    fn has_homes(&self) -> bool {
        self.index.shape.homes
    }

    fn home(&self, zone: u32, row: usize) -> u32 {
        self.zone(zone).and_then(|zone| zone.homes().get(row)).copied().unwrap_or(NONE)
    }
}
