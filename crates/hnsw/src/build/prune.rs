//! Which candidates become neighbours: those that no nearer neighbour already leads to.
//!
//! A candidate `c` of `p` is occluded by a chosen neighbour `s` if `c` is nearer to `s` than to `p`: a search
//! that wants to go to `c` will go through `s` (the relative neighbourhood rule of HNSW and NSG). Where that
//! leaves slots free the rule is relaxed step by step, by a factor alpha on distances (DiskANN), until the slots
//! are used: a row of the graph costs the same whether it is full or not.

use layouts::AlignedVec;
use simd_kernels::{Measure, Rows};

use crate::Error;
use crate::build::candidates::{distance_of, id_of};
use crate::build::partition::Points;

/// Reusable memory of one pruning thread.
#[derive(Debug, Default)]
pub(crate) struct PruneScratch {
    rows: AlignedVec<i8>,
    tile: Vec<i32>,
    chosen: Vec<usize>,
    taken: Vec<bool>,
    ids: Vec<u32>,
}

/// Picks up to `degree` of the sorted `keys` into `out`, nearest first. `alphas` are factors on squared distances,
/// rising.
pub(crate) fn prune(
    points: Points<'_>,
    keys: &[u64],
    degree: usize,
    alphas: &[f32],
    scratch: &mut PruneScratch,
    out: &mut Vec<u64>,
) -> Result<(), Error> {
    out.clear();
    let count = keys.len();
    if count == 0 {
        return Ok(());
    }
    scratch.ids.clear();
    scratch.ids.extend(keys.iter().map(|&key| id_of(key)));
    points.gather(&scratch.ids, &mut scratch.rows)?;
    let rows = Rows::new(&scratch.rows, points.rows.dim())?;
    scratch.tile.resize(count * count, 0);
    let tile = &mut scratch.tile[..count * count];
    points.kernels.forms::<i8>(Measure::L2Squared).tile(rows, rows, tile)?;
    scratch.chosen.clear();
    scratch.taken.clear();
    scratch.taken.resize(count, false);
    for &alpha in alphas {
        for candidate in 0..count {
            if scratch.chosen.len() == degree {
                break;
            }
            if scratch.taken[candidate] {
                continue;
            }
            let limit = distance_of(keys[candidate]) as f32;
            let line = &tile[candidate * count..(candidate + 1) * count];
            let occluded = scratch.chosen.iter().any(|&other| (line[other] as f32) * alpha < limit);
            if !occluded {
                scratch.taken[candidate] = true;
                scratch.chosen.push(candidate);
            }
        }
        if scratch.chosen.len() == degree {
            break;
        }
    }
    scratch.chosen.sort_unstable();
    out.extend(scratch.chosen.iter().map(|&candidate| keys[candidate]));
    Ok(())
}
