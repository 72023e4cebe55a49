//! A data set: base vectors, queries, how they are compared, and the exact answers.

use std::fmt;
use std::str::FromStr;

use crate::vectors::{Vectors, each_number};
use simd_kernels::Element;

/// How two vectors are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Metric {
    /// Euclidean distance.
    L2,
    /// Minus the inner product: the larger the product, the nearer.
    InnerProduct,
    /// One minus the cosine of the angle.
    Cosine,
    /// Sum of absolute differences.
    L1,
    /// Number of differing bits.
    Hamming,
    /// One minus intersection over union.
    Jaccard,
}

/// A name that is no metric.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown metric {name:?}: expected euclidean, ip, angular, l1, hamming or jaccard")]
pub struct UnknownMetric {
    /// What was given.
    pub name: String,
}

impl Metric {
    /// All metrics.
    pub const ALL: [Metric; 6] =
        [Metric::L2, Metric::InnerProduct, Metric::Cosine, Metric::L1, Metric::Hamming, Metric::Jaccard];

    /// The name used in records: that of ann-benchmarks where it has one.
    pub const fn name(self) -> &'static str {
        match self {
            Metric::L2 => "euclidean",
            Metric::InnerProduct => "ip",
            Metric::Cosine => "angular",
            Metric::L1 => "l1",
            Metric::Hamming => "hamming",
            Metric::Jaccard => "jaccard",
        }
    }

    /// Whether the metric compares bit strings; the others compare numbers.
    pub const fn is_on_bits(self) -> bool {
        matches!(self, Metric::Hamming | Metric::Jaccard)
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Metric {
    type Err = UnknownMetric;

    /// Also knows the names of VIBE and common other ones: `l2`, `cosine`, `normalized`, `inner_product`,
    /// `dot`, `mips`, `manhattan`. `normalized` says that vectors have unit norm, so it is the cosine.
    fn from_str(name: &str) -> Result<Self, UnknownMetric> {
        match name.to_ascii_lowercase().as_str() {
            "euclidean" | "l2" => Ok(Metric::L2),
            "ip" | "inner_product" | "dot" | "mips" => Ok(Metric::InnerProduct),
            "angular" | "cosine" | "normalized" => Ok(Metric::Cosine),
            "l1" | "manhattan" | "cityblock" => Ok(Metric::L1),
            "hamming" => Ok(Metric::Hamming),
            "jaccard" => Ok(Metric::Jaccard),
            _ => Err(UnknownMetric { name: name.to_owned() }),
        }
    }
}

/// The exact nearest neighbours of every query, nearest first, ties by lower id.
///
/// Distances are those of ann-benchmarks: Euclidean (the root, not the square) for [`Metric::L2`], one minus
/// cosine for [`Metric::Cosine`], minus the product for [`Metric::InnerProduct`], a count of bits for
/// [`Metric::Hamming`] (ann-benchmarks' files hold the share of bits; it is multiplied out on reading).
///
/// Invariant: `ids.len() == distances.len()`, a multiple of `k` (both empty when `k` is 0).
#[derive(Clone, Debug, PartialEq)]
pub struct Truth {
    k: usize,
    ids: Vec<u32>,
    distances: Vec<f64>,
}

/// Why a data set is not one.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// No base vectors, or no queries.
    #[error("`{part}` holds no vectors")]
    Empty {
        /// `base` or `queries`.
        part: &'static str,
    },
    /// Base and queries differ in dimension.
    #[error("queries have dimension {queries}, base vectors {base}")]
    Dimension {
        /// Dimension of the base vectors.
        base: usize,
        /// Dimension of the queries.
        queries: usize,
    },
    /// Base and queries differ in element type.
    #[error("queries are {queries}, base vectors {base}")]
    Dtype {
        /// Element type of the base vectors.
        base: &'static str,
        /// Element type of the queries.
        queries: &'static str,
    },
    /// Bits under a metric of numbers, or numbers under one of bits.
    #[error("metric {metric} does not compare {dtype} vectors")]
    Metric {
        /// The metric.
        metric: Metric,
        /// The element type.
        dtype: &'static str,
    },
    /// A NaN or an infinity.
    #[error("`{part}` row {row}, column {column} is not a finite number")]
    NotFinite {
        /// `base` or `queries`.
        part: &'static str,
        /// The row.
        row: usize,
        /// The column.
        column: usize,
    },
    /// A vector without a direction under a metric of angles.
    #[error("`{part}` row {row} is all zeros: it has no angle to anything")]
    ZeroVector {
        /// `base` or `queries`.
        part: &'static str,
        /// The row.
        row: usize,
    },
    /// More vectors than ids can name.
    #[error("{rows} base vectors are more than 32-bit ids can name")]
    TooMany {
        /// Number of base vectors.
        rows: usize,
    },
    /// The truth's arrays do not fit each other or the queries.
    #[error("truth of {ids} ids and {distances} distances does not hold k = {k} for {queries} queries")]
    TruthShape {
        /// Number of ids.
        ids: usize,
        /// Number of distances.
        distances: usize,
        /// Neighbours of a query.
        k: usize,
        /// Number of queries.
        queries: usize,
    },
    /// A true neighbour that is no base vector.
    #[error("truth of query {query} names id {id}, but there are {rows} base vectors")]
    TruthId {
        /// The query.
        query: usize,
        /// The id.
        id: u32,
        /// Number of base vectors.
        rows: usize,
    },
}

impl Truth {
    /// The neighbours of `ids.len() / k` queries, row-major.
    ///
    /// # Errors
    /// [`DatasetError::TruthShape`] if the lengths differ or are no multiple of `k`.
    pub fn new(k: usize, ids: Vec<u32>, distances: Vec<f64>) -> Result<Self, DatasetError> {
        let whole = if k == 0 { ids.is_empty() } else { ids.len().is_multiple_of(k) };
        if !whole || ids.len() != distances.len() {
            let queries = ids.len().checked_div(k).unwrap_or(0);
            return Err(DatasetError::TruthShape { ids: ids.len(), distances: distances.len(), k, queries });
        }
        Ok(Self { k, ids, distances })
    }

    /// Neighbours of a query.
    pub fn k(&self) -> usize {
        self.k
    }

    /// Number of queries; 0 when `k` is 0.
    pub fn len(&self) -> usize {
        self.ids.len().checked_div(self.k).unwrap_or(0)
    }

    /// Whether there is no neighbour at all.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// All ids, query after query.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// All distances, query after query.
    pub fn distances(&self) -> &[f64] {
        &self.distances
    }

    /// The ids and distances of one query, or `None` when there are fewer queries.
    pub fn query(&self, query: usize) -> Option<(&[u32], &[f64])> {
        let start = query.checked_mul(self.k)?;
        let range = start..start.checked_add(self.k)?;
        if self.k == 0 {
            return None;
        }
        Some((self.ids.get(range.clone())?, self.distances.get(range)?))
    }

    /// The first `queries` queries, the nearest `k` of each; what there is when there are fewer.
    pub fn prefix(&self, queries: usize, k: usize) -> Self {
        let k = k.min(self.k);
        let rows = (0..queries.min(self.len())).filter_map(|query| self.query(query));
        let (mut ids, mut distances) = (Vec::new(), Vec::new());
        for (row_ids, row_distances) in rows {
            ids.extend_from_slice(&row_ids[..k]);
            distances.extend_from_slice(&row_distances[..k]);
        }
        Self { k, ids, distances }
    }
}

/// Base vectors, queries and their metric, with the exact answers where they are known.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// The name used in records.
    pub name: String,
    /// How vectors are compared.
    pub metric: Metric,
    /// What is searched; a vector's row is its id.
    pub base: Vectors,
    /// What is searched for.
    pub queries: Vectors,
    /// The exact answers.
    pub truth: Option<Truth>,
    /// How the data were had: a file, a folder, or a generator's full specification.
    pub source: String,
}

impl Dataset {
    /// Checks what an index may rely on: base vectors and queries exist, agree in dimension and type, fit the
    /// metric, are finite, and (under [`Metric::Cosine`]) are not all zeros; the truth fits both.
    /// Complexity O(elements).
    ///
    /// # Errors
    /// [`DatasetError`], naming the row and column.
    pub fn validate(&self) -> Result<(), DatasetError> {
        let (base, queries) = (&self.base, &self.queries);
        for (part, vectors) in [("base", base), ("queries", queries)] {
            if vectors.is_empty() {
                return Err(DatasetError::Empty { part });
            }
        }
        if base.dim() != queries.dim() {
            return Err(DatasetError::Dimension { base: base.dim(), queries: queries.dim() });
        }
        let dtype = base.dtype();
        if dtype != queries.dtype() {
            return Err(DatasetError::Dtype { base: dtype.name(), queries: queries.dtype().name() });
        }
        if self.metric.is_on_bits() != matches!(base, Vectors::Bits { .. }) {
            return Err(DatasetError::Metric { metric: self.metric, dtype: dtype.name() });
        }
        if base.len() > u32::MAX as usize {
            return Err(DatasetError::TooMany { rows: base.len() });
        }
        for (part, vectors) in [("base", base), ("queries", queries)] {
            if let Some((row, column)) = vectors.first_non_finite() {
                return Err(DatasetError::NotFinite { part, row, column });
            }
            if self.metric == Metric::Cosine
                && let Some(row) = first_zero_row(vectors)
            {
                return Err(DatasetError::ZeroVector { part, row });
            }
        }
        self.truth.as_ref().map_or(Ok(()), |truth| self.validate_truth(truth))
    }

    fn validate_truth(&self, truth: &Truth) -> Result<(), DatasetError> {
        if truth.len() != self.queries.len() && truth.k > 0 {
            return Err(DatasetError::TruthShape {
                ids: truth.ids.len(),
                distances: truth.distances.len(),
                k: truth.k,
                queries: self.queries.len(),
            });
        }
        let rows = self.base.len();
        match truth.ids.iter().position(|&id| id as usize >= rows) {
            None => Ok(()),
            Some(at) => Err(DatasetError::TruthId { query: at / truth.k, id: truth.ids[at], rows }),
        }
    }
}

fn first_zero_row(vectors: &Vectors) -> Option<usize> {
    each_number!(
        vectors,
        matrix => matrix.iter().position(|row| row.iter().all(|value| value.to_f64() == 0.0)),
        bits(data, _bits) => data.iter().position(|row| row.iter().all(|&byte| byte == 0))
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::Matrix;

    fn set(base: Vec<f32>, queries: Vec<f32>, metric: Metric) -> Dataset {
        Dataset {
            name: "t".into(),
            metric,
            base: Vectors::F32(Matrix::new(base, 2).unwrap()),
            queries: Vectors::F32(Matrix::new(queries, 2).unwrap()),
            truth: None,
            source: String::new(),
        }
    }

    #[test]
    fn names_survive_a_round_trip() {
        for metric in Metric::ALL {
            assert_eq!(metric.name().parse(), Ok(metric));
        }
        assert_eq!("normalized".parse(), Ok(Metric::Cosine));
        assert!("manhatten".parse::<Metric>().unwrap_err().to_string().contains("manhatten"));
    }

    #[test]
    fn what_an_index_cannot_take_is_refused_by_place() {
        assert_eq!(set(vec![1.0, 2.0], vec![1.0, 1.0], Metric::L2).validate(), Ok(()));
        let nan = set(vec![1.0, 2.0, 3.0, f32::NAN], vec![1.0, 1.0], Metric::L2);
        assert_eq!(nan.validate(), Err(DatasetError::NotFinite { part: "base", row: 1, column: 1 }));
        let zero = set(vec![1.0, 2.0], vec![1.0, 1.0, 0.0, 0.0], Metric::Cosine);
        assert_eq!(zero.validate(), Err(DatasetError::ZeroVector { part: "queries", row: 1 }));
        let none = set(vec![], vec![1.0, 1.0], Metric::L2);
        assert_eq!(none.validate(), Err(DatasetError::Empty { part: "base" }));
        let bits = set(vec![1.0, 0.0], vec![1.0, 1.0], Metric::Hamming);
        assert!(matches!(bits.validate(), Err(DatasetError::Metric { .. })));
    }

    #[test]
    fn truth_must_fit_the_set() {
        assert!(matches!(Truth::new(2, vec![0], vec![0.0]), Err(DatasetError::TruthShape { .. })));
        assert!(matches!(Truth::new(0, vec![0], vec![0.0]), Err(DatasetError::TruthShape { .. })));
        assert_eq!(Truth::new(0, vec![], vec![]).unwrap().query(0), None);
        let mut set = set(vec![1.0, 2.0], vec![1.0, 1.0], Metric::L2);
        set.truth = Some(Truth::new(1, vec![1], vec![0.0]).unwrap());
        assert_eq!(set.validate(), Err(DatasetError::TruthId { query: 0, id: 1, rows: 1 }));
        set.truth = Some(Truth::new(1, vec![0, 0], vec![0.0, 0.0]).unwrap());
        assert!(matches!(set.validate(), Err(DatasetError::TruthShape { .. })));
    }

    #[test]
    fn a_prefix_of_truth_keeps_the_nearest() {
        let truth = Truth::new(2, vec![3, 1, 0, 2], vec![0.1, 0.2, 0.3, 0.4]).unwrap();
        let one = truth.prefix(9, 1);
        assert_eq!((one.ids(), one.distances()), (&[3, 0][..], &[0.1, 0.3][..]));
        assert_eq!(truth.prefix(1, 9).ids(), [3, 1]);
    }
}
