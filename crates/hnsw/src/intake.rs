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
pub fn nearest(x: f32) -> i32 {
    (x + MAGIC).to_bits() as i32 - MAGIC.to_bits() as i32
}

/// How vectors of one index become `i8` rows.
#[derive(Clone, Debug)]
pub struct Intake {
    /// How the vectors are compared.
    pub metric: Metric,
    /// Elements of a vector.
    pub dim: usize,
    /// What is subtracted, per row dimension.
    pub offset: Vec<f32>,
    /// Steps per unit.
    pub scale: f32,
    /// A power of two that all but cosine vectors are multiplied by first: 1, unless their squares would leave the
    /// range of `f32`.
    pub unit: f64,
    /// The largest squared norm, where inner products are searched.
    pub largest_norm: f64,
}

/// Largest elements for which squares and their sums are far from both ends of `f32`.
const COMFORTABLE: std::ops::RangeInclusive<f64> = 1e-12..=1e12;

/// The power of two that brings `largest` into [1, 2), or 1 where there is no need.
fn unit_for(largest: f64) -> f64 {
    if largest == 0.0 || COMFORTABLE.contains(&largest) {
        return 1.0;
    }
    let exponent = largest.log2().floor().clamp(-1000.0, 1000.0) as i32;
    2f64.powi(-exponent)
}

/// Rows of the sample that scales are found on.
const SAMPLE: usize = 16_384;

impl Intake {
    /// The inverse length of a vector under cosine, 1 under other metrics.
    ///
    /// # Errors
    /// [`Error::Dimension`], [`Error::NotFinite`], [`Error::ZeroVector`], naming `argument`.
    pub fn check<T: Element>(&self, vector: &[T], argument: &'static str) -> Result<f32, Error> {
        if vector.len() != self.dim {
            return Err(Error::Dimension { argument, expected: self.dim, actual: vector.len() });
        }
        check_row(vector, self.metric, argument, 0)
    }

    /// Dimensions of the `i8` rows.
    pub fn row_dim(&self) -> usize {
        self.offset.len()
    }

    /// Whether inner products order as cosines nearly do, because all vectors are about as long. Where they are
    /// not, a query lies so far from the base in the dimension that evens lengths out that bytes cannot say where.
    pub fn is_like_cosine(&self) -> bool {
        let last = self.offset.last().copied().unwrap_or(0.0);
        last * self.scale <= 127.0
    }

    /// Dimensions of the `i8` rows that vectors of `dim` become.
    pub fn row_dim_of(dim: usize, metric: Metric) -> usize {
        match metric {
            Metric::InnerProduct => dim + 1,
            Metric::Hamming => 8 * dim,
            Metric::L2 | Metric::Cosine => dim,
        }
    }

    /// Finds the scale on a regular sample of the rows.
    pub fn train<T: Element>(rows: Rows<'_, T>, metric: Metric) -> Self {
        let dim = rows.dim();
        let row_dim = Self::row_dim_of(dim, metric);
        let mut intake =
            Self { metric, dim, offset: vec![0.0; row_dim], scale: 1.0, unit: 1.0, largest_norm: 0.0 };
        let lossless = match (T::NAME, metric) {
            ("u8", Metric::L2) => Some(128.0),
            ("i8", Metric::L2) | (_, Metric::Hamming) => Some(0.0),
            _ => None,
        };
        if let Some(offset) = lossless {
            intake.offset.fill(offset);
            return intake;
        }
        if rows.is_empty() {
            return intake;
        }
        if metric == Metric::InnerProduct {
            for row in rows.iter() {
                intake.largest_norm = intake.largest_norm.max(norm_squared(row));
            }
        }
        let step = rows.len().div_ceil(SAMPLE).max(1);
        if metric != Metric::Cosine {
            let sample = (0..rows.len()).step_by(step).filter_map(|index| rows.row(index));
            intake.unit = unit_for(sample.map(largest).fold(intake.largest_norm.sqrt(), f64::max));
        }
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
        match self.metric {
            Metric::Hamming => bits(row, flat),
            Metric::L2 => scaled(row, self.unit, flat),
            Metric::Cosine => scaled(row, inverse(norm_squared(row)), flat),
            Metric::InnerProduct => {
                scaled(row, self.unit, flat);
                if let Some(last) = flat.get_mut(self.dim) {
                    let missing = (self.largest_norm - norm_squared(row)).max(0.0);
                    *last = (missing.sqrt() * self.unit) as f32;
                }
            }
        }
    }

    /// A query in the same space.
    fn flatten_query<T: Element>(&self, row: &[T], inverse_norm: f32, flat: &mut [f32]) {
        let factor = f64::from(inverse_norm);
        match self.metric {
            Metric::L2 | Metric::Hamming => self.flatten(row, flat),
            Metric::Cosine if COMFORTABLE.contains(&factor) => scaled(row, factor, flat),
            Metric::Cosine => self.flatten(row, flat),
            // Its length does not change an order by inner product, so it is given that of the base.
            Metric::InnerProduct => {
                scaled(row, self.largest_norm.sqrt() * self.unit * inverse(norm_squared(row)), flat);
                if let Some(last) = flat.get_mut(self.dim) {
                    *last = 0.0;
                }
            }
        }
    }

    fn round(&self, flat: &[f32], out: &mut [i8]) {
        for ((out, x), offset) in out.iter_mut().zip(flat).zip(&self.offset) {
            *out = nearest(((x - offset) * self.scale).clamp(-128.0, 127.0)) as i8;
        }
    }

    /// A base row as integers; `flat` is scratch of [`row_dim`](Self::row_dim) places, as is `out`.
    pub fn row<T: Element>(&self, row: &[T], flat: &mut [f32], out: &mut [i8]) {
        self.flatten(row, flat);
        self.round(flat, out);
    }

    /// A base row as centred numbers.
    pub fn flat_row<T: Element>(&self, row: &[T], flat: &mut [f32]) {
        self.flatten(row, flat);
        self.centre(flat);
    }

    /// A query as centred numbers and as integers, given its inverse length.
    pub fn query<T: Element>(&self, row: &[T], inverse_norm: f32, flat: &mut [f32], out: &mut [i8]) {
        self.flatten_query(row, inverse_norm, flat);
        self.round(flat, out);
        // Products with a query are wanted of the query itself: centring the base only adds a constant to them.
        if self.metric != Metric::InnerProduct {
            self.centre(flat);
        }
    }

    fn centre(&self, flat: &mut [f32]) {
        for (x, offset) in flat.iter_mut().zip(&self.offset) {
            *x -= offset;
        }
    }
}

/// The inverse length of a vector under cosine, 1 under other metrics, if it is one that can be searched.
pub fn check_row<T: Element>(
    vector: &[T],
    metric: Metric,
    argument: &'static str,
    row: usize,
) -> Result<f32, Error> {
    if !is_finite(vector) {
        let column = vector.iter().position(|x| !(x.to_f64() as f32).is_finite()).unwrap_or(0);
        return Err(Error::NotFinite { argument, row, column });
    }
    if metric != Metric::Cosine {
        return Ok(1.0);
    }
    let inverse = inverse(norm_squared(vector));
    // Below the smallest normal number it would be infinite; `Exact` measures such vectors another way.
    if inverse > 0.0 {
        Ok(inverse.min(f64::from(f32::MAX)) as f32)
    } else {
        Err(Error::ZeroVector { argument, row })
    }
}

/// Whether every element is a finite number, also as an `f32`: one pass without a branch per element.
fn is_finite<T: Element>(vector: &[T]) -> bool {
    // Anything but a finite number times zero is NaN.
    matches!(T::NAME, "u8" | "i8") || lanes(vector, |x| f64::from(x as f32) * 0.0) == 0.0
}

/// Summed in `f64`, in an order that is the same on every CPU.
pub fn norm_squared<T: Element>(vector: &[T]) -> f64 {
    lanes(vector, |x| x * x)
}

/// The sum of `term` over a vector, in eight lanes and then the rest.
fn lanes<T: Element>(vector: &[T], term: impl Fn(f64) -> f64) -> f64 {
    let mut sums = [0.0; 8];
    let mut add = |block: &[f64; 8]| {
        for (sum, &x) in sums.iter_mut().zip(block) {
            *sum += term(x);
        }
    };
    let (blocks, rest) = vector.as_chunks::<8>();
    if is_half::<T>() {
        // The same values and sums, but half floats are widened many at a time.
        let mut wide = [0.0; 256];
        for part in blocks.as_flattened().chunks(wide.len()) {
            T::to_f32s(part, &mut wide);
            let (blocks, _) = wide[..part.len()].as_chunks::<8>();
            blocks.iter().for_each(|block| add(&block.map(f64::from)));
        }
    } else {
        blocks.iter().for_each(|block| add(&block.map(T::to_f64)));
    }
    sums.iter().sum::<f64>() + rest.iter().map(|x| term(x.to_f64())).sum::<f64>()
}

fn is_half<T: Element>() -> bool {
    matches!(T::NAME, "f16" | "bf16")
}

/// One over the length, 0 for vectors without one.
fn inverse(norm_squared: f64) -> f64 {
    if norm_squared > 0.0 { 1.0 / norm_squared.sqrt() } else { 0.0 }
}

/// The largest absolute value.
fn largest<T: Element>(vector: &[T]) -> f64 {
    vector.iter().fold(0.0, |largest, x| largest.max(x.to_f64().abs()))
}

/// The bits of bytes one by one, lowest first.
fn bits<T: Element>(row: &[T], flat: &mut [f32]) {
    for (bits, byte) in flat.chunks_exact_mut(8).zip(row) {
        let byte = byte.to_f64() as u8;
        for (place, bit) in bits.iter_mut().enumerate() {
            *bit = f32::from(byte >> place & 1);
        }
    }
}

/// The elements times `factor`; in `f64` where a factor or an element may be outside the range of `f32`.
fn scaled<T: Element>(row: &[T], factor: f64, flat: &mut [f32]) {
    if COMFORTABLE.contains(&factor) {
        let factor = factor as f32;
        T::to_f32s(row, flat);
        for flat in flat.iter_mut().take(row.len()) {
            *flat *= factor;
        }
    } else {
        for (flat, x) in flat.iter_mut().zip(row) {
            *flat = (x.to_f64() * factor) as f32;
        }
    }
}
