//! How speed is measured: the protocol of ann-benchmarks.
//!
//! * One query per call, wall clock around the search only; or all queries in one call ("batch"). The two are
//!   never mixed: they answer different questions.
//! * A warm-up first, then `runs` runs over all queries; the best run counts (interference only ever slows one
//!   down) and the others are kept, so that a comparison can tell a change from noise.
//! * Around every run a fixed piece of work is timed ([`crate::reference`]), outside the clock: a speed over that pace
//!   can be compared with one of another day.
//! * Every thread is pinned to a core of its own, where the system lets it. `threads` threads work on a single
//!   query together where the engine can, and share out a batch.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

use crate::engine::{EngineError, Neighbor, Searcher};
use crate::progress::Progress;
use crate::reference::{Pace, Reference};

/// Longest warm-up in single mode.
const WARM_UP: Duration = Duration::from_millis(300);

/// One query per call, or all in one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// One query per call.
    Single,
    /// All queries in one call.
    Batch,
}

impl Mode {
    /// The name used in records.
    pub const fn name(self) -> &'static str {
        match self {
            Mode::Single => "single",
            Mode::Batch => "batch",
        }
    }
}

/// What a speed is counted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Clock {
    /// The time that passed.
    #[default]
    Wall,
    /// The time that the measuring thread had a core: for a machine that other work shares. It still feels what
    /// others do to the caches.
    Cpu,
}

impl Clock {
    /// The name used on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Clock::Wall => "wall",
            Clock::Cpu => "cpu",
        }
    }
}

/// Seconds that this thread has had a core, where the system tells.
pub fn cpu_seconds() -> Option<f64> {
    #[cfg(unix)]
    {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Some(time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9)
    }
    #[cfg(not(unix))]
    None
}

/// Seconds that all threads of this process together have had a core, where the system tells.
pub fn process_cpu_seconds() -> Option<f64> {
    #[cfg(unix)]
    {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        Some(time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9)
    }
    #[cfg(not(unix))]
    None
}

/// The cores to pin `threads` threads to: the last ones first, because the first ones serve most interrupts. None
/// when there are too few.
pub fn cores(threads: usize) -> Vec<usize> {
    let mut cores: Vec<usize> =
        core_affinity::get_core_ids().unwrap_or_default().into_iter().map(|core| core.id).collect();
    cores.reverse();
    if cores.len() < threads {
        cores.clear();
    }
    cores.truncate(threads);
    cores
}

/// The threads that measurements run on.
#[derive(Debug)]
pub struct Threads {
    pool: ThreadPool,
    pinned: usize,
    reference: OnceLock<Reference>,
}

impl Threads {
    /// `threads` threads (0 counts as 1), each pinned to a core of its own if there are enough ([`cores`]).
    ///
    /// # Errors
    /// [`ThreadPoolBuildError`] if the system gives no threads.
    pub fn start(threads: usize) -> Result<Self, ThreadPoolBuildError> {
        let threads = threads.max(1);
        let cores = cores(threads);
        let pinned = std::sync::Arc::new(AtomicUsize::new(0));
        let counter = std::sync::Arc::clone(&pinned);
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("measure-{index}"))
            .start_handler(move |index| {
                let core = cores.get(index).map(|&id| core_affinity::CoreId { id });
                if core.is_some_and(core_affinity::set_for_current) {
                    counter.fetch_add(1, Ordering::Relaxed);
                }
            })
            .build()?;
        // Every thread has run its start handler once it has run anything.
        pool.broadcast(|_| ());
        Ok(Self { pinned: pinned.load(Ordering::Relaxed), pool, reference: OnceLock::new() })
    }

    /// Number of threads.
    pub fn count(&self) -> usize {
        self.pool.current_num_threads()
    }

    /// Whether every thread has a core of its own.
    pub fn are_pinned(&self) -> bool {
        self.pinned == self.count()
    }

    /// The fixed work that measurements are compared with, made at first use.
    pub fn reference(&self) -> &Reference {
        self.reference.get_or_init(Reference::default)
    }

    /// The pool itself.
    pub fn pool(&self) -> &ThreadPool {
        &self.pool
    }
}

/// The speed of one searcher in one mode.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timing {
    /// Queries per second of every run, in order.
    pub qps_runs: Vec<f64>,
    /// The same by the CPU time of the measuring thread, where the system tells. With several threads it is that
    /// of one of them, and means nothing.
    pub cpu_qps_runs: Vec<f64>,
    /// Latency of every query of the best run in microseconds, sorted; in batch mode empty.
    pub latencies_us: Vec<f64>,
    /// The pace of the machine around every run, in order.
    pub paces: Vec<Pace>,
}

impl Timing {
    /// Queries per second of the best run; 0 when there was none.
    pub fn best_qps(&self) -> f64 {
        self.qps_runs.iter().copied().fold(0.0, f64::max)
    }

    /// Queries per second of every run by a clock; by the time that passed where the system tells no other.
    pub fn runs_by(&self, clock: Clock) -> &[f64] {
        match clock {
            Clock::Cpu if !self.cpu_qps_runs.is_empty() => &self.cpu_qps_runs,
            _ => &self.qps_runs,
        }
    }

    /// Queries per second of the best run by a clock; 0 when there was none.
    pub fn best_by(&self, clock: Clock) -> f64 {
        self.runs_by(clock).iter().copied().fold(0.0, f64::max)
    }

    /// The near and the far pace around every run, by a clock.
    pub fn paces_by(&self, clock: Clock) -> (Vec<f64>, Vec<f64>) {
        let by = |pace: &Pace| (pace.near_by(clock), pace.far_by(clock));
        self.paces.iter().map(by).unzip()
    }

    fn add_cpu(&mut self, queries: usize, begin: Option<f64>) {
        if let Some((begin, end)) = begin.zip(cpu_seconds()) {
            self.cpu_qps_runs.push(queries as f64 / (end - begin).max(1e-9));
        }
    }
}

/// What the queries found, `per_query` places each, in the order of the queries.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answers {
    /// The neighbours, query after query, places that were not filled holding `u32::MAX` and infinity.
    pub neighbors: Vec<Neighbor>,
    /// Places of a query.
    pub per_query: usize,
}

/// Measures `queries` queries in `mode`, `runs` times after a warm-up.
///
/// # Errors
/// [`EngineError`] as soon as a search fails.
pub fn measure(
    threads: &Threads,
    searcher: &mut dyn Searcher,
    mode: Mode,
    (queries, k, runs): (usize, usize, usize),
    progress: &dyn Progress,
) -> Result<(Timing, Answers), EngineError> {
    let reference = threads.reference();
    threads.pool.install(|| match mode {
        Mode::Single => measure_single(searcher, (queries, k, runs), reference, progress),
        Mode::Batch => measure_batch(searcher, (queries, k, runs), reference, progress),
    })
}

fn measure_single(
    searcher: &mut dyn Searcher,
    (queries, k, runs): (usize, usize, usize),
    reference: &Reference,
    progress: &dyn Progress,
) -> Result<(Timing, Answers), EngineError> {
    let mut found = Vec::new();
    let begin = Instant::now();
    for query in 0..queries {
        searcher.single(query, &mut found)?;
        if begin.elapsed() > WARM_UP {
            break;
        }
    }
    let missing = Neighbor { id: u32::MAX, distance: f64::INFINITY };
    let mut answers = Answers { neighbors: vec![missing; queries * k], per_query: k };
    let mut timing = Timing::default();
    let mut latencies = vec![0.0; queries];
    let mut before = reference.pace();
    for _ in 0..runs {
        let mut total = 0.0;
        let cpu = cpu_seconds();
        for (query, (latency, answer)) in
            latencies.iter_mut().zip(answers.neighbors.chunks_exact_mut(k.max(1))).enumerate()
        {
            let start = Instant::now();
            searcher.single(query, &mut found)?;
            let seconds = start.elapsed().as_secs_f64();
            total += seconds;
            *latency = seconds * 1e6;
            answer.iter_mut().zip(&found).for_each(|(answer, found)| *answer = *found);
        }
        timing.add_cpu(queries, cpu);
        let qps = queries as f64 / total;
        if qps > timing.best_qps() {
            timing.latencies_us.clone_from(&latencies);
        }
        timing.qps_runs.push(qps);
        let after = reference.pace();
        timing.paces.push(before.between(after));
        before = after;
        progress.advance(1);
    }
    timing.latencies_us.sort_unstable_by(f64::total_cmp);
    Ok((timing, answers))
}

fn measure_batch(
    searcher: &mut dyn Searcher,
    (queries, _k, runs): (usize, usize, usize),
    reference: &Reference,
    progress: &dyn Progress,
) -> Result<(Timing, Answers), EngineError> {
    let mut neighbors = Vec::new();
    searcher.batch(&mut neighbors)?;
    let mut timing = Timing::default();
    let mut before = reference.pace();
    for _ in 0..runs {
        let (cpu, start) = (cpu_seconds(), Instant::now());
        searcher.batch(&mut neighbors)?;
        timing.qps_runs.push(queries as f64 / start.elapsed().as_secs_f64());
        timing.add_cpu(queries, cpu);
        let after = reference.pace();
        timing.paces.push(before.between(after));
        before = after;
        progress.advance(1);
    }
    let per_query = neighbors.len().checked_div(queries).unwrap_or(0);
    Ok((timing, Answers { neighbors, per_query }))
}

/// The value that a share `p` (0..=1) of the sorted values does not exceed: the nearest rank, no
/// interpolation, so that it is a value that was measured. `None` without values.
pub fn percentile(sorted: &[f64], p: f64) -> Option<f64> {
    let rank = (p.clamp(0.0, 1.0) * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}

/// Lower quartile, median and upper quartile of values in any order.
pub fn quartiles(values: &[f64]) -> Option<[f64; 3]> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    Some([percentile(&sorted, 0.25)?, percentile(&sorted, 0.5)?, percentile(&sorted, 0.75)?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Quiet;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(percentile(&values, 0.5), Some(50.0));
        assert_eq!(percentile(&values, 0.95), Some(95.0));
        assert_eq!(percentile(&values, 0.99), Some(99.0));
        assert_eq!(percentile(&values, 0.999), Some(100.0));
        assert_eq!(percentile(&values, 0.0), Some(1.0));
        assert_eq!(percentile(&[7.0], 0.99), Some(7.0));
        assert_eq!(percentile(&[], 0.5), None);
        assert_eq!(quartiles(&[4.0, 1.0, 3.0, 2.0]), Some([1.0, 2.0, 3.0]));
    }

    /// Finds query `i` at distance `i`, and counts its calls.
    struct Counting {
        singles: usize,
        batches: usize,
        fail_at: usize,
    }

    impl Searcher for Counting {
        fn single(&mut self, query: usize, out: &mut Vec<Neighbor>) -> Result<(), EngineError> {
            self.singles += 1;
            if self.singles > self.fail_at {
                return Err(EngineError::NoPoint { point: query, points: 0 });
            }
            out.clear();
            out.push(Neighbor { id: query as u32, distance: query as f64 });
            Ok(())
        }
        fn batch(&mut self, out: &mut Vec<Neighbor>) -> Result<(), EngineError> {
            self.batches += 1;
            out.clear();
            out.extend((0..4).map(|id| Neighbor { id, distance: f64::from(id) }));
            Ok(())
        }
        fn distances_per_query(&self) -> Option<f64> {
            None
        }
    }

    #[test]
    fn a_single_run_times_every_query_and_a_batch_is_one_call() {
        let threads = Threads::start(1).unwrap();
        let mut searcher = Counting { singles: 0, batches: 0, fail_at: usize::MAX };
        let (timing, answers) = measure(&threads, &mut searcher, Mode::Single, (4, 2, 3), &Quiet).unwrap();
        assert_eq!((timing.qps_runs.len(), timing.latencies_us.len(), timing.paces.len()), (3, 4, 3));
        assert_eq!(searcher.singles, 4 + 3 * 4);
        assert!(timing.latencies_us.is_sorted() && timing.best_qps() > 0.0);
        #[cfg(unix)]
        assert!(timing.cpu_qps_runs.len() == 3 && timing.cpu_qps_runs.iter().all(|&qps| qps > 0.0));
        assert_eq!(answers.neighbors[2].id, 1);
        assert_eq!(answers.neighbors[3].id, u32::MAX, "a place that was not filled");
        let (timing, answers) = measure(&threads, &mut searcher, Mode::Batch, (4, 1, 3), &Quiet).unwrap();
        assert_eq!((searcher.batches, timing.qps_runs.len(), answers.per_query), (4, 3, 1));
        assert!(timing.paces.len() == 3 && timing.paces.iter().all(|pace| pace.far[1] > 0.0));
        assert!(timing.latencies_us.is_empty());
    }

    #[test]
    fn a_search_that_fails_ends_the_measurement() {
        let threads = Threads::start(1).unwrap();
        let mut searcher = Counting { singles: 0, batches: 0, fail_at: 5 };
        assert!(measure(&threads, &mut searcher, Mode::Single, (4, 1, 3), &Quiet).is_err());
    }

    #[test]
    fn threads_are_as_many_as_asked_for() {
        let threads = Threads::start(3).unwrap();
        assert_eq!(threads.count(), 3);
        assert_eq!(Threads::start(0).unwrap().count(), 1);
    }
}
