//! All parties in turns: every search point is measured once a round.

use super::guest::{Guest, Guests, peer_records};
use super::lane::{Lane, Task, has_ended, our_lanes, their_lanes, thin_out};
use super::message::{How, words};
use super::{PeerError, PeerSettings, PeersError};
use crate::dataset::Dataset;
use crate::engine::{EngineError, Index, Suite};
use crate::progress::Progress;
use crate::protocol::{Clock, Mode, Threads, Timing, measure, percentile};
use crate::recall::{Recall, recall};
use crate::record::Record;
use crate::reference::Pace;
use crate::run::{RunError, Settings, ids_of, record_of};
use crate::write;

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
    /// The pace of the machine around building.
    pub(crate) pace: Pace,
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

struct Round<'a> {
    settings: &'a Settings,
    dataset: &'a Dataset,
    filter: Option<&'a str>,
    contenders: &'a [Contender],
    threads: &'a Threads,
    progress: &'a dyn Progress,
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
