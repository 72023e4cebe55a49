//! Euclidean nearest neighbours of points that are no members.

use covertree::{Search, VectorMetric, VectorTree};
use simd_kernels::Kernels;

use super::clock::Clock;
use super::contest::{Contender, Found, contest, recall_of};
use super::points::Points;
use super::{CovertreeSettings, record};
use crate::dataset::Metric;
use crate::exact::{Scan, Scratch};
use crate::progress::Progress;
use crate::protocol::Threads;
use crate::record::Record;

/// Queries that time the brute force.
const SCANNED: usize = 256;

pub(super) fn measure(
    settings: &CovertreeSettings,
    kernels: &'static Kernels,
    points: &Points,
    threads: &Threads,
    progress: &dyn Progress,
) -> Result<Vec<Record>, String> {
    let judge = |found: &Found| {
        recall_of(found, |query| points.truth_of(query), |query, id| points.is_near(query, id))
    };
    let of = |index: &str| Record {
        index: index.to_owned(),
        ..record(&points.name, "euclidean", (points.len(), points.dim), points.k, points.query_count())
    };
    let (tree, build) = threads.pool().install(|| {
        let clock = Clock::start(threads);
        let tree = VectorTree::from_rows(&points.base, points.dim, VectorMetric::L2);
        tree.map(|tree| (tree, clock.seconds())).map_err(|error| error.to_string())
    })?;
    let scan = Scan::new(kernels, &points.base, points.dim, Metric::L2).map_err(|error| error.to_string())?;
    let mut scratch = Scratch::new(threads.count());
    let mut neighbors = Vec::new();
    // The scan's speed does not depend on which queries it is given.
    let timed = points.query_rows()?.slice(0, points.query_count().min(SCANNED)).ok_or("no queries")?;
    let k = points.k;
    let contenders = vec![
        Contender {
            record: Record { queries: timed.len(), ..of("brute-force") },
            batch: Box::new(|found| {
                scan.search_batch(&mut scratch, timed, k, &mut neighbors)
                    .map_err(|error| error.to_string())?;
                found.ids.clear();
                found.ids.extend(neighbors.iter().map(|neighbor| neighbor.id));
                found.per_query = k;
                found.distances = Some((scan.len() * timed.len()) as u64);
                Ok(())
            }),
        },
        Contender {
            record: Record { build_s: Some(build), ..of("tree") },
            batch: Box::new(|found| {
                let answers = tree
                    .search_batch(&points.queries, &Search::nearest(k))
                    .map_err(|error| error.to_string())?;
                found.ids.clear();
                found.ids.extend(answers.neighbors().iter().map(|neighbor| neighbor.id));
                found.per_query = k;
                found.distances = Some(answers.certificate().distances);
                Ok(())
            }),
        },
    ];
    contest(threads, settings.rounds, contenders, &judge, progress)
}
