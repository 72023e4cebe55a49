//! Vectors of any type and metric as integer rows in which "near" is Euclidean: what zones and codes are made of.
//!
//! L2 and cosine are Euclidean already (cosine after scaling to unit length). Inner products are told from
//! distances by −2⟨q, x⟩ = |q − x|² − |q|² − |x|²: the same rows and codes serve, and what is known of |x|² for
//! every row and centroid is subtracted. A query's length does not change their order, so it is given the typical
//! length of a row and fits the integers.

use hnsw::Metric;
use hnsw::pieces::{Intake, check_row, norm_squared};
use layouts::AlignedVec;
use simd_kernels::{Element, Rows};

use crate::Error;

/// How vectors of one index become integer rows.
#[derive(Clone, Debug)]
pub(crate) struct Space {
    pub(crate) metric: Metric,
    pub(crate) intake: Intake,
    /// Under inner product, the typical length of a row; else 0.
    pub(crate) length: f64,
}

/// Rows whose length is looked at.
const SAMPLE: usize = 65_536;

impl Space {
    /// Finds scales on a sample of the rows, which must be checked.
    pub(crate) fn train<T: Element>(rows: Rows<'_, T>, metric: Metric) -> Self {
        let inner = metric == Metric::InnerProduct;
        let intake = Intake::train(rows, if inner { Metric::L2 } else { metric });
        let mut length = 0.0;
        if inner && !rows.is_empty() {
            let step = rows.len().div_ceil(SAMPLE).max(1);
            let picked = (0..rows.len()).step_by(step).filter_map(|row| rows.row(row));
            let (sum, count) = picked.fold((0.0, 0usize), |(sum, n), row| (sum + norm_squared(row), n + 1));
            length = (sum / count as f64).sqrt();
        }
        Self { metric, intake, length }
    }

    /// Elements of an integer row.
    pub(crate) fn dim(&self) -> usize {
        self.intake.row_dim()
    }

    /// Whether integer rows are the vectors themselves, so that distances of the one are those of the other.
    pub(crate) fn is_lossless<T: Element>(&self) -> bool {
        matches!((T::NAME, self.metric), ("u8" | "i8", Metric::L2))
    }

    /// The inverse length of a vector under cosine, else 1.
    pub(crate) fn check<T: Element>(&self, vector: &[T], argument: &'static str) -> Result<f32, Error> {
        if vector.len() != self.intake.dim {
            let (expected, actual) = (self.intake.dim, vector.len());
            return Err(Error::Dimension { argument, expected, actual });
        }
        Ok(check_row(vector, self.metric, argument, 0)?)
    }

    /// A row of the base as integers. `flat` and `out` have [`dim`](Self::dim) places.
    pub(crate) fn row<T: Element>(&self, row: &[T], flat: &mut [f32], out: &mut [i8]) {
        self.intake.row(row, flat, out);
    }

    /// What must be subtracted from integer distances to `row`: |x|² in their unit under inner product, else 0.
    pub(crate) fn shift<T: Element>(&self, row: &[T]) -> f32 {
        if self.metric != Metric::InnerProduct {
            return 0.0;
        }
        let unit = self.intake.unit * f64::from(self.intake.scale);
        (norm_squared(row) * unit * unit) as f32
    }

    /// The same of an integer row, whose length is that of the vector it stands for up to rounding.
    pub(crate) fn shift_of(&self, row: &[i8]) -> f32 {
        if self.metric != Metric::InnerProduct {
            return 0.0;
        }
        let scale = f64::from(self.intake.scale);
        let offsets = self.intake.offset.iter().map(|&offset| f64::from(offset) * scale);
        row.iter().zip(offsets).map(|(&x, offset)| (f64::from(x) + offset).powi(2)).sum::<f64>() as f32
    }

    /// The same of every centroid; nothing where it is 0.
    pub(crate) fn shifts(&self, centroids: Rows<'_, i8>) -> Result<AlignedVec<f32>, Error> {
        let mut shifts = AlignedVec::new();
        if self.metric == Metric::InnerProduct {
            for centroid in centroids.iter() {
                shifts.push(self.shift_of(centroid))?;
            }
        }
        Ok(shifts)
    }

    /// A checked query as integers; `scaled` and `flat` are scratch.
    pub(crate) fn query<T: Element>(
        &self,
        query: &[T],
        inverse_norm: f32,
        scaled: &mut Vec<f32>,
        flat: &mut [f32],
        out: &mut [i8],
    ) {
        if self.metric != Metric::InnerProduct {
            self.intake.query(query, inverse_norm, flat, out);
            return;
        }
        let norm = norm_squared(query).sqrt();
        let factor = if norm > 0.0 { self.length / norm } else { 1.0 };
        scaled.clear();
        scaled.extend(query.iter().map(|x| (x.to_f64() * factor) as f32));
        self.intake.query(scaled.as_slice(), 1.0, flat, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shifted_distances_order_as_inner_products_do() {
        let mut state = 9u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        };
        let data: Vec<f32> = (0..200 * 16).map(|i| next() * (1.0 + (i / 16 % 5) as f32)).collect();
        let rows = Rows::new(&data, 16).unwrap();
        let space = Space::train(rows, Metric::InnerProduct);
        let query: Vec<f32> = (0..16).map(|_| 50.0 * next()).collect();
        let (mut flat, mut scaled) = (vec![0.0; 16], Vec::new());
        let (mut a, mut b) = (vec![0i8; 16], vec![0i8; 16]);
        space.query(&query, 1.0, &mut scaled, &mut flat, &mut a);
        let mut told: Vec<(f32, f32)> = rows
            .iter()
            .map(|row| {
                space.row(row, &mut flat, &mut b);
                let l2: i32 = a.iter().zip(&b).map(|(&x, &y)| (i32::from(x) - i32::from(y)).pow(2)).sum();
                let dot: f32 = query.iter().zip(row).map(|(x, y)| x * y).sum();
                (l2 as f32 - space.shift(row), -dot)
            })
            .collect();
        told.sort_by(|a, b| a.0.total_cmp(&b.0));
        // The first ten by integers are among the first fifteen by value.
        let mut by_value = told.clone();
        by_value.sort_by(|a, b| a.1.total_cmp(&b.1));
        assert!(told[..10].iter().all(|x| by_value[..15].contains(x)), "{:?}", &told[..10]);
    }
}
