//! Building the graph, deterministically: the same bytes for any number of threads and any instruction set.

pub(crate) mod candidates;
pub(crate) mod link;
pub(crate) mod partition;
pub(crate) mod prune;

use layouts::Adjacency;
use simd_kernels::{Measure, prefetch_slice};

use crate::Error;
use crate::beam::{Beam, Scorer};
use crate::build::candidates::{Candidates, NONE, id_of, key};
use crate::build::link::{Edges, forward, with_reverse};
use crate::build::partition::{Points, carve};
use crate::params::Tune;

/// The graph of rows that already lie in their final order.
pub(crate) fn graph(
    points: Points<'_>,
    seeds: &[u32],
    degree: usize,
    params: &Tune,
) -> Result<Adjacency, Error> {
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
    let mut edges = forward(points, degree, alphas, |row, out| {
        out.extend_from_slice(candidates.of(row));
        Ok(())
    })?;
    log("pruned");
    edges = with_reverse(points, &edges, degree, 3 * degree, alphas)?;
    log("reversed");
    for _ in 0..params.passes {
        let graph = adjacency(&edges, rows)?;
        edges = forward(points, degree, alphas, |row, out| {
            thread_local! { static BEAM: std::cell::RefCell<Option<Beam>> = const { std::cell::RefCell::new(None) }; }
            BEAM.with(|beam| -> Result<(), Error> {
                let mut beam = beam.borrow_mut();
                if beam.is_none() {
                    *beam = Some(Beam::default());
                }
                let Some(beam) = beam.as_mut() else { return Ok(()) };
                let query = points.rows.row(row).unwrap_or_default();
                let mut scores = vec![0; seeds.len()];
                points.kernels.forms::<i8>(Measure::L2Squared).ids(query, points.rows, seeds, &mut scores)?;
                let best = points.kernels.argmin(&scores).map_or(0, |(at, _)| at);
                beam.start(&graph, params.ef_construction);
                beam.add(scores[best], seeds[best]);
                beam.run(&graph, &mut Collect { points, query, expanded: out })?;
                out.extend(beam.pool.iter().map(|(score, id)| key(score, id)));
                out.extend_from_slice(edges.of(row));
                out.sort_unstable();
                out.dedup();
                out.retain(|&key| id_of(key) as usize != row);
                out.truncate(params.prune_width);
                Ok(())
            })
        })?;
        log("searched");
        edges = with_reverse(points, &edges, degree, 3 * degree, alphas)?;
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

/// Searches by the integer rows and keeps what it expanded: candidates near and, from the way there, far.
struct Collect<'a> {
    points: Points<'a>,
    query: &'a [i8],
    expanded: &'a mut Vec<u64>,
}

impl Scorer for Collect<'_> {
    fn score(&mut self, ids: &[u32], out: &mut [i32]) -> Result<(), Error> {
        Ok(self.points.kernels.forms::<i8>(Measure::L2Squared).ids(self.query, self.points.rows, ids, out)?)
    }
    fn prefetch(&self, id: u32) {
        prefetch_slice(self.points.rows.row(id as usize).unwrap_or_default(), 1024);
    }
    fn expand(&mut self, score: i32, id: u32) -> Result<(), Error> {
        self.expanded.push(key(score, id));
        Ok(())
    }
}
