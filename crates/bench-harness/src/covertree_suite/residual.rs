//! Residual-correlation search beside its brute force.

use covertree::ordering::{OrderedOptions, ordered_neighbors_by_correlation};
use covertree::residual::{
    Eligible, Factor, InducedFactor, Neighborhoods, Pruning, ResidualError, ResidualIndex,
};
use simd_kernels::Kernels;

use super::clock::Clock;
use super::contest::{Batch, Contender, Found, contest, recall_of, time_once};
use super::field::{Field, JITTER, Workload};
use super::numpy::NumpyRandom;
use super::{CovertreeSettings, Failure, record};
use crate::progress::Progress;
use crate::protocol::Threads;
use crate::record::{BUILDING, Record, UPDATING};

/// Queries that time the brute force: its speed does not depend on which.
const TIMED: usize = 128;

/// Members searched for: of the gold workload those of numpy's `default_rng(43).integers(0, n)`.
fn members(n: usize, count: usize) -> Vec<u32> {
    let mut random = NumpyRandom::new(43);
    (0..count).map(|_| ((random.below_power_of_two(1 << 32) * n as u64) >> 32) as u32).collect()
}

/// The nearest of some members.
pub(super) fn measure(
    settings: &CovertreeSettings,
    kernels: &'static Kernels,
    workload: &Workload,
    (count, k): (usize, usize),
    threads: &Threads,
    (progress, notices): (&dyn Progress, &mut Vec<String>),
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
    let (index, times) = threads.pool().install(|| build(&field, threads, of("residual", queries.len())))?;
    let making = times.making.clone();
    let (own, own_times, factor) = threads.pool().install(|| build_own(&field, threads))?;
    notices.push(format!(
        "{}: V and p of the {} inducing points take {:.0} ms, which build and update of `{OWN}` leave out",
        workload.name,
        workload.rank,
        factor * 1e3
    ));
    let search = |index: ResidualIndex| -> Batch<'_> {
        let (queries, mut answers) = (&queries, Neighborhoods::new());
        Box::new(move |found| {
            index
                .search_members(queries, k, Eligible::All, Pruning::Bounds, &mut answers)
                .map_err(|error| error.to_string())?;
            take(&answers, found);
            Ok(())
        })
    };
    let related = threads.pool().install(|| build_related(&field, threads, &times))?;
    let mut contenders = vec![
        Contender { record: of("brute-force", timed.len()), batch: brute_force(&field, timed, k, false) },
        Contender { record: times.of(of("residual", queries.len())), batch: search(index) },
        Contender { record: own_times.of(of(OWN, queries.len())), batch: search(own) },
    ];
    if let Some((related, times)) = related {
        contenders.push(Contender {
            record: times.of(of("residual, related", queries.len())),
            batch: search(related),
        });
    }
    let mut records = contest(threads, settings.rounds, contenders, &judge, progress)?;
    if settings.gate {
        records.extend(making);
    }
    Ok(records)
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
    let record = of("residual predecessors", workload.n);
    let (index, times) = threads.pool().install(|| build(&field, threads, record.clone()))?;
    let contenders = vec![
        Contender {
            record: of("brute-force predecessors", judged.len()),
            batch: brute_force(&field, &judged, m, true),
        },
        Contender {
            record: times.of(record),
            batch: Box::new(|found| {
                let rows = ordered_neighbors_by_correlation(&index, m, OrderedOptions::default())
                    .map_err(|error| error.to_string())?;
                found.per_query = rows.width();
                found.ids.clear();
                found.ids.extend_from_slice(rows.ids());
                Ok(())
            }),
        },
    ];
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

/// Seconds of building and of taking over new parameters, V and p aside: the medians of [`TIMES`].
struct Times {
    build: f64,
    update: f64,
    /// Both as speeds, in records of their own.
    making: Vec<Record>,
}

impl Times {
    fn of(&self, record: Record) -> Record {
        Record { build_s: Some(self.build), update_s: Some(self.update), ..record }
    }
}

/// How often building and updating are timed.
const TIMES: usize = 7;

/// What some work gave, and its seconds.
fn timed<T>(threads: &Threads, work: impl FnOnce() -> Result<T, ResidualError>) -> Result<(T, f64), String> {
    let clock = Clock::start(threads);
    let done = work().map_err(|error| error.to_string())?;
    Ok((done, clock.seconds()))
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_unstable_by(f64::total_cmp);
    seconds.get(seconds.len() / 2).copied().unwrap_or_default()
}

/// The engine on the very V and p that the brute force has; `record` describes its searches.
fn build(field: &Field, threads: &Threads, record: Record) -> Result<(ResidualIndex, Times), String> {
    let (coords, dim, model) = (&field.coords, field.workload.dim, field.model());
    let factor = Factor { v: &field.v, rank: field.workload.rank, p: &field.p };
    let n = field.workload.n;
    let mut building = record.clone().of_making(BUILDING, n);
    let mut updating = record.of_making(UPDATING, n);
    let refuse = |error: ResidualError| error.to_string();
    let mut pace = threads.reference().pace();
    let mut index = None;
    for _ in 0..TIMES {
        let mut built = None;
        pace = time_once(threads, &mut building, pace, || {
            built = Some(ResidualIndex::from_factor(coords, dim, &model, factor).map_err(refuse)?);
            Ok(())
        })?;
        // The one before is dropped outside of the clock.
        index = built;
    }
    let mut index = index.ok_or("nothing was built")?;
    for _ in 0..TIMES {
        pace =
            time_once(threads, &mut updating, pace, || index.update_factor(&model, factor).map_err(refuse))?;
    }
    let seconds = |record: &Record| median(record.qps_runs.iter().map(|speed| n as f64 / speed).collect());
    let (build, update) = (seconds(&building), seconds(&updating));
    let clock = Clock::name(threads);
    let finish = |record: Record| {
        let qps = record.qps_runs.iter().copied().fold(0.0, f64::max);
        Record { qps, runs: TIMES, threads: threads.count(), clock: clock.clone(), ..record }
    };
    Ok((index, Times { build, update, making: vec![finish(building), finish(updating)] }))
}

/// That engine with related blocks, which takes longer to build and to update: by the median of [`TIMES`]. None where there is nothing to
/// relate.
fn build_related(
    field: &Field,
    threads: &Threads,
    times: &Times,
) -> Result<Option<(ResidualIndex, Times)>, String> {
    let (coords, dim, model) = (&field.coords, field.workload.dim, field.model());
    let factor = Factor { v: &field.v, rank: field.workload.rank, p: &field.p };
    let refuse = |error: ResidualError| error.to_string();
    let mut index = ResidualIndex::from_factor(coords, dim, &model, factor).map_err(refuse)?;
    let mut relating = Vec::new();
    for _ in 0..TIMES {
        index.update_factor(&model, factor).map_err(refuse)?;
        let (related, seconds) = timed(threads, || index.relate_blocks())?;
        if !related {
            return Ok(None);
        }
        relating.push(seconds);
    }
    let relate = median(relating);
    let times = Times { build: times.build + relate, update: times.update + relate, making: Vec::new() };
    Ok(Some((index, times)))
}

/// The engine that computes V and p from the inducing points.
const OWN: &str = "residual, own V";

/// That engine, its times less those of V and p right after, in memory as new or as old, and the seconds that an update of
/// these takes.
fn build_own(field: &Field, threads: &Threads) -> Result<(ResidualIndex, Times, f64), String> {
    let (coords, dim, model) = (&field.coords, field.workload.dim, field.model());
    let inducing = field.inducing_coords();
    let build = || timed(threads, || ResidualIndex::with_inducing(coords, dim, &model, &inducing, JITTER));
    let alone = || timed(threads, || InducedFactor::new(coords, dim, &model, &inducing, JITTER));
    let (mut index, mut factor) = (build()?.0, alone()?.0);
    let (mut builds, mut updates, mut factors) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..TIMES {
        builds.push(build()?.1 - alone()?.1);
    }
    for _ in 0..TIMES {
        let ((), all) = timed(threads, || index.update_parameters(&model))?;
        let ((), alone) = timed(threads, || factor.update(coords, &model))?;
        updates.push(all - alone);
        factors.push(alone);
    }
    let times = Times { build: median(builds), update: median(updates), making: Vec::new() };
    Ok((index, times, median(factors)))
}

/// Answers of the engine as the suite keeps them.
fn take(answers: &Neighborhoods, found: &mut Found) {
    found.ids.clear();
    found.ids.extend_from_slice(answers.ids());
    found.per_query = answers.k();
    let evaluations = answers.certificates().iter().map(|certificate| {
        u64::from(certificate.pair_evaluations) + u64::from(certificate.pivot_evaluations)
    });
    found.distances = Some(evaluations.sum());
}
