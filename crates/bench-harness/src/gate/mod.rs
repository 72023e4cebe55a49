//! The gate: whether a run lost speed, recall or memory beside an earlier one of the same machine.
//!
//! **Speed** is never compared bare. Every run of a record has the pace of the machine beside it, measured around it by
//! a fixed piece of work that shares no code with the libraries ([`crate::reference`]); what is compared is speed over
//! pace, by the middle halves of both runs. Where they overlap, or the medians differ by less than
//! [`Rules::least_loss`], there is no change; where the machine had less of its pace than then, by so much more. What
//! seems lost is measured again ([`Judgement::suspects`], [`Judgement::confirm`]), best in turns with the program of the earlier
//! run, and only a loss each time is one: interference makes slow, never fast.
//!
//! **Recall** is lost where fewer neighbours were found than the count of queries lets one blame on chance; **memory**
//! where an index grew by more than [`Rules::growth`]; and what the earlier run measured and this one did not is
//! **missing**, which is a loss too.
//!
//! Speeds of different CPUs are not compared, unless [`Rules::across_cpus`] says so. A lower tier on the same CPU is
//! no other machine but just what the gate is there to see: of kernels the highest tier of each run counts.

mod wanted;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use simd_kernels::Tier;

use crate::protocol::quartiles;
use crate::record::Record;

use wanted::Case;
pub use wanted::Wanted;

/// Of kernels one round in so many counts: those in which the machine was quietest.
const QUIET: usize = 3;
/// But so many at least.
const LEAST_ROUNDS: usize = 3;

/// When a difference is a loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// Share of the speed below which nothing counts as lost.
    pub least_loss: f64,
    /// However little of its pace the machine had, a speed below this share of what else would do is lost; 1 forgives
    /// nothing, which is right where both were measured in the same minutes.
    pub most_disturbed: f64,
    /// Share by which an index may grow.
    pub growth: f64,
    /// Standard deviations that recall may fall by.
    pub deviations: f64,
    /// Whether speeds over paces are compared between different CPUs.
    pub across_cpus: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self { least_loss: 0.1, most_disturbed: 0.7, growth: 0.02, deviations: 3.0, across_cpus: false }
    }
}

/// What was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Quantity {
    /// Speed over pace.
    Speed,
    /// Share of the true neighbours.
    Recall,
    /// Bytes of the index.
    Memory,
    /// Everything: it was not measured.
    Missing,
}

impl Quantity {
    /// The name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Quantity::Speed => "speed",
            Quantity::Recall => "recall",
            Quantity::Memory => "memory",
            Quantity::Missing => "missing",
        }
    }
}

/// A difference between the runs that chance does not explain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// What differs.
    pub quantity: Quantity,
    /// The suite.
    pub suite: String,
    /// What was measured, in words.
    pub case: String,
    /// The figure of the earlier run: lower quartile, median and upper quartile of a speed over its pace, or thrice the
    /// same.
    pub then: [f64; 3],
    /// That of this run.
    pub now: [f64; 3],
    /// What else is to be known: another tier.
    pub remark: Option<String>,
    #[serde(skip)]
    key: Option<Case>,
}

impl Difference {
    /// The figure now over then.
    pub fn ratio(&self) -> f64 {
        self.now[1] / self.then[1]
    }
}

/// How a run stands beside an earlier one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// What was lost, the worst first.
    pub losses: Vec<Difference>,
    /// Speeds that were won.
    pub gains: Vec<Difference>,
    /// Cases whose speeds were compared.
    pub compared: usize,
    /// Of them, those that seemed lost and were not when measured again.
    pub cleared: usize,
    /// Cases that the earlier run has not.
    pub new: usize,
    /// What a reader should know: speeds that were not compared, and why.
    pub notices: Vec<String>,
    #[serde(skip)]
    speeds: BTreeSet<Case>,
}

/// The run did not pass.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GateError {
    /// Something was lost.
    #[error(
        "the gate is shut: {speed} speeds, {recall} recalls and {memory} sizes were lost, {missing} cases are missing"
    )]
    Lost {
        /// Speeds.
        speed: usize,
        /// Recalls.
        recall: usize,
        /// Indexes that grew.
        memory: usize,
        /// Cases that were not measured.
        missing: usize,
    },
    /// There is nothing to say.
    #[error("the gate compared nothing: the earlier run holds no records of ours")]
    Nothing,
}

impl Judgement {
    /// Whether the run passes.
    ///
    /// # Errors
    /// [`GateError`], if anything was lost or there was nothing to compare.
    pub fn verdict(&self) -> Result<(), GateError> {
        let count = |quantity| self.losses.iter().filter(|loss| loss.quantity == quantity).count();
        if !self.losses.is_empty() {
            return Err(GateError::Lost {
                speed: count(Quantity::Speed),
                recall: count(Quantity::Recall),
                memory: count(Quantity::Memory),
                missing: count(Quantity::Missing),
            });
        }
        let is_empty = self.compared == 0 && self.notices.is_empty();
        if is_empty { Err(GateError::Nothing) } else { Ok(()) }
    }

    /// The cases whose speed seems lost: to be measured again before that is said.
    pub fn suspects(&self) -> Wanted {
        let speed = self.losses.iter().filter(|loss| loss.quantity == Quantity::Speed);
        speed.filter_map(|loss| loss.key.clone()).collect()
    }

    /// Clears the suspects that a second measurement, judged by the same rules, compared and did not find lost; of the
    /// others it keeps the better figures.
    pub fn confirm(&mut self, again: &Judgement) {
        let before = self.losses.len();
        self.losses.retain_mut(|loss| {
            if loss.quantity != Quantity::Speed {
                return true;
            }
            let same = |other: &&Difference| other.quantity == Quantity::Speed && other.key == loss.key;
            match again.losses.iter().find(same) {
                Some(other) if other.ratio() > loss.ratio() => {
                    (loss.then, loss.now) = (other.then, other.now)
                }
                Some(_) => {}
                None => return !loss.key.as_ref().is_some_and(|key| again.speeds.contains(key)),
            }
            true
        });
        self.cleared += before - self.losses.len();
    }
}

/// Compares a run with an earlier one. Records of peers are left out of it.
pub fn judge(earlier: &[Record], run: &[Record], rules: &Rules) -> Judgement {
    let (then, now) = (dispatched(earlier), dispatched(run));
    let mut judgement = Judgement::default();
    let mut refused: BTreeMap<String, usize> = BTreeMap::new();
    let mut sizes: HashMap<String, Difference> = HashMap::new();
    for (case, then) in &then {
        let Some(&now) = now.get(case) else {
            judgement.losses.push(difference(Quantity::Missing, case, [then.qps; 3], [0.0; 3]));
            continue;
        };
        match speeds(then, now, rules) {
            Err(why) => *refused.entry(why).or_default() += 1,
            Ok((before, after)) => {
                judgement.compared += 1;
                judgement.speeds.insert(case.clone());
                let remark = (then.tier != now.tier).then(|| format!("tier {}, was {}", now.tier, then.tier));
                let found = Difference { remark, ..difference(Quantity::Speed, case, before, after) };
                let least = (1.0 - rules.least_loss) * disturbance(then, now).max(rules.most_disturbed);
                if after[2] < before[0] && found.ratio() < least {
                    judgement.losses.push(found);
                } else if after[0] > before[2] && found.ratio() > 1.0 / (1.0 - rules.least_loss) {
                    judgement.gains.push(found);
                }
            }
        }
        if let Some((before, after)) = recalls(then, now, rules) {
            judgement.losses.push(difference(Quantity::Recall, case, [before; 3], [after; 3]));
        }
        // A size belongs to an index, not to each of its search points.
        if let Some((before, after)) = grown(then, now, rules) {
            let named = difference(Quantity::Memory, case, [before; 3], [after; 3]);
            sizes.entry(case.index_name()).or_insert(Difference { case: case.index_name(), ..named });
        }
    }
    judgement.losses.extend(sizes.into_values());
    judgement.new = now.keys().filter(|case| !then.contains_key(case)).count();
    let order = |a: &Difference, b: &Difference| {
        a.quantity.cmp(&b.quantity).then(a.ratio().total_cmp(&b.ratio())).then_with(|| a.case.cmp(&b.case))
    };
    judgement.losses.sort_by(order);
    judgement.gains.sort_by(|a, b| b.ratio().total_cmp(&a.ratio()).then_with(|| a.case.cmp(&b.case)));
    let say = |(why, count): (String, usize)| format!("{count} speeds not compared: {why}");
    judgement.notices = refused.into_iter().map(say).collect();
    judgement
}

fn difference(quantity: Quantity, case: &Case, then: [f64; 3], now: [f64; 3]) -> Difference {
    let (suite, words) = (case.suite().to_owned(), case.to_string());
    Difference { quantity, suite, case: words, then, now, remark: None, key: Some(case.clone()) }
}

/// Our records by what they measure; of kernels those of the highest tier, which is what dispatch took.
fn dispatched(records: &[Record]) -> BTreeMap<Case, &Record> {
    let rank = |record: &Record| Tier::ALL.iter().position(|tier| tier.name() == record.tier);
    let mut cases: BTreeMap<Case, &Record> = BTreeMap::new();
    for record in records.iter().filter(|record| record.peer.is_none()) {
        let kept = cases.entry(Case::of(record)).or_insert(record);
        if rank(record) >= rank(kept) {
            *kept = record;
        }
    }
    cases
}

/// Quartiles of speed over pace of both, or why they are not compared.
fn speeds(then: &Record, now: &Record, rules: &Rules) -> Result<([f64; 3], [f64; 3]), String> {
    if then.cpu != now.cpu && !rules.across_cpus {
        return Err(format!("measured on {}, this is {}", then.cpu, now.cpu));
    }
    let clock = |record: &Record| record.clock.clone().unwrap_or_else(|| "wall".to_owned());
    if clock(then) != clock(now) {
        return Err(format!("counted by the {} clock then, by the {} clock now", clock(then), clock(now)));
    }
    let relative = |record: &Record, which: &str| {
        quartiles(&over_pace(record)).ok_or_else(|| format!("{which} has no pace of the machine beside them"))
    };
    Ok((relative(then, "the earlier run")?, relative(now, "this run")?))
}

/// Every run's speed over the pace around it. What works on blocks in the first-level cache is compared with the near
/// pace, and only in its quietest rounds: it loses nothing to a neighbour's use of memory, but a third to a neighbour on
/// the same core, which comes and goes. What searches an index is compared with the geometric mean of both paces, in all
/// rounds: how much of either it takes, nobody knows.
pub fn over_pace(record: &Record) -> Vec<f64> {
    let near = record.qps_runs.iter().zip(&record.pace_near);
    if !record.pace_far.is_empty() {
        let both = near.zip(&record.pace_far);
        return both.map(|((speed, near), far)| speed / (near * far).sqrt()).collect();
    }
    let mut rounds: Vec<(f64, f64)> = near.map(|(speed, pace)| (*pace, speed / pace)).collect();
    rounds.sort_by(|a, b| b.0.total_cmp(&a.0));
    rounds.truncate(rounds.len().div_ceil(QUIET).max(LEAST_ROUNDS));
    rounds.into_iter().map(|(_, speed)| speed).collect()
}

/// The share of the pace that the machine was left with in the quietest third of the rounds, beside the earlier run; at
/// most 1. The ratio makes up for what a neighbour took, but not to the last tenth.
fn disturbance(then: &Record, now: &Record) -> f64 {
    let third = |record: &Record| {
        let mut paces = record.pace_near.clone();
        paces.sort_by(|a, b| b.total_cmp(a));
        paces.get(paces.len() / (2 * QUIET)).copied()
    };
    third(now).zip(third(then)).map_or(1.0, |(now, then)| (now / then).min(1.0))
}

/// Both recalls, if the later is lower than chance allows: ties forgiven where that was judged.
fn recalls(then: &Record, now: &Record, rules: &Rules) -> Option<(f64, f64)> {
    let (before, after) = match (then.recall_tie, now.recall_tie) {
        (Some(before), Some(after)) => (before, after),
        _ => (then.recall_eps.or(then.recall_id)?, now.recall_eps.or(now.recall_id)?),
    };
    let answers = (now.queries.max(1) * now.k.max(1)) as f64;
    // One answer more and one less than were found, so that perfect recall has a chance of a miss too.
    let share = (before * answers + 1.0).min(answers + 1.0) / (answers + 2.0);
    let allowed = rules.deviations * (share * (1.0 - share) / answers).sqrt();
    (after < before - allowed).then_some((before, after))
}

/// Bytes of both indexes, if the later has grown.
fn grown(then: &Record, now: &Record, rules: &Rules) -> Option<(f64, f64)> {
    let (before, after) = (then.index_bytes? as f64, now.index_bytes? as f64);
    (then.suite != "kernels" && after > before * (1.0 + rules.growth)).then_some((before, after))
}

#[cfg(test)]
mod tests;
