//! A second zone for vectors that lie between zones: found where the first is missed.
//!
//! The second zone is not the second nearest but the one whose residual is short and points elsewhere (SOAR: Sun
//! et al., *SOAR: improved indexing for approximate nearest neighbor search*, NeurIPS 2023):
//! argmin |x − c'|² + λ ⟨r, x − c'⟩² / |r|², with r the residual of the first.

use simd_kernels::{Kernels, Rows};

use super::assign::Centroids;
use crate::Error;
use crate::parallel::chunks;

/// Zones that are looked at for the second.
const LOOKED_AT: usize = 16;
/// No second zone.
pub(crate) const NONE: u32 = u32::MAX;

/// The second zone of each row, or [`NONE`]: at most a share `most` of the rows have one, those first that lie
/// nearest to the border between their two.
pub(crate) fn second_zones(
    rows: Rows<'_, i8>,
    first: &[(u32, i32)],
    centroids: Rows<'_, i8>,
    packed: &Centroids,
    most: f32,
    lambda: f32,
    kernels: &'static Kernels,
) -> Result<Vec<u32>, Error> {
    let mut found = vec![(NONE, f32::INFINITY); rows.len()];
    chunks(&mut found, 256, |index, found| {
        let mut scratch = Scratch::default();
        for (at, found) in found.iter_mut().enumerate() {
            let row = index * 256 + at;
            let (Some(vector), Some(&first)) = (rows.row(row), first.get(row)) else { continue };
            packed.distances(vector, kernels, &mut scratch.distances)?;
            *found = second(vector, first, centroids, lambda, kernels, &mut scratch)?;
        }
        Ok(())
    })?;
    let allowed = (f64::from(most) * rows.len() as f64) as usize;
    if allowed < rows.len() {
        let mut order: Vec<u32> = (0..rows.len() as u32).collect();
        let ratio = |row: u32| found.get(row as usize).map_or(f32::INFINITY, |found| found.1);
        order.sort_unstable_by(|&a, &b| ratio(a).total_cmp(&ratio(b)).then(a.cmp(&b)));
        for &row in order.get(allowed..).unwrap_or_default() {
            if let Some(found) = found.get_mut(row as usize) {
                found.0 = NONE;
            }
        }
    }
    Ok(found.into_iter().map(|(zone, _)| zone).collect())
}

#[derive(Default)]
struct Scratch {
    distances: Vec<i32>,
    ids: Vec<u32>,
    least: Vec<i32>,
}

/// The second zone of one row and how much farther it is than the first, as a ratio.
fn second(
    row: &[i8],
    first: (u32, i32),
    centroids: Rows<'_, i8>,
    lambda: f32,
    kernels: &'static Kernels,
    scratch: &mut Scratch,
) -> Result<(u32, f32), Error> {
    let looked_at = LOOKED_AT.min(centroids.len());
    scratch.ids.resize(looked_at, 0);
    scratch.least.resize(looked_at, 0);
    kernels.top_k(&scratch.distances, 0, looked_at, &mut scratch.ids, &mut scratch.least)?;
    let Some(own) = centroids.row(first.0 as usize) else { return Ok((NONE, f32::INFINITY)) };
    let length = first.1.max(1) as f32;
    let mut best = (NONE, f32::INFINITY);
    for (&zone, &distance) in scratch.ids.iter().zip(&scratch.least) {
        let Some(other) = centroids.row(zone as usize).filter(|_| zone != first.0) else { continue };
        let along: i32 = row
            .iter()
            .zip(own)
            .zip(other)
            .map(|((&x, &c), &d)| (i32::from(x) - i32::from(c)) * (i32::from(x) - i32::from(d)))
            .sum();
        let cost = distance as f32 + lambda * (along as f32) * (along as f32) / length;
        if cost < best.1 {
            best = (zone, cost);
        }
    }
    Ok((best.0, best.1 / length))
}
