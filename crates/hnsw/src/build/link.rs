//! From candidates to a graph: prune every row, add the reverse edges, prune again where they are too many.

use layouts::AlignedVec;

use crate::Error;
use crate::build::candidates::{NONE, distance_of, id_of, key};
use crate::build::partition::Points;
use crate::build::prune::{PruneScratch, prune};
use crate::parallel;

/// Rows of edges as keys, `degree` places each, sorted, padded.
#[derive(Debug)]
pub(crate) struct Edges {
    pub(crate) keys: AlignedVec<u64>,
    pub(crate) degree: usize,
}

impl Edges {
    pub(crate) fn of(&self, row: usize) -> &[u64] {
        let all = self.keys.get(row * self.degree..(row + 1) * self.degree).unwrap_or_default();
        &all[..all.partition_point(|&key| key != NONE)]
    }
}

/// Prunes the candidates that `candidates(row, out)` gives, sorted, for every row.
pub(crate) fn forward(
    points: Points<'_>,
    degree: usize,
    alphas: &[f32],
    candidates: impl Fn(usize, &mut Vec<u64>) -> Result<(), Error> + Sync + Send,
) -> Result<Edges, Error> {
    let mut keys = AlignedVec::new();
    keys.resize(points.rows.len().saturating_mul(degree), NONE)?;
    parallel::chunks(&mut keys, 256 * degree, |block, keys| {
        let (mut scratch, mut sorted, mut chosen) = (PruneScratch::default(), Vec::new(), Vec::new());
        for (at, keys) in keys.chunks_exact_mut(degree).enumerate() {
            sorted.clear();
            candidates(block * 256 + at, &mut sorted)?;
            prune(points, &sorted, degree, alphas, &mut scratch, &mut chosen)?;
            keys[..chosen.len()].copy_from_slice(&chosen);
        }
        Ok(())
    })?;
    Ok(Edges { keys, degree })
}

/// Adds to every row the rows that point at it, and prunes to `degree` again. Of very many the nearest `cap` are
/// looked at.
pub(crate) fn with_reverse(
    points: Points<'_>,
    edges: &Edges,
    degree: usize,
    cap: usize,
    alphas: &[f32],
) -> Result<Edges, Error> {
    let rows = points.rows.len();
    // Counting sort by target: the same order whoever does it.
    let mut starts = vec![0usize; rows + 1];
    for row in 0..rows {
        for &key in edges.of(row) {
            starts[id_of(key) as usize + 1] += 1;
        }
    }
    for row in 0..rows {
        starts[row + 1] += starts[row];
    }
    let mut incoming = vec![0u64; starts[rows]];
    let mut next = starts.clone();
    for row in 0..rows {
        for &edge in edges.of(row) {
            let at = &mut next[id_of(edge) as usize];
            incoming[*at] = key(distance_of(edge), row as u32);
            *at += 1;
        }
    }
    forward(points, degree, alphas, |row, out| {
        out.extend_from_slice(edges.of(row));
        out.extend_from_slice(&incoming[starts[row]..starts[row + 1]]);
        out.sort_unstable();
        out.dedup();
        out.truncate(cap);
        Ok(())
    })
}
