//! The oracle: exact nearest neighbours by plain loops in `i64` and `f64`, independent of every kernel.
//!
//! What orders neighbours is the *key*: the distance without its final root. For integers and bits a key is
//! exact. For floats it is an `f64` sum in index order, so it is the same everywhere, and its rounding error
//! is about 2⁻⁵³ · dim of its terms.

use rayon::prelude::*;
use simd_kernels::Element;

use super::TruthError;
use crate::dataset::{Metric, Truth};
use crate::progress::Progress;
use crate::vectors::{Matrix, Vectors};

/// Base vectors and queries that were found to fit each other and the metric.
#[derive(Clone, Copy, Debug)]
pub struct Oracle<'a> {
    metric: Metric,
    base: &'a Vectors,
    queries: &'a Vectors,
}

impl<'a> Oracle<'a> {
    /// Checks that the metric compares these vectors.
    ///
    /// # Errors
    /// [`TruthError::Dataset`] if dimensions or types differ or do not fit the metric, or there are more base
    /// vectors than ids.
    pub fn new(metric: Metric, base: &'a Vectors, queries: &'a Vectors) -> Result<Self, TruthError> {
        use crate::dataset::DatasetError::{Dimension, Dtype, Metric as Mismatch, TooMany};
        if base.dim() != queries.dim() {
            return Err(Dimension { base: base.dim(), queries: queries.dim() }.into());
        }
        let dtype = base.dtype();
        if dtype != queries.dtype() {
            return Err(Dtype { base: dtype.name(), queries: queries.dtype().name() }.into());
        }
        if metric.is_on_bits() != matches!(base, Vectors::Bits { .. }) {
            return Err(Mismatch { metric, dtype: dtype.name() }.into());
        }
        if base.len() > u32::MAX as usize {
            return Err(TooMany { rows: base.len() }.into());
        }
        Ok(Self { metric, base, queries })
    }

    /// Number of base vectors.
    pub fn len(&self) -> usize {
        self.base.len()
    }

    /// Whether there is no base vector.
    pub fn is_empty(&self) -> bool {
        self.base.is_empty()
    }

    /// The metric.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    pub(super) fn base(&self) -> &'a Vectors {
        self.base
    }

    pub(super) fn queries(&self) -> &'a Vectors {
        self.queries
    }

    /// The key of each named base vector, in `keys`; ids that name none are skipped.
    pub(super) fn keys(&self, query: usize, ids: impl Iterator<Item = u32>, keys: &mut Vec<(f64, u32)>) {
        match (self.queries, self.base) {
            (Vectors::F32(q), Vectors::F32(b)) => number_keys(self.metric, q, b, query, ids, keys),
            (Vectors::F64(q), Vectors::F64(b)) => number_keys(self.metric, q, b, query, ids, keys),
            (Vectors::F16(q), Vectors::F16(b)) => number_keys(self.metric, q, b, query, ids, keys),
            (Vectors::Bf16(q), Vectors::Bf16(b)) => number_keys(self.metric, q, b, query, ids, keys),
            (Vectors::U8(q), Vectors::U8(b)) => integer_keys(self.metric, q, b, query, ids, keys),
            (Vectors::I8(q), Vectors::I8(b)) => integer_keys(self.metric, q, b, query, ids, keys),
            (Vectors::Bits { data: q, .. }, Vectors::Bits { data: b, .. }) => {
                bit_keys(self.metric, q, b, query, ids, keys);
            }
            // `new` has refused all other pairs.
            _ => {}
        }
    }

    /// The distances (not keys) of one query to the named base vectors, in the definition of [`Truth`].
    ///
    /// # Errors
    /// [`TruthError::Id`] if an id names no base vector; [`TruthError::Query`] if there is no such query.
    pub fn distances(&self, query: usize, ids: &[u32]) -> Result<Vec<f64>, TruthError> {
        let (rows, queries) = (self.base.len(), self.queries.len());
        if query >= queries {
            return Err(TruthError::Query { query, queries });
        }
        if let Some(&id) = ids.iter().find(|&&id| id as usize >= rows) {
            return Err(TruthError::Id { query, id, rows });
        }
        let mut keys = Vec::with_capacity(ids.len());
        self.keys(query, ids.iter().copied(), &mut keys);
        Ok(keys.into_iter().map(|(key, _)| distance(self.metric, key)).collect())
    }

    /// The `k` nearest of one query, over all base vectors: (key, id), ties by lower id.
    pub(super) fn nearest(&self, query: usize, k: usize) -> Vec<(f64, u32)> {
        let mut keys = Vec::with_capacity(self.base.len());
        self.keys(query, 0..self.base.len() as u32, &mut keys);
        keep_nearest(&mut keys, k);
        keys
    }

    /// The truth of every query by the oracle alone. `k` above the number of base vectors gives all of them.
    /// Complexity O(queries · base · dim), in parallel over queries; the result does not depend on threads.
    ///
    /// # Errors
    /// [`TruthError::Cancelled`] if `progress` asked for it.
    pub fn truth(&self, k: usize, progress: &dyn Progress) -> Result<Truth, TruthError> {
        let rows = super::each_query(self, "exact neighbours (oracle)", progress, |query| {
            Ok(self.nearest(query, k))
        })?;
        super::assemble(self.metric, k.min(self.len()), rows)
    }
}

/// The first `k` in the order of (key, id).
pub(super) fn keep_nearest(keys: &mut Vec<(f64, u32)>, k: usize) {
    let order = |a: &(f64, u32), b: &(f64, u32)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
    if k < keys.len() {
        if k > 0 {
            keys.select_nth_unstable_by(k - 1, order);
        }
        keys.truncate(k);
    }
    keys.sort_unstable_by(order);
}

/// The distance of a key.
pub(super) fn distance(metric: Metric, key: f64) -> f64 {
    if metric == Metric::L2 { key.sqrt() } else { key }
}

fn number_keys<T: Element>(
    metric: Metric,
    queries: &Matrix<T>,
    base: &Matrix<T>,
    query: usize,
    ids: impl Iterator<Item = u32>,
    keys: &mut Vec<(f64, u32)>,
) {
    let Some(query) = queries.row(query) else { return };
    let query: Vec<f64> = query.iter().map(|value| value.to_f64()).collect();
    let norm = norm(query.iter().copied());
    for id in ids {
        let Some(row) = base.row(id as usize) else { continue };
        let pairs = query.iter().copied().zip(row.iter().map(|value| value.to_f64()));
        let key = match metric {
            Metric::L2 => pairs.map(|(x, y)| (x - y) * (x - y)).sum(),
            Metric::InnerProduct => -pairs.map(|(x, y)| x * y).sum::<f64>(),
            Metric::L1 => pairs.map(|(x, y)| (x - y).abs()).sum(),
            _ => {
                let (dot, square) =
                    pairs.fold((0.0, 0.0), |(dot, square), (x, y)| (dot + x * y, square + y * y));
                cosine_key(dot, norm, square.sqrt())
            }
        };
        keys.push((key, id));
    }
}

fn integer_keys<T: Element>(
    metric: Metric,
    queries: &Matrix<T>,
    base: &Matrix<T>,
    query: usize,
    ids: impl Iterator<Item = u32>,
    keys: &mut Vec<(f64, u32)>,
) {
    let Some(query) = queries.row(query) else { return };
    let whole = |value: &T| value.to_f64() as i64;
    let query: Vec<i64> = query.iter().map(whole).collect();
    let norm = (query.iter().map(|x| x * x).sum::<i64>() as f64).sqrt();
    for id in ids {
        let Some(row) = base.row(id as usize) else { continue };
        let pairs = query.iter().copied().zip(row.iter().map(whole));
        let key = match metric {
            Metric::L2 => pairs.map(|(x, y)| (x - y) * (x - y)).sum::<i64>() as f64,
            Metric::InnerProduct => -(pairs.map(|(x, y)| x * y).sum::<i64>() as f64),
            Metric::L1 => pairs.map(|(x, y)| (x - y).abs()).sum::<i64>() as f64,
            _ => {
                let (dot, square) = pairs.fold((0, 0), |(dot, square), (x, y)| (dot + x * y, square + y * y));
                cosine_key(dot as f64, norm, (square as f64).sqrt())
            }
        };
        keys.push((key, id));
    }
}

fn bit_keys(
    metric: Metric,
    queries: &Matrix<u8>,
    base: &Matrix<u8>,
    query: usize,
    ids: impl Iterator<Item = u32>,
    keys: &mut Vec<(f64, u32)>,
) {
    let Some(query) = queries.row(query) else { return };
    for id in ids {
        let Some(row) = base.row(id as usize) else { continue };
        let count = |of: fn(u8, u8) -> u8| -> u64 {
            query.iter().zip(row).map(|(&x, &y)| u64::from(of(x, y).count_ones())).sum()
        };
        let key = if metric == Metric::Hamming {
            count(|x, y| x ^ y) as f64
        } else {
            let any = count(|x, y| x | y);
            // Two empty sets are equal.
            if any == 0 { 0.0 } else { count(|x, y| x ^ y) as f64 / any as f64 }
        };
        keys.push((key, id));
    }
}

/// One minus the cosine; 1 when either vector has no direction.
fn cosine_key(dot: f64, norm: f64, other: f64) -> f64 {
    let product = norm * other;
    if product > 0.0 { 1.0 - dot / product } else { 1.0 }
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|value| value * value).sum::<f64>().sqrt()
}

/// The Euclidean norm of every vector, in `f64`.
pub(super) fn norms(vectors: &Vectors) -> Vec<f64> {
    fn of<T: Element>(matrix: &Matrix<T>) -> Vec<f64> {
        matrix.data().par_chunks_exact(matrix.dim()).map(|row| norm(row.iter().map(|x| x.to_f64()))).collect()
    }
    crate::vectors::each_number!(vectors, matrix => of(matrix), bits(_data, _bits) => Vec::new())
}
