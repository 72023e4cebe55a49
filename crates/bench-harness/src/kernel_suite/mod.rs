//! The `kernels` suite: every kernel on every tier of this CPU, against each other and against the machine.
//!
//! Blocks of rows lie in the first-level cache, so that the kernel is what is measured. Tiers are interleaved:
//! one round times every tier once, and a ratio is taken within a round, because clocks wander by more than
//! kernels differ. What is kept is the median of the rounds; their speeds go into the record.

mod cases;
mod forms;
mod functions;
mod panels;
mod scans;

use std::time::{Duration, Instant};

use simd_kernels::{CovarianceError, Kernels, ShapeError, Tier};

use crate::dtype::Dtype;
use crate::gate::Wanted;
use crate::machine::Caches;
use crate::machine::limits::Limits;
use crate::progress::Progress;
use crate::protocol::{Threads, quartiles};
use crate::record::Record;
use crate::reference::Reference;

pub use cases::{Call, Case, PANEL, VALUES, Visitor, visit};

/// Dimensions that are measured: short with a tail, common embedding sizes, and long.
pub const DIMENSIONS: [usize; 7] = [25, 96, 128, 384, 784, 960, 1024];

/// What to measure.
#[derive(Clone, Debug)]
pub struct KernelSettings {
    /// Element types; [`Dtype::Bits`] stands for the kernels of bit strings.
    pub dtypes: Vec<Dtype>,
    /// Dimensions; for bit strings, bytes.
    pub dimensions: Vec<usize>,
    /// The highest tier that is measured.
    pub highest: Tier,
    /// Rounds; each times every tier once.
    pub rounds: usize,
    /// Time of one sample.
    pub sample: Duration,
    /// Only the lowest and the highest tier: enough to see whether the highest is still what it was.
    pub ends_only: bool,
    /// Only these cases.
    pub wanted: Option<Wanted>,
}

impl KernelSettings {
    /// Everything up to `highest`; `quick` takes fewer dimensions and rounds.
    pub fn new(highest: Tier, dtypes: Vec<Dtype>, quick: bool) -> Self {
        let dimensions = if quick { vec![96, 128, 960] } else { DIMENSIONS.to_vec() };
        let (rounds, sample) = if quick { (5, 30) } else { (11, 100) };
        let sample = Duration::from_micros(sample);
        Self { dtypes, dimensions, highest, rounds, sample, ends_only: false, wanted: None }
    }

    fn tiers(&self) -> Vec<&'static Kernels> {
        let tiers = Tier::ALL.iter().filter(|&&tier| tier <= self.highest);
        let mut tiers: Vec<_> = tiers.filter_map(|&tier| Kernels::for_tier(tier)).collect();
        if self.ends_only && tiers.len() > 2 {
            tiers.drain(1..tiers.len() - 1);
        }
        tiers
    }
}

/// Why a kernel could not be measured.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KernelSuiteError {
    /// A shape that the kernel refuses.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// Parameters that a covariance refuses.
    #[error(transparent)]
    Covariance(#[from] CovarianceError),
    /// No memory for a block.
    #[error(transparent)]
    Memory(#[from] layouts::Error),
}

/// Measures on the first thread of `threads`. Facts about machine and run are for the caller to add.
///
/// # Errors
/// [`KernelSuiteError`] if a dimension does not suit a kernel.
pub fn measure(
    settings: &KernelSettings,
    (limits, caches): (&Limits, &Caches),
    threads: &Threads,
    progress: &dyn Progress,
) -> Result<Vec<Record>, KernelSuiteError> {
    let caches = Caches { l1d: caches.l1d.or(Some(32 << 10)), ..*caches };
    let tiers = settings.tiers();
    let groups = cases::groups(&settings.dtypes, &settings.dimensions);
    progress.start("kernels", groups as u64);
    let reference = threads.reference();
    let records = threads.pool().install(|| {
        let mut records = Vec::new();
        for group in 0..groups {
            cases::visit_group(&settings.dtypes, &settings.dimensions, group, &mut |case, call| {
                records.extend(time((settings, reference), &tiers, case, call)?);
                Ok(())
            })?;
            progress.advance(1);
        }
        Ok(records)
    });
    progress.finish();
    records.map(|mut records| {
        // Only what reading can bound has a share of what reading can do.
        for (record, _) in records.iter_mut().filter(|(_, read_bound)| *read_bound) {
            // Eight rows of a long type do not fit the first level: then the next one is what bounds them.
            let bound = limits.bound_of(record.index_bytes.unwrap_or(0), &caches, 1);
            record.bound = Some(bound.name.to_owned());
            record.bound_bytes_per_s = Some(bound.bytes_per_s);
            record.bound_share = record.bytes_per_s.map(|rate| rate / bound.bytes_per_s);
        }
        records.into_iter().map(|(record, _)| record).collect()
    })
}

/// Times a case on every tier and gives one record a tier, with whether reading bounds it.
fn time(
    (settings, reference): (&KernelSettings, &Reference),
    tiers: &[&'static Kernels],
    case: &Case,
    call: &mut Call<'_>,
) -> Result<Vec<(Record, bool)>, KernelSuiteError> {
    let template = template(case);
    if settings.wanted.as_ref().is_some_and(|wanted| !wanted.has(&template)) {
        return Ok(Vec::new());
    }
    // How often a tier has to be called to fill a sample, found by doubling; this also warms up.
    let mut times = vec![1; tiers.len()];
    for (&kernels, times) in tiers.iter().zip(&mut times) {
        loop {
            let start = Instant::now();
            call(kernels, *times)?;
            if start.elapsed() >= settings.sample {
                break;
            }
            *times *= 2;
        }
    }
    let mut speeds = vec![Vec::with_capacity(settings.rounds); tiers.len()];
    let mut paces = Vec::with_capacity(settings.rounds);
    for _ in 0..settings.rounds {
        for ((&kernels, &times), speeds) in tiers.iter().zip(&times).zip(&mut speeds) {
            let start = Instant::now();
            call(kernels, times)?;
            speeds.push((times * case.results) as f64 / start.elapsed().as_secs_f64());
        }
        let [wall, _] = reference.near();
        paces.push(wall);
    }
    let baseline = speeds.first().cloned().unwrap_or_default();
    let records = tiers.iter().zip(speeds).filter_map(|(kernels, speeds)| {
        let ratios: Vec<f64> = speeds.iter().zip(&baseline).map(|(now, base)| now / base).collect();
        let [_, median, _] = quartiles(&speeds)?;
        let record = Record {
            tier: kernels.tier().name().to_owned(),
            qps: median,
            runs: settings.rounds,
            qps_runs: speeds,
            pace_near: paces.clone(),
            bytes_per_s: case.bytes_per_result.map(|bytes| median * bytes as f64),
            over_baseline_tier: quartiles(&ratios).map(|[_, median, _]| median),
            ..template.clone()
        };
        Some((record, case.read_bound))
    });
    Ok(records.collect())
}

/// What the records of a case have in common, whatever the tier.
fn template(case: &Case) -> Record {
    Record {
        suite: "kernels".to_owned(),
        index: case.kernel.clone(),
        params: case.shape.clone(),
        index_bytes: Some(case.block_bytes as u64),
        dataset: "synthetic".to_owned(),
        metric: case.measure.to_owned(),
        dtype: case.dtype.to_owned(),
        n: case.n,
        dim: case.dim,
        threads: 1,
        mode: case.form.to_owned(),
        ..Record::default()
    }
}

/// What a kernel of panels or values does in a second: multiply-adds, or values. `None` for other records.
pub(crate) fn work_per_s(record: &Record) -> Option<f64> {
    match record.mode.as_str() {
        PANEL => Some(record.qps * record.dim as f64),
        VALUES => Some(record.qps),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Quiet;
    use simd_kernels::{Element, inventory::inventory};

    #[test]
    fn every_kernel_of_every_tier_is_measured() {
        let settings = KernelSettings {
            dtypes: Dtype::ALL.to_vec(),
            dimensions: vec![25],
            highest: Tier::ALL.iter().copied().max().unwrap(),
            rounds: 2,
            sample: Duration::from_nanos(1),
            ends_only: false,
            wanted: None,
        };
        let limits = Limits { l1: 1e9, ..Limits::default() };
        let threads = Threads::start(1).unwrap();
        let records = measure(&settings, (&limits, &Caches::default()), &threads, &Quiet).unwrap();
        for kernels in settings.tiers() {
            let mut names: Vec<&str> = records
                .iter()
                .filter(|record| record.tier == kernels.tier().name())
                .map(|record| record.index.as_str())
                .collect();
            for entry in inventory(kernels.tier()) {
                assert!(
                    names.contains(&entry.kernel.as_str()),
                    "{} has no bench on {}",
                    entry.kernel,
                    entry.tier
                );
            }
            let all = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), all, "a kernel was measured twice on {}", kernels.tier());
        }
        for record in &records {
            assert!(record.qps > 0.0, "{record:?}");
            assert_eq!(record.bound_share.is_some(), record.bound.is_some(), "{record:?}");
            assert!(work_per_s(record).is_some() || record.bound_share.unwrap() > 0.0, "{record:?}");
        }
        assert!(records.iter().filter(|r| r.tier == "baseline").all(|r| r.over_baseline_tier == Some(1.0)));
    }

    #[test]
    fn a_dimension_that_a_kernel_refuses_is_an_error() {
        let settings = KernelSettings {
            dimensions: vec![u8::MAX_DIM + 1],
            ..KernelSettings::new(Tier::Baseline, vec![Dtype::U8], true)
        };
        let threads = Threads::start(1).unwrap();
        assert!(measure(&settings, (&Limits::default(), &Caches::default()), &threads, &Quiet).is_err());
    }
}
