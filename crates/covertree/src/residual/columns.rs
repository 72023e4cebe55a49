//! Points set apart as the columns of tiles: what a block is built from.

use layouts::AlignedVec;
use simd_kernels::{PANEL_ROWS, Panels, Rows};

use super::error::ResidualError;
use super::field::{Feature, Field, MAX_DIM};

/// Some points set apart as the columns of tiles: their factor rows interleaved, padded to whole panels with
/// points of weight 0.
#[derive(Debug, Default)]
pub(super) struct Columns {
    /// Which points these are.
    places: Vec<u32>,
    /// Their rows of V, one after the other.
    pub(super) rows: AlignedVec<f64>,
    pub(super) axes: Vec<f64>,
    pub(super) weights: Vec<f64>,
    pub(super) v: AlignedVec<f64>,
    /// Whole panels.
    pub(super) padded: usize,
}

impl Columns {
    /// To be called before V changes, and where `v` or `weights` were.
    pub(super) fn forget(&mut self) {
        self.places.clear();
    }

    /// Which points these are.
    pub(super) fn places(&self) -> &[u32] {
        &self.places
    }

    /// Sets some points apart, if they are not those that already are.
    pub(super) fn gather(&mut self, field: &Field, places: &[u32]) -> Result<(), ResidualError> {
        if self.places == places {
            return Ok(());
        }
        self.gather_rows(field, places)?;
        let rows = Rows::new(&self.rows, field.rank)?;
        self.v.resize_stale(layouts::Interleaved::<f64, PANEL_ROWS, 1>::packed_len(
            places.len(),
            field.rank,
        )?)?;
        layouts::Interleaved::<f64, PANEL_ROWS, 1>::pack_into(rows, &mut self.v)?;
        self.places.extend_from_slice(places);
        Ok(())
    }

    /// The same for whoever multiplies nothing with their rows in panels.
    pub(super) fn gather_rows(&mut self, field: &Field, places: &[u32]) -> Result<(), ResidualError> {
        if self.places == places {
            return Ok(());
        }
        self.places.clear();
        let n = field.len();
        self.padded = places.len().next_multiple_of(PANEL_ROWS);
        self.axes.clear();
        for t in 0..field.dim() {
            self.axes.extend(places.iter().map(|&place| field.axes[t * n + place as usize]));
            self.axes.resize((t + 1) * self.padded, 0.0);
        }
        self.weights.clear();
        self.weights.extend(places.iter().map(|&place| field.weights[place as usize]));
        self.weights.resize(self.padded, 0.0);
        self.rows.clear();
        for &place in places {
            self.rows.extend_from_slice(field.row(place as usize))?;
        }
        Ok(())
    }

    /// What the features of points, given as rows of V, coordinates and weight by `point`, have in common with those
    /// of all columns: row by row in `out`, rows `stride` long, from column `at` on. The padding gives 0.
    #[expect(clippy::too_many_arguments, reason = "the shape of a tile and where it goes")]
    pub(super) fn products(
        &self,
        field: &Field,
        feature: Feature,
        rows: Rows<'_, f64>,
        point: impl Fn(usize, &mut [f64]) -> f64,
        scratch: &mut TileScratch,
        out: &mut [f64],
        stride: usize,
        at: usize,
    ) -> Result<(), ResidualError> {
        let columns = self.padded;
        let dots = grown(&mut scratch.dots, rows.len() * columns);
        let panels = Panels::new(&self.v, field.rank)?;
        field.kernels.panels::<f64>().inner_product(rows, panels, dots)?;
        let mut x = [0.0; MAX_DIM];
        let x = &mut x[..field.dim()];
        let out = out.chunks_mut(stride).map(|line| &mut line[at..at + columns]);
        if feature == Feature::LowRank {
            for (i, (line, out)) in dots.chunks_exact(columns).zip(out).enumerate() {
                let weight = point(i, x);
                for ((to, dot), other) in out.iter_mut().zip(line).zip(&self.weights) {
                    *to = dot * (weight * other);
                }
            }
            return Ok(());
        }
        let covariances = grown(&mut scratch.covariances, rows.len() * columns);
        for (i, line) in covariances.chunks_exact_mut(columns).enumerate() {
            point(i, x);
            field.squared_distances(x, &self.axes, columns, line);
        }
        field.covariances(covariances)?;
        let lines = dots.chunks_exact(columns).zip(covariances.chunks_exact(columns)).zip(out);
        for (i, ((dots, covariances), out)) in lines.enumerate() {
            let weight = point(i, x);
            let terms = dots.iter().zip(covariances).zip(&self.weights);
            for (to, ((dot, covariance), other)) in out.iter_mut().zip(terms) {
                *to = (covariance - dot) * (weight * other);
            }
        }
        Ok(())
    }
}

/// So many numbers of a buffer that only grows: filling what shrank before would take longer than some products.
pub(super) fn grown(buffer: &mut Vec<f64>, len: usize) -> &mut [f64] {
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
    &mut buffer[..len]
}

/// Buffers of tiles.
#[derive(Debug, Default)]
pub(super) struct TileScratch {
    dots: Vec<f64>,
    covariances: Vec<f64>,
}
