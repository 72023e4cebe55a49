//! The section `params`: everything about an index that is one number.

use layouts::container::Container;
use layouts::{Adjacency, RowPadding};
use simd_kernels::Element;

use super::sections::damaged;
use super::{LAYOUT, PARAMS, mixed};
use crate::Error;
use crate::code::{Coder, LINE, Source};
use crate::codes::Coding;
use crate::index::Hnsw;
use crate::intake::Intake;
use crate::metric::Metric;
use crate::params::Quality;

/// The element types, by their number in files.
const ELEMENTS: [&str; 5] = ["f32", "f16", "bf16", "u8", "i8"];
/// The metrics, likewise.
const METRICS: [Metric; 4] = [Metric::L2, Metric::InnerProduct, Metric::Cosine, Metric::Hamming];
/// The levels of quality, likewise.
const QUALITIES: [Quality; 3] = [Quality::Fast, Quality::Balanced, Quality::Max];
/// The paddings of rows, likewise.
const PADDINGS: [RowPadding; 2] = [RowPadding::None, RowPadding::CacheLine];

/// How codes are made, by its number in files: not at all,
pub(super) const FULL: u64 = 0;
/// mixed of dimensions as they are,
pub(super) const OF_DIMENSIONS: u64 = 1;
/// mixed of components,
pub(super) const OF_COMPONENTS: u64 = 2;
/// bytes on a scale per vector,
pub(super) const BYTES: u64 = 3;
/// or signs.
pub(super) const SIGNS: u64 = 4;

/// The section `params`: one number after the other, those not listed 0.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) element: &'static str,
    pub(super) metric: Metric,
    pub(super) dim: usize,
    /// Rows of the graph.
    pub(super) rows: usize,
    /// Vectors that they stand for.
    pub(super) labels: usize,
    pub(super) degree: usize,
    pub(super) padding: RowPadding,
    pub(super) quality: Quality,
    /// Whether there is a `scan`.
    pub(super) scanned: bool,
    pub(super) scale: f32,
    pub(super) unit: f64,
    pub(super) largest_norm: f64,
    pub(super) coding: u64,
    pub(super) lines: usize,
    pub(super) wide: usize,
    /// Coded dimensions.
    pub(super) coded: usize,
    pub(super) loss: f64,
}

impl Record {
    const WORDS: usize = 32;

    pub(super) fn of<T: Element>(index: &Hnsw<T>) -> Self {
        let coder = mixed(index);
        let padded = index.vectors.stride() != index.vectors.dim();
        Self {
            element: T::NAME,
            metric: index.intake.metric,
            dim: index.intake.dim,
            rows: index.graph.len(),
            labels: index.labels.len(),
            degree: index.graph.degree(),
            padding: if padded { RowPadding::CacheLine } else { RowPadding::None },
            quality: index.quality,
            scanned: index.scan.is_some(),
            scale: index.intake.scale,
            unit: index.intake.unit,
            largest_norm: index.intake.largest_norm,
            coding: match &index.codes.coding {
                Coding::Full => FULL,
                Coding::Mixed(Coder { source: Source::Dimensions(_), .. }) => OF_DIMENSIONS,
                Coding::Mixed(Coder { source: Source::Components(_), .. }) => OF_COMPONENTS,
                Coding::Bytes { .. } => BYTES,
                Coding::Signs { .. } => SIGNS,
            },
            lines: coder.map_or(0, |coder| coder.lines),
            wide: coder.map_or(0, |coder| coder.wide),
            coded: coder.map_or(0, |coder| coder.offsets.len()),
            loss: coder.map_or(0.0, |coder| coder.loss),
        }
    }

    pub(super) fn words(&self) -> [u64; Self::WORDS] {
        let place = |at: Option<usize>| at.unwrap_or(usize::MAX) as u64;
        let listed = [
            place(ELEMENTS.iter().position(|&name| name == self.element)),
            place(METRICS.iter().position(|&metric| metric == self.metric)),
            self.dim as u64,
            self.rows as u64,
            self.labels as u64,
            self.degree as u64,
            place(PADDINGS.iter().position(|&padding| padding == self.padding)),
            place(QUALITIES.iter().position(|&quality| quality == self.quality)),
            u64::from(self.scanned),
            u64::from(self.scale.to_bits()),
            self.unit.to_bits(),
            self.largest_norm.to_bits(),
            self.coding,
            self.lines as u64,
            self.wide as u64,
            self.coded as u64,
            self.loss.to_bits(),
        ];
        let mut words = [0; Self::WORDS];
        for (word, value) in words.iter_mut().zip(listed) {
            *word = value;
        }
        words
    }

    /// Every number that is one of a few, or has bounds of its own, is checked here; what has to fit a section is
    /// checked with it.
    pub(super) fn read(file: &Container) -> Result<Self, Error> {
        file.expect_layout(&[LAYOUT])?;
        let words = file.value::<[u64; Self::WORDS]>(PARAMS)?;
        let mut words = words.into_iter();
        let mut next = || words.next().unwrap_or_default();
        let record = Self {
            element: pick(&ELEMENTS, next(), "the element type is none")?,
            metric: pick(&METRICS, next(), "the metric is none")?,
            dim: size(next(), 1, 1 << 20, "the dimension is out of range")?,
            rows: size(next(), 0, Adjacency::MAX_LEN, "there are more rows than ids")?,
            labels: size(next(), 0, u32::MAX as usize, "there are more vectors than ids")?,
            degree: size(next(), 4, 256, "the degree is out of range")?,
            padding: pick(&PADDINGS, next(), "the padding is none")?,
            quality: pick(&QUALITIES, next(), "the quality is none")?,
            scanned: pick(&[false, true], next(), "there is a scan or none")?,
            scale: positive(f32_of(next())?)?,
            unit: positive(f64::from_bits(next()))?,
            largest_norm: finite(f64::from_bits(next()))?,
            coding: size(next(), 0, 4, "the kind of codes is none")? as u64,
            lines: size(next(), 0, 16, "the lines of a code are out of range")?,
            wide: size(next(), 0, 16 * LINE, "the wide dimensions are out of range")?,
            coded: size(next(), 0, 32 * LINE, "the coded dimensions are out of range")?,
            loss: finite(f64::from_bits(next()))?,
        };
        if words.any(|word| word != 0) {
            return Err(damaged(PARAMS, "a reserved number is not 0"));
        }
        if !record.metric.compares(record.element) {
            return Err(damaged(PARAMS, "the metric does not compare the elements"));
        }
        if Intake::row_dim_of(record.dim, record.metric) > i8::MAX_DIM {
            return Err(damaged(PARAMS, "the dimension is out of range"));
        }
        let bytes = record.lines * LINE;
        let fits = if matches!(record.coding, OF_DIMENSIONS | OF_COMPONENTS) {
            let coded = 1..=(record.wide + 2 * bytes.saturating_sub(record.wide));
            (1..=16).contains(&record.lines)
                && record.wide.is_multiple_of(4)
                && record.wide <= bytes
                && coded.contains(&record.coded)
        } else {
            (record.lines, record.wide, record.coded) == (0, 0, 0)
        };
        if !fits {
            return Err(damaged(PARAMS, "the parameters of codes contradict each other"));
        }
        // Groups of equal vectors make rows fewer than vectors, never more.
        if record.rows > record.labels || (record.rows == 0) != (record.labels == 0) {
            return Err(damaged(PARAMS, "there are more rows than vectors"));
        }
        Ok(record)
    }
}

/// The value of a number that stands for one.
fn pick<T: Copy>(of: &[T], number: u64, reason: &'static str) -> Result<T, Error> {
    let at = usize::try_from(number).unwrap_or(usize::MAX);
    of.get(at).copied().ok_or(damaged(PARAMS, reason))
}

fn size(value: u64, low: usize, high: usize, reason: &'static str) -> Result<usize, Error> {
    let value = usize::try_from(value).map_err(|_| damaged(PARAMS, reason))?;
    if (low..=high).contains(&value) { Ok(value) } else { Err(damaged(PARAMS, reason)) }
}

fn f32_of(bits: u64) -> Result<f32, Error> {
    let bits = u32::try_from(bits).map_err(|_| damaged(PARAMS, "a number is longer than it can be"))?;
    Ok(f32::from_bits(bits))
}

fn finite(value: f64) -> Result<f64, Error> {
    if value.is_finite() && value >= 0.0 { Ok(value) } else { Err(damaged(PARAMS, "a number is not finite")) }
}

fn positive<F: Copy + Into<f64>>(value: F) -> Result<F, Error> {
    let wide: f64 = value.into();
    if wide.is_finite() && wide > 0.0 { Ok(value) } else { Err(damaged(PARAMS, "a scale is not above 0")) }
}
