//! The nearest of many centroids, for many rows at once: matrix products over blocks that stay in cache.

use layouts::{AlignedVec, Interleaved, Storage};
use simd_kernels::{Kernels, PANEL_ROWS, Panels, Rows};

use crate::Error;
use crate::parallel::chunks;

/// Rows that meet a block of centroids at a time.
const BLOCK_ROWS: usize = 24;
/// Bytes of centroids in a block: half of a second-level cache.
const BLOCK_BYTES: usize = 384 << 10;
/// The norm of a centroid that is not there: no distance is above it, and sums with a query's norm stay in range.
const ABSENT: i32 = 1 << 30;

/// Centroids packed for matrix products.
#[derive(Debug)]
pub(crate) struct Centroids {
    /// Sixteen a panel.
    pub(crate) panels: Storage<i8>,
    /// Squared lengths, less what [`Space::shift_of`](crate::space::Space::shift_of) says of each.
    pub(crate) norms: Storage<i32>,
    pub(crate) dim: usize,
    pub(crate) len: usize,
}

/// The sum of squares of an integer row.
pub(crate) fn norm(row: &[i8]) -> i32 {
    row.iter().map(|&x| i32::from(x) * i32::from(x)).sum()
}

impl Centroids {
    /// Packs rows, each with something that is added to all distances to it.
    pub(crate) fn new(rows: Rows<'_, i8>, added: impl Fn(usize) -> i32) -> Result<Self, Error> {
        let mut packed = Interleaved::<i8, 16, 4>::new();
        packed.pack(rows)?;
        let mut norms = AlignedVec::with_capacity(rows.len().next_multiple_of(PANEL_ROWS))?;
        for (index, row) in rows.iter().enumerate() {
            norms.push(norm(row).saturating_add(added(index)))?;
        }
        norms.resize(rows.len().next_multiple_of(PANEL_ROWS), ABSENT)?;
        Ok(Self {
            panels: Storage::from(AlignedVec::from_slice(packed.as_slice())?),
            norms: Storage::from(norms),
            dim: rows.dim(),
            len: rows.len(),
        })
    }

    /// The centroids one after another again.
    pub(crate) fn rows(&self) -> Result<AlignedVec<i8>, Error> {
        let mut rows = AlignedVec::zeroed(self.len * self.dim)?;
        let panel = PANEL_ROWS * self.dim.next_multiple_of(4);
        for (at, row) in rows.chunks_exact_mut(self.dim).enumerate() {
            let panel = self.panels.get(at / PANEL_ROWS * panel..).unwrap_or_default();
            let groups = panel.chunks_exact(4).skip(at % PANEL_ROWS).step_by(PANEL_ROWS);
            for (to, from) in row.chunks_mut(4).zip(groups) {
                to.copy_from_slice(from.get(..to.len()).unwrap_or_default());
            }
        }
        Ok(rows)
    }

    /// Distances of one row to all centroids; `out` grows to a whole number of panels, those of the padding far.
    pub(crate) fn distances(
        &self,
        row: &[i8],
        kernels: &'static Kernels,
        out: &mut Vec<i32>,
    ) -> Result<(), Error> {
        out.resize(self.norms.len(), 0);
        kernels.panels::<i8>().l2_squared(
            Rows::new(row, self.dim)?,
            &[norm(row)],
            Panels::new(&self.panels, self.dim)?,
            &self.norms,
            out,
        )?;
        out.truncate(self.len);
        Ok(())
    }

    /// Distances of rows to all centroids, a whole number of panels a row. `norms` is scratch.
    pub(crate) fn distances_of_many(
        &self,
        rows: Rows<'_, i8>,
        kernels: &'static Kernels,
        norms: &mut Vec<i32>,
        out: &mut Vec<i32>,
    ) -> Result<(), Error> {
        out.resize(rows.len() * self.norms.len(), 0);
        norms.clear();
        norms.extend(rows.iter().map(norm));
        let panels = Panels::new(&self.panels, self.dim)?;
        Ok(kernels.panels::<i8>().l2_squared(rows, norms, panels, &self.norms, out)?)
    }

    /// For each row the nearest centroid, ties to the lower, and its distance.
    pub(crate) fn nearest(
        &self,
        rows: Rows<'_, i8>,
        kernels: &'static Kernels,
    ) -> Result<Vec<(u32, i32)>, Error> {
        let mut found = vec![(0u32, i32::MAX); rows.len()];
        let panel = PANEL_ROWS * self.dim.next_multiple_of(4);
        let block = (BLOCK_BYTES / panel).max(1);
        chunks(&mut found, 32 * BLOCK_ROWS, |index, found| {
            let mut out = Vec::new();
            let mut norms = Vec::with_capacity(BLOCK_ROWS);
            for (part, found) in found.chunks_mut(BLOCK_ROWS).enumerate() {
                let start = index * 32 * BLOCK_ROWS + part * BLOCK_ROWS;
                let Some(rows) = rows.slice(start, start + found.len()) else { continue };
                norms.clear();
                norms.extend(rows.iter().map(norm));
                let blocks = self.panels.chunks(block * panel).zip(self.norms.chunks(block * PANEL_ROWS));
                for (at, (panels, row_norms)) in blocks.enumerate() {
                    out.resize(found.len() * row_norms.len(), 0);
                    let Some(out) = out.get_mut(..found.len() * row_norms.len()) else { continue };
                    let panels = Panels::new(panels, self.dim)?;
                    kernels.panels::<i8>().l2_squared(rows, &norms, panels, row_norms, out)?;
                    for (found, distances) in found.iter_mut().zip(out.chunks_exact(row_norms.len())) {
                        if let Some((place, distance)) = kernels.argmin(distances)
                            && distance < found.1
                        {
                            *found = ((at * block * PANEL_ROWS + place) as u32, distance);
                        }
                    }
                }
            }
            Ok(())
        })?;
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_is_the_nearest_whatever_the_blocks() {
        let mut state = 3u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 58) as i8 - 31
        };
        // Many long centroids, so that there are several blocks, and values that tie often.
        let dim = 601;
        let centroids: Vec<i8> = (0..1000 * dim).map(|_| next()).collect();
        let data: Vec<i8> = (0..30 * dim).map(|_| next()).collect();
        let rows = Rows::new(&data, dim).unwrap();
        let mut centroid_rows = centroids.clone();
        centroid_rows.extend_from_slice(&centroids[..dim]);
        let view = Rows::new(&centroid_rows, dim).unwrap();
        let kernels = Kernels::active().unwrap();
        let packed = Centroids::new(view, |_| 0).unwrap();
        let found = packed.nearest(rows, kernels).unwrap();
        let mut distances = Vec::new();
        for (row, found) in rows.iter().zip(found) {
            let exact: Vec<i32> = view
                .iter()
                .map(|c| c.iter().zip(row).map(|(&x, &y)| (i32::from(x) - i32::from(y)).pow(2)).sum())
                .collect();
            let best = (0..exact.len()).min_by_key(|&c| (exact[c], c)).unwrap();
            assert_eq!(found, (best as u32, exact[best]));
            assert_eq!(packed.rows().unwrap()[..], centroid_rows[..]);
            packed.distances(row, kernels, &mut distances).unwrap();
            assert_eq!(distances, exact);
        }
    }
}
