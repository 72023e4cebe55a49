//! Point sets with a Euclidean distance: real coordinates and generated ones, and what they are searched for.

use std::path::{Path, PathBuf};

use covertree::ordering;
use rayon::prelude::*;
use simd_kernels::Rows;

use crate::generate::random::Random;
use crate::read;
use crate::vectors::Vectors;

/// Base points, queries and, for some of the queries, the true neighbours.
#[derive(Debug)]
pub(super) struct Points {
    pub(super) name: String,
    pub(super) dim: usize,
    pub(super) base: Vec<f64>,
    pub(super) queries: Vec<f64>,
    /// The `k` nearest of every query that is judged, by (distance, id).
    pub(super) truth: Vec<Vec<u32>>,
    /// Query i is judged by `truth[i / every]` where `every` divides i.
    pub(super) every: usize,
    pub(super) k: usize,
}

fn squared(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).fold(0.0, |sum, (a, b)| sum + (a - b) * (a - b))
}

impl Points {
    pub(super) fn query_rows(&self) -> Result<Rows<'_, f64>, String> {
        Rows::new(&self.queries, self.dim).map_err(|error| error.to_string())
    }

    pub(super) fn len(&self) -> usize {
        self.base.len() / self.dim
    }

    pub(super) fn query_count(&self) -> usize {
        self.queries.len() / self.dim
    }

    fn row(&self, id: u32) -> Option<&[f64]> {
        self.base.get(id as usize * self.dim..(id as usize + 1) * self.dim)
    }

    /// The true neighbours of a query; none where it is not judged.
    pub(super) fn truth_of(&self, query: usize) -> &[u32] {
        if query.is_multiple_of(self.every) {
            self.truth.get(query / self.every).map(Vec::as_slice).unwrap_or_default()
        } else {
            &[]
        }
    }

    /// Whether a point lies as near to a query as its last true neighbour: a tie.
    pub(super) fn is_near(&self, query: usize, id: u32) -> bool {
        let x = &self.queries[query * self.dim..(query + 1) * self.dim];
        let distance = |id: u32| self.row(id).map_or(f64::INFINITY, |row| squared(row, x));
        self.truth_of(query).last().is_some_and(|&last| distance(id) <= distance(last) * (1.0 + 1e-12))
    }

    /// Judges every `every`-th query by brute force.
    fn judge(mut self, every: usize) -> Self {
        self.every = every;
        let queries: Vec<&[f64]> = self.queries.chunks_exact(self.dim).step_by(every).collect();
        let nearest = |x: &[f64]| {
            let mut all: Vec<(f64, u32)> =
                (0..).zip(self.base.chunks_exact(self.dim)).map(|(id, row)| (squared(row, x), id)).collect();
            let order = |a: &(f64, u32), b: &(f64, u32)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
            if self.k < all.len() {
                all.select_nth_unstable_by(self.k, order);
                all.truncate(self.k);
            }
            all.sort_unstable_by(order);
            all.into_iter().map(|(_, id)| id).collect()
        };
        self.truth = queries.into_par_iter().map(nearest).collect();
        self
    }

    /// `n` points and `queries` others of the same spread.
    pub(super) fn generated(spread: Generated, n: usize, dim: usize, queries: usize, k: usize) -> Self {
        let mut random = Random::new(42, dim as u64);
        let centers: Vec<f64> = (0..64 * dim).map(|_| 20.0 * random.unit()).collect();
        let mut draw = |count: usize| -> Vec<f64> {
            let mut out = Vec::with_capacity(count * dim);
            for _ in 0..count {
                let center = random.below(64) as usize;
                for axis in 0..dim {
                    out.push(match spread {
                        Generated::Uniform => random.unit(),
                        Generated::Clustered => centers[center * dim + axis] + 0.5 * random.normal(),
                    });
                }
            }
            out
        };
        let (base, queries) = (draw(n), draw(queries));
        let name = format!("{}-{dim}d-{}k", spread.name(), n / 1000);
        let points = Self { name, dim, base, queries, truth: Vec::new(), every: 1, k };
        let every = (points.query_count() / 200).max(1);
        points.judge(every)
    }

    /// A real set with its published truth, if the folder has it.
    pub(super) fn real(folder: &Path, name: &str, file: &str) -> Result<Option<Self>, String> {
        let folder = folder.join(name);
        if !folder.join(file).exists() {
            return Ok(None);
        }
        let fail = |error: read::ReadError| error.to_string();
        let Vectors::F64(all) = read::vectors(&folder.join(file), None).map_err(fail)? else {
            return Err(format!("{name}: {file} does not hold float64"));
        };
        let pick = |file: &str| -> Result<Vec<f64>, String> {
            let rows = read::ids(&folder.join(file)).map_err(fail)?;
            let picked =
                all.select(rows.data()).map_err(|at| format!("{name}: {file} row {at} names no point"))?;
            Ok(picked.into_data())
        };
        let truth = read::ids(&folder.join("groundtruth-k30.ivecs")).map_err(fail)?;
        Ok(Some(Self {
            name: name.to_owned(),
            dim: all.dim(),
            base: pick("gt_base_rows.npy")?,
            queries: pick("gt_query_rows.npy")?,
            truth: truth.iter().map(<[u32]>::to_vec).collect(),
            every: 1,
            k: truth.dim(),
        }))
    }

    /// The base points in random order: what Vecchia approximations search.
    pub(super) fn shuffled(&self) -> Result<Vec<f64>, String> {
        let order = ordering::random(self.len(), 42).map_err(|error| error.to_string())?;
        Ok(order.order().iter().filter_map(|&id| self.row(id)).flatten().copied().collect())
    }
}

/// How generated points are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Generated {
    /// In the unit cube.
    Uniform,
    /// Around 64 centres.
    Clustered,
}

impl Generated {
    pub(super) fn name(self) -> &'static str {
        match self {
            Generated::Uniform => "uniform",
            Generated::Clustered => "clustered",
        }
    }
}

/// Where real sets may lie.
pub(super) fn folders() -> Vec<PathBuf> {
    crate::open::OpenOptions::from_env().folders
}

/// The true predecessors of some points: of every `every`-th, the `m` nearest among those before it.
pub(super) fn true_predecessors(coords: &[f64], dim: usize, m: usize, every: usize) -> Vec<Vec<u32>> {
    let n = coords.len() / dim;
    let sampled: Vec<usize> = (0..n).step_by(every).collect();
    let nearest = |i: usize| {
        let x = &coords[i * dim..(i + 1) * dim];
        let mut all: Vec<(f64, u32)> =
            (0..i as u32).map(|j| (squared(&coords[j as usize * dim..][..dim], x), j)).collect();
        all.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        all.truncate(m);
        all.into_iter().map(|(_, j)| j).collect()
    };
    sampled.into_par_iter().map(nearest).collect()
}
