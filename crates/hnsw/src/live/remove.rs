//! Rows go: nobody finds them any more at once, and their neighbours get other edges.
//!
//! A removed row stays as a waypoint for those that still point at it. Whoever does is found by searching for the row
//! itself, and gets in its place up to three of its neighbours, the nearest (IP-DiskANN, Xu and others,
//! arXiv 2502.13826). Of many removed rows at once those that point at them are found by reading the whole graph,
//! which costs less then, and misses none.

use std::sync::Arc;

use layouts::{AlignedVec, Storage as Memory};
use simd_kernels::Element;

use crate::build::candidates::id_of;
use crate::build::partition::Points;
use crate::error::Error;
use crate::live::draft::{Draft, Scratch};
use crate::live::state::NONE;
use crate::parallel;
use crate::seeds::Seeds;

/// New edges for one that is lost.
const REPLACEMENTS: usize = 3;
/// Rows whose edges are read in the time of one search.
const ROWS_PER_SEARCH: usize = 3000;

/// Takes keys from the index; all must be there. Returns after whatever pointed at rows without keys is mended.
pub(crate) fn remove<T: Element>(draft: &mut Draft<T>, keys: &[u64]) -> Result<(), Error> {
    let mut gone = Vec::new();
    for key in keys {
        let Some(&row) = draft.places.get(key) else { continue };
        if draft.drop_key(row, *key)? {
            gone.push(row);
        }
    }
    if draft.trained.is_none() || gone.is_empty() {
        return Ok(());
    }
    gone.sort_unstable();
    let hurt = if gone.len() * ROWS_PER_SEARCH < draft.rows() {
        by_search(draft, &gone)?
    } else {
        by_reading(draft)?
    };
    let points = draft.points()?;
    let shared: &Draft<T> = draft;
    let mended = parallel::blocks(hurt.len(), 32, |task| {
        shared.workers.with(|scratch| {
            let rows = hurt.get(task).unwrap_or_default();
            rows.iter().map(|&row| mend(shared, points, row, scratch)).collect::<Result<Vec<_>, Error>>()
        })
    })?;
    for (row, ids) in mended.into_iter().flatten() {
        draft.link(row, ids.into_iter())?;
    }
    replace_seeds(draft, &gone)
}

/// Whether `row` is there and points at a removed row that it could do without.
fn is_hurt<T: Element>(draft: &Draft<T>, row: u32) -> bool {
    let edges = draft.graph.row(row as usize).unwrap_or_default();
    let mut edges = edges.iter().take_while(|&&id| id != NONE);
    draft.is_alive(row) && edges.any(|&id| !draft.is_alive(id) && !draft.tree.holds(row, id))
}

fn by_search<T: Element>(draft: &Draft<T>, gone: &[u32]) -> Result<Vec<u32>, Error> {
    let points = draft.points()?;
    let found = parallel::blocks(gone.len(), 1, |task| {
        let row = gone.get(task.start).copied().unwrap_or(0);
        draft.workers.with(|scratch| {
            draft.near(points, points.rows.row(row as usize).unwrap_or_default(), scratch)?;
            let own = draft.graph.row(row as usize).unwrap_or_default().iter().take_while(|&&id| id != NONE);
            let met = scratch.keys.iter().map(|&key| id_of(key));
            Ok(met.chain(own.copied()).filter(|&id| is_hurt(draft, id)).collect::<Vec<u32>>())
        })
    })?;
    let mut hurt = found.concat();
    hurt.sort_unstable();
    hurt.dedup();
    Ok(hurt)
}

fn by_reading<T: Element>(draft: &Draft<T>) -> Result<Vec<u32>, Error> {
    let found = parallel::blocks(draft.rows(), 4096, |rows| {
        Ok(rows.map(|row| row as u32).filter(|&row| is_hurt(draft, row)).collect::<Vec<u32>>())
    })?;
    Ok(found.concat())
}

/// The edges of `row` without those to removed rows, and with some that lead where those led.
fn mend<T: Element>(
    draft: &Draft<T>,
    points: Points<'_>,
    row: u32,
    scratch: &mut Scratch,
) -> Result<(u32, Vec<u32>), Error> {
    let Scratch { keys, ids, distances, chosen, .. } = scratch;
    let edges = |row: u32| {
        let edges = draft.graph.row(row as usize).unwrap_or_default();
        edges.iter().copied().take_while(|&id| id != NONE)
    };
    let stays = |id: u32| draft.is_alive(id) || draft.tree.holds(row, id);
    ids.clear();
    ids.extend(edges(row).filter(|&id| stays(id)));
    keys.clear();
    draft.measure(points, row, ids, distances, keys)?;
    for lost in edges(row).filter(|&id| !stays(id)) {
        ids.clear();
        ids.extend(edges(lost).filter(|&id| id != row && draft.is_alive(id)));
        chosen.clear();
        draft.measure(points, row, ids, distances, chosen)?;
        chosen.sort_unstable();
        let new = chosen.iter().filter(|&key| !keys.contains(key)).take(REPLACEMENTS).copied();
        let new: Vec<u64> = new.collect();
        keys.extend(new);
    }
    keys.sort_unstable();
    draft.choose(points, row, scratch)?;
    Ok((row, scratch.chosen.iter().map(|&key| id_of(key)).collect()))
}

/// Seeds that were removed give way to their nearest neighbour; only the root stays, as a waypoint.
fn replace_seeds<T: Element>(draft: &mut Draft<T>, gone: &[u32]) -> Result<(), Error> {
    let old = draft.seeds.clone();
    if !old.ids.iter().skip(1).any(|id| gone.binary_search(id).is_ok()) {
        return Ok(());
    }
    let mut ids = AlignedVec::new();
    for (place, &id) in old.ids.iter().enumerate() {
        if place == 0 || draft.is_alive(id) {
            ids.push(id)?;
            continue;
        }
        let edges = draft.graph.row(id as usize).unwrap_or_default().iter().take_while(|&&id| id != NONE);
        let mut heirs = edges.filter(|&&heir| draft.is_alive(heir) && !old.ids.contains(&heir));
        if let Some(&heir) = heirs.find(|heir| !ids.contains(heir)) {
            ids.push(heir)?;
        }
    }
    draft.seeds = Arc::new(Seeds { ids: Memory::from(ids) });
    Ok(())
}
