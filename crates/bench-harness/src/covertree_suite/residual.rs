//! Residual-correlation search beside its brute force.

use simd_kernels::Kernels;

use super::contest::{Batch, Contender, Found, contest, recall_of};
use super::field::{Field, Workload};
use super::numpy::NumpyRandom;
use super::{CovertreeSettings, Failure, record};
use crate::progress::Progress;
use crate::protocol::Threads;
use crate::record::Record;

/// Queries that time the brute force: its speed does not depend on which.
const TIMED: usize = 128;

/// Members searched for: of the gold workload those of numpy's `default_rng(43).integers(0, n)`.
fn members(n: usize, count: usize) -> Vec<u32> {
    let mut random = NumpyRandom::new(43);
    (0..count).map(|_| (random.below_power_of_two(1 << 32) * n as u64 >> 32) as u32).collect()
}

/// The nearest of some members.
pub(super) fn measure(
    settings: &CovertreeSettings,
    kernels: &'static Kernels,
    workload: &Workload,
    (count, k): (usize, usize),
    threads: &Threads,
    progress: &dyn Progress,
) -> Result<Vec<Record>, Failure> {
    let field = threads.pool().install(|| Field::new(workload.clone(), kernels))?;
    let queries = members(workload.n, count);
    let truth = threads.pool().install(|| field.brute_force(&queries, k, false))?;
    let ids: Vec<Vec<u32>> =
        truth.iter().map(|found| found.iter().map(|neighbor| neighbor.id).collect()).collect();
    let near = |query: usize, id: u32| {
        let member = queries[query];
        let last = truth[query].last().map_or(0.0, |neighbor| neighbor.distance);
        let distance = if id == member { 0.0 } else { 1.0 - field.correlation(member, id).abs() };
        distance <= last + field.tie_width(member, id)
    };
    let judge = |found: &Found| recall_of(found, |query| ids[query].as_slice(), near);
    let of = |index: &str, queries: usize| Record {
        index: index.to_owned(),
        params: format!("{} l={} r={}", workload.covariance.name(), workload.lengthscale, workload.rank),
        ..record(&workload.name, "residual-correlation", (workload.n, workload.dim), k, queries)
    };
    let timed = &queries[..TIMED.min(queries.len())];
    let contenders = vec![Contender {
        record: of("brute-force", timed.len()),
        batch: brute_force(&field, timed, k, false),
    }];
    Ok(contest(threads, settings.rounds, contenders, &judge, progress)?)
}

/// All points' predecessors.
pub(super) fn predecessors(
    settings: &CovertreeSettings,
    kernels: &'static Kernels,
    workload: &Workload,
    m: usize,
    threads: &Threads,
    progress: &dyn Progress,
) -> Result<Vec<Record>, Failure> {
    let field = threads.pool().install(|| Field::new(workload.clone(), kernels))?;
    // Judged at every so manyth point, those of the brute force that is timed.
    let every = workload.n.div_ceil(TIMED);
    let judged: Vec<u32> = (0..workload.n as u32).step_by(every).collect();
    let truth = threads.pool().install(|| field.brute_force(&judged, m, true))?;
    let ids: Vec<Vec<u32>> =
        truth.iter().map(|found| found.iter().map(|neighbor| neighbor.id).collect()).collect();
    let near = |query: usize, id: u32| {
        let member = judged[query];
        let last = truth[query].last().map_or(0.0, |neighbor| neighbor.distance);
        id < member && 1.0 - field.correlation(member, id).abs() <= last + field.tie_width(member, id)
    };
    let judge = |found: &Found| {
        // Of an answer for all points the judged ones.
        let all = found.ids.len() / found.per_query.max(1) == workload.n;
        let rows = found.ids.chunks(found.per_query.max(1)).step_by(if all { every } else { 1 });
        let judged = Found { ids: rows.flatten().copied().collect(), ..*found };
        recall_of(&judged, |query| ids[query].as_slice(), near)
    };
    let of = |index: &str, queries: usize| Record {
        index: index.to_owned(),
        params: format!("{} l={} r={}", workload.covariance.name(), workload.lengthscale, workload.rank),
        ..record(&workload.name, "residual-correlation", (workload.n, workload.dim), m, queries)
    };
    let contenders = vec![Contender {
        record: of("brute-force predecessors", judged.len()),
        batch: brute_force(&field, &judged, m, true),
    }];
    Ok(contest(threads, settings.rounds, contenders, &judge, progress)?)
}

/// The brute force as a contender.
fn brute_force<'a>(field: &'a Field, queries: &'a [u32], k: usize, before: bool) -> Batch<'a> {
    Box::new(move |found| {
        let answers = field.brute_force(queries, k, before)?;
        found.ids.clear();
        for answer in &answers {
            found.ids.extend(answer.iter().map(|neighbor| neighbor.id));
            found.ids.extend(std::iter::repeat_n(u32::MAX, k - answer.len()));
        }
        found.per_query = k;
        let all: u64 = queries.iter().map(|&query| if before { u64::from(query) } else { field.len() }).sum();
        found.distances = Some(all);
        Ok(())
    })
}
