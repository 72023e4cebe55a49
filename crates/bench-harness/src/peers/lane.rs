//! Search points that take their turns: which there are, and which are worth repeating.

use super::guest::Guest;
use super::interleave::Contender;
use super::message::How;
use crate::protocol::{Clock, Mode, Timing};
use crate::recall::Recall;
use crate::run::{Settings, spread_over};

/// A curve of a peer ends at this recall: beyond it there is nothing to compare.
const ENOUGH: f64 = 0.9995;
/// A peer's point that another one of its own beats by this factor, at no less recall, is not repeated.
const BEATEN: f64 = 1.3;
/// Below this recall no point is of use.
const USELESS: f64 = 0.5;

/// A search point that takes its turn in every round.
#[derive(Debug)]
pub(super) struct Lane {
    /// The point of our grid, or the setting of the peer's.
    pub(super) point: usize,
    pub(super) task: Task,
    pub(super) timing: Timing,
    pub(super) recall: Option<Recall>,
    /// What was found, where it is to be written.
    pub(super) ids: Vec<Vec<u32>>,
    pub(super) distances: Option<f64>,
    pub(super) is_open: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Task {
    Ours(Mode),
    Peer(How),
}

impl Lane {
    pub(super) fn new(point: usize, task: Task) -> Self {
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
    pub(super) fn add(&mut self, timing: Timing) {
        if timing.best_qps() > self.timing.best_qps() {
            self.timing.latencies_us = timing.latencies_us;
        }
        self.timing.qps_runs.extend(timing.qps_runs);
        self.timing.cpu_qps_runs.extend(timing.cpu_qps_runs);
        self.timing.paces.extend(timing.paces);
    }
}

pub(super) fn our_lanes(contender: &Contender, settings: &Settings) -> Vec<Lane> {
    let points = spread_over(contender.index.grid().len(), settings.points);
    points
        .into_iter()
        .flat_map(|point| settings.modes.iter().map(move |&mode| Lane::new(point, Task::Ours(mode))))
        .collect()
}

/// A native loop over single queries is both its single-query and its batch speed, and timed once.
pub(super) fn their_lanes(guest: &Guest, settings: &Settings) -> Vec<Lane> {
    let hows: Vec<How> = match guest.ready.is_loop {
        true => vec![How::Loop],
        false => settings.modes.iter().map(|mode| how_of(*mode)).collect(),
    };
    let points = 0..guest.ready.grid.len();
    points.flat_map(|point| hows.iter().map(move |&how| Lane::new(point, Task::Peer(how)))).collect()
}

pub(super) const fn how_of(mode: Mode) -> How {
    match mode {
        Mode::Single => How::Calls,
        Mode::Batch => How::Batch,
    }
}

/// Whether a curve has come to its end: enough recall, or two settings that spared less than a tenth of the misses.
pub(super) fn has_ended(found: &[f64]) -> bool {
    match found {
        [.., last] if *last >= ENOUGH => true,
        [.., third, _, last] => 1.0 - last > 0.9 * (1.0 - third) && *last > USELESS,
        _ => false,
    }
}

/// Closes the points that say nothing: found too little, or clearly beaten by another one of the same peer.
pub(super) fn thin_out(lanes: &mut [Lane], clock: Clock) {
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
