//! All parties in turns: builds the peers' indexes, then measures every search point once a round.

use std::collections::HashMap;

use tempfile::TempDir;

use super::data::{hand_over, is_known};
use super::message::{How, Ready, words};
use super::process::{PeerProcess, Place};
use super::{PeerError, PeerSettings, PeersError};
use crate::dataset::Dataset;
use crate::engine::{EngineError, Index, Suite};
use crate::progress::Progress;
use crate::protocol::{Clock, Mode, Threads, Timing, cores, measure, percentile};
use crate::recall::{Recall, recall};
use crate::record::Record;
use crate::run::{RunError, Settings, ids_of, record_of, spread_over};
use crate::vectors::{Matrix, Vectors};
use crate::write;

/// A curve of a peer ends at this recall: beyond it there is nothing to compare.
const ENOUGH: f64 = 0.9995;
/// A peer's point that another one of its own beats by this factor, at no less recall, is not repeated.
const BEATEN: f64 = 1.3;
/// Below this recall no point is of use.
const USELESS: f64 = 0.5;
/// Queries whose latency is taken one Python call at a time.
const LATENCIES: usize = 1000;
/// The share of a core below which a reader is told that the machine was busy.
const BUSY: f64 = 0.95;

/// One of ours, built.
#[derive(Debug)]
pub(crate) struct Contender {
    pub(crate) suite: Suite,
    pub(crate) name: String,
    /// Build parameters.
    pub(crate) params: String,
    pub(crate) index: Box<dyn Index>,
    /// The set in the engine's element type, if that is another one.
    pub(crate) searched: Option<Dataset>,
    pub(crate) build_s: f64,
}

/// A search point of ours, measured.
#[derive(Debug)]
pub(crate) struct Measured {
    /// Which contender.
    pub(crate) contender: usize,
    pub(crate) mode: Mode,
    /// Search parameters.
    pub(crate) params: String,
    pub(crate) timing: Timing,
    pub(crate) recall: Recall,
    /// What was found, where it is to be written.
    pub(crate) ids: Vec<Vec<u32>>,
    pub(crate) distances: Option<f64>,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) ours: Vec<Measured>,
    pub(crate) peers: Vec<Record>,
    pub(crate) notices: Vec<String>,
}

/// A search point that takes its turn in every round.
#[derive(Debug)]
struct Lane {
    /// The point of our grid, or the setting of the peer's.
    point: usize,
    task: Task,
    timing: Timing,
    recall: Option<Recall>,
    /// What was found, where it is to be written.
    ids: Vec<Vec<u32>>,
    distances: Option<f64>,
    is_open: bool,
}

#[derive(Clone, Copy, Debug)]
enum Task {
    Ours(Mode),
    Peer(How),
}

impl Lane {
    fn new(point: usize, task: Task) -> Self {
        Self {
            point,
            task,
            timing: Timing::default(),
            recall: None,
            ids: Vec::new(),
            distances: None,
            is_open: true,
        }
    }

    /// Takes the figures of one more run; the latencies are those of the best one.
    fn add(&mut self, timing: Timing) {
        if timing.best_qps() > self.timing.best_qps() {
            self.timing.latencies_us = timing.latencies_us;
        }
        self.timing.qps_runs.extend(timing.qps_runs);
        self.timing.cpu_qps_runs.extend(timing.cpu_qps_runs);
        self.timing.paces.extend(timing.paces);
    }
}

/// A peer and how it fares.
#[derive(Debug)]
struct Guest {
    name: String,
    process: Option<PeerProcess>,
    ready: Ready,
    /// Whether it got through the first round: before that its curve is not complete.
    is_complete: bool,
    /// Recalls found so far along each of its curves.
    curves: HashMap<(How, String), Vec<f64>>,
    refusals: Vec<String>,
}

struct Round<'a> {
    settings: &'a Settings,
    dataset: &'a Dataset,
    filter: Option<&'a str>,
    contenders: &'a [Contender],
    threads: &'a Threads,
    progress: &'a dyn Progress,
}

/// The peers of a data set, with their indexes built.
#[derive(Debug, Default)]
pub(crate) struct Guests {
    // The processes end first: their files lie in the folder.
    guests: Vec<Guest>,
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

/// Invites the peers and measures all parties in turns. What befalls a peer ends in a notice; what befalls us is an
/// error.
pub(crate) fn interleave(
    (settings, peers): (&Settings, &PeerSettings),
    dataset: &Dataset,
    contenders: &[Contender],
    threads: &Threads,
    progress: &dyn Progress,
) -> Result<Outcome, RunError> {
    let mut notices = Vec::new();
    let mut guests = Guests::invite((settings, peers), dataset, true, progress, &mut notices)?;
    let mut outcome = turns(settings, (dataset, None), contenders, &mut guests, threads, progress)?;
    notices.append(&mut outcome.notices);
    outcome.notices = notices;
    Ok(outcome)
}

/// Measures all parties in turns, under a filter that peers were given and ours were restricted to.
pub(crate) fn turns(
    settings: &Settings,
    (dataset, filter): (&Dataset, Option<&str>),
    contenders: &[Contender],
    guests: &mut Guests,
    threads: &Threads,
    progress: &dyn Progress,
) -> Result<Outcome, RunError> {
    if threads.count() != 1 {
        return Err(PeersError::Threads { threads: threads.count() }.into());
    }
    let mut outcome = Outcome::default();
    let guests = &mut guests.guests;
    for guest in guests.iter_mut() {
        guest.is_complete = false;
        guest.curves.clear();
        guest.refusals.clear();
    }
    let round = Round { settings, dataset, filter, contenders, threads, progress };
    let mut ours: Vec<Vec<Lane>> =
        contenders.iter().map(|contender| our_lanes(contender, settings)).collect();
    let mut theirs: Vec<Vec<Lane>> = guests.iter().map(|guest| their_lanes(guest, settings)).collect();
    round.all(&mut ours, (guests, &mut theirs), &mut outcome.notices)?;
    round.latencies(guests, &mut theirs, &mut outcome.notices);
    busy(contenders, &ours, (guests, &theirs), settings.clock, &mut outcome.notices);
    for (contender, lanes) in ours.into_iter().enumerate() {
        let grid = contenders[contender].index.grid();
        outcome.ours.extend(lanes.into_iter().filter_map(|lane| {
            let Task::Ours(mode) = lane.task else { return None };
            let params = grid.get(lane.point).cloned().unwrap_or_default();
            let Lane { timing, distances, ids, .. } = lane;
            Some(Measured { contender, mode, params, timing, recall: lane.recall?, ids, distances })
        }));
    }
    write_results(settings, dataset, contenders, (&outcome.ours, guests, &theirs))?;
    for (guest, lanes) in guests.iter().zip(&theirs) {
        if guest.is_complete {
            outcome.peers.extend(lanes.iter().flat_map(|lane| peer_records(guest, lane, settings, dataset)));
        }
        let facts: Vec<&str> =
            std::iter::once(&guest.ready.library).chain(&guest.ready.notes).map(String::as_str).collect();
        outcome.notices.push(format!("peer {}: {}", guest.name, facts.join("; ")));
        if let Some(first) = guest.refusals.first() {
            let (name, count) = (&guest.name, guest.refusals.len());
            outcome.notices.push(format!("peer {name} refused {count} settings, the first: {first}"));
        }
    }
    if outcome.peers.iter().any(|record| record.how.as_deref() == Some(How::Calls.words())) {
        outcome.notices.push(
            "single queries timed as Python calls pay for the call, some microseconds each; native loops do not, nor do \
             ours"
                .to_owned(),
        );
    }
    Ok(outcome)
}

/// Leaves what every party found where ann-benchmarks looks for it, if that was asked for.
fn write_results(
    settings: &Settings,
    dataset: &Dataset,
    contenders: &[Contender],
    (ours, guests, theirs): (&[Measured], &[Guest], &[Vec<Lane>]),
) -> Result<(), RunError> {
    let Some(folder) = &settings.hdf5 else { return Ok(()) };
    for found in ours.iter().filter(|found| !found.ids.is_empty()) {
        let record = &record_of(&contenders[found.contender], dataset, settings, found);
        let (ids, latencies_us) = (found.ids.as_slice(), found.timing.latencies_us.as_slice());
        write::ann_result(folder, &write::Found { record, dataset, ids, latencies_us })?;
    }
    for (guest, lane) in
        guests.iter().zip(theirs).flat_map(|(guest, lanes)| lanes.iter().map(move |l| (guest, l)))
    {
        if !guest.is_complete || lane.ids.is_empty() {
            continue;
        }
        for record in &peer_records(guest, lane, settings, dataset) {
            let timed =
                if record.mode == Mode::Single.name() { lane.timing.latencies_us.as_slice() } else { &[] };
            write::ann_result(
                folder,
                &write::Found { record, dataset, ids: &lane.ids, latencies_us: timed },
            )?;
        }
    }
    Ok(())
}

/// Starts the peers one after the other and lets each build its index.
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
    };
    let mut guests = Vec::new();
    for (number, command) in peers.commands.iter().enumerate() {
        progress.start(&format!("peer {} builds on {}", command.name, dataset.name), 0);
        let started = PeerProcess::start(command, number, place, peers.limits);
        progress.finish();
        match started {
            Ok(process) => guests.push(Guest {
                name: command.name.clone(),
                ready: process.ready.clone(),
                process: Some(process),
                is_complete: false,
                curves: HashMap::new(),
                refusals: Vec::new(),
            }),
            Err(error) => {
                notices.push(format!("{}: peer {} not measured: {error}", dataset.name, command.name));
            }
        }
    }
    guests
}

fn our_lanes(contender: &Contender, settings: &Settings) -> Vec<Lane> {
    let points = spread_over(contender.index.grid().len(), settings.points);
    points
        .into_iter()
        .flat_map(|point| settings.modes.iter().map(move |&mode| Lane::new(point, Task::Ours(mode))))
        .collect()
}

/// A native loop over single queries is both its single-query and its batch speed, and timed once.
fn their_lanes(guest: &Guest, settings: &Settings) -> Vec<Lane> {
    let hows: Vec<How> = match guest.ready.is_loop {
        true => vec![How::Loop],
        false => settings.modes.iter().map(|mode| how_of(*mode)).collect(),
    };
    let points = 0..guest.ready.grid.len();
    points.flat_map(|point| hows.iter().map(move |&how| Lane::new(point, Task::Peer(how)))).collect()
}

const fn how_of(mode: Mode) -> How {
    match mode {
        Mode::Single => How::Calls,
        Mode::Batch => How::Batch,
    }
}

impl Round<'_> {
    /// All rounds.
    fn all(
        &self,
        ours: &mut [Vec<Lane>],
        (guests, theirs): (&mut [Guest], &mut [Vec<Lane>]),
        notices: &mut Vec<String>,
    ) -> Result<(), RunError> {
        let parties = ours.len() + theirs.len();
        for round in 0..self.settings.runs {
            let lanes = || ours.iter().chain(theirs.iter());
            let open = lanes().flatten().filter(|lane| lane.is_open).count();
            let what = format!("round {} of {} on {}", round + 1, self.settings.runs, self.dataset.name);
            self.progress.start(&what, open as u64);
            let steps = lanes().map(Vec::len).max().unwrap_or(0);
            for step in 0..steps {
                for turn in 0..parties {
                    let party = (turn + round) % parties;
                    if party < ours.len() {
                        if let Some(lane) = ours[party].get_mut(step) {
                            self.our_turn(&self.contenders[party], lane)?;
                            self.progress.advance(1);
                        }
                        continue;
                    }
                    let party = party - ours.len();
                    if let Some(lane) = theirs[party].get_mut(step).filter(|lane| lane.is_open) {
                        self.their_turn(&mut guests[party], lane, round, notices);
                        self.progress.advance(1);
                    }
                }
            }
            self.progress.finish();
            if round == 0 {
                for (guest, lanes) in guests.iter_mut().zip(theirs.iter_mut()) {
                    guest.is_complete = guest.process.is_some();
                    thin_out(lanes, self.settings.clock);
                }
            }
        }
        Ok(())
    }

    fn our_turn(&self, contender: &Contender, lane: &mut Lane) -> Result<(), RunError> {
        let Task::Ours(mode) = lane.task else { return Ok(()) };
        let refuse = |error: EngineError| RunError::Engine { dataset: self.dataset.name.clone(), error };
        let queries = &contender.searched.as_ref().unwrap_or(self.dataset).queries;
        let (k, threads) = (self.settings.k, self.threads);
        let mut searcher =
            contender.index.prepare(lane.point, queries, k, threads.count()).map_err(refuse)?;
        let quiet = &crate::progress::Quiet;
        let (timing, answers) =
            measure(threads, searcher.as_mut(), mode, (queries.len(), k, 1), quiet).map_err(refuse)?;
        if lane.recall.is_none() {
            let ids = ids_of(&answers);
            lane.recall = Some(self.judge(&ids)?);
            lane.ids = self.kept(ids);
        }
        lane.distances = searcher.distances_per_query();
        lane.add(timing);
        Ok(())
    }

    /// What was found, if anyone will want it: a filter's answers are no answers to the set's queries.
    fn kept(&self, ids: Vec<Vec<u32>>) -> Vec<Vec<u32>> {
        if self.settings.hdf5.is_some() && self.filter.is_none() { ids } else { Vec::new() }
    }

    fn judge(&self, ids: &[Vec<u32>]) -> Result<Recall, RunError> {
        recall(self.dataset, self.settings.k, ids)
            .map_err(|error| RunError::Recall { dataset: self.dataset.name.clone(), error })
    }

    fn their_turn(&self, guest: &mut Guest, lane: &mut Lane, round: usize, notices: &mut Vec<String>) {
        let Task::Peer(how) = lane.task else { return };
        let curve = (how, guest.ready.families[lane.point].to_string());
        if round == 0 && guest.curves.get(&curve).is_some_and(|found| has_ended(found)) {
            lane.is_open = false;
            return;
        }
        match self.ask(guest, lane, how) {
            Ok(()) => {
                let found = lane.recall.map_or(0.0, |recall| recall.by_tie);
                if round == 0 {
                    guest.curves.entry(curve).or_default().push(found);
                }
            }
            Err(PeerError::Refused { reason }) => {
                lane.is_open = false;
                guest.refusals.push(format!("{}: {reason}", words(&guest.ready.grid[lane.point])));
            }
            Err(error) => self.dismiss(guest, round, &error, notices),
        }
    }

    /// One pass of a peer. A peer that has been dismissed is left alone.
    fn ask(&self, guest: &mut Guest, lane: &mut Lane, how: How) -> Result<(), PeerError> {
        let Some(process) = &mut guest.process else { return Ok(()) };
        let wanted = (lane.recall.is_none(), None);
        let (answer, found) = process.ask(&guest.ready.grid[lane.point], (how, self.filter), wanted)?;
        if let Some(found) = found {
            lane.recall = Some(recall(self.dataset, self.settings.k, &found)?);
            lane.ids = self.kept(found);
        }
        let rate = |seconds: f64| answer.queries as f64 / seconds.max(1e-9);
        let mut latencies_us = answer.latencies_us;
        latencies_us.sort_by(f64::total_cmp);
        let cpu_qps_runs = vec![rate(answer.cpu_seconds)];
        lane.add(Timing {
            qps_runs: vec![rate(answer.seconds)],
            cpu_qps_runs,
            latencies_us,
            ..Timing::default()
        });
        Ok(())
    }

    fn dismiss(&self, guest: &mut Guest, round: usize, error: &PeerError, notices: &mut Vec<String>) {
        let kept = if guest.is_complete {
            format!("in round {}, its figures up to there are kept", round + 1)
        } else {
            "before its curve was complete, nothing of it is kept".to_owned()
        };
        notices.push(format!("{}: peer {} left {kept}: {error}", self.dataset.name, guest.name));
        guest.process = None;
    }

    /// Latencies of peers whose speed was taken in a native loop: one Python call a query.
    fn latencies(&self, guests: &mut [Guest], theirs: &mut [Vec<Lane>], notices: &mut Vec<String>) {
        if !self.settings.modes.contains(&Mode::Single) {
            return;
        }
        for (guest, lanes) in guests.iter_mut().zip(theirs) {
            let open = |lane: &&mut Lane| lane.is_open && matches!(lane.task, Task::Peer(How::Loop));
            for lane in lanes.iter_mut().filter(open) {
                let Some(process) = &mut guest.process else { break };
                let some = Some(LATENCIES.min(self.dataset.queries.len()));
                match process.ask(&guest.ready.grid[lane.point], (How::Calls, self.filter), (false, some)) {
                    Ok((answer, _)) => {
                        lane.timing.latencies_us = answer.latencies_us;
                        lane.timing.latencies_us.sort_by(f64::total_cmp);
                    }
                    Err(PeerError::Refused { .. }) => {}
                    Err(error) => self.dismiss(guest, self.settings.runs - 1, &error, notices),
                }
            }
        }
    }
}

/// Whether a curve has come to its end: enough recall, or two settings that spared less than a tenth of the misses.
fn has_ended(found: &[f64]) -> bool {
    match found {
        [.., last] if *last >= ENOUGH => true,
        [.., third, _, last] => 1.0 - last > 0.9 * (1.0 - third) && *last > USELESS,
        _ => false,
    }
}

/// Closes the points that say nothing: found too little, or clearly beaten by another one of the same peer.
fn thin_out(lanes: &mut [Lane], clock: Clock) {
    let figure = |lane: &Lane| Some((lane.recall?.by_tie, lane.timing.best_by(clock)));
    let all: Vec<_> = lanes.iter().map(|lane| figure(lane).filter(|_| lane.is_open)).collect();
    let hows: Vec<_> = lanes.iter().map(|lane| format!("{:?}", lane.task)).collect();
    for (at, lane) in lanes.iter_mut().enumerate() {
        let Some((recall, qps)) = all[at] else {
            lane.is_open = false;
            continue;
        };
        let rivals =
            all.iter().zip(&hows).filter(|(_, how)| **how == hows[at]).filter_map(|(rival, _)| *rival);
        let beaten = rivals.into_iter().any(|(more, faster)| more >= recall && faster > BEATEN * qps);
        lane.is_open = recall >= USELESS && !beaten;
    }
}

/// Says so when a party did not have its core for itself.
fn busy(
    contenders: &[Contender],
    ours: &[Vec<Lane>],
    (guests, theirs): (&[Guest], &[Vec<Lane>]),
    clock: Clock,
    notices: &mut Vec<String>,
) {
    let share = |lanes: &[Lane]| {
        let runs = |lane: &Lane| -> Vec<f64> {
            let timing = &lane.timing;
            timing.qps_runs.iter().zip(&timing.cpu_qps_runs).map(|(wall, cpu)| wall / cpu).collect()
        };
        let mut shares: Vec<f64> = lanes.iter().flat_map(runs).collect();
        shares.sort_by(f64::total_cmp);
        percentile(&shares, 0.5)
    };
    let names = contenders.iter().map(|contender| contender.name.clone());
    let names = names.chain(guests.iter().map(|guest| format!("peer {}", guest.name)));
    let shares: Vec<String> = names
        .zip(ours.iter().chain(theirs))
        .filter_map(|(name, lanes)| Some((name, share(lanes).filter(|&share| share < BUSY)?)))
        .map(|(name, share)| format!("{name} {:.0} %", 100.0 * share))
        .collect();
    if !shares.is_empty() {
        let advice = match clock {
            Clock::Wall => "; `--clock cpu` counts only the time that each had",
            Clock::Cpu => "; speeds are by CPU time, latencies are not",
        };
        notices.push(format!("the machine was busy, shares of the core: {}{advice}", shares.join(", ")));
    }
}

fn peer_records(guest: &Guest, lane: &Lane, settings: &Settings, dataset: &Dataset) -> Vec<Record> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(how: How, recall: f64, qps: f64) -> Lane {
        let recall = Some(Recall { by_id: recall, by_distance: recall, by_tie: recall });
        let timing = Timing { qps_runs: vec![qps], ..Timing::default() };
        Lane { recall, timing, ..Lane::new(0, Task::Peer(how)) }
    }

    #[test]
    fn only_points_that_say_something_are_repeated() {
        let mut lanes = vec![
            lane(How::Loop, 0.4, 900.0),
            lane(How::Loop, 0.9, 100.0),
            lane(How::Loop, 0.9, 120.0),
            lane(How::Loop, 0.95, 140.0),
            lane(How::Loop, 0.99, 20.0),
            lane(How::Batch, 0.9, 10.0),
            Lane::new(0, Task::Peer(How::Loop)),
        ];
        thin_out(&mut lanes, Clock::Wall);
        let open: Vec<bool> = lanes.iter().map(|lane| lane.is_open).collect();
        assert_eq!(open, [false, false, true, true, true, true, false]);
    }

    #[test]
    fn a_curve_ends_with_enough_recall_or_no_gain() {
        assert!(has_ended(&[0.5, 0.9996]));
        assert!(has_ended(&[0.9, 0.99, 0.9903, 0.9904]));
        assert!(
            !has_ended(&[0.99, 0.998, 0.9985, 0.9987]),
            "few misses are left, and a third of them was spared"
        );
        assert!(!has_ended(&[0.1, 0.1, 0.1]), "nothing found yet is no end");
        assert!(!has_ended(&[]));
    }
}
