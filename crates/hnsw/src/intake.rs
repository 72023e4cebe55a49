//! Every input becomes rows of `i8` under one affine scale: the integers that the graph and the codes are made of.
//!
//! From here on a build is integer arithmetic, so that an index has the same bytes whatever the number of
//! threads and the instruction set. The scale is common to all dimensions, hence Euclidean distances of the
//! integers are Euclidean distances of the vectors, up to rounding. `u8` and `i8` vectors under L2 lose nothing.
//!
//! The other metrics are reduced to L2 here: cosine by unit length, inner product by one more dimension that
//! gives all base vectors the same norm (Bachrach et al., *Speeding up the Xbox recommender system*, 2014).

use simd_kernels::{Element, Rows};

use crate::{Error, Metric};

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
    /// Dimensions of the `i8` rows.
    pub(crate) fn row_dim(&self) -> usize {
        self.offset.len()
    }

    /// Finds the scale on a regular sample of the rows.
    pub(crate) fn train<T: Element>(rows: Rows<'_, T>, metric: Metric) -> Self {
        let dim = rows.dim();
        let row_dim = dim + usize::from(metric == Metric::InnerProduct);
        let mut intake = Self { metric, dim, offset: vec![0.0; row_dim], scale: 1.0, largest_norm: 0.0 };
        let lossless = match (T::NAME, metric) {
            ("u8", Metric::L2) => Some(128.0),
            ("i8", Metric::L2) => Some(0.0),
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
        for (flat, x) in flat.iter_mut().zip(row) {
            *flat = x.to_f64() as f32;
        }
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
    fn flatten_query<T: Element>(&self, row: &[T], flat: &mut [f32]) {
        for (flat, x) in flat.iter_mut().zip(row) {
            *flat = x.to_f64() as f32;
        }
        match self.metric {
            Metric::Cosine => normalise(row, flat),
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

    /// A query as integers.
    pub(crate) fn query<T: Element>(&self, row: &[T], flat: &mut [f32], out: &mut [i8]) {
        self.flatten_query(row, flat);
        self.round(flat, out);
    }
}

/// Summed in order, in `f64`: the same on every CPU.
pub(crate) fn norm_squared<T: Element>(row: &[T]) -> f64 {
    row.iter().map(|x| x.to_f64() * x.to_f64()).sum()
}

fn normalise<T: Element>(row: &[T], flat: &mut [f32]) {
    let norm = norm_squared(row).sqrt();
    let inverse = if norm > 0.0 { (1.0 / norm) as f32 } else { 0.0 };
    for x in flat.iter_mut() {
        *x *= inverse;
    }
}
