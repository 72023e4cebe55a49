//! The exact scan: every query against every vector. Its speed is the speed of the kernels, and every other
//! index is checked against it.
//!
//! Vectors lie row after row. A single query walks them in chunks that stay in the second-level cache while
//! their distances are looked at. A batch interleaves each chunk into panels and sends all queries through it
//! (`batch.rs`); where there is no panel kernel, it walks the rows once per tile of queries. The nearest are kept
//! in a bounded heap whose worst entry is the threshold: after the first few hundred rows nearly every distance
//! costs one comparison, sixteen at a time.
//!
//! Results are ordered by (distance, id). They are the same for a single query and a batch, and for every number
//! of threads: a row's distance does not depend on what it is computed beside, and the order is total.
//!
//! Cost: O(n · dim) a query, no allocation after the first query with the same [`Scratch`].

mod batch;
mod engine;
mod heap;
mod rank;
mod scan;
mod search;

pub use batch::Batched;
pub use engine::{ExactEngine, ExactIndex};
pub use rank::Ranking;
pub use scan::{Scan, Scratch};

use simd_kernels::ShapeError;

use crate::dataset::Metric;

/// Why an exact scan could not be built or searched. Nothing was changed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ExactError {
    /// No neighbour was asked for.
    #[error("`k` is 0: ask for at least one neighbour")]
    ZeroK,
    /// A query of another dimension than the vectors.
    #[error("`query` has {actual} dimensions, the vectors have {expected}")]
    Dimension {
        /// Dimensions of the vectors.
        expected: usize,
        /// Dimensions of the query.
        actual: usize,
    },
    /// A NaN or an infinity, to which nothing is near.
    #[error("`{argument}` row {row}, column {column} is not a finite number")]
    NotFinite {
        /// `vectors` or `query`.
        argument: &'static str,
        /// The row.
        row: usize,
        /// The column.
        column: usize,
    },
    /// A metric that does not compare vectors of this type.
    #[error("metric {metric} does not compare {dtype} vectors")]
    Metric {
        /// The metric.
        metric: Metric,
        /// The element type.
        dtype: &'static str,
    },
    /// Queries of another type than the vectors.
    #[error("queries are {queries}, the vectors are {vectors}")]
    Dtype {
        /// Element type of the vectors.
        vectors: &'static str,
        /// Element type of the queries.
        queries: &'static str,
    },
    /// Bits set beyond the end of a bit string: they would count as differences.
    #[error("`{argument}` row {row} has bits set beyond its {bits} bits")]
    Padding {
        /// `vectors` or `query`.
        argument: &'static str,
        /// The row.
        row: usize,
        /// Bits of a row.
        bits: usize,
    },
    /// More vectors than ids can name.
    #[error("{rows} vectors are more than 32-bit ids can name")]
    TooMany {
        /// Number of vectors.
        rows: usize,
    },
    /// A query that does not exist.
    #[error("there is no query {query}: there are {queries}")]
    NoQuery {
        /// What was asked for.
        query: usize,
        /// How many there are.
        queries: usize,
    },
    /// No memory for the vectors.
    #[error(transparent)]
    Memory(#[from] layouts::Error),
    /// A shape that the kernels refuse.
    #[error(transparent)]
    Shape(#[from] ShapeError),
}
