//! The `covertree` suite: residual-correlation search, Euclidean search, predecessors and orders.
//!
//! Every workload is generated, but for the real coordinates of MODIS and Argo, which are measured where
//! `NIGH_DATA` has them. Contenders of one workload run in turns, one of them the f64 brute force in blocks on the
//! same kernels, and every answer is judged: a speed without recall says nothing about this problem. What a record
//! counts as a query is one point's search; of orders, one point's place.

mod clock;
mod contest;
mod euclidean;
mod field;
mod numpy;
mod points;
mod predecessors;
mod residual;

use simd_kernels::{Covariance, Kernels, Tier};

use crate::gate::Wanted;
use crate::progress::Progress;
use crate::protocol::Threads;
use crate::record::Record;
use field::{Spread, Workload};
use points::{Generated, Points};

/// What to measure.
#[derive(Clone, Debug)]
pub struct CovertreeSettings {
    /// The instruction-set tier of the brute force; the engines take the active one.
    pub tier: Tier,
    /// Timed rounds of every contender.
    pub rounds: usize,
    /// Small workloads only.
    pub quick: bool,
    /// Only workloads whose name contains one of these; all if there is none.
    pub cases: Vec<String>,
    /// Building and updating as records of their own.
    pub gate: bool,
    /// Of these only the workloads of which anything is wanted.
    pub wanted: Option<Wanted>,
}

/// Why the suite ended early.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CovertreeSuiteError {
    /// A workload that could not be made or searched.
    #[error("{case}: {reason}")]
    Case {
        /// The workload.
        case: String,
        /// What was wrong.
        reason: String,
    },
    /// Nothing matches what was asked for.
    #[error("no workload of the covertree suite contains {asked:?}: it has {known}")]
    NoCase {
        /// What was asked for.
        asked: String,
        /// The workloads.
        known: String,
    },
    /// A tier that this CPU lacks.
    #[error("this CPU cannot run the tier {tier}")]
    NoTier {
        /// The tier.
        tier: Tier,
    },
}

/// One workload of the suite.
enum Case {
    /// Searches by residual correlation for members, `k` neighbours each.
    Residual { workload: Workload, queries: usize, k: usize },
    /// All points' predecessors by residual correlation.
    ResidualPredecessors { workload: Workload, m: usize },
    /// Searches by Euclidean distance.
    Euclidean { name: String, make: Box<dyn Fn() -> Result<Option<Points>, String>> },
    /// All points' predecessors by Euclidean distance, and orders.
    Predecessors { name: String, make: Box<dyn Fn() -> Result<Option<Points>, String>> },
}

impl Case {
    fn name(&self) -> &str {
        match self {
            Case::Residual { workload, .. } | Case::ResidualPredecessors { workload, .. } => &workload.name,
            Case::Euclidean { name, .. } | Case::Predecessors { name, .. } => name,
        }
    }
}

fn workload(
    name: &str,
    n: usize,
    (spread, dim): (Spread, usize),
    (covariance, lengthscale): (Covariance, f64),
    rank: usize,
) -> Workload {
    Workload { name: format!("{name}-{}k", n >> 10), n, dim, spread, covariance, lengthscale, rank }
}

/// Neighbours of a predecessor search.
const M: usize = 30;

fn cases(quick: bool) -> Vec<Case> {
    use Covariance::{Matern12, Matern32, Matern52, Rbf};
    use Spread::{Normal, Uniform};
    // The gold workload of the systems that this one is beside, and the four of the design notes.
    let n = if quick { 4096 } else { 32768 };
    let rank = |full: usize| if quick { full / 4 } else { full };
    let mut cases: Vec<Case> = [
        workload("gp-gold", n, (Normal, 3), (Rbf, 1.0), rank(512)),
        workload("gp-matern52-3d", n, (Normal, 3), (Matern52, 1.0), rank(512)),
        workload("gp-matern32-3d", n, (Uniform, 3), (Matern32, 0.3), rank(200)),
        workload("gp-matern12-3d", n, (Uniform, 3), (Matern12, 0.3), rank(200)),
        workload("gp-matern32-2d", n, (Uniform, 2), (Matern32, 0.2), rank(200)),
    ]
    .into_iter()
    .map(|workload| Case::Residual { workload, queries: if quick { 256 } else { 1024 }, k: 50 })
    .collect();
    // What a Vecchia approximation asks for, on the first two.
    for (name, covariance) in [("gp-gold", Rbf), ("gp-matern52-3d", Matern52)] {
        let name = format!("{name}-predecessors");
        let workload = workload(&name, n, (Normal, 3), (covariance, 1.0), rank(512));
        cases.push(Case::ResidualPredecessors { workload, m: M });
    }
    // The comparison with GPBoost, and how the cost grows from there.
    for n in if quick { vec![2000] } else { vec![8000, 32_000, 100_000] } {
        let name = format!("vif-matern32-3d-{}k", n / 1000);
        let (spread, covariance) = (Uniform, Matern32);
        let workload = Workload { name, n, dim: 3, spread, covariance, lengthscale: 0.3, rank: rank(200) };
        cases.push(Case::ResidualPredecessors { workload, m: M });
    }
    let real = |name: &'static str, file: &'static str| {
        move || {
            points::folders()
                .iter()
                .find_map(|folder| Points::real(folder, name, file).transpose())
                .transpose()
        }
    };
    let sets: [(&'static str, &'static str); 2] =
        [("geo-modis-lst-148k", "coords.npy"), ("geo-argo2016-32k", "xyz.npy")];
    for (name, file) in sets {
        if !quick {
            cases.push(Case::Euclidean { name: name.to_owned(), make: Box::new(real(name, file)) });
            cases.push(Case::Predecessors { name: name.to_owned(), make: Box::new(real(name, file)) });
        }
    }
    let generated = if quick {
        vec![(Generated::Uniform, 20_000, 2, 10), (Generated::Clustered, 10_000, 10, 10)]
    } else {
        vec![
            (Generated::Uniform, 100_000, 2, 10),
            (Generated::Uniform, 100_000, 3, 10),
            (Generated::Uniform, 32_000, 10, 10),
            (Generated::Clustered, 32_000, 10, 10),
        ]
    };
    for (spread, n, dim, k) in generated {
        let queries = if quick { 1000 } else { 5000 };
        let make = move || Ok(Some(Points::generated(spread, n, dim, queries, k)));
        let name = make_name(spread, n, dim);
        cases.push(Case::Euclidean { name: name.clone(), make: Box::new(make) });
    }
    for n in if quick { vec![20_000] } else { vec![10_000, 30_000, 100_000, 300_000] } {
        let make = move || Ok(Some(Points::generated(Generated::Uniform, n, 2, 1, 1)));
        cases.push(Case::Predecessors { name: make_name(Generated::Uniform, n, 2), make: Box::new(make) });
    }
    cases
}

fn make_name(spread: Generated, n: usize, dim: usize) -> String {
    format!("{}-{dim}d-{}k", spread.name(), n / 1000)
}

/// Measures all workloads. Facts about machine and run are for the caller to add. The second result says what a
/// reader should know.
///
/// # Errors
/// [`CovertreeSuiteError`] as soon as something fails.
pub fn measure(
    settings: &CovertreeSettings,
    threads: &Threads,
    progress: &dyn Progress,
) -> Result<(Vec<Record>, Vec<String>), CovertreeSuiteError> {
    let kernels =
        Kernels::for_tier(settings.tier).ok_or(CovertreeSuiteError::NoTier { tier: settings.tier })?;
    let all = cases(settings.quick);
    let wanted = |case: &&Case| {
        settings.cases.is_empty() || settings.cases.iter().any(|part| case.name().contains(part.as_str()))
    };
    let chosen: Vec<&Case> = all.iter().filter(wanted).collect();
    if chosen.is_empty() {
        let known: Vec<_> = all.iter().map(Case::name).collect();
        let (asked, known) = (settings.cases.join(", "), known.join(", "));
        return Err(CovertreeSuiteError::NoCase { asked, known });
    }
    let (mut records, mut notices) = (Vec::new(), Vec::new());
    let is_wanted =
        |case: &&Case| settings.wanted.as_ref().is_none_or(|wanted| wanted.has_set("covertree", case.name()));
    for case in chosen.into_iter().filter(is_wanted) {
        progress.start(&format!("covertree {}", case.name()), settings.rounds as u64);
        let measured = match case {
            Case::Residual { workload, queries, k } => {
                let report = (progress, &mut notices);
                residual::measure(settings, kernels, workload, (*queries, *k), threads, report)
            }
            Case::ResidualPredecessors { workload, m } => {
                residual::predecessors(settings, kernels, workload, *m, threads, progress)
            }
            Case::Euclidean { make, .. } => {
                of_points(make, |points| euclidean::measure(settings, kernels, points, threads, progress))
            }
            Case::Predecessors { make, .. } => {
                of_points(make, |points| predecessors::measure(settings, points, M, threads, progress))
            }
        };
        progress.finish();
        match measured {
            Ok(found) => records.extend(found),
            Err(Failure::Missing) => notices.push(format!(
                "{} left out: no such folder in {:?} (set NIGH_DATA)",
                case.name(),
                points::folders()
            )),
            Err(Failure::Reason(reason)) => {
                return Err(CovertreeSuiteError::Case { case: case.name().to_owned(), reason });
            }
        }
    }
    for record in &mut records {
        record.tier = settings.tier.name().to_owned();
    }
    Ok((records, notices))
}

/// Why a case gave no records.
enum Failure {
    /// Its data are not there.
    Missing,
    /// It failed.
    Reason(String),
}

impl From<String> for Failure {
    fn from(reason: String) -> Self {
        Failure::Reason(reason)
    }
}

fn of_points(
    make: &dyn Fn() -> Result<Option<Points>, String>,
    measure: impl FnOnce(&Points) -> Result<Vec<Record>, String>,
) -> Result<Vec<Record>, Failure> {
    match make()? {
        Some(points) => Ok(measure(&points)?),
        None => Err(Failure::Missing),
    }
}

/// A record with what all of this suite have in common.
fn record(dataset: &str, metric: &str, (n, dim): (usize, usize), k: usize, queries: usize) -> Record {
    Record {
        suite: "covertree".to_owned(),
        dataset: dataset.to_owned(),
        metric: metric.to_owned(),
        dtype: "f64".to_owned(),
        params: "-".to_owned(),
        mode: "batch".to_owned(),
        n,
        dim,
        k,
        queries,
        ..Record::default()
    }
}
