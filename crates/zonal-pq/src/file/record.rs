//! The section `params`: everything of an index that is one number.

use hnsw::Metric;
use hnsw::pieces::Intake;
use simd_kernels::Element;

use super::code::{self, WORDS as CODE_WORDS};
use super::{PARAMS, Source, damaged};
use crate::Error;
use crate::index::ZonalPq;
use crate::params::{BuildParams, Refine, ScanCode};
use crate::quantiser::SymbolBits;
use crate::space::Space;

/// The element types, by their number in files.
const ELEMENTS: [&str; 5] = ["f32", "f16", "bf16", "u8", "i8"];
/// The metrics, likewise.
const METRICS: [Metric; 3] = [Metric::L2, Metric::InnerProduct, Metric::Cosine];
/// What refines, likewise.
const REFINES: [Refine; 3] = [Refine::Auto, Refine::Bytes, Refine::Vectors];

/// Bits of symbols of product codes, likewise.
pub(super) const SYMBOLS: [SymbolBits; 3] = [SymbolBits::Four, SymbolBits::Six, SymbolBits::Eight];

/// One number after the other, those not listed 0.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) element: &'static str,
    pub(crate) metric: Metric,
    pub(crate) dim: usize,
    /// Vectors.
    pub(crate) rows: usize,
    /// Rows of zones: vectors, and those that are in a second one.
    pub(crate) placed: usize,
    pub(crate) zones: usize,
    /// Whether integer rows are kept.
    pub(crate) bytes: bool,
    scale: f32,
    unit: f64,
    length: f64,
    /// The kind of codes, and its numbers.
    pub(crate) code: u64,
    pub(crate) code_words: [u64; CODE_WORDS],
    pub(crate) params: BuildParams,
}

impl Record {
    pub(crate) const WORDS: usize = 64;

    pub(crate) fn of<T: Element>(index: &ZonalPq<T>) -> Self {
        let (code, code_words) = code::words(&index.code);
        Self {
            element: T::NAME,
            metric: index.space.metric,
            dim: index.space.intake.dim,
            rows: index.rows,
            placed: index.postings.ids.len(),
            zones: index.zones(),
            bytes: !index.postings.bytes.is_empty(),
            scale: index.space.intake.scale,
            unit: index.space.intake.unit,
            length: index.space.length,
            code,
            code_words,
            params: index.params.clone(),
        }
    }

    /// Elements of an integer row.
    pub(crate) fn row_dim(&self) -> usize {
        Intake::row_dim_of(self.dim, self.intake_metric())
    }

    /// Inner products are told from distances of rows as they are.
    fn intake_metric(&self) -> Metric {
        if self.metric == Metric::InnerProduct { Metric::L2 } else { self.metric }
    }

    /// Whether rows can be in two zones.
    pub(crate) fn has_homes(&self) -> bool {
        self.placed > self.rows
    }

    /// Whether rows have a number beside them.
    pub(crate) fn has_norms(&self) -> bool {
        self.metric != Metric::L2
    }

    /// How vectors become integer rows.
    pub(crate) fn space(&self, offset: Vec<f32>) -> Space {
        let intake = Intake {
            metric: self.intake_metric(),
            dim: self.dim,
            offset,
            scale: self.scale,
            unit: self.unit,
            largest_norm: 0.0,
        };
        Space { metric: self.metric, intake, length: self.length }
    }

    pub(crate) fn words(&self) -> [u64; Self::WORDS] {
        let place = |at: Option<usize>| at.unwrap_or(usize::MAX) as u64;
        // Named one by one, so that a parameter that is new cannot be forgotten here.
        let BuildParams { zones, code, refine, second, lent, sample, iterations, lambda, graph_from } =
            self.params;
        let (kind, first, number) = match code {
            ScanCode::Auto => (0, 0, 0),
            ScanCode::Components { dims } => (1, dims as u64, 0),
            ScanCode::Rabitq { bits } => (2, u64::from(bits), 0),
            ScanCode::Lvq { bits } => (3, u64::from(bits), 0),
            ScanCode::Product { subspaces, bits } => (4, subspaces as u64, u64::from(bits.bits())),
        };
        let index = [
            place(ELEMENTS.iter().position(|&name| name == self.element)),
            place(METRICS.iter().position(|&metric| metric == self.metric)),
            self.dim as u64,
            self.rows as u64,
            self.placed as u64,
            self.zones as u64,
            u64::from(self.bytes),
            u64::from(self.scale.to_bits()),
            self.unit.to_bits(),
            self.length.to_bits(),
            self.code,
        ];
        let params = [
            zones as u64,
            kind,
            first,
            number,
            place(REFINES.iter().position(|&kind| kind == refine)),
            u64::from(second.to_bits()),
            sample as u64,
            iterations as u64,
            u64::from(lambda.to_bits()),
            graph_from as u64,
            u64::from(lent),
        ];
        let mut words = [0; Self::WORDS];
        let listed = index.into_iter().chain(self.code_words).chain(params);
        for (word, value) in words.iter_mut().zip(listed) {
            *word = value;
        }
        words
    }

    /// Every number that is one of a few, or has bounds of its own, is checked here; what has to fit a section is
    /// checked with it.
    pub(crate) fn read(file: &impl Source) -> Result<Self, Error> {
        let words = file.get::<[u64; Self::WORDS]>(PARAMS)?;
        let [words] = words[..] else { return Err(damaged(PARAMS, "there is not one record")) };
        let mut words = words.into_iter();
        let mut next = || words.next().unwrap_or_default();
        let record = Self {
            element: pick(&ELEMENTS, next(), "the element type is none")?,
            metric: pick(&METRICS, next(), "the metric is none")?,
            dim: size(next(), 1, <i8 as Element>::MAX_DIM, "the dimension is out of range")?,
            rows: size(next(), 0, i32::MAX as usize, "there are more vectors than ids")?,
            placed: size(next(), 0, u32::MAX as usize - 1, "there are more rows than places")?,
            zones: size(next(), 0, u32::MAX as usize - 1, "there are more zones than ids")?,
            bytes: pick(&[false, true], next(), "there are integer rows or none")?,
            scale: positive(f32_of(next())?)?,
            unit: positive(f64::from_bits(next()))?,
            length: finite(f64::from_bits(next()))?,
            code: next(),
            code_words: std::array::from_fn(|_| next()),
            params: BuildParams {
                zones: size(next(), 0, 1 << 24, "the zones of the build are out of range")?,
                code: scan_code(next(), next(), next())?,
                refine: pick(&REFINES, next(), "what refines is none")?,
                second: not_nan(f32_of(next())?)?,
                sample: size(next(), 0, usize::MAX, "the sample is out of range")?,
                iterations: size(next(), 0, usize::MAX, "the iterations are out of range")?,
                lambda: not_nan(f32_of(next())?)?,
                graph_from: size(next(), 0, usize::MAX, "the start of graphs is out of range")?,
                lent: pick(&[false, true], next(), "vectors are lent or kept")?,
            },
        };
        if words.any(|word| word != 0) {
            return Err(damaged(PARAMS, "a reserved number is not 0"));
        }
        if !record.metric.compares(record.element) {
            return Err(damaged(PARAMS, "the metric does not compare the elements"));
        }
        if record.params.check(record.metric).is_err() {
            return Err(damaged(PARAMS, "the parameters of the build are none"));
        }
        // A vector is in one zone or in two.
        if !(record.rows..=2 * record.rows).contains(&record.placed) {
            return Err(damaged(PARAMS, "there are not as many rows as vectors can have"));
        }
        if record.zones > record.placed || (record.zones == 0) != (record.rows == 0) {
            return Err(damaged(PARAMS, "there are more zones than rows"));
        }
        Ok(record)
    }
}

/// The code that was asked for.
fn scan_code(kind: u64, first: u64, second: u64) -> Result<ScanCode, Error> {
    let wrong = || damaged(PARAMS, "the codes of the build are none");
    let number = usize::try_from(first).map_err(|_| wrong())?;
    let bits = u8::try_from(first).map_err(|_| wrong());
    let symbol = SYMBOLS.iter().find(|bits| u64::from(bits.bits()) == second);
    match (kind, second) {
        (0, 0) if first == 0 => Ok(ScanCode::Auto),
        (1, 0) => Ok(ScanCode::Components { dims: number }),
        (2, 0) => Ok(ScanCode::Rabitq { bits: bits? }),
        (3, 0) => Ok(ScanCode::Lvq { bits: bits? }),
        (4, _) => Ok(ScanCode::Product { subspaces: number, bits: *symbol.ok_or_else(wrong)? }),
        _ => Err(wrong()),
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

fn not_nan(value: f32) -> Result<f32, Error> {
    if value.is_nan() { Err(damaged(PARAMS, "a number is none")) } else { Ok(value) }
}

fn positive<F: Copy + Into<f64>>(value: F) -> Result<F, Error> {
    let wide: f64 = value.into();
    if wide.is_finite() && wide > 0.0 { Ok(value) } else { Err(damaged(PARAMS, "a scale is not above 0")) }
}
