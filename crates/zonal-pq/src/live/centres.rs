//! Centroids that change one at a time, packed for matrix products all the while.

use layouts::{AlignedVec, Storage};
use simd_kernels::{Kernels, PANEL_ROWS, Rows};

use crate::Error;
use crate::zones::{Centroids, norm};

/// The norm of a centroid that is not there: as in [`Centroids`].
const ABSENT: i32 = 1 << 30;

/// The centroids of the zones, by number.
#[derive(Debug)]
pub(crate) struct Centres {
    /// One after another.
    rows: Vec<i8>,
    packed: Centroids,
}

impl Centres {
    /// A copy of `rows`.
    pub(crate) fn new(rows: Rows<'_, i8>) -> Result<Self, Error> {
        let mut flat = Vec::with_capacity(rows.len() * rows.dim());
        rows.iter().for_each(|row| flat.extend_from_slice(row));
        Ok(Self { rows: flat, packed: Centroids::new(rows, |_| 0)? })
    }

    /// Centroids.
    pub(crate) fn len(&self) -> usize {
        self.packed.len
    }

    /// All of them, one after another.
    pub(crate) fn rows(&self) -> &[i8] {
        &self.rows
    }

    /// One of them.
    pub(crate) fn get(&self, zone: u32) -> &[i8] {
        let (at, dim) = (zone as usize, self.packed.dim);
        self.rows.get(at * dim..(at + 1) * dim).unwrap_or_default()
    }

    /// Moves one.
    pub(crate) fn set(&mut self, zone: u32, row: &[i8]) {
        let (at, dim) = (zone as usize, self.packed.dim);
        if let Some(place) = self.rows.get_mut(at * dim..(at + 1) * dim) {
            place.copy_from_slice(row);
        }
        let width = dim.next_multiple_of(4);
        if let (Storage::Owned(panels), Storage::Owned(norms)) =
            (&mut self.packed.panels, &mut self.packed.norms)
        {
            let panel = panels.get_mut(at / PANEL_ROWS * PANEL_ROWS * width..).unwrap_or_default();
            for (group, part) in panel.chunks_exact_mut(4 * PANEL_ROWS).zip(row.chunks(4)) {
                let place = &mut group[at % PANEL_ROWS * 4..][..4];
                place.fill(0);
                place[..part.len()].copy_from_slice(part);
            }
            if let Some(place) = norms.get_mut(at) {
                *place = norm(row);
            }
        }
    }

    /// Adds one at the end.
    pub(crate) fn push(&mut self, row: &[i8]) -> Result<(), Error> {
        let at = self.packed.len;
        if at.is_multiple_of(PANEL_ROWS) {
            let panels = (at + PANEL_ROWS) * self.packed.dim.next_multiple_of(4);
            grow(&mut self.packed.panels, panels, 0)?;
            grow(&mut self.packed.norms, at + PANEL_ROWS, ABSENT)?;
        }
        self.rows.extend_from_slice(row);
        self.packed.len += 1;
        self.set(at as u32, row);
        Ok(())
    }

    /// Removes one; the last one takes its number.
    pub(crate) fn swap_remove(&mut self, zone: u32) {
        let Some(last) = self.packed.len.checked_sub(1) else { return };
        let row = self.get(last as u32).to_vec();
        self.set(zone, &row);
        self.set(last as u32, &vec![0; row.len()]);
        self.rows.truncate(last * self.packed.dim);
        self.packed.len = last;
        if let (Storage::Owned(panels), Storage::Owned(norms)) =
            (&mut self.packed.panels, &mut self.packed.norms)
        {
            norms[last] = ABSENT;
            let places = last.next_multiple_of(PANEL_ROWS);
            norms.truncate(places);
            panels.truncate(places * self.packed.dim.next_multiple_of(4));
        }
    }

    /// The nearest of each row, ties to the lower, and its distance.
    pub(crate) fn nearest(
        &self,
        rows: Rows<'_, i8>,
        kernels: &'static Kernels,
    ) -> Result<Vec<(u32, i32)>, Error> {
        self.packed.nearest(rows, kernels)
    }

    /// Distances of a row to all.
    pub(crate) fn distances(
        &self,
        row: &[i8],
        kernels: &'static Kernels,
        out: &mut Vec<i32>,
    ) -> Result<(), Error> {
        self.packed.distances(row, kernels, out)
    }
}

fn grow<U: bytemuck::Pod>(storage: &mut Storage<U>, len: usize, value: U) -> Result<(), Error> {
    if let Storage::Owned(elements) = storage {
        elements.resize(len, value)?;
    } else {
        let mut elements = AlignedVec::with_capacity(len)?;
        elements.extend_from_slice(storage)?;
        elements.resize(len, value)?;
        *storage = Storage::from(elements);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_centroids_are_packed_as_new_ones_are() {
        let mut state = 5u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as i8
        };
        let dim = 7;
        let first: Vec<i8> = (0..15 * dim).map(|_| next()).collect();
        let mut centres = Centres::new(Rows::new(&first, dim).unwrap()).unwrap();
        for step in 0..60u32 {
            let row: Vec<i8> = (0..dim).map(|_| next()).collect();
            match step % 5 {
                0..=2 => centres.push(&row).unwrap(),
                3 => centres.set(step % centres.len() as u32, &row),
                _ => centres.swap_remove(step * 7 % centres.len() as u32),
            }
            let expected = Centroids::new(Rows::new(centres.rows(), dim).unwrap(), |_| 0).unwrap();
            assert_eq!(centres.packed.panels[..], expected.panels[..], "step {step}");
            assert_eq!(centres.packed.norms[..], expected.norms[..], "step {step}");
        }
    }
}
