//! Candidate neighbours: in every leaf of several random carvings, all rows against all.

use layouts::{AlignedVec, Interleaved};
use simd_kernels::{Panels, Rows};

use crate::Error;
use crate::build::partition::Points;
use crate::parallel;

/// A candidate as one number that sorts by distance, then id.
pub(crate) fn key(distance: i32, id: u32) -> u64 {
    (distance.max(0) as u64) << 32 | u64::from(id)
}

/// The row of a candidate.
pub(crate) fn id_of(key: u64) -> u32 {
    key as u32
}

/// The distance of a candidate.
pub(crate) fn distance_of(key: u64) -> i32 {
    (key >> 32) as i32
}

/// No candidate.
pub(crate) const NONE: u64 = u64::MAX;

/// For every row its nearest candidates so far, `width` places each, sorted, padded with [`NONE`].
#[derive(Debug)]
pub(crate) struct Candidates {
    pub(crate) keys: AlignedVec<u64>,
    pub(crate) width: usize,
}

impl Candidates {
    pub(crate) fn new(rows: usize, width: usize) -> Result<Self, Error> {
        let mut keys = AlignedVec::new();
        keys.resize(rows.saturating_mul(width), NONE)?;
        Ok(Self { keys, width })
    }

    pub(crate) fn of(&self, row: usize) -> &[u64] {
        let all = self.keys.get(row * self.width..(row + 1) * self.width).unwrap_or_default();
        &all[..all.partition_point(|&key| key != NONE)]
    }

    /// Adds what the leaves of one carving have to say.
    pub(crate) fn join(&mut self, points: Points<'_>, leaves: &[Vec<u32>], keep: usize) -> Result<(), Error> {
        // Groups of leaves bound what is held at once.
        let width = self.width;
        let found = parallel::blocks(leaves.len(), 1, |range| {
            leaf(points, leaves.get(range.start).map_or(&[], Vec::as_slice), keep)
        })?;
        let mut place = vec![(0u32, 0u32); self.keys.len() / width];
        for (at, leaf) in leaves.iter().enumerate() {
            for (row, &id) in leaf.iter().enumerate() {
                if let Some(place) = place.get_mut(id as usize) {
                    *place = (at as u32, row as u32);
                }
            }
        }
        parallel::chunks(&mut self.keys, width * 1024, |block, keys| {
            let mut merged = Vec::with_capacity(width + keep);
            for (row, keys) in keys.chunks_exact_mut(width).enumerate() {
                let (leaf, at) = place[block * 1024 + row];
                let new = &found[leaf as usize][at as usize * keep..][..keep];
                merge(keys, new, &mut merged);
            }
            Ok(())
        })
    }
}

/// Merges sorted `new` into sorted `keys`, each candidate once; what does not fit falls off.
fn merge(keys: &mut [u64], new: &[u64], merged: &mut Vec<u64>) {
    merged.clear();
    let (mut a, mut b) = (0, 0);
    while merged.len() < keys.len() && (a < keys.len() || b < new.len()) {
        let x = keys.get(a).copied().unwrap_or(NONE);
        let y = new.get(b).copied().unwrap_or(NONE);
        merged.push(x.min(y));
        a += usize::from(x <= y);
        b += usize::from(y <= x);
    }
    let (taken, empty) = keys.split_at_mut(merged.len());
    taken.copy_from_slice(merged);
    empty.fill(NONE);
}

/// The `keep` nearest within the leaf, for each of its rows.
fn leaf(points: Points<'_>, ids: &[u32], keep: usize) -> Result<Vec<u64>, Error> {
    const QUERIES: usize = 32;
    let dim = points.rows.dim();
    let mut keys = vec![NONE; ids.len() * keep];
    if ids.len() < 2 {
        return Ok(keys);
    }
    let mut rows = AlignedVec::new();
    points.gather(ids, &mut rows)?;
    let rows = Rows::new(&rows, dim)?;
    let mut packed = Interleaved::<i8, 16, 4>::new();
    packed.pack(rows)?;
    let panels = Panels::new(packed.as_slice(), dim)?;
    let mut norms = points.norms_of(ids);
    norms.resize(panels.rows(), 0);
    let mut out = vec![0i32; QUERIES * panels.rows()];
    let (mut places, mut least) = (vec![0u32; keep + 1], vec![0i32; keep + 1]);
    for start in (0..ids.len()).step_by(QUERIES) {
        let end = (start + QUERIES).min(ids.len());
        let Some(queries) = rows.slice(start, end) else { continue };
        let out = &mut out[..(end - start) * panels.rows()];
        let forms = points.kernels.panels::<i8>();
        forms.l2_squared(queries, &norms[start..end], panels, &norms, out)?;
        for (at, distances) in out.chunks_exact(panels.rows()).enumerate() {
            let row = start + at;
            let count =
                points.kernels.top_k(&distances[..ids.len()], 0, keep + 1, &mut places, &mut least)?;
            let others = places[..count].iter().zip(&least).filter(|&(&place, _)| place as usize != row);
            let mut found = others.map(|(&place, &distance)| key(distance, ids[place as usize]));
            for to in &mut keys[row * keep..(row + 1) * keep] {
                match found.next() {
                    Some(key) => *to = key,
                    None => break,
                }
            }
            // Ties came by place, they are wanted by id.
            keys[row * keep..(row + 1) * keep].sort_unstable();
        }
    }
    Ok(keys)
}
