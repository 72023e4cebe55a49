//! Head codes: the leading principal components of residuals in 4 bits each, sixteen rows a panel.
//!
//! A row x of the zone with centroid c is coded by its residual r = x − c in the principal directions of all
//! residuals, each on the step that suits its spread. With q the query, r̂ the decoded residual, and everything
//! taken from the mean of all rows,
//!
//! |q − x|² ≈ |q − c|² + (|r|² + 2⟨c, r̂⟩) − 2⟨q, r̂⟩:
//!
//! the first term is one number per zone, the second one per row, and the third an integer product of the query,
//! prepared once for all zones, with the code. What the code does not say (r − r̂) errs only against q − c.

use hnsw::pieces::{Moments, Rotation, nearest, principal};
use simd_kernels::{Kernels, Rows};

use crate::Error;

/// Standard deviations within the range of a code: the best uniform 4-bit quantiser of a Gaussian.
const RANGE: f64 = 2.7;
/// The code of a residual of 0.
const MIDDLE: f32 = 7.5;

/// Directions are added until they hold this share of the variance, but not more than so many, nor fewer than so many.
const ENOUGH: f64 = 0.86;
const MOST: usize = 256;
const LEAST: usize = 32;
/// Where the most directions hold a smaller share than this, none is much better than another: all dimensions are
/// coded as they are, up to so many.
const TOO_FLAT: f64 = 0.7;
const MOST_FLAT: usize = 1024;

/// How residuals become codes.
#[derive(Debug)]
pub(crate) struct HeadCode {
    pub(crate) rotation: Rotation,
    /// Coded dimensions, a multiple of 8.
    pub(crate) dims: usize,
    /// Of the mean of all rows, per coded dimension, in units of integer rows.
    pub(crate) means: Vec<f32>,
    /// One over the length of each rounded direction.
    pub(crate) inverse_lengths: Vec<f32>,
    /// Steps of the codes in the unit of integer rows.
    pub(crate) steps: Vec<f32>,
}

/// What a scan wants to know of a query.
#[derive(Debug, Default)]
pub(crate) struct HeadQuery {
    /// Weights of the dimensions.
    pub(crate) weights: Vec<i8>,
    /// What a unit of the integer product is worth.
    pub(crate) scale: f32,
    /// ⟨q, r̂⟩ of codes of 0, subtracted from products.
    pub(crate) bias: f32,
    /// Scratch: coordinates.
    rotated: Vec<i32>,
    weighted: Vec<f32>,
}

/// Scratch of encoding.
#[derive(Debug, Default)]
pub(crate) struct HeadScratch {
    row: Vec<i32>,
    centroid: Vec<f32>,
}

impl HeadCode {
    /// Learns `dims` directions from a sample of residuals, or, if that is 0, as many as most of their variance needs.
    pub(crate) fn train(
        residuals: Rows<'_, i8>,
        mean: &[f64],
        dims: usize,
        kernels: &'static Kernels,
    ) -> Result<Self, Error> {
        let dim = residuals.dim();
        let moments = Moments::of(residuals, kernels)?;
        let total: f64 = moments.variance.iter().sum();
        let count = if dims == 0 { dim.min(MOST) } else { dims.min(dim) };
        let (mut directions, mut variances) = match moments.covariance.is_empty() {
            true => (Vec::new(), Vec::new()),
            false => principal(&moments.covariance, dim, count),
        };
        let kept: f64 = variances.iter().sum();
        let flat = dims == 0 && count < dim && kept < TOO_FLAT * total;
        if directions.is_empty() || flat {
            // Too long to turn, or nothing to gain by it: the dimensions as they are, those of most spread first.
            let mut order: Vec<usize> = (0..dim).collect();
            let spread = |j: usize| moments.variance.get(j).copied().unwrap_or(0.0);
            order.sort_by(|&a, &b| spread(b).total_cmp(&spread(a)).then(a.cmp(&b)));
            order.truncate(if dims == 0 { MOST_FLAT } else { count });
            directions = vec![0.0; order.len() * dim];
            for (direction, &j) in directions.chunks_exact_mut(dim).zip(&order) {
                direction[j] = 1.0;
            }
            variances = order.iter().map(|&j| spread(j)).collect();
        }
        if dims == 0 && !flat {
            let mut sum = 0.0;
            let enough = variances.iter().position(|variance| {
                sum += variance;
                sum >= ENOUGH * total
            });
            let wanted = enough.map_or(variances.len(), |last| last + 1).next_multiple_of(8).max(LEAST);
            variances.truncate(wanted);
            directions.truncate(variances.len() * dim);
        }
        let dims = variances.len().next_multiple_of(8);
        let (rotation, lengths) = Rotation::new(&directions, dim)?;
        let mut means: Vec<f32> = directions
            .chunks_exact(dim)
            .map(|direction| direction.iter().zip(mean).map(|(x, mean)| x * mean).sum::<f64>() as f32)
            .collect();
        // A direction without spread keeps a step, so that nothing divides by zero.
        let floor = (variances.first().copied().unwrap_or(0.0) * 1e-6).max(1e-6);
        let mut steps: Vec<f32> = variances
            .iter()
            .map(|variance| (2.0 * RANGE / 15.0 * variance.max(floor).sqrt()) as f32)
            .collect();
        let mut inverse_lengths: Vec<f32> = lengths.iter().map(|length| (1.0 / length) as f32).collect();
        means.resize(dims, 0.0);
        steps.resize(dims, 1.0);
        inverse_lengths.resize(dims, 0.0);
        Ok(Self { rotation, dims, means, inverse_lengths, steps })
    }

    /// Bytes of a code.
    pub(crate) fn bytes(&self) -> usize {
        self.dims / 2
    }

    /// Where integer rows lie in the coded dimensions, from the mean.
    fn coordinates(
        &self,
        row: &[i8],
        kernels: &'static Kernels,
        rotated: &mut Vec<i32>,
        out: &mut Vec<f32>,
    ) -> Result<(), Error> {
        rotated.resize(self.rotation.width(), 0);
        self.rotation.apply(Rows::new(row, self.rotation.dim)?, kernels, rotated)?;
        out.clear();
        let scales = self.inverse_lengths.iter().zip(&self.means);
        out.extend(rotated.iter().zip(scales).map(|(&x, (inverse, mean))| x as f32 * inverse - mean));
        out.resize(self.dims, 0.0);
        Ok(())
    }

    /// Makes a centroid ready for the rows of its zone.
    pub(crate) fn centre(
        &self,
        centroid: &[i8],
        kernels: &'static Kernels,
        scratch: &mut HeadScratch,
    ) -> Result<(), Error> {
        let mut out = std::mem::take(&mut scratch.centroid);
        let done = self.coordinates(centroid, kernels, &mut scratch.row, &mut out);
        scratch.centroid = out;
        done
    }

    /// Writes the code of a row, one code a byte, and returns 2⟨c, r̂⟩.
    pub(crate) fn encode(
        &self,
        row: &[i8],
        kernels: &'static Kernels,
        scratch: &mut HeadScratch,
        flat: &mut Vec<f32>,
        out: &mut [u8],
    ) -> Result<f32, Error> {
        self.coordinates(row, kernels, &mut scratch.row, flat)?;
        let mut cross = 0.0f32;
        let values = flat.iter().zip(&scratch.centroid).zip(&self.steps);
        for (out, ((&x, &c), &step)) in out.iter_mut().zip(values) {
            let code = ((x - c) / step + MIDDLE).clamp(0.0, 15.0);
            let code = nearest(code);
            *out = code as u8;
            cross += c * (step * (code as f32 - MIDDLE));
        }
        Ok(2.0 * cross)
    }

    /// Makes a query ready.
    pub(crate) fn prepare(
        &self,
        query: &[i8],
        kernels: &'static Kernels,
        ready: &mut HeadQuery,
    ) -> Result<(), Error> {
        let mut weighted = std::mem::take(&mut ready.weighted);
        let done = self.coordinates(query, kernels, &mut ready.rotated, &mut weighted);
        for (x, step) in weighted.iter_mut().zip(&self.steps) {
            *x *= step;
        }
        let largest = weighted.iter().fold(0.0f32, |largest, x| largest.max(x.abs()));
        let inverse = if largest > 0.0 { 127.0 / largest } else { 0.0 };
        ready.scale = largest / 127.0;
        ready.weights.clear();
        ready.weights.extend(weighted.iter().map(|x| nearest(x * inverse) as i8));
        let sum: i32 = ready.weights.iter().map(|&x| i32::from(x)).sum();
        ready.bias = MIDDLE * sum as f32 * ready.scale;
        ready.weighted = weighted;
        done
    }
}
