//! Every input becomes rows of `i8` under one affine scale: the integers that the graph and the codes are made of.
//!
//! From here on a build is integer arithmetic, so that an index has the same bytes whatever the number of
//! threads and the instruction set. The scale is common to all dimensions, hence Euclidean distances of the
//! integers are Euclidean distances of the vectors, up to rounding. `u8` and `i8` vectors under L2 lose nothing.
//!
//! The other metrics are reduced to L2 here: cosine by unit length, inner product by one more dimension that
//! gives all base vectors the same norm (Bachrach et al., *Speeding up the Xbox recommender system*, 2014).

use simd_kernels::{Element, Rows};

use crate::error::Error;
use crate::metric::Metric;

/// Adding and subtracting it rounds an `f32` of moderate size to the nearest integer, ties to even, with no
/// instruction beyond the floor tier.
const MAGIC: f32 = 12_582_912.0;

/// The nearest integer of a value within ±4 million.
#[inline(always)]
pub(crate) fn nearest(x: f32) -> i32 {
    (x + MAGIC).to_bits() as i32 - MAGIC.to_bits() as i32
}

/// How vectors of one index become `i8` rows.
#[derive(Clone, Debug)]
pub(crate) struct Intake {
    pub(crate) metric: Metric,
    pub(crate) dim: usize,
    /// What is subtracted, per row dimension.
    pub(crate) offset: Vec<f32>,
    /// Steps per unit.
    pub(crate) scale: f32,
    /// The largest squared norm, where inner products are searched.
    pub(crate) largest_norm: f32,
}

/// Rows of the sample that scales are found on.
const SAMPLE: usize = 16_384;

impl Intake {
    /// The inverse length of a vector under cosine, 1 under other metrics.
    ///
    /// # Errors
    /// [`Error::Dimension`], [`Error::NotFinite`], [`Error::ZeroVector`], naming `argument`.
    pub(crate) fn check<T: Element>(&self, vector: &[T], argument: &'static str) -> Result<f32, Error> {
        if vector.len() != self.dim {
            return Err(Error::Dimension { argument, expected: self.dim, actual: vector.len() });
        }
        check_row(vector, self.metric, argument, 0)
    }

    /// Dimensions of the `i8` rows.
    pub(crate) fn row_dim(&self) -> usize {
        self.offset.len()
    }

    /// Finds the scale on a regular sample of the rows.
    pub(crate) fn train<T: Element>(rows: Rows<'_, T>, metric: Metric) -> Self {
        let dim = rows.dim();
        let row_dim = match metric {
            Metric::InnerProduct => dim + 1,
            Metric::Hamming => 8 * dim,
            Metric::L2 | Metric::Cosine => dim,
        };
        let mut intake = Self { metric, dim, offset: vec![0.0; row_dim], scale: 1.0, largest_norm: 0.0 };
        let lossless = match (T::NAME, metric) {
            ("u8", Metric::L2) => Some(128.0),
            ("i8", Metric::L2) | (_, Metric::Hamming) => Some(0.0),
            _ => None,
        };
        if let Some(offset) = lossless {
            intake.offset.fill(offset);
            return intake;
        }
        if metric == Metric::InnerProduct {
            for row in rows.iter() {
                intake.largest_norm = intake.largest_norm.max(norm_squared(row) as f32);
            }
        }
        let step = rows.len().div_ceil(SAMPLE).max(1);
        let mut flat = vec![0.0f32; row_dim];
        let mut sums = vec![0.0f64; row_dim];
        let mut count = 0.0;
        let sample = || (0..rows.len()).step_by(step).filter_map(|index| rows.row(index));
        for row in sample() {
            intake.flatten(row, &mut flat);
            for (sum, &x) in sums.iter_mut().zip(&flat) {
                *sum += f64::from(x);
            }
            count += 1.0;
        }
        for (offset, sum) in intake.offset.iter_mut().zip(&sums) {
            *offset = (sum / count) as f32;
        }
        // The scale that clips one value in ten thousand: outliers must not cost everything else its bits.
        let mut sizes = Vec::new();
        for row in sample() {
            intake.flatten(row, &mut flat);
            sizes.extend(flat.iter().zip(&intake.offset).map(|(x, offset)| (x - offset).abs()));
        }
        let at = sizes.len() - 1 - sizes.len() / 10_000;
        let (_, size, _) = sizes.select_nth_unstable_by(at, f32::total_cmp);
        intake.scale = if *size > 0.0 { 127.0 / *size } else { 1.0 };
        intake
    }

    /// A base row in the space where its metric is L2.
    fn flatten<T: Element>(&self, row: &[T], flat: &mut [f32]) {
        self.widen(row, flat);
        match self.metric {
            Metric::Cosine => normalise(row, flat),
            Metric::InnerProduct => {
                if let Some(last) = flat.get_mut(self.dim) {
                    *last = (f64::from(self.largest_norm) - norm_squared(row)).max(0.0).sqrt() as f32;
                }
            }
            _ => {}
        }
    }

    /// A query in the same space.
    fn flatten_query<T: Element>(&self, row: &[T], inverse_norm: f32, flat: &mut [f32]) {
        self.widen(row, flat);
        match self.metric {
            Metric::Cosine => {
                for x in flat.iter_mut() {
                    *x *= inverse_norm;
                }
            }
            // Its length does not change an order by inner product, so it is given that of the base.
            Metric::InnerProduct => {
                let norm = norm_squared(row).sqrt() as f32;
                let factor = if norm > 0.0 { self.largest_norm.sqrt() / norm } else { 0.0 };
                for x in flat.iter_mut() {
                    *x *= factor;
                }
                if let Some(last) = flat.get_mut(self.dim) {
                    *last = 0.0;
                }
            }
            _ => {}
        }
    }

    /// The elements as `f32`; the bits of bytes one by one.
    fn widen<T: Element>(&self, row: &[T], flat: &mut [f32]) {
        if self.metric == Metric::Hamming {
            for (bits, byte) in flat.chunks_exact_mut(8).zip(row) {
                let byte = byte.to_f64() as u8;
                for (place, bit) in bits.iter_mut().enumerate() {
                    *bit = f32::from(byte >> place & 1);
                }
            }
        } else {
            for (flat, x) in flat.iter_mut().zip(row) {
                *flat = x.to_f64() as f32;
            }
        }
    }

    fn round(&self, flat: &[f32], out: &mut [i8]) {
        for ((out, x), offset) in out.iter_mut().zip(flat).zip(&self.offset) {
            *out = nearest(((x - offset) * self.scale).clamp(-128.0, 127.0)) as i8;
        }
    }

    /// A base row as integers; `flat` is scratch of [`row_dim`](Self::row_dim) places, as is `out`.
    pub(crate) fn row<T: Element>(&self, row: &[T], flat: &mut [f32], out: &mut [i8]) {
        self.flatten(row, flat);
        self.round(flat, out);
    }

    /// A base row as centred numbers.
    pub(crate) fn flat_row<T: Element>(&self, row: &[T], flat: &mut [f32]) {
        self.flatten(row, flat);
        self.centre(flat);
    }

    /// A query as centred numbers and as integers, given its inverse length.
    pub(crate) fn query<T: Element>(&self, row: &[T], inverse_norm: f32, flat: &mut [f32], out: &mut [i8]) {
        self.flatten_query(row, inverse_norm, flat);
        self.round(flat, out);
        self.centre(flat);
    }

    fn centre(&self, flat: &mut [f32]) {
        for (x, offset) in flat.iter_mut().zip(&self.offset) {
            *x -= offset;
        }
    }
}

/// The inverse length of a vector under cosine, 1 under other metrics, if it is one that can be searched.
pub(crate) fn check_row<T: Element>(
    vector: &[T],
    metric: Metric,
    argument: &'static str,
    row: usize,
) -> Result<f32, Error> {
    if !is_finite(vector) {
        let column = vector.iter().position(|x| !x.to_f64().is_finite()).unwrap_or(0);
        return Err(Error::NotFinite { argument, row, column });
    }
    if metric != Metric::Cosine {
        return Ok(1.0);
    }
    let norm = norm_squared(vector).sqrt();
    if norm > 0.0 { Ok((1.0 / norm) as f32) } else { Err(Error::ZeroVector { argument, row }) }
}

/// Whether every element is a finite number: one pass without a branch per element.
fn is_finite<T: Element>(vector: &[T]) -> bool {
    // Anything but a finite number times zero is NaN.
    matches!(T::NAME, "u8" | "i8") || lanes(vector, |x| x * 0.0) == 0.0
}

/// Summed in `f64`, in an order that is the same on every CPU.
pub(crate) fn norm_squared<T: Element>(vector: &[T]) -> f64 {
    lanes(vector, |x| x * x)
}

/// The sum of `term` over a vector, in eight lanes and then the rest.
fn lanes<T: Element>(vector: &[T], term: impl Fn(f64) -> f64) -> f64 {
    let (blocks, rest) = vector.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for block in blocks {
        for (sum, x) in sums.iter_mut().zip(block) {
            *sum += term(x.to_f64());
        }
    }
    sums.iter().sum::<f64>() + rest.iter().map(|x| term(x.to_f64())).sum::<f64>()
}

fn normalise<T: Element>(row: &[T], flat: &mut [f32]) {
    let norm = norm_squared(row).sqrt();
    let inverse = if norm > 0.0 { (1.0 / norm) as f32 } else { 0.0 };
    for x in flat.iter_mut() {
        *x *= inverse;
    }
}
