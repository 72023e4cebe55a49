//! A run: which suites on which data, one after the other, and everything that was measured.

mod settings;

use simd_kernels::{Kernels, Tier, TierError};

use crate::baseline::Baseline;
use crate::covertree_suite::{self, CovertreeSettings, CovertreeSuiteError};
use crate::dataset::{Dataset, Metric};
use crate::dtype::Dtype;
use crate::engine::{Engine, EngineError, Suite};
use crate::exact::ExactEngine;
use crate::graph_engine::{GraphEngine, GraphSpec};
use crate::hnsw_suite;
use crate::kernel_suite::{self, KernelSettings, KernelSuiteError};
use crate::machine::Machine;
use crate::machine::limits::Limits;
use crate::peers::{Contender, Measured, PeersError, interleave};
use crate::progress::Progress;
use crate::protocol::{Answers, Clock, Mode, Threads, Timing, cpu_seconds, measure, percentile};
use crate::recall::{Recall, RecallError, recall};
use crate::record::{BUILDING, Record};
use crate::vectors::Converted;
use crate::write;
use crate::zonal_engine::{ZonalEngine, ZonalSpec};
pub use settings::Settings;

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// No threads.
    #[error("no threads to measure with: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
    /// No memory to measure the machine with.
    #[error(transparent)]
    Memory(#[from] layouts::Error),
    /// The tier cannot be used.
    #[error(transparent)]
    Tier(#[from] TierError),
    /// A tier that this CPU lacks.
    #[error("this CPU cannot run the tier {tier}")]
    NoTier {
        /// The tier.
        tier: Tier,
    },
    /// The kernel suite failed.
    #[error(transparent)]
    Kernels(#[from] KernelSuiteError),
    /// The covertree suite failed.
    #[error(transparent)]
    Covertree(#[from] CovertreeSuiteError),
    /// An index refused its data.
    #[error("{dataset}: {error}")]
    Engine {
        /// The data set.
        dataset: String,
        /// What the engine said.
        error: EngineError,
    },
    /// There is no truth to judge answers by.
    #[error("{dataset}: {error}")]
    Truth {
        /// The data set.
        dataset: String,
        /// What is wrong.
        error: crate::truth::TruthError,
    },
    /// A case that is none of the suite's.
    #[error("no case of the hnsw suite is called {asked:?}: it has {known}")]
    NoCase {
        /// What was asked for.
        asked: String,
        /// The cases.
        known: String,
    },
    /// A changing index answered wrongly.
    #[error("{dataset}: {reason}")]
    Wrong {
        /// The data set.
        dataset: String,
        /// What was wrong.
        reason: String,
    },
    /// The answers could not be judged.
    #[error("{dataset}: {error}")]
    Recall {
        /// The data set.
        dataset: String,
        /// What is wrong.
        error: RecallError,
    },
    /// What was found could not be written.
    #[error(transparent)]
    Results(#[from] write::WriteError),
    /// No peer could be measured.
    #[error(transparent)]
    Peers(#[from] PeersError),
    /// The CPU time of one of several threads says nothing.
    #[error("speeds by CPU time need a single thread, not {threads}")]
    Clock {
        /// Threads that were asked for.
        threads: usize,
    },
    /// Nothing was left to measure.
    #[error("{dataset}: none of the element types {dtypes} can hold it")]
    NoDtype {
        /// The data set.
        dataset: String,
        /// What was asked for.
        dtypes: String,
    },
}

/// Everything that a run measured, and what must be known to judge it.
#[derive(Debug, Default)]
pub struct Run {
    /// The machine.
    pub machine: Machine,
    /// What it can do.
    pub limits: Limits,
    /// Header lines: name and value.
    pub facts: Vec<(&'static str, String)>,
    /// The measurements.
    pub records: Vec<Record>,
    /// What a reader should know: conversions that lost something, types that were left out.
    pub notices: Vec<String>,
    /// An earlier run to compare with, and where it came from.
    pub baseline: Option<(String, Baseline)>,
}

impl Run {
    /// Looks at the machine, measures its limits and runs the suites on every data set.
    ///
    /// # Errors
    /// [`RunError`] as soon as something fails.
    pub fn perform(
        settings: &Settings,
        datasets: &[Dataset],
        progress: &dyn Progress,
    ) -> Result<Self, RunError> {
        let kernels = Kernels::for_tier(settings.tier).ok_or(RunError::NoTier { tier: settings.tier })?;
        if settings.threads > 1 && settings.clock == Clock::Cpu {
            return Err(RunError::Clock { threads: settings.threads });
        }
        if let (Some(_), threads @ 2..) = (&settings.peers, settings.threads) {
            return Err(PeersError::Threads { threads }.into());
        }
        let threads = Threads::start(settings.threads)?;
        let machine = Machine::look();
        // Cases that are measured again have had their limits.
        let limits = match settings.wanted {
            Some(_) => Limits::default(),
            None => {
                progress.start("measuring what the machine can read", 0);
                let limits = Limits::measure(&machine.caches, threads.pool());
                progress.finish();
                limits?
            }
        };
        let mut run = Self { machine, limits, ..Self::default() };
        run.facts = crate::facts::facts(settings, datasets, &run.machine, &run.limits, &threads);
        for pass in 0..settings.passes.max(1) {
            let mut measured = Self { machine: run.machine.clone(), limits: run.limits, ..Self::default() };
            measured.suites(settings, kernels, datasets, &threads, progress)?;
            if pass == 0 {
                run.notices = measured.notices;
            }
            run.records = Record::pooled(run.records, measured.records);
        }
        for record in &mut run.records {
            record.commit.clone_from(&run.machine.commit);
            record.cpu.clone_from(&run.machine.cpu);
            record.date.clone_from(&run.machine.date);
            record.toolchain.clone_from(&run.machine.toolchain);
        }
        Ok(run)
    }

    /// All suites once.
    fn suites(
        &mut self,
        settings: &Settings,
        kernels: &'static Kernels,
        datasets: &[Dataset],
        threads: &Threads,
        progress: &dyn Progress,
    ) -> Result<(), RunError> {
        let wants =
            |suite: Suite| settings.wanted.as_ref().is_none_or(|wanted| wanted.has_suite(suite.name()));
        if settings.suites.contains(&Suite::Kernels) && wants(Suite::Kernels) {
            self.kernels(settings, threads, progress)?;
        }
        if settings.suites.contains(&Suite::Covertree) && wants(Suite::Covertree) {
            self.covertree(settings, threads, progress)?;
        }
        let mut suites: Vec<Suite> =
            settings.suites.iter().copied().filter(|suite| suite.takes_datasets()).collect();
        let cases = hnsw_suite::Case::asked(&settings.cases);
        if suites.contains(&Suite::Hnsw) && !cases.is_empty() {
            suites.retain(|&suite| suite != Suite::Hnsw);
            for (case, dataset) in cases.iter().flat_map(|&case| datasets.iter().map(move |set| (case, set)))
            {
                let (records, notices) = hnsw_suite::measure(settings, case, dataset, threads, progress)?;
                self.records.extend(records);
                self.notices.extend(notices);
            }
        } else if let (&[Suite::Hnsw], [asked, ..]) = (settings.suites.as_slice(), settings.cases.as_slice())
        {
            return Err(RunError::NoCase { asked: asked.clone(), known: hnsw_suite::Case::names() });
        }
        if !suites.is_empty() {
            for dataset in datasets {
                self.indexes(settings, (kernels, &suites), dataset, threads, progress)?;
            }
        }
        Ok(())
    }

    fn kernels(
        &mut self,
        settings: &Settings,
        threads: &Threads,
        progress: &dyn Progress,
    ) -> Result<(), RunError> {
        let dtypes = settings.dtypes.clone().unwrap_or_else(|| Dtype::ALL.to_vec());
        let kernels = KernelSettings {
            ends_only: settings.gate,
            wanted: settings.wanted.clone(),
            ..KernelSettings::new(settings.tier, dtypes, settings.quick)
        };
        self.records.extend(kernel_suite::measure(
            &kernels,
            (&self.limits, &self.machine.caches),
            threads,
            progress,
        )?);
        Ok(())
    }

    fn covertree(
        &mut self,
        settings: &Settings,
        threads: &Threads,
        progress: &dyn Progress,
    ) -> Result<(), RunError> {
        let suite = CovertreeSettings {
            tier: settings.tier,
            rounds: settings.runs,
            quick: settings.quick,
            gate: settings.gate,
            cases: settings.cases.clone(),
            wanted: settings.wanted.clone(),
        };
        let (records, notices) = covertree_suite::measure(&suite, threads, progress)?;
        self.records.extend(records);
        self.notices.extend(notices);
        Ok(())
    }

    /// Measures every engine of these suites on one set: one after the other, or in turns with the peers.
    fn indexes(
        &mut self,
        settings: &Settings,
        (kernels, suites): (&'static Kernels, &[Suite]),
        dataset: &Dataset,
        threads: &Threads,
        progress: &dyn Progress,
    ) -> Result<(), RunError> {
        let mut contenders = Vec::new();
        let mut is_empty = true;
        for &suite in suites {
            for engine in engines_of(suite, settings, kernels, dataset) {
                let must = settings.dtypes.is_some();
                if !is_wanted(settings, suite, engine.as_ref(), dataset) {
                    is_empty = false;
                    continue;
                }
                let Some(searched) = self.converted(dataset, engine.dtype(), must) else { continue };
                let contender =
                    build(settings, (suite, engine.as_ref()), (dataset, searched), threads, progress)?;
                is_empty = false;
                match settings.peers {
                    // All must stand before the first round; without peers one at a time takes less memory.
                    Some(_) => contenders.push(contender),
                    None => self.engine(settings, &contender, dataset, threads, progress)?,
                }
            }
        }
        if is_empty {
            let dtypes = settings.dtypes.clone().unwrap_or_else(|| Dtype::ALL.to_vec());
            let dtypes: Vec<_> = dtypes.iter().map(|dtype| dtype.name()).collect();
            return Err(RunError::NoDtype { dataset: dataset.name.clone(), dtypes: dtypes.join(", ") });
        }
        if let Some(peers) = &settings.peers {
            let outcome = interleave((settings, peers), dataset, &contenders, threads, progress)?;
            for found in outcome.ours {
                let contender = &contenders[found.contender];
                let mut record = self.record(contender, dataset, settings, found.mode, &found.timing);
                describe(&mut record, contender, &found.params, found.recall);
                record.distances_per_query = found.distances;
                self.records.push(record);
            }
            self.records.extend(outcome.peers);
            self.notices.extend(outcome.notices);
        }
        Ok(())
    }

    /// The set in another type: `Some(None)` if it is of that type already, `None` if it is left out.
    fn converted(&mut self, dataset: &Dataset, dtype: Dtype, must: bool) -> Option<Option<Dataset>> {
        if dataset.base.dtype() == dtype {
            return Some(None);
        }
        // Bits and numbers are compared by different metrics.
        if dataset.metric.is_on_bits() || dtype == Dtype::Bits {
            return None;
        }
        let both = dataset.base.convert(dtype).and_then(|base| Ok((base, dataset.queries.convert(dtype)?)));
        let name = &dataset.name;
        let (base, queries): (Converted, Converted) = match both {
            Ok(both) => both,
            Err(error) => {
                if must {
                    self.notices.push(format!("{name}: {dtype} left out, {error}"));
                }
                return None;
            }
        };
        let changed = base.changed + queries.changed;
        if changed > 0 {
            if !must && dtype != Dtype::F16 {
                return None;
            }
            let share =
                changed as f64 / ((dataset.base.len() + dataset.queries.len()) * dataset.base.dim()) as f64;
            let largest = base.largest_change.max(queries.largest_change);
            self.notices.push(format!(
                "{name} as {dtype}: {:.1} % of the elements were rounded, by at most {largest:.2e}; recall is \
                 against the unrounded set",
                100.0 * share
            ));
        }
        // A double that holds what a float holds would only be the same set at half the speed.
        if !must && dtype == Dtype::F64 {
            return None;
        }
        Some(Some(Dataset {
            name: name.clone(),
            metric: dataset.metric,
            base: base.vectors,
            queries: queries.vectors,
            truth: None,
            source: dataset.source.clone(),
        }))
    }

    /// Measures every search point of one index in every mode.
    fn engine(
        &mut self,
        settings: &Settings,
        contender: &Contender,
        dataset: &Dataset,
        threads: &Threads,
        progress: &dyn Progress,
    ) -> Result<(), RunError> {
        let refuse = |error| RunError::Engine { dataset: dataset.name.clone(), error };
        let searched = contender.searched.as_ref().unwrap_or(dataset);
        let grid = contender.index.grid();
        let points = spread_over(grid.len(), settings.points);
        let what = format!("{} {} on {}", contender.name, searched.base.dtype(), dataset.name);
        progress.start(&what, (points.len() * settings.modes.len() * settings.runs) as u64);
        for (point, params) in points.into_iter().filter_map(|point| Some((point, grid.get(point)?))) {
            for &mode in &settings.modes {
                let mut stub = self.record(contender, dataset, settings, mode, &Timing::default());
                stub.params = params_of(contender, params);
                if !settings.is_wanted(&stub) {
                    continue;
                }
                let queries = &searched.queries;
                let shape = (queries.len(), settings.k, settings.runs);
                let mut searcher =
                    contender.index.prepare(point, queries, settings.k, threads.count()).map_err(refuse)?;
                let (timing, answers) =
                    measure(threads, searcher.as_mut(), mode, shape, progress).map_err(refuse)?;
                let ids = ids_of(&answers);
                let recall = judge(dataset, settings.k, &ids)?;
                let mut record = self.record(contender, dataset, settings, mode, &timing);
                describe(&mut record, contender, params, recall);
                record.distances_per_query = searcher.distances_per_query();
                if let Some(folder) = &settings.hdf5 {
                    let latencies_us = timing.latencies_us.as_slice();
                    write::ann_result(
                        folder,
                        &write::Found { record: &record, dataset, ids: &ids, latencies_us },
                    )?;
                }
                self.records.push(record);
            }
        }
        // The exact scan has nothing to build.
        if settings.gate && contender.suite != Suite::Exact {
            let building = self.building(contender, dataset, settings);
            self.records.extend(Some(building).filter(|record| settings.is_wanted(record)));
        }
        progress.finish();
        Ok(())
    }

    /// How fast an index was built.
    fn building(&self, contender: &Contender, dataset: &Dataset, settings: &Settings) -> Record {
        let rows = dataset.base.len();
        let speed = rows as f64 / contender.build_s;
        // By the clock of the settings, whichever it is.
        let timing = Timing {
            qps_runs: vec![speed],
            cpu_qps_runs: vec![speed],
            paces: vec![contender.pace],
            ..Timing::default()
        };
        let record = self.record(contender, dataset, settings, Mode::Batch, &timing);
        Record { params: contender.params.clone(), ..record }.of_making(BUILDING, rows)
    }

    fn record(
        &self,
        contender: &Contender,
        original: &Dataset,
        settings: &Settings,
        mode: Mode,
        timing: &Timing,
    ) -> Record {
        let index = contender.index.as_ref();
        let searched = contender.searched.as_ref().unwrap_or(original);
        let qps = timing.best_by(settings.clock);
        let latency = |share| percentile(&timing.latencies_us, share);
        let bytes_per_s = index.bytes_per_query().map(|bytes| bytes as f64 * qps);
        // A single query must read every vector from where it lies; a batch re-uses what it read, so that only
        // the nearest cache bounds it.
        let bound = index.bytes_per_query().map(|bytes| match mode {
            Mode::Single => self.limits.bound_of(bytes, &self.machine.caches, settings.threads.max(1)),
            Mode::Batch => self.limits.bound_of(0, &self.machine.caches, settings.threads.max(1)),
        });
        let (pace_near, pace_far) = timing.paces_by(settings.clock);
        Record {
            suite: contender.suite.name().to_owned(),
            index: contender.name.clone(),
            build: contender.params.clone(),
            build_s: Some(contender.build_s),
            clock: (settings.clock == Clock::Cpu).then(|| settings.clock.name().to_owned()),
            dataset: original.name.clone(),
            metric: original.metric.name().to_owned(),
            dtype: searched.base.dtype().name().to_owned(),
            n: searched.base.len(),
            dim: searched.base.dim(),
            k: settings.k,
            threads: settings.threads.max(1),
            mode: mode.name().to_owned(),
            tier: settings.tier.name().to_owned(),
            index_bytes: Some(index.index_bytes()),
            qps,
            p50_us: latency(0.5),
            p95_us: latency(0.95),
            p99_us: latency(0.99),
            queries: searched.queries.len(),
            runs: settings.runs,
            qps_runs: timing.runs_by(settings.clock).to_vec(),
            pace_near,
            pace_far,
            latency_us: Record::latency_points(&timing.latencies_us),
            bytes_per_s,
            bound: bound.map(|bound| bound.name.to_owned()),
            bound_bytes_per_s: bound.map(|bound| bound.bytes_per_s),
            bound_share: bound.zip(bytes_per_s).map(|(bound, rate)| rate / bound.bytes_per_s),
            ..Record::default()
        }
    }
}

/// The record of a search point of ours that was measured in turns, but for what limits it.
pub(crate) fn record_of(
    contender: &Contender,
    dataset: &Dataset,
    settings: &Settings,
    found: &Measured,
) -> Record {
    let mut record = Run::default().record(contender, dataset, settings, found.mode, &found.timing);
    describe(&mut record, contender, &found.params, found.recall);
    record.distances_per_query = found.distances;
    record
}

/// The element type that the graph index takes of a set where nothing else is said: its own.
pub(crate) fn graph_dtype(settings: &Settings, dataset: &Dataset) -> Dtype {
    let own = match dataset.base.dtype() {
        Dtype::F64 => Dtype::F32,
        dtype => dtype,
    };
    settings.dtypes.as_ref().and_then(|dtypes| dtypes.first().copied()).unwrap_or(own)
}

/// The engines of a suite for one set.
fn engines_of(
    suite: Suite,
    settings: &Settings,
    kernels: &'static Kernels,
    dataset: &Dataset,
) -> Vec<Box<dyn Engine>> {
    let dtypes = settings.dtypes.clone().unwrap_or_else(|| Dtype::ALL.to_vec());
    match suite {
        Suite::Exact => dtypes
            .into_iter()
            .map(|dtype| Box::new(ExactEngine::new(kernels, dtype)) as Box<dyn Engine>)
            .collect(),
        // A graph takes long to build: without a wish only over the type that the set comes in.
        Suite::Hnsw => {
            let own = match dataset.base.dtype() {
                Dtype::F64 => Dtype::F32,
                dtype => dtype,
            };
            let dtypes = settings.dtypes.clone().unwrap_or_else(|| vec![own]);
            let specs =
                if settings.graphs.is_empty() { vec![GraphSpec::default()] } else { settings.graphs.clone() };
            dtypes
                .into_iter()
                .filter(|&dtype| dtype != Dtype::F64)
                .flat_map(|dtype| specs.iter().map(move |spec| (dtype, spec.clone())))
                .map(|(dtype, spec)| Box::new(GraphEngine::new(dtype, spec)) as Box<dyn Engine>)
                .collect()
        }
        // Bits are another matter; asked for zones of them alone, the engine says so.
        Suite::ZonalPq if dataset.metric == Metric::Hamming && settings.suites.len() > 1 => Vec::new(),
        Suite::ZonalPq => {
            let dtypes = settings.dtypes.clone().unwrap_or_else(|| vec![graph_dtype(settings, dataset)]);
            let specs =
                if settings.zonals.is_empty() { vec![ZonalSpec::default()] } else { settings.zonals.clone() };
            dtypes
                .into_iter()
                .filter(|&dtype| dtype != Dtype::F64 && (dtype != Dtype::Bits || settings.suites.len() == 1))
                .flat_map(|dtype| specs.iter().map(move |spec| (dtype, spec.clone())))
                .map(|(dtype, spec)| Box::new(ZonalEngine::new(dtype, spec)) as Box<dyn Engine>)
                .collect()
        }
        // The others do not search data sets.
        _ => Vec::new(),
    }
}

/// Builds an index over `searched`, or over the set itself where that is of the engine's type already.
fn build(
    settings: &Settings,
    (suite, engine): (Suite, &dyn Engine),
    (original, searched): (&Dataset, Option<Dataset>),
    threads: &Threads,
    progress: &dyn Progress,
) -> Result<Contender, RunError> {
    let refuse = |error| RunError::Engine { dataset: original.name.clone(), error };
    let set = searched.as_ref().unwrap_or(original);
    let reference = threads.reference();
    let (index, wall, cpu, pace) = threads.pool().install(|| {
        let before = reference.pace();
        let (start, cpu) = (std::time::Instant::now(), cpu_seconds());
        let index = engine.build(set, progress);
        let (wall, cpu) =
            (start.elapsed().as_secs_f64(), cpu_seconds().zip(cpu).map(|(end, begin)| end - begin));
        (index, wall, cpu, before.between(reference.pace()))
    });
    let index = index.map_err(refuse)?;
    let build_s = match settings.clock {
        Clock::Wall => wall,
        Clock::Cpu => cpu.unwrap_or(wall),
    };
    let (name, params) = (engine.name().to_owned(), engine.params());
    Ok(Contender { suite, name, params, index, searched, build_s, pace })
}

/// Whether anything of an engine on a set is to be measured.
fn is_wanted(settings: &Settings, suite: Suite, engine: &dyn Engine, dataset: &Dataset) -> bool {
    let stub = Record {
        suite: suite.name().to_owned(),
        index: engine.name().to_owned(),
        build: engine.params(),
        dtype: engine.dtype().name().to_owned(),
        dataset: dataset.name.clone(),
        ..Record::default()
    };
    settings.wanted.as_ref().is_none_or(|wanted| wanted.has_index(&stub))
}

/// At most `most` of `len` places, evenly spread, the first and the last among them.
pub(crate) fn spread_over(len: usize, most: Option<usize>) -> Vec<usize> {
    match most {
        Some(1) if len > 1 => vec![len / 2],
        Some(most) if most < len => (0..most).map(|at| at * (len - 1) / (most - 1)).collect(),
        _ => (0..len).collect(),
    }
}

/// Build and search parameters as they stand in records.
fn params_of(contender: &Contender, search: &str) -> String {
    match contender.params.as_str() {
        "-" => search.to_owned(),
        build => format!("{build} {search}"),
    }
}

/// Parameters and recall of a search point.
fn describe(record: &mut Record, contender: &Contender, search: &str, recall: Recall) {
    record.params = params_of(contender, search);
    record.recall_id = Some(recall.by_id);
    record.recall_eps = Some(recall.by_distance);
    record.recall_tie = Some(recall.by_tie);
}

/// The ids of answers, places that were not filled left out.
pub(crate) fn ids_of(answers: &Answers) -> Vec<Vec<u32>> {
    answers
        .neighbors
        .chunks(answers.per_query.max(1))
        .map(|answer| answer.iter().map(|neighbor| neighbor.id).filter(|&id| id != u32::MAX).collect())
        .collect()
}

/// Recall of answers.
fn judge(dataset: &Dataset, k: usize, ids: &[Vec<u32>]) -> Result<Recall, RunError> {
    recall(dataset, k, ids).map_err(|error| RunError::Recall { dataset: dataset.name.clone(), error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_spread_with_both_ends() {
        assert_eq!(spread_over(22, Some(4)), [0, 7, 14, 21]);
        assert_eq!(spread_over(3, Some(5)), [0, 1, 2]);
        assert_eq!(spread_over(9, Some(1)), [4]);
        assert_eq!(spread_over(2, None), [0, 1]);
        assert!(spread_over(0, Some(3)).is_empty());
    }
}
