//! Rows come: searched for on the graph as it is, many at a time, linked there and back.
//!
//! A batch is cut into parts of a tenth of what is there. The rows of a part are searched for on one and the same
//! graph, in parallel, and compared with one another directly, so the outcome does not depend on the number of
//! threads (the batches of ParlayANN, Manohar and others 2024, doubling from nothing).

use simd_kernels::{Element, Measure, Rows};

use crate::build::candidates::{distance_of, id_of, key};
use crate::build::equal::{self, Groups};
use crate::build::partition::Points;
use crate::error::Error;
use crate::live::draft::{Draft, Scratch, at_ends};
use crate::live::state::{END, NONE, Trained};
use crate::metric::Metric;
use crate::parallel;

/// Rows of a part: at most, and while there are few.
const MOST: usize = 2048;
const FIRST: usize = 32;
/// Rows that one task searches for.
const TASK: usize = 8;
/// Of its part every row is compared with all, and so many of the nearest are candidates.
const COMPANIONS: usize = 32;

/// What is to be inserted.
#[derive(Clone, Copy)]
pub(crate) struct Batch<'a, T> {
    pub(crate) keys: &'a [u64],
    pub(crate) vectors: Rows<'a, T>,
    pub(crate) inverse_norms: &'a [f32],
}

impl<T: Element> Batch<'_, T> {
    fn vector(&self, row: u32) -> &[T] {
        self.vectors.row(row as usize).unwrap_or_default()
    }
    fn key(&self, row: u32) -> u64 {
        self.keys.get(row as usize).copied().unwrap_or(0)
    }
}

/// The rows of a batch that are equal to its row `first[group]`, that one first.
fn members(groups: &Groups, group: usize) -> &[u32] {
    match &groups.starts {
        None => groups.first.get(group..group + 1).unwrap_or_default(),
        Some(starts) => match starts.get(group..group + 2) {
            Some(&[start, end]) => groups.rows.get(start as usize..end as usize).unwrap_or_default(),
            _ => &[],
        },
    }
}

/// Appends rows to an index that has learned nothing yet.
pub(crate) fn append<T: Element>(draft: &mut Draft<T>, batch: Batch<'_, T>) -> Result<(), Error> {
    let groups = equal::groups(batch.vectors)?;
    for group in 0..groups.first.len() {
        add_row(draft, batch, members(&groups, group))?;
    }
    Ok(())
}

/// Appends one vector with all its keys.
fn add_row<T: Element>(draft: &mut Draft<T>, batch: Batch<'_, T>, members: &[u32]) -> Result<(), Error> {
    let Some((&first, others)) = members.split_first() else { return Ok(()) };
    let row = draft.rows() as u32;
    super::reserve(&mut draft.alive, 1)?;
    super::reserve(&mut draft.placed, 1)?;
    draft.vectors.extend_from_slice(batch.vector(first))?;
    if draft.metric == Metric::Cosine {
        let inverse = batch.inverse_norms.get(first as usize).copied().unwrap_or(0.0);
        draft.inverse_norms.extend_from_slice(&[inverse])?;
    }
    draft.labels.push(&[batch.key(first), END])?;
    draft.alive.push(true);
    draft.placed.push((batch.key(first), row));
    draft.keys += 1;
    others.iter().try_for_each(|&other| draft.add_key(row, batch.key(other)))
}

/// Inserts rows into a graph.
pub(crate) fn insert<T: Element>(
    draft: &mut Draft<T>,
    trained: &Trained,
    batch: Batch<'_, T>,
) -> Result<(), Error> {
    let groups = equal::groups(batch.vectors)?;
    let mut at = 0;
    while at < groups.first.len() {
        let size = ((draft.rows() - draft.dead) / 10).clamp(FIRST, MOST).min(groups.first.len() - at);
        part(draft, trained, batch, &groups, at..at + size)?;
        at += size;
    }
    if draft.rows() >= draft.drawn_at + draft.drawn_at / 4 {
        draft.draw_seeds()?;
    }
    Ok(())
}

/// Inserts the groups of a range.
fn part<T: Element>(
    draft: &mut Draft<T>,
    trained: &Trained,
    batch: Batch<'_, T>,
    groups: &Groups,
    range: std::ops::Range<usize>,
) -> Result<(), Error> {
    let first = groups.first.get(range.clone()).unwrap_or_default();
    let dim = trained.intake.row_dim();
    let mut integers = layouts::AlignedVec::<i8>::zeroed(first.len() * dim)?;
    parallel::chunks(&mut integers, 64 * dim, |block, out| {
        let mut flat = vec![0.0; dim];
        for (out, &row) in out.chunks_exact_mut(dim).zip(first.get(block * 64..).unwrap_or_default()) {
            trained.intake.row(batch.vector(row), &mut flat, out);
        }
        Ok(())
    })?;
    let fresh = Rows::new(&integers, dim)?;

    // Who is near, and who is there already.
    let points = draft.points()?;
    let shared: &Draft<T> = draft;
    let found = parallel::blocks(first.len(), TASK, |task| {
        shared.workers.with(|scratch| {
            task.map(|at| {
                shared.near(points, fresh.row(at).unwrap_or_default(), scratch)?;
                scratch.keys.retain(|&key| shared.is_alive(id_of(key)));
                let vector = batch.vector(first.get(at).copied().unwrap_or(0));
                let same =
                    scratch.keys.iter().take_while(|&&key| distance_of(key) == 0).map(|&key| id_of(key));
                let same = same.into_iter().find(|&id| equal_bytes(shared.vector(id), vector));
                Ok((same, scratch.keys.clone()))
            })
            .collect::<Result<Vec<_>, Error>>()
        })
    })?;

    // New rows get their numbers; what is there already gets more keys.
    let base = draft.rows();
    let mut near = Vec::new();
    for (at, (same, keys)) in found.into_iter().flatten().enumerate() {
        let members = members(groups, range.start + at);
        match same {
            Some(row) => members.iter().try_for_each(|&member| draft.add_key(row, batch.key(member)))?,
            None => {
                add_row(draft, batch, members)?;
                let integers = fresh.row(at).unwrap_or_default();
                draft.clipped += at_ends(integers);
                draft.integers.extend_from_slice(integers)?;
                near.push(keys);
            }
        }
    }
    let order: Vec<u32> = (0..near.len() as u32).collect();
    let added = Rows::new(draft.vectors.get(base * draft.dim..).unwrap_or_default(), draft.dim)?;
    let fresh = Rows::new(draft.integers.get(base * dim..).unwrap_or_default(), dim)?;
    let codes = trained.coding.encode(fresh, added, &order, &trained.intake, draft.kernels)?;
    draft.codes.extend_from_slice(&codes)?;
    link_part(draft, base, &near)
}

fn equal_bytes<T: Element>(one: &[T], two: &[T]) -> bool {
    bytemuck::cast_slice::<T, u8>(one) == bytemuck::cast_slice::<T, u8>(two)
}

/// Links the rows from `base` on, to which `near` gives candidates.
fn link_part<T: Element>(draft: &mut Draft<T>, base: usize, near: &[Vec<u64>]) -> Result<(), Error> {
    let (points, degree) = (draft.points()?, draft.build.degree);
    let shared: &Draft<T> = draft;
    let edges = parallel::blocks(near.len(), TASK, |task| {
        shared.workers.with(|scratch| {
            task.map(|at| {
                let keys = near.get(at).map_or(&[][..], Vec::as_slice);
                forward(shared, points, base, at, keys, scratch)?;
                Ok((scratch.chosen.clone(), scratch.keys.clone()))
            })
            .collect::<Result<Vec<_>, Error>>()
        })
    })?;
    let edges = edges.concat();

    // Parents, in the order of rows, then everybody's reverse edges.
    draft.tree.reserve(edges.len())?;
    let mut reverse: Vec<(u32, u64)> = Vec::new();
    for (row, (chosen, candidates)) in (base as u32..).zip(&edges) {
        if row == 0 {
            draft.tree.push(None);
            draft.seeds = std::sync::Arc::new(crate::seeds::Seeds {
                ids: layouts::Storage::from(layouts::AlignedVec::from_slice(&[0])?),
            });
        } else {
            let fits = |&&other: &&u64| id_of(other) < row && draft.tree.has_room(id_of(other), degree);
            let (parent, distance) = match chosen.iter().chain(candidates).find(fits) {
                Some(&near) => (id_of(near), distance_of(near)),
                // Among all earlier rows one has room: a tree has fewer edges than its rows have room for.
                None => {
                    let parent =
                        (0..row).rev().find(|&other| draft.tree.has_room(other, degree)).unwrap_or(0);
                    let points = draft.points()?;
                    let vector = |row: u32| points.rows.row(row as usize).unwrap_or_default();
                    let form = points.kernels.forms::<i8>(Measure::L2Squared);
                    (parent, form.pair(vector(parent), vector(row))?)
                }
            };
            draft.tree.push(Some(parent));
            reverse.push((parent, key(distance, row)));
        }
        reverse.extend(chosen.iter().map(|&near| (id_of(near), key(distance_of(near), row))));
    }
    reverse.sort_unstable();
    reverse.dedup();
    for (chosen, _) in &edges {
        let mut slots = vec![NONE; degree];
        slots.iter_mut().zip(chosen).for_each(|(slot, &near)| *slot = id_of(near));
        draft.graph.push(&slots)?;
    }

    let targets: Vec<&[(u32, u64)]> = reverse.chunk_by(|one, two| one.0 == two.0).collect();
    let (points, shared) = (draft.points()?, &*draft);
    let rewritten = parallel::blocks(targets.len(), 4 * TASK, |task| {
        shared.workers.with(|scratch| {
            let targets = targets.get(task).unwrap_or_default();
            targets
                .iter()
                .map(|incoming| backward(shared, points, incoming, scratch))
                .collect::<Result<Vec<_>, Error>>()
        })
    })?;
    for (target, ids) in rewritten.into_iter().flatten() {
        draft.link(target, ids.into_iter())?;
    }
    Ok(())
}

/// The edges of new row `base + at`, in `scratch.chosen`, and all its candidates, in `scratch.keys`.
fn forward<T: Element>(
    draft: &Draft<T>,
    points: Points<'_>,
    base: usize,
    at: usize,
    near: &[u64],
    scratch: &mut Scratch,
) -> Result<(), Error> {
    let row = base + at;
    let Scratch { keys, distances, ids, scores, .. } = scratch;
    keys.clear();
    keys.extend_from_slice(near);
    if let Some(part) = points.rows.slice(base, points.rows.len()) {
        distances.resize(part.len(), 0);
        let query = points.rows.row(row).unwrap_or_default();
        points.kernels.forms::<i8>(Measure::L2Squared).rows(query, part, distances)?;
        let count = (COMPANIONS + 1).min(part.len());
        ids.resize(COMPANIONS + 1, 0);
        scores.resize(COMPANIONS + 1, 0);
        let count = points.kernels.top_k(
            distances,
            base as u32,
            count,
            &mut ids[..COMPANIONS + 1],
            &mut scores[..COMPANIONS + 1],
        )?;
        let others = ids.iter().zip(&*scores).take(count).filter(|&(&id, _)| id as usize != row);
        keys.extend(others.map(|(&id, &distance)| key(distance, id)));
    }
    keys.sort_unstable();
    // Rows at distance 0 do not occlude one another: too many of them, and no edge would lead elsewhere.
    let zeros = keys.partition_point(|&key| distance_of(key) == 0);
    let kept = zeros.min(draft.build.degree / 4);
    keys.drain(kept..zeros);
    keys.truncate(draft.build.tune.prune_width);
    draft.choose_pruned(points, scratch)
}

/// The new edges of a row that new rows point at.
fn backward<T: Element>(
    draft: &Draft<T>,
    points: Points<'_>,
    incoming: &[(u32, u64)],
    scratch: &mut Scratch,
) -> Result<(u32, Vec<u32>), Error> {
    let target = incoming.first().map_or(0, |&(target, _)| target);
    let degree = draft.build.degree;
    let Scratch { keys, ids, distances, .. } = scratch;
    ids.clear();
    let row = draft.graph.row(target as usize).unwrap_or_default();
    ids.extend(
        row.iter()
            .take_while(|&&id| id != NONE)
            .filter(|&&id| draft.is_alive(id) || draft.tree.holds(target, id)),
    );
    keys.clear();
    draft.measure(points, target, ids, distances, keys)?;
    keys.sort_unstable();
    let present = keys.len();
    let full = present + incoming.len() > degree;
    for &(_, new) in incoming {
        if full && !draft.tree.holds(target, id_of(new)) {
            // Most are behind a neighbour that is there: found out at the price of one row of the pruning's tile.
            let nearer =
                keys.iter().take(present).take_while(|&&other| distance_of(other) < distance_of(new));
            ids.clear();
            ids.extend(nearer.map(|&other| id_of(other)));
            distances.resize(ids.len(), 0);
            let query = points.rows.row(id_of(new) as usize).unwrap_or_default();
            points.kernels.forms::<i8>(Measure::L2Squared).ids(query, points.rows, ids, distances)?;
            let alpha = draft.build.tune.alphas.iter().copied().fold(1.0f32, f32::max);
            let limit = distance_of(new) as f32;
            if distances.iter().any(|&distance| distance as f32 * alpha < limit) {
                continue;
            }
        }
        keys.push(new);
    }
    keys.sort_unstable();
    keys.dedup();
    draft.choose(points, target, scratch)?;
    Ok((target, scratch.chosen.iter().map(|&key| id_of(key)).collect()))
}
