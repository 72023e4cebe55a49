//! The `kernels` suite: every kernel on every tier of this CPU, against each other and against the machine.
//!
//! Blocks lie in the first-level cache, so that the kernel is what is measured. Tiers are interleaved: one round
//! times every tier once, and a ratio is taken within a round, because clocks wander by more than kernels
//! differ. What is kept is the median of the rounds; their speeds go into the record.

use std::hint::black_box;
use std::time::{Duration, Instant};

use layouts::AlignedVec;
use simd_kernels::{Distance, Element, Forms, Kernels, Measure, Rows, ShapeError, Tier, bf16, f16};

use crate::dtype::Dtype;
use crate::machine::Caches;
use crate::machine::limits::Limits;
use crate::progress::Progress;
use crate::protocol::{Threads, quartiles};
use crate::record::Record;

/// Dimensions that are measured: short with a tail, common embedding sizes, and long.
pub const DIMENSIONS: [usize; 7] = [25, 96, 128, 384, 784, 960, 1024];
/// Bytes of the block of rows: with queries and results it stays inside the smallest first-level cache in use.
const BLOCK_BYTES: usize = 16 << 10;
/// Queries of a tile.
const TILE_QUERIES: usize = 8;

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
}

impl KernelSettings {
    /// Everything up to `highest`; `quick` takes fewer dimensions and rounds.
    pub fn new(highest: Tier, dtypes: Vec<Dtype>, quick: bool) -> Self {
        let dimensions = if quick { vec![96, 128, 960] } else { DIMENSIONS.to_vec() };
        let (rounds, sample) = if quick { (5, 30) } else { (11, 100) };
        Self { dtypes, dimensions, highest, rounds, sample: Duration::from_micros(sample) }
    }

    fn tiers(&self) -> Vec<&'static Kernels> {
        let tiers = Tier::ALL.iter().filter(|&&tier| tier <= self.highest);
        tiers.filter_map(|&tier| Kernels::for_tier(tier)).collect()
    }
}

/// Why a kernel could not be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KernelSuiteError {
    /// A shape that the kernel refuses.
    #[error(transparent)]
    Shape(#[from] ShapeError),
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
    progress.start("kernels", (settings.dtypes.len() * settings.dimensions.len()) as u64);
    let records = threads.pool().install(|| {
        let mut records = Vec::new();
        for &dtype in &settings.dtypes {
            for &dim in &settings.dimensions {
                match dtype {
                    Dtype::F32 => measure_type::<f32>(settings, dim, &mut records)?,
                    Dtype::F64 => measure_type::<f64>(settings, dim, &mut records)?,
                    Dtype::F16 => measure_type::<f16>(settings, dim, &mut records)?,
                    Dtype::Bf16 => measure_type::<bf16>(settings, dim, &mut records)?,
                    Dtype::U8 => measure_type::<u8>(settings, dim, &mut records)?,
                    Dtype::I8 => measure_type::<i8>(settings, dim, &mut records)?,
                    Dtype::Bits => measure_bits(settings, dim, &mut records)?,
                }
                progress.advance(1);
            }
        }
        Ok(records)
    });
    progress.finish();
    records.map(|mut records| {
        for record in &mut records {
            // Eight rows of a long type do not fit the first level: then the next one is what bounds them.
            let bound = limits.bound_of(record.index_bytes.unwrap_or(0), &caches, 1);
            record.bound = Some(bound.name.to_owned());
            record.bound_bytes_per_s = Some(bound.bytes_per_s);
            record.bound_share = record.bytes_per_s.map(|rate| rate / bound.bytes_per_s);
        }
        records
    })
}

fn measure_type<T: Element>(
    settings: &KernelSettings,
    dim: usize,
    records: &mut Vec<Record>,
) -> Result<(), KernelSuiteError> {
    for measure in Measure::ALL {
        let forms: Vec<_> =
            settings.tiers().iter().map(|table| (table.tier(), table.forms::<T>(measure))).collect();
        measure_forms(settings, &forms, (measure.name(), T::NAME, dim), records)?;
    }
    Ok(())
}

fn measure_bits(
    settings: &KernelSettings,
    bytes: usize,
    records: &mut Vec<Record>,
) -> Result<(), KernelSuiteError> {
    let hamming: Vec<_> = settings.tiers().iter().map(|table| (table.tier(), table.hamming())).collect();
    measure_forms(settings, &hamming, ("hamming", "bits", bytes), records)?;
    let jaccard: Vec<_> = settings.tiers().iter().map(|table| (table.tier(), table.jaccard())).collect();
    measure_forms(settings, &jaccard, ("jaccard", "bits", bytes), records)
}

/// The four forms of one measure: what is called, and how many distances a call computes.
#[derive(Clone, Copy)]
enum Form {
    Pair,
    Rows,
    Ids,
    Tile,
}

impl Form {
    const ALL: [Form; 4] = [Form::Pair, Form::Rows, Form::Ids, Form::Tile];

    const fn name(self) -> &'static str {
        match self {
            Form::Pair => "pair",
            Form::Rows => "rows",
            Form::Ids => "ids",
            Form::Tile => "tile",
        }
    }
}

/// A block in the first-level cache and what is searched for in it.
struct Block<'a, E, O> {
    queries: Rows<'a, E>,
    rows: Rows<'a, E>,
    ids: &'a [u32],
    out: &'a mut [O],
}

impl<E: Element, O: Distance> Block<'_, E, O> {
    /// Calls one form `times` times and returns the distances that were computed.
    fn call(&mut self, forms: &Forms<E, E, O>, form: Form, times: usize) -> Result<usize, ShapeError> {
        let len = self.rows.len();
        let Some(query) = self.queries.row(0) else { return Ok(0) };
        for _ in 0..times {
            match form {
                Form::Pair => {
                    for (row, out) in self.rows.iter().zip(&mut *self.out) {
                        *out = forms.pair(black_box(query), row)?;
                    }
                }
                Form::Rows => forms.rows(black_box(query), self.rows, &mut self.out[..len])?,
                Form::Ids => forms.ids(black_box(query), self.rows, self.ids, &mut self.out[..len])?,
                Form::Tile => forms.tile(black_box(self.queries), self.rows, self.out)?,
            }
            black_box(&mut *self.out);
        }
        Ok(times * if matches!(form, Form::Tile) { self.out.len() } else { len })
    }
}

fn measure_forms<E: Element, O: Distance>(
    settings: &KernelSettings,
    tiers: &[(Tier, &'static Forms<E, E, O>)],
    (measure, dtype, dim): (&str, &str, usize),
    records: &mut Vec<Record>,
) -> Result<(), KernelSuiteError> {
    let row_bytes = dim * size_of::<E>();
    // Kernels read up to eight rows side by side: with fewer, what is measured would be what handles the rest.
    let len = (BLOCK_BYTES / row_bytes / 8 * 8).clamp(8, 256);
    // Small values that every type holds, different enough that nothing can be folded.
    let value = |at: usize| E::from_f64((at * 7 % 13) as f64);
    let mut data = AlignedVec::zeroed(len * dim)?;
    data.iter_mut().enumerate().for_each(|(at, place)| *place = value(at));
    let mut queries = AlignedVec::zeroed(TILE_QUERIES * dim)?;
    queries.iter_mut().enumerate().for_each(|(at, place)| *place = value(at + 5));
    // Every row once, in an order that no stride predicts.
    let step = if len.is_multiple_of(5) { 13 } else { 5 };
    let ids: Vec<u32> = (0..len).map(|at| (at * step % len) as u32).collect();
    let mut out = vec![O::default(); TILE_QUERIES * len];
    let mut block =
        Block { queries: Rows::new(&queries, dim)?, rows: Rows::new(&data, dim)?, ids: &ids, out: &mut out };

    for form in Form::ALL {
        // How often a tier has to be called to fill a sample, found by doubling; this also warms up.
        let mut times = vec![1; tiers.len()];
        for (&(_, forms), times) in tiers.iter().zip(&mut times) {
            loop {
                let start = Instant::now();
                block.call(forms, form, *times)?;
                if start.elapsed() >= settings.sample {
                    break;
                }
                *times *= 2;
            }
        }
        let mut speeds = vec![Vec::with_capacity(settings.rounds); tiers.len()];
        for _ in 0..settings.rounds {
            for ((&(_, forms), &times), speeds) in tiers.iter().zip(&times).zip(&mut speeds) {
                let start = Instant::now();
                let distances = block.call(forms, form, times)?;
                speeds.push(distances as f64 / start.elapsed().as_secs_f64());
            }
        }
        let baseline = speeds.first().cloned().unwrap_or_default();
        for (&(tier, _), speeds) in tiers.iter().zip(speeds) {
            let ratios: Vec<f64> = speeds.iter().zip(&baseline).map(|(now, base)| now / base).collect();
            let Some([_, median, _]) = quartiles(&speeds) else { continue };
            records.push(Record {
                suite: "kernels".to_owned(),
                index: form.name().to_owned(),
                params: format!("{len} rows"),
                index_bytes: Some((len * row_bytes) as u64),
                dataset: "synthetic".to_owned(),
                metric: measure.to_owned(),
                dtype: dtype.to_owned(),
                n: len,
                dim: if dtype == "bits" { dim * 8 } else { dim },
                threads: 1,
                mode: form.name().to_owned(),
                tier: tier.name().to_owned(),
                qps: median,
                runs: settings.rounds,
                qps_runs: speeds,
                bytes_per_s: Some(median * row_bytes as f64),
                over_baseline_tier: quartiles(&ratios).map(|[_, median, _]| median),
                ..Record::default()
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Quiet;

    #[test]
    fn every_form_of_every_tier_is_measured() {
        let settings = KernelSettings {
            dtypes: Dtype::ALL.to_vec(),
            dimensions: vec![25],
            highest: Tier::Avx2.max(Tier::Neon),
            rounds: 2,
            sample: Duration::from_nanos(1),
        };
        let limits = Limits { l1: 1e9, ..Limits::default() };
        let threads = Threads::start(1).unwrap();
        let records = measure(&settings, (&limits, &Caches::default()), &threads, &Quiet).unwrap();
        // Six types of three measures and two measures of bits, four forms each.
        assert_eq!(records.len(), settings.tiers().len() * (6 * 3 + 2) * 4);
        for record in &records {
            assert!(record.qps > 0.0 && record.bound_share.unwrap() > 0.0, "{record:?}");
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
