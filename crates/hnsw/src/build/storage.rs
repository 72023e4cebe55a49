//! Which codes an index walks by: what the caller said, or what measures best on a sample of its own rows.
//!
//! More lines make codes truer, so that a narrower beam reaches the same recall, and dearer, since each line is a
//! memory access. Where the balance lies depends on the data; so a sample is searched for with one line, two,
//! and so on while that pays. Costs are counted, not timed: the choice is the same on every machine.

use layouts::AlignedVec;
use simd_kernels::{Measure, Rows};

use crate::beam::{Beam, Scorer};
use crate::build::partition::{Points, mix};
use crate::code::encode_all;
use crate::codes::{CodeQuery, Coding};
use crate::error::Error;
use crate::graph::Graph;
use crate::intake::Intake;
use crate::metric::Metric;
use crate::parallel;
use crate::params::{BuildParams, Storage};
use crate::rotation::Moments;
use crate::signs;

/// Rows that are searched for.
const SAMPLE: usize = 128;
/// Neighbours that are looked for, and the share of them that a beam must find.
const K: usize = 10;
const RECALL: f64 = 0.98;
/// Beams that are tried, rising.
const LADDER: [usize; 12] = [10, 14, 20, 28, 40, 56, 80, 112, 160, 224, 320, 448];
/// Most lines that are tried.
const LINES: usize = 6;
/// A code that loses less of the variance is not improved upon.
const FAITHFUL: f64 = 0.002;
/// Nanoseconds of a scored row and of each line of its code, of an expanded row and of each line of its vector, as fitted
/// to SIFT and Fashion-MNIST on a Zen 5 server CPU: the ratios count.
const ROW_COST: f64 = 13.0;
const LINE_COST: f64 = 9.0;
const EXPANSION_COST: f64 = 45.0;
const VECTOR_LINE_COST: f64 = 9.0;

/// The codes of an index with this graph.
pub(crate) fn choose(
    points: Points<'_>,
    graph: &impl Graph,
    seeds: &[u32],
    (intake, vector_bytes): (&Intake, usize),
    params: &BuildParams,
) -> Result<Coding, Error> {
    let metric = intake.metric;
    let rows = points.rows;
    if metric == Metric::Hamming || rows.is_empty() {
        return Ok(Coding::Full);
    }
    let mixed = |lines| Coding::mixed(rows, &Moments::of(rows, points.kernels)?, lines);
    match params.storage {
        Storage::Full => Ok(Coding::Full),
        Storage::Bytes => Ok(Coding::Bytes { dim: rows.dim() }),
        Storage::Bits => Ok(Coding::Signs { means: signs::means(rows) }),
        Storage::Lines(lines) => mixed(lines),
        Storage::Auto if metric == Metric::InnerProduct && !intake.is_like_cosine() => {
            Ok(Coding::Bytes { dim: rows.dim() })
        }
        Storage::Auto => automatic(points, graph, seeds, vector_bytes),
    }
}

fn automatic(
    points: Points<'_>,
    graph: &impl Graph,
    seeds: &[u32],
    vector_bytes: usize,
) -> Result<Coding, Error> {
    let moments = Moments::of(points.rows, points.kernels)?;
    let sample = Sample::new(points)?;
    let mut best: Option<(f64, Coding)> = None;
    for lines in 1..=LINES {
        let coding = Coding::mixed(points.rows, &moments, lines)?;
        let Coding::Mixed(coder) = &coding else { break };
        let faithful = coder.loss < FAITHFUL;
        let codes = encode_all(coder, points.rows, points.kernels)?;
        let cost = sample.cost((points, graph, seeds), &coding, &codes, vector_bytes)?;
        if best.as_ref().is_some_and(|(least, _)| cost >= *least) {
            break;
        }
        best = Some((cost, coding));
        if faithful {
            break;
        }
    }
    Ok(best.map_or(Coding::Full, |(_, coding)| coding))
}

/// Rows with their true neighbours.
struct Sample {
    rows: Vec<u32>,
    truth: Vec<Vec<u32>>,
}

impl Sample {
    fn new(points: Points<'_>) -> Result<Self, Error> {
        let len = points.rows.len();
        let count = SAMPLE.min(len);
        let rows: Vec<u32> = (0..count).map(|at| (mix(3, at as u64) % len as u64) as u32).collect();
        let truth = parallel::blocks(count, 1, |range| {
            let row = rows.get(range.start).copied().unwrap_or(0);
            let query = points.rows.row(row as usize).unwrap_or_default();
            let mut distances = vec![0; len];
            points.kernels.forms::<i8>(Measure::L2Squared).rows(query, points.rows, &mut distances)?;
            let (mut ids, mut least) = ([0; K + 1], [0; K + 1]);
            let found = points.kernels.top_k(&distances, 0, K + 1, &mut ids, &mut least)?;
            Ok(ids.iter().copied().take(found).filter(|&id| id != row).take(K).collect::<Vec<u32>>())
        })?;
        Ok(Self { rows, truth })
    }

    /// What a query costs that finds [`RECALL`] of its neighbours, on average over the sample.
    fn cost(
        &self,
        (points, graph, seeds): (Points<'_>, &impl Graph, &[u32]),
        coding: &Coding,
        codes: &AlignedVec<u8>,
        vector_bytes: usize,
    ) -> Result<f64, Error> {
        let Some(codes) = coding.rows(codes)? else { return Ok(f64::INFINITY) };
        let lines = codes.dim() as f64 / 64.0;
        let vector_lines = vector_bytes.div_ceil(64) as f64;
        let wanted: usize = self.truth.iter().map(Vec::len).sum();
        let mut cost = f64::INFINITY;
        for ef in LADDER {
            let (mut beam, mut query, mut scores) =
                (Beam::default(), CodeQuery::default(), vec![0; seeds.len()]);
            let mut found = 0;
            for (&row, truth) in self.rows.iter().zip(&self.truth) {
                let integers = points.rows.row(row as usize).unwrap_or_default();
                query.set(coding, Metric::L2, (integers, &[]), points.kernels)?;
                query.score(coding, codes, seeds, points.kernels, &mut scores)?;
                let Some((best, score)) = points.kernels.argmin(&scores) else { continue };
                beam.start(graph, ef + 1);
                beam.add(score, seeds.get(best).copied().unwrap_or(0));
                beam.run(graph, &mut ByCodes { points, coding, codes, query: &query })?;
                found += beam.pool.iter().filter(|(_, id)| truth.contains(id)).count();
            }
            let per_query = |count: u64| count as f64 / self.rows.len() as f64;
            cost = per_query(beam.scored) * (ROW_COST + LINE_COST * lines)
                + per_query(beam.expanded) * (EXPANSION_COST + VECTOR_LINE_COST * vector_lines);
            if found as f64 >= RECALL * wanted as f64 {
                break;
            }
        }
        Ok(cost)
    }
}

/// Walks by codes alone.
struct ByCodes<'a> {
    points: Points<'a>,
    coding: &'a Coding,
    codes: Rows<'a, u8>,
    query: &'a CodeQuery,
}

impl Scorer for ByCodes<'_> {
    fn score(&mut self, ids: &[u32], out: &mut [i32]) -> Result<(), Error> {
        self.query.score(self.coding, self.codes, ids, self.points.kernels, out)
    }
    fn prefetch(&self, _: u32) {}
    fn expand(&mut self, _: i32, _: u32) -> Result<(), Error> {
        Ok(())
    }
}
