//! Every row can be reached: from the first seed a path of edges leads to each, and if not, an edge is put in.
//!
//! A row that nothing points at is never found, whatever the effort; in parallel builds of other libraries that
//! happens now and then. Here the graph is walked from the seed that every search may fall back on; a row that
//! was not met gets an edge from a near row that was, in a slot that no other row depends on.

use layouts::Adjacency;
use simd_kernels::Measure;

use crate::Error;
use crate::beam::Beam;
use crate::build::Collect;
use crate::build::partition::Points;

/// Nobody leads to a row.
const NONE: u32 = u32::MAX;

/// Puts in edges until all rows can be reached from `root`; returns how many it took.
pub(crate) fn connect(points: Points<'_>, graph: &mut Adjacency, root: u32) -> Result<usize, Error> {
    let rows = graph.len();
    // The row that led to each: an edge that is somebody's path must stay.
    let mut parent = vec![NONE; rows];
    let mut queue = Vec::with_capacity(rows);
    let mut added = 0;
    spread(graph, root, root, &mut parent, &mut queue);
    let (mut beam, mut expanded) = (Beam::default(), Vec::new());
    for row in 0..rows as u32 {
        if parent[row as usize] != NONE {
            continue;
        }
        let query = points.rows.row(row as usize).unwrap_or_default();
        // The wider the search, the more rows with a free slot; among all that are reached there is one, since a
        // tree has fewer edges than the graph has slots.
        let mut ef = 32;
        let from = loop {
            let mut score = [0];
            points.kernels.forms::<i8>(Measure::L2Squared).ids(query, points.rows, &[root], &mut score)?;
            beam.start(graph, ef);
            beam.add(score[0], root);
            expanded.clear();
            beam.run(graph, &mut Collect { points, query, expanded: &mut expanded })?;
            let found =
                beam.pool.iter().map(|(_, near)| near).find(|&near| slot(graph, &parent, near).is_some());
            if found.is_some() || ef >= rows {
                break found;
            }
            ef = (ef * 4).min(rows);
        };
        let Some(from) = from else { continue };
        match slot(graph, &parent, from) {
            Some(Slot::Free) => drop(graph.push(from, row)?),
            Some(Slot::Spare(at)) => graph.replace(from, at, row)?,
            None => continue,
        }
        added += 1;
        spread(graph, row, from, &mut parent, &mut queue);
    }
    Ok(added)
}

/// Where an edge can be put.
enum Slot {
    Free,
    Spare(usize),
}

fn slot(graph: &Adjacency, parent: &[u32], row: u32) -> Option<Slot> {
    let neighbors = graph.neighbors(row);
    if neighbors.len() < graph.degree() {
        return Some(Slot::Free);
    }
    // The last is the farthest.
    let spare = neighbors.iter().rposition(|&other| parent[other as usize] != row)?;
    Some(Slot::Spare(spare))
}

/// Marks what can be reached from `row`, which `from` leads to.
fn spread(graph: &Adjacency, row: u32, from: u32, parent: &mut [u32], queue: &mut Vec<u32>) {
    parent[row as usize] = from;
    queue.clear();
    queue.push(row);
    let mut at = 0;
    while let Some(&node) = queue.get(at) {
        at += 1;
        for &next in graph.neighbors(node) {
            let parent = &mut parent[next as usize];
            if *parent == NONE {
                *parent = node;
                queue.push(next);
            }
        }
    }
}
