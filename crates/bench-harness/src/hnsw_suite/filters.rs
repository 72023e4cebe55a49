//! Searches under filters: shares of the rows drawn at random, and balls, which lie where most queries do not.
//!
//! The truth is that of the matches alone, computed exactly. Every index is built once, of all rows.

use super::{Measured, built};
use crate::dataset::{Dataset, Truth};
use crate::engine::EngineError;
use crate::graph_engine::GraphSpec;
use crate::peers::{Contender, Guests, turns};
use crate::progress::Progress;
use crate::protocol::{Mode, Threads};
use crate::run::{RunError, Settings};
use crate::truth::{self, TruthError};

/// Which rows match.
#[derive(Clone, Copy, Debug)]
enum Matches {
    /// A share of all, by hash.
    Random,
    /// The share nearest to one row.
    Ball,
}

/// What is measured: shares of one in so many.
const FILTERS: [(Matches, usize); 7] = [
    (Matches::Random, 2),
    (Matches::Random, 10),
    (Matches::Random, 100),
    (Matches::Random, 1000),
    (Matches::Ball, 3),
    (Matches::Ball, 10),
    (Matches::Ball, 100),
];

impl Matches {
    /// As it stands behind the name of the data set.
    fn label(self, share: usize) -> String {
        let percent = 100.0 / share as f64;
        let percent = if percent >= 1.0 { format!("{percent:.0}") } else { format!("{percent:.1}") };
        match self {
            Matches::Random => format!("{percent} % at random"),
            Matches::Ball => format!("{percent} % in a ball"),
        }
    }

    /// The rows that match, ascending; at least one.
    fn rows(self, dataset: &Dataset, share: usize, progress: &dyn Progress) -> Result<Vec<u32>, TruthError> {
        let rows = dataset.base.len() as u32;
        let count = (rows as usize / share).max(1);
        let mut ids: Vec<u32> = match self {
            Matches::Random => {
                let hash = |id: u32| u64::from(id + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(31);
                let mixed = |id: u32| hash(id).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 8;
                let mut drawn: Vec<(u64, u32)> = (0..rows).map(|id| (mixed(id), id)).collect();
                drawn.sort_unstable();
                drawn.truncate(count);
                drawn.into_iter().map(|(_, id)| id).collect()
            }
            Matches::Ball => {
                let centre = dataset.base.select(&[rows / 3]).map_err(|_| TruthError::Cancelled)?;
                let around = Dataset { queries: centre, truth: None, ..dataset.clone() };
                truth::exact(&around, count, progress)?.ids().to_vec()
            }
        };
        ids.sort_unstable();
        Ok(ids)
    }
}

/// The set with the truth of the matches in place of its own.
fn filtered(
    dataset: &Dataset,
    label: &str,
    allowed: &[u32],
    k: usize,
    progress: &dyn Progress,
) -> Result<Dataset, TruthError> {
    let base = dataset.base.select(allowed).map_err(|_| TruthError::Cancelled)?;
    let matches = Dataset { base, truth: None, ..dataset.clone() };
    let found = truth::exact(&matches, k, progress)?;
    let ids = found.ids().iter().filter_map(|&at| allowed.get(at as usize).copied()).collect();
    let truth = Truth::new(found.k(), ids, found.distances().to_vec())?;
    Ok(Dataset { name: format!("{}, {label}", dataset.name), truth: Some(truth), ..dataset.clone() })
}

/// Measures every filter, our indexes and the peers in turns.
pub(super) fn measure(
    settings: &Settings,
    dataset: &Dataset,
    specs: &[GraphSpec],
    threads: &Threads,
    progress: &dyn Progress,
) -> Result<Measured, RunError> {
    let settings = &Settings { modes: vec![Mode::Single], ..settings.clone() };
    let refuse = |error: EngineError| RunError::Engine { dataset: dataset.name.clone(), error };
    let truthless = |error: TruthError| RunError::Truth { dataset: dataset.name.clone(), error };
    let (mut records, mut notices) = (Vec::new(), Vec::new());
    let mut contenders: Vec<Contender> =
        built(settings, dataset, (specs, threads), progress)?.into_iter().map(|(built, _)| built).collect();
    let mut guests = match &settings.peers {
        None => Guests::default(),
        Some(peers) => Guests::invite((settings, peers), dataset, true, progress, &mut notices)?,
    };
    for (matches, share) in FILTERS {
        let label = matches.label(share);
        progress.start(&format!("truth of {label} of {}", dataset.name), 0);
        let allowed = matches.rows(dataset, share, progress).map_err(truthless)?;
        let k = settings.k.min(allowed.len());
        let judged = filtered(dataset, &label, &allowed, k, progress).map_err(truthless)?;
        progress.finish();
        let mut bytes = vec![0; dataset.base.len()];
        for &id in &allowed {
            if let Some(byte) = bytes.get_mut(id as usize) {
                *byte = 1;
            }
        }
        let name = label.replace([' ', '%', '.'], "-");
        guests.hand_filter(&name, bytes)?;
        for contender in &mut contenders {
            contender.index.restrict(Some(&allowed)).map_err(refuse)?;
        }
        let settings = &Settings { k, ..settings.clone() };
        let outcome = turns(settings, (&judged, Some(&name)), &contenders, &mut guests, threads, progress)?;
        for found in &outcome.ours {
            records.push(crate::run::record_of(&contenders[found.contender], &judged, settings, found));
        }
        records.extend(outcome.peers);
        for notice in outcome.notices {
            if !notices.contains(&notice) {
                notices.push(notice);
            }
        }
    }
    Ok((records, notices))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::generate;
    use crate::progress::Quiet;

    #[test]
    fn matches_are_as_many_as_asked_for_and_their_truth_is_in_the_ids_of_all() {
        let set = generate(&"synth:uniform?n=600&d=4&q=5".parse().unwrap()).unwrap();
        for (matches, share) in FILTERS {
            let allowed = matches.rows(&set, share, &Quiet).unwrap();
            assert_eq!(allowed.len(), (600 / share).max(1));
            assert!(allowed.windows(2).all(|pair| pair[0] < pair[1]));
            let k = 3.min(allowed.len());
            let judged = filtered(&set, &matches.label(share), &allowed, k, &Quiet).unwrap();
            judged.validate().unwrap();
            assert!(judged.name.contains('%'));
            let all = truth::exact(&set, 600, &Quiet).unwrap();
            for query in 0..5 {
                let (ids, _) = all.query(query).unwrap();
                let expected: Vec<u32> =
                    ids.iter().copied().filter(|id| allowed.binary_search(id).is_ok()).take(k).collect();
                assert_eq!(judged.truth.as_ref().unwrap().query(query).unwrap().0, expected);
            }
        }
    }

    /// A ball lies around its centre; rows at random do not.
    #[test]
    fn a_ball_is_one() {
        let set = generate(&"synth:uniform?n=600&d=4&q=5".parse().unwrap()).unwrap();
        let ball = Matches::Ball.rows(&set, 100, &Quiet).unwrap();
        assert!(ball.contains(&200));
        assert_ne!(ball, Matches::Random.rows(&set, 100, &Quiet).unwrap());
    }
}
