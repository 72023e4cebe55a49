//! Building, deterministically: the same bytes for any number of threads and any instruction set.
//!
//! 1. Vectors become integer rows (`intake`); equal ones become one node (`equal`).
//! 2. Random carvings put near rows into leaves (`partition`); the first gives the order of storage.
//! 3. In every leaf all rows are compared with all: candidates (`candidates`).
//! 4. Candidates are pruned to a graph that a search can find its way in (`prune`, `link`).
//! 5. Every row is searched for on the frozen graph, what the search met is pruned again: a better graph.
//! 6. Whatever cannot be reached gets an edge (`reach`).
//!
//! Everything compares exact integers, ties go to the lower row, and parallel work writes to places fixed in
//! advance.

pub(crate) mod candidates;
pub(crate) mod equal;
pub(crate) mod link;
pub(crate) mod partition;
pub(crate) mod prune;
pub(crate) mod reach;
mod storage;

use std::ops::ControlFlow;

use layouts::{Adjacency, AlignedVec, Matrix, RowPadding, Storage as Memory};
use simd_kernels::{Element, Kernels, Measure, Rows, prefetch_slice};

use crate::beam::{Beam, Scorer};
use crate::build::candidates::{Candidates, NONE, id_of, key};
use crate::build::link::{Edges, forward, with_reverse};
use crate::build::partition::{Points, carve, mix, norms};
use crate::codes::Codes;
use crate::error::Error;
use crate::index::Hnsw;
use crate::intake::{Intake, check_row};
use crate::labels::Labels;
use crate::metric::Metric;
use crate::parallel;
use crate::params::{BuildParams, Tune};
use crate::progress::Progress;
use crate::scan::Scan;
use crate::seeds::{Seeds, draw};

/// Rows whose order decides which others lie near in memory: about a page of codes.
const ORDER_LEAF: usize = 64;
/// Stages of a build without its passes.
const STAGES: usize = 5;

/// Tells the caller where the build is, and hears whether to go on.
struct Stages<'a> {
    progress: &'a dyn Progress,
    done: usize,
    total: usize,
}

impl Stages<'_> {
    fn begin(&mut self, name: &'static str) -> Result<(), Error> {
        match self.progress.stage(name, self.done, self.total) {
            ControlFlow::Continue(()) => {
                self.done += 1;
                Ok(())
            }
            ControlFlow::Break(()) => Err(Error::Cancelled),
        }
    }
}

/// Builds an index of all rows.
pub(crate) fn build<T: Element>(
    vectors: Rows<'_, T>,
    metric: Metric,
    params: &BuildParams,
    progress: &dyn Progress,
) -> Result<Hnsw<T>, Error> {
    params.check(metric)?;
    metric.expect::<T>()?;
    let kernels = Kernels::active()?;
    if vectors.len() > Adjacency::MAX_LEN {
        return Err(Error::TooMany { rows: vectors.len() });
    }
    let tune = &params.tune;
    let mut stages = Stages { progress, done: 0, total: STAGES + tune.rounds + tune.passes };
    stages.begin("checking vectors")?;
    parallel::blocks(vectors.len(), 4096, |range| {
        for row in range {
            check_row(vectors.row(row).unwrap_or_default(), metric, "vectors", row)?;
        }
        Ok(())
    })?;
    let groups = equal::groups(vectors)?;
    let intake = Intake::train(vectors, metric);
    stages.begin("ordering")?;
    let (order, integers) = ordered(vectors, &groups.first, &intake, (tune.reorder, kernels))?;
    let integers = Rows::new(&integers, intake.row_dim())?;
    let norms = norms(integers)?;
    let points = Points { rows: integers, norms: &norms, kernels };
    let seeds = draw(integers.len(), params.seeds);
    let graph = graph(points, &seeds, params, &mut stages)?;
    stages.begin("encoding")?;
    let coding = storage::choose(points, &graph, &seeds, (&intake, vectors.dim() * size_of::<T>()), params)?;
    // The vector that each row stands for: `order` counts groups.
    let first_of = |&group: &u32| groups.first.get(group as usize).copied().unwrap_or(0);
    let sources: Vec<u32> = order.iter().map(first_of).collect();
    let data = Memory::from(coding.encode(integers, vectors, &sources, &intake, kernels)?);
    let codes = Codes { data, coding };
    let scan = Scan::where_faster(integers, &norms, &intake, tune.scan_bytes)?;

    stages.begin("storing")?;
    let rows = order.len();
    let mut stored = AlignedVec::with_capacity(rows * vectors.dim())?;
    let mut inverse_norms = AlignedVec::new();
    let (mut starts, mut ids) = (AlignedVec::new(), AlignedVec::with_capacity(vectors.len())?);
    for &group in &order {
        let group = group as usize;
        let first = groups.first.get(group).copied().unwrap_or(0);
        let row = vectors.row(first as usize).unwrap_or_default();
        stored.extend_from_slice(row)?;
        if metric == Metric::Cosine {
            inverse_norms.push(check_row(row, metric, "vectors", first as usize)?)?;
        }
        match &groups.starts {
            Some(of) => {
                starts.push(ids.len() as u32)?;
                ids.extend_from_slice(&groups.rows[of[group] as usize..of[group + 1] as usize])?;
            }
            None => ids.push(first)?,
        }
    }
    let starts = match groups.starts {
        Some(_) => {
            starts.push(ids.len() as u32)?;
            Some(Memory::from(starts))
        }
        None => None,
    };
    let degree = graph.degree();
    let mut index = Hnsw {
        kernels,
        intake,
        codes,
        scan,
        graph: Adjacency::from_storage(Memory::from(graph.into_slots()), rows, degree)?,
        vectors: Matrix::from_storage(Memory::from(stored), rows, vectors.dim(), RowPadding::None)?,
        inverse_norms: Memory::from(inverse_norms),
        labels: Labels::new(starts, Memory::from(ids), rows)?,
        seeds: Seeds { ids: Memory::from(AlignedVec::from_slice(&seeds)?) },
        quality: params.quality,
        calibration: None,
        file: None,
    };
    if params.calibrate {
        index.calibrate(None)?;
    }
    Ok(index)
}

/// Integer rows of `picked` vectors in their order of storage, and that order as places in `picked`.
fn ordered<T: Element>(
    vectors: Rows<'_, T>,
    picked: &[u32],
    intake: &Intake,
    (reorder, kernels): (bool, &'static Kernels),
) -> Result<(Vec<u32>, AlignedVec<i8>), Error> {
    let dim = intake.row_dim();
    let mut integers = AlignedVec::<i8>::zeroed(picked.len() * dim)?;
    parallel::chunks(&mut integers, 1024 * dim, |block, out| {
        let mut flat = vec![0.0; dim];
        for (at, out) in out.chunks_exact_mut(dim).enumerate() {
            let row = picked.get(block * 1024 + at).copied().unwrap_or(0);
            intake.row(vectors.row(row as usize).unwrap_or_default(), &mut flat, out);
        }
        Ok(())
    })?;
    let rows = Rows::new(&integers, dim)?;
    let points = Points { rows, norms: &norms(rows)?, kernels };
    if !reorder {
        return Ok(((0..picked.len() as u32).collect(), integers));
    }
    let order = carve(points, (0..picked.len() as u32).collect(), ORDER_LEAF, 1)?.concat();
    let mut sorted = AlignedVec::new();
    points.gather(&order, &mut sorted)?;
    Ok((order, sorted))
}

/// The graph of rows that already lie in their order of storage.
fn graph(
    points: Points<'_>,
    seeds: &[u32],
    params: &BuildParams,
    stages: &mut Stages<'_>,
) -> Result<Adjacency, Error> {
    let (rows, degree, tune) = (points.rows.len(), params.degree, &params.tune);
    let mut found = Candidates::new(rows, tune.candidates)?;
    for round in 0..tune.rounds {
        stages.begin("comparing near vectors")?;
        let leaves = carve(points, (0..rows as u32).collect(), tune.leaf, mix(7, round as u64))?;
        found.join(points, &leaves, tune.candidates.min(tune.leaf_keep))?;
    }
    stages.begin("linking")?;
    let mut edges = forward(points, degree, &tune.alphas, |row, out| {
        out.extend_from_slice(found.of(row));
        Ok(())
    })?;
    drop(found);
    edges = with_reverse(points, &edges, degree, 3 * degree, &tune.alphas)?;
    for _ in 0..tune.passes {
        stages.begin("searching for better links")?;
        let graph = adjacency(&edges, rows)?;
        edges = searched(points, &graph, &edges, seeds, degree, tune)?;
        edges = with_reverse(points, &edges, degree, 3 * degree, &tune.alphas)?;
    }
    let mut graph = adjacency(&edges, rows)?;
    if let Some(&root) = seeds.first() {
        reach::connect(points, &mut graph, root)?;
    }
    Ok(graph)
}

/// Searches for every row on the graph as it is, and prunes what was met together with what was linked.
fn searched(
    points: Points<'_>,
    graph: &Adjacency,
    edges: &Edges,
    seeds: &[u32],
    degree: usize,
    tune: &Tune,
) -> Result<Edges, Error> {
    let scratch = parallel::PerThread::new(|| (Beam::default(), vec![0; seeds.len()]));
    forward(points, degree, &tune.alphas, |row, out| {
        scratch.with(|(beam, scores)| {
            let query = points.rows.row(row).unwrap_or_default();
            points.kernels.forms::<i8>(Measure::L2Squared).ids(query, points.rows, seeds, scores)?;
            let Some((best, score)) = points.kernels.argmin(scores) else { return Ok(()) };
            beam.start(graph, tune.ef_construction);
            beam.add(score, seeds.get(best).copied().unwrap_or(0));
            beam.run(graph, &mut Collect { points, query, expanded: out })?;
            out.extend(beam.pool.iter().map(|(score, id)| key(score, id)));
            out.extend_from_slice(edges.of(row));
            out.sort_unstable();
            out.dedup();
            out.retain(|&key| id_of(key) as usize != row);
            out.truncate(tune.prune_width);
            Ok(())
        })
    })
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
pub(crate) struct Collect<'a> {
    pub(crate) points: Points<'a>,
    pub(crate) query: &'a [i8],
    pub(crate) expanded: &'a mut Vec<u64>,
}

impl Scorer for Collect<'_> {
    #[inline]
    fn score(&mut self, ids: &[u32], out: &mut [i32]) -> Result<(), Error> {
        Ok(self.points.kernels.forms::<i8>(Measure::L2Squared).ids(self.query, self.points.rows, ids, out)?)
    }
    #[inline]
    fn prefetch(&self, id: u32) {
        prefetch_slice(self.points.rows.row(id as usize).unwrap_or_default(), 1024);
    }
    #[inline]
    fn expand(&mut self, score: i32, id: u32) -> Result<(), Error> {
        self.expanded.push(key(score, id));
        Ok(())
    }
}
