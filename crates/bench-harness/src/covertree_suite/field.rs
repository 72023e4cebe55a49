//! Gaussian-process workloads: coordinates, covariance, V and p from inducing points, and the search by brute force
//! that everything else is beside: its speed the blocked one of the kernels, its answers the truth.

use layouts::{Interleaved, Neighbor, TopK};
use rayon::prelude::*;
use simd_kernels::{Covariance, Kernels, Measure, PANEL_ROWS, Panels, Rows};

use super::numpy::NumpyRandom;
use covertree::ordering;
use covertree::residual::CovarianceModel;

/// How the coordinates are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spread {
    /// N(0, 1), the numbers of numpy's `default_rng(42)`.
    Normal,
    /// Uniform in the unit cube.
    Uniform,
}

/// A workload.
#[derive(Clone, Debug)]
pub(super) struct Workload {
    pub(super) name: String,
    pub(super) n: usize,
    pub(super) dim: usize,
    pub(super) spread: Spread,
    pub(super) covariance: Covariance,
    pub(super) lengthscale: f64,
    pub(super) rank: usize,
}

/// Added to the diagonal of the inducing points' covariance, as a share of the variance.
pub(super) const JITTER: f64 = 1e-6;
/// The least residual variance.
const FLOOR: f64 = 1e-9;
/// Queries that are answered together, and points that meet them.
const QUERIES: usize = 64;
const POINTS: usize = 128;

/// A workload made: variance 1, members in the order they were drawn.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) workload: Workload,
    pub(super) kernels: &'static Kernels,
    pub(super) coords: Vec<f64>,
    /// Rows of the inducing points.
    pub(super) inducing: Vec<u32>,
    /// V, row by row.
    pub(super) v: Vec<f64>,
    /// Residual variances.
    pub(super) p: Vec<f64>,
    panels: Interleaved<f64, PANEL_ROWS, 1>,
    /// Coordinates, axis by axis.
    axes: Vec<f64>,
    weights: Vec<f64>,
}

impl Field {
    pub(super) fn new(workload: Workload, kernels: &'static Kernels) -> Result<Self, String> {
        let (n, dim, rank) = (workload.n, workload.dim, workload.rank);
        let mut random = NumpyRandom::new(42);
        let mut draw = || match workload.spread {
            Spread::Normal => random.normal(),
            Spread::Uniform => random.unit(),
        };
        let coords: Vec<f64> = (0..n * dim).map(|_| draw()).collect();
        let mut inducing = ordering::random(n, 42).map_err(|error| error.to_string())?.order().to_vec();
        inducing.truncate(rank);
        inducing.sort_unstable();
        let mut field = Self {
            axes: (0..dim).flat_map(|axis| coords.iter().skip(axis).step_by(dim).copied()).collect(),
            workload,
            kernels,
            coords,
            inducing,
            v: vec![0.0; n * rank],
            p: Vec::new(),
            panels: Interleaved::new(),
            weights: Vec::new(),
        };
        field.factor().map_err(|error| error.to_string())?;
        field.weights = field.p.iter().map(|p| 1.0 / p.sqrt()).collect();
        let rows = Rows::new(&field.v, rank).map_err(|error| error.to_string())?;
        field.panels.pack(rows).map_err(|error| error.to_string())?;
        Ok(field)
    }

    /// Number of members.
    pub(super) fn len(&self) -> u64 {
        self.workload.n as u64
    }

    /// Covariance and variance.
    pub(super) fn model(&self) -> CovarianceModel {
        CovarianceModel::new(self.workload.covariance, &[self.workload.lengthscale], 1.0)
    }

    /// The inducing points, row by row.
    pub(super) fn inducing_coords(&self) -> Vec<f64> {
        self.inducing.iter().flat_map(|&id| self.row(id)).copied().collect()
    }

    fn row(&self, id: u32) -> &[f64] {
        &self.coords[id as usize * self.workload.dim..][..self.workload.dim]
    }

    fn squared(&self, a: u32, b: u32) -> f64 {
        self.row(a).iter().zip(self.row(b)).map(|(a, b)| (a - b) * (a - b)).sum()
    }

    fn covariances(&self, squared: &mut [f64]) -> Result<(), simd_kernels::CovarianceError> {
        self.kernels.covariance(self.workload.covariance, self.workload.lengthscale, 1.0, squared)
    }

    /// V = (L⁻¹ k(U, X))ᵀ with L Lᵀ = k(U, U) + jitter, and p = 1 − |v|², never below the floor.
    fn factor(&mut self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let rank = self.workload.rank;
        let inner = self.kernels.forms::<f64>(Measure::InnerProduct);
        let mut l = vec![0.0; rank * rank];
        for (i, row) in l.chunks_exact_mut(rank).enumerate() {
            let squared = self.inducing.iter().map(|&u| self.squared(self.inducing[i], u));
            row.iter_mut().zip(squared).for_each(|(to, squared)| *to = squared);
            self.covariances(row)?;
            row[i] += JITTER;
        }
        for i in 0..rank {
            let (done, rest) = l.split_at_mut(i * rank);
            let row = &mut rest[..rank];
            for j in 0..i {
                let dot = if j == 0 { 0.0 } else { inner.pair(&row[..j], &done[j * rank..][..j])? };
                row[j] = (row[j] - dot) / done[j * rank + j];
            }
            let norm = if i == 0 { 0.0 } else { inner.pair(&row[..i], &row[..i])? };
            row[i] = (row[i] - norm).sqrt();
            if row[i].is_nan() || row[i] <= 0.0 {
                return Err("the inducing points' covariance is not positive definite".into());
            }
        }
        let mut v = std::mem::take(&mut self.v);
        let (this, l) = (&*self, &l);
        let blocks = v.par_chunks_mut(QUERIES * rank).enumerate();
        let done: Result<Vec<Vec<f64>>, Box<dyn std::error::Error + Send + Sync>> = blocks
            .map(|(block, v)| {
                let points = v.len() / rank;
                for (at, row) in v.chunks_exact_mut(rank).enumerate() {
                    let id = (block * QUERIES + at) as u32;
                    row.iter_mut().zip(&this.inducing).for_each(|(to, &u)| *to = this.squared(id, u));
                    this.covariances(row)?;
                }
                let mut dots = vec![0.0; points];
                for j in 0..rank {
                    if j > 0 {
                        inner.rows(&l[j * rank..][..j], Rows::with_stride(v, points, j, rank)?, &mut dots)?;
                    }
                    for (row, dot) in v.chunks_exact_mut(rank).zip(&dots) {
                        row[j] = (row[j] - dot) / l[j * rank + j];
                    }
                }
                v.chunks_exact(rank).map(|row| Ok((1.0 - inner.pair(row, row)?).max(FLOOR))).collect()
            })
            .collect();
        self.v = v;
        self.p = done?.concat();
        Ok(())
    }

    /// The residual correlation of two members.
    pub(super) fn correlation(&self, a: u32, b: u32) -> f64 {
        let rank = self.workload.rank;
        let v = |id: u32| &self.v[id as usize * rank..][..rank];
        let dot: f64 = v(a).iter().zip(v(b)).map(|(a, b)| a * b).sum();
        let mut k = [self.squared(a, b)];
        match self.covariances(&mut k) {
            Ok(()) => (k[0] - dot) * self.weights[a as usize] * self.weights[b as usize],
            Err(_) => f64::NAN,
        }
    }

    /// How much 1 − |ρ| of two members may be off for rounding: twice (r + 8) u (k + |v||v|) / √(p p), all terms of
    /// the bracket at most 1.
    pub(super) fn tie_width(&self, a: u32, b: u32) -> f64 {
        let rounding = 2.0 * (self.workload.rank + 8) as f64 * f64::EPSILON;
        rounding * self.weights[a as usize] * self.weights[b as usize]
    }

    /// The `k` nearest of each member in `queries`, itself included at distance 0, nearest first, by blocks of
    /// queries against blocks of points; with `before`, only among the members before it. Returns ids and 1 − |ρ|.
    pub(super) fn brute_force(
        &self,
        queries: &[u32],
        k: usize,
        before: bool,
    ) -> Result<Vec<Vec<Neighbor<f64>>>, String> {
        let blocks = queries.par_chunks(QUERIES);
        let found: Result<Vec<_>, Box<dyn std::error::Error + Send + Sync>> =
            blocks.map(|queries| self.brute_force_block(queries, k, before)).collect();
        Ok(found.map_err(|error| error.to_string())?.into_iter().flatten().collect())
    }

    fn brute_force_block(
        &self,
        queries: &[u32],
        k: usize,
        before: bool,
    ) -> Result<Vec<Vec<Neighbor<f64>>>, Box<dyn std::error::Error + Send + Sync>> {
        let (n, dim, rank) = (self.workload.n, self.workload.dim, self.workload.rank);
        let k = k.min(n);
        let mut v = Vec::with_capacity(queries.len() * rank);
        queries.iter().for_each(|&id| v.extend_from_slice(&self.v[id as usize * rank..][..rank]));
        let mut best: Vec<TopK<f64>> =
            queries.iter().map(|_| TopK::new(k)).collect::<Result<_, layouts::Error>>()?;
        let last = if before { queries.iter().copied().max().unwrap_or(0) as usize } else { n };
        let mut dots = vec![0.0; queries.len() * POINTS];
        let mut k_of = [0.0; POINTS];
        let panel = PANEL_ROWS * rank;
        for start in (0..last).step_by(POINTS) {
            let end = (start + POINTS).min(n);
            let panels = (end - start).div_ceil(PANEL_ROWS);
            let data = &self.panels.as_slice()[start / PANEL_ROWS * panel..][..panels * panel];
            let dots = &mut dots[..queries.len() * panels * PANEL_ROWS];
            self.kernels.panels::<f64>().inner_product(
                Rows::new(&v, rank)?,
                Panels::new(data, rank)?,
                dots,
            )?;
            for ((&query, best), dots) in queries.iter().zip(&mut best).zip(dots.chunks(panels * PANEL_ROWS))
            {
                let k_of = &mut k_of[..end - start];
                k_of.fill(0.0);
                for (axis, &x) in self.row(query).iter().enumerate().take(dim) {
                    for (sum, &y) in k_of.iter_mut().zip(&self.axes[axis * n + start..]) {
                        *sum += (x - y) * (x - y);
                    }
                }
                self.covariances(k_of)?;
                let weight = self.weights[query as usize];
                for ((rho, dot), w) in k_of.iter_mut().zip(dots).zip(&self.weights[start..]) {
                    *rho = 1.0 - ((*rho - dot) * (weight * w)).abs().min(1.0);
                }
                for (id, &distance) in (start as u32..).zip(&*k_of) {
                    if distance <= best.threshold() && !(before && id >= query) {
                        best.push(Neighbor::new(id, if id == query { 0.0 } else { distance }));
                    } else if id == query && !before {
                        best.push(Neighbor::new(id, 0.0));
                    }
                }
            }
        }
        Ok(best.into_iter().map(TopK::into_sorted).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_find_what_pairs_say() {
        let workload = Workload {
            name: "test".to_owned(),
            n: 700,
            dim: 3,
            spread: Spread::Uniform,
            covariance: Covariance::Matern32,
            lengthscale: 0.3,
            rank: 20,
        };
        let field = Field::new(workload, Kernels::active().unwrap()).unwrap();
        assert!(field.p.iter().all(|&p| (FLOOR..1.0).contains(&p)));
        let queries = [0, 5, 699, 128];
        for before in [false, true] {
            let found = field.brute_force(&queries, 9, before).unwrap();
            for (&query, found) in queries.iter().zip(&found) {
                let end = if before { query } else { 700 };
                let distance = |id| if id == query { 0.0 } else { 1.0 - field.correlation(query, id).abs() };
                let mut all: Vec<(f64, u32)> = (0..end).map(|id| (distance(id), id)).collect();
                all.sort_by(|a, b| a.0.total_cmp(&b.0));
                all.truncate(9);
                assert_eq!(found.len(), all.len());
                for (found, (distance, id)) in found.iter().zip(all) {
                    assert_eq!(found.id, id);
                    assert!((found.distance - distance).abs() <= field.tie_width(query, id));
                }
            }
        }
    }

    #[test]
    fn v_reproduces_the_covariance_at_inducing_points() {
        let workload = Workload {
            name: "test".to_owned(),
            n: 300,
            dim: 2,
            spread: Spread::Normal,
            covariance: Covariance::Rbf,
            lengthscale: 1.0,
            rank: 30,
        };
        let field = Field::new(workload, Kernels::active().unwrap()).unwrap();
        for &u in &field.inducing {
            // All but the jitter of an inducing point's variance is explained.
            assert!(field.p[u as usize] < 3.0 * JITTER, "{}", field.p[u as usize]);
        }
        assert!(field.p.iter().any(|&p| p > 1e-3));
    }
}
