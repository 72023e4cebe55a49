//! The peers of a data set: invited, their indexes built, and what is recorded of them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;

use super::data::{hand_over, is_known};
use super::lane::{Lane, Task, how_of};
use super::message::{How, Ready, words};
use super::process::{PeerProcess, Place};
use super::{PeerError, PeerSettings, PeersError};
use crate::dataset::Dataset;
use crate::progress::Progress;
use crate::protocol::{Clock, Mode, cores, percentile};
use crate::record::Record;
use crate::run::{RunError, Settings};
use crate::vectors::{Matrix, Vectors};
use crate::write;

/// A peer and how it fares.
#[derive(Debug)]
pub(super) struct Guest {
    pub(super) name: String,
    pub(super) process: Option<PeerProcess>,
    pub(super) ready: Ready,
    /// Whether it got through the first round: before that its curve is not complete.
    pub(super) is_complete: bool,
    /// Recalls found so far along each of its curves.
    pub(super) curves: HashMap<(How, String), Vec<f64>>,
    pub(super) refusals: Vec<String>,
}

/// The peers of a data set, with their indexes built.
#[derive(Debug, Default)]
pub(crate) struct Guests {
    // The processes end first: their files lie in the folder.
    pub(super) guests: Vec<Guest>,
    folder: Option<TempDir>,
}

impl Guests {
    /// Hands the data over, starts the peers, and lets each build its index, on the core that ours are measured on or,
    /// where `pinned` is not set, on any.
    pub(crate) fn invite(
        (settings, peers): (&Settings, &PeerSettings),
        dataset: &Dataset,
        pinned: bool,
        progress: &dyn Progress,
        notices: &mut Vec<String>,
    ) -> Result<Self, RunError> {
        if !is_known(dataset.metric) {
            let (name, metric) = (&dataset.name, dataset.metric);
            notices.push(format!("{name}: no peers, none of them is called with the metric {metric} here"));
            return Ok(Self::default());
        }
        let (folder, rounded) = hand_over(dataset, &peers.work)?;
        if rounded {
            notices.push(format!("{}: the peers got elements rounded to f32", dataset.name));
        }
        let guests = invite(settings, peers, (dataset, folder.path(), pinned), progress, notices);
        Ok(Self { guests, folder: Some(folder) })
    }

    /// The time that passed while a peer (`peer:NAME`) built.
    pub(crate) fn build_wall(&self, index: &str) -> Option<f64> {
        let name = index.strip_prefix("peer:")?;
        self.guests.iter().find(|guest| guest.name == name).map(|guest| guest.ready.build_s)
    }

    /// Leaves a filter beside the data: 1 for every row that may be found.
    pub(crate) fn hand_filter(&self, name: &str, allowed: Vec<u8>) -> Result<(), RunError> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let allowed = Vectors::U8(Matrix::new(allowed, 1).map_err(PeersError::from)?);
        let path = folder.path().join(format!("filter-{name}.npy"));
        Ok(write::vectors(&path, &allowed).map_err(PeersError::from)?)
    }
}

/// Starts the peers, `builders` at a time, and lets each build its index. They stand in the order of the list.
fn invite(
    settings: &Settings,
    peers: &PeerSettings,
    (dataset, folder, pinned): (&Dataset, &std::path::Path, bool),
    progress: &dyn Progress,
    notices: &mut Vec<String>,
) -> Vec<Guest> {
    let place = Place {
        folder,
        metric: dataset.metric.name(),
        k: settings.k.min(dataset.base.len()),
        queries: dataset.queries.len(),
        core: cores(1).first().copied().filter(|_| pinned),
        build_core: None,
    };
    let all = core_affinity::get_core_ids().map_or(1, |cores| cores.len());
    let builders = peers.builders.clamp(1, all.max(1));
    let build_cores: Vec<Option<usize>> = match pinned {
        true => cores(builders).into_iter().map(Some).collect(),
        false => vec![None; builders],
    };
    let next = AtomicUsize::new(0);
    let build = |build_core: Option<usize>| {
        let mut built = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(command) = peers.commands.get(number) else { return built };
            let started = PeerProcess::start(command, number, Place { build_core, ..place }, peers.limits);
            progress.advance(1);
            built.push((number, started));
        }
    };
    let at_a_time = if builders > 1 { format!(", {builders} at a time") } else { String::new() };
    progress.start(&format!("peers build on {}{at_a_time}", dataset.name), peers.commands.len() as u64);
    let mut started: Vec<(usize, Result<PeerProcess, PeerError>)> = std::thread::scope(|scope| {
        let builds: Vec<_> = build_cores.iter().map(|&core| scope.spawn(move || build(core))).collect();
        builds.into_iter().flat_map(|build| build.join().unwrap_or_default()).collect()
    });
    progress.finish();
    started.sort_by_key(|(number, _)| *number);
    let mut guests = Vec::new();
    for (number, started) in started {
        let name = peers.commands[number].name.clone();
        match started {
            Ok(process) => guests.push(Guest {
                name,
                ready: process.ready.clone(),
                process: Some(process),
                is_complete: false,
                curves: HashMap::new(),
                refusals: Vec::new(),
            }),
            Err(error) => notices.push(format!("{}: peer {name} not measured: {error}", dataset.name)),
        }
    }
    if builders > 1 && !guests.is_empty() {
        notices.push(format!(
            "{}: peers built {builders} at a time, so their build times felt each other in caches and memory",
            dataset.name
        ));
    }
    guests
}

pub(super) fn peer_records(
    guest: &Guest,
    lane: &Lane,
    settings: &Settings,
    dataset: &Dataset,
) -> Vec<Record> {
    let (Task::Peer(how), Some(recall), true) = (lane.task, lane.recall, lane.is_open) else {
        return Vec::new();
    };
    let (ready, timing) = (&guest.ready, &lane.timing);
    let setting = words(&ready.grid[lane.point]);
    let modes = settings.modes.iter().filter(|mode| how == How::Loop || how == how_of(**mode));
    let latency = |mode: Mode, share| match mode {
        Mode::Single => percentile(&timing.latencies_us, share),
        Mode::Batch => None,
    };
    modes
        .map(|&mode| Record {
            suite: "peers".to_owned(),
            index: format!("peer:{}", guest.name),
            params: format!("{} {setting}", ready.params),
            build: ready.params.clone(),
            dataset: dataset.name.clone(),
            metric: dataset.metric.name().to_owned(),
            dtype: ready.codes.clone(),
            n: dataset.base.len(),
            dim: dataset.base.dim(),
            k: settings.k,
            threads: 1,
            mode: mode.name().to_owned(),
            peer: Some(ready.library.clone()),
            how: Some(how.words().to_owned()),
            clock: (settings.clock == Clock::Cpu).then(|| settings.clock.name().to_owned()),
            build_cpu_s: ready.build_cpu_s,
            build_s: Some(match settings.clock {
                Clock::Wall => ready.build_s,
                Clock::Cpu => ready.build_cpu_s.unwrap_or(ready.build_s),
            }),
            index_bytes: ready.index_bytes,
            resident_bytes: ready.resident_bytes,
            recall_id: Some(recall.by_id),
            recall_eps: Some(recall.by_distance),
            recall_tie: Some(recall.by_tie),
            qps: timing.best_by(settings.clock),
            qps_runs: timing.runs_by(settings.clock).to_vec(),
            p50_us: latency(mode, 0.5),
            p95_us: latency(mode, 0.95),
            p99_us: latency(mode, 0.99),
            latency_us: match mode {
                Mode::Single => Record::latency_points(&timing.latencies_us),
                Mode::Batch => Vec::new(),
            },
            queries: dataset.queries.len(),
            runs: timing.qps_runs.len(),
            ..Record::default()
        })
        .collect()
}
