//! Building the graph, deterministically: the same bytes for any number of threads and any instruction set.

pub(crate) mod candidates;
pub(crate) mod link;
pub(crate) mod partition;
pub(crate) mod prune;

use layouts::Adjacency;
use simd_kernels::Measure;

use crate::beam::{Beam, RowScorer};
use crate::build::candidates::{Candidates, NONE, id_of, key};
use crate::build::link::{Edges, forward, with_reverse};
use crate::build::partition::{Points, carve};
use crate::{BuildParams, Error};

/// The graph of rows that already lie in their final order.
pub(crate) fn graph(points: Points<'_>, seeds: &[u32], params: &BuildParams) -> Result<Adjacency, Error> {
    let rows = points.rows.len();
    let t = std::time::Instant::now();
    let log = |what: &str| {
        if std::env::var("LOG").is_ok() {
            eprintln!("{:8.2} s {what}", t.elapsed().as_secs_f64());
        }
    };
    let mut candidates = Candidates::new(rows, params.candidates);
    for round in 0..params.rounds {
        let leaves = carve(points, (0..rows as u32).collect(), params.leaf, partition::mix(7, round as u64))?;
        log("carved");
        candidates.join(points, &leaves, params.candidates.min(params.leaf_keep))?;
        log("joined");
    }
    let alphas = params.alphas.as_slice();
    let mut edges = forward(points, params.degree, alphas, |row, out| {
        out.extend_from_slice(candidates.of(row));
        Ok(())
    })?;
    log("pruned");
    edges = with_reverse(points, &edges, params.degree, 3 * params.degree, alphas)?;
    log("reversed");
    for _ in 0..params.passes {
        let graph = adjacency(&edges, rows)?;
        edges = forward(points, params.degree, alphas, |row, out| {
            thread_local! { static BEAM: std::cell::RefCell<Option<Beam>> = const { std::cell::RefCell::new(None) }; }
            BEAM.with(|beam| -> Result<(), Error> {
                let mut beam = beam.borrow_mut();
                if beam.is_none() {
                    *beam = Some(Beam::default());
                }
                let Some(beam) = beam.as_mut() else { return Ok(()) };
                let query = points.rows.row(row).unwrap_or_default();
                let scorer = RowScorer { query, rows: points.rows, kernels: points.kernels };
                let mut scores = vec![0; seeds.len()];
                points.kernels.forms::<i8>(Measure::L2Squared).ids(query, points.rows, seeds, &mut scores)?;
                let best = points.kernels.argmin(&scores).map_or(0, |(at, _)| at);
                let start = [(scores[best], seeds[best])];
                let mut expanded = Vec::new();
                beam.search(&graph, &scorer, &start, params.ef_construction, |score, node| {
                    expanded.push(key(score, node));
                    Ok(())
                })?;
                out.extend(beam.pool.iter().map(|(score, id)| key(score, id)));
                out.extend(expanded);
                out.extend_from_slice(edges.of(row));
                out.sort_unstable();
                out.dedup();
                out.retain(|&key| id_of(key) as usize != row);
                out.truncate(params.prune_width);
                Ok(())
            })
        })?;
        log("searched");
        edges = with_reverse(points, &edges, params.degree, 3 * params.degree, alphas)?;
        log("reversed");
    }
    adjacency(&edges, rows)
}

fn adjacency(edges: &Edges, rows: usize) -> Result<Adjacency, Error> {
    let mut graph = Adjacency::new(rows, edges.degree)?;
    let mut ids = Vec::new();
    for row in 0..rows {
        ids.clear();
        ids.extend(edges.of(row).iter().filter(|&&key| key != NONE).map(|&key| id_of(key)));
        graph.set(row as u32, &ids)?;
    }
    Ok(graph)
}
