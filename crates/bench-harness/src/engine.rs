//! What the harness needs of an index: how it is built, which search points it has, and a searcher to be timed.
//!
//! Three steps, each with its own trait, so that what must not be timed is not:
//!
//! 1. [`Engine`]: a kind of index with build parameters. [`Engine::build`] is timed as "build".
//! 2. [`Index`]: a built index with a grid of search parameters. [`Index::prepare`] converts queries and makes
//!    scratch, untimed.
//! 3. [`Searcher`]: index, search point, queries and scratch together. Only its two calls are timed.

use std::fmt;

use crate::dataset::{Dataset, DatasetError};
use crate::dtype::Dtype;
use crate::exact::ExactError;
use crate::progress::Progress;
use crate::vectors::{Vectors, VectorsError};

/// A vector that was found, by its row, with its distance as the data set's metric defines it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Neighbor {
    /// Row in the base vectors.
    pub id: u32,
    /// Distance, smaller is nearer.
    pub distance: f64,
}

/// Why an index could not be built or searched.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The exact scan refused.
    #[error(transparent)]
    Exact(#[from] ExactError),
    /// The data are not a data set.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// The vectors do not fit the engine's element type.
    #[error(transparent)]
    Vectors(#[from] VectorsError),
    /// The zonal index refused.
    #[error("zonal-pq: {0}")]
    Zonal(String),
    /// The graph index refused.
    #[error("hnsw: {0}")]
    Graph(String),
    /// A metric that an engine does not search by.
    #[error("{engine} does not search by {metric}")]
    Metric {
        /// The engine.
        engine: &'static str,
        /// The metric.
        metric: crate::dataset::Metric,
    },
    /// An element type that an engine does not hold.
    #[error("{engine} does not hold {dtype} vectors, or was built of others")]
    Dtype {
        /// The engine.
        engine: &'static str,
        /// The element type.
        dtype: &'static str,
    },
    /// An engine that searches only without filters.
    #[error("{engine} does not search under a filter")]
    NoFilter {
        /// The engine.
        engine: &'static str,
    },
    /// A search point outside the grid.
    #[error("search point {point} does not exist: the index has {points}")]
    NoPoint {
        /// What was asked for.
        point: usize,
        /// How many there are.
        points: usize,
    },
}

/// A kind of index with its build parameters.
pub trait Engine: fmt::Debug + Sync {
    /// The name used in records.
    fn name(&self) -> &str;

    /// Build parameters as printed, `-` for none.
    fn params(&self) -> String;

    /// The element type that the index keeps.
    fn dtype(&self) -> Dtype;

    /// Builds the index over a data set whose vectors are of [`Engine::dtype`].
    ///
    /// # Errors
    /// [`EngineError`] if the data do not suit the engine.
    fn build(&self, dataset: &Dataset, progress: &dyn Progress) -> Result<Box<dyn Index>, EngineError>;
}

/// A built index.
pub trait Index: fmt::Debug + Send + Sync {
    /// Bytes in memory, vectors included.
    fn index_bytes(&self) -> u64;

    /// The search parameters to be measured, as printed, in order of rising effort; `-` for none.
    fn grid(&self) -> Vec<String>;

    /// From now on only the base rows `allowed` may be found; `None` lifts the condition.
    ///
    /// # Errors
    /// [`EngineError::NoFilter`] of an index that knows no filters.
    fn restrict(&mut self, _allowed: Option<&[u32]>) -> Result<(), EngineError> {
        Err(EngineError::NoFilter { engine: "this index" })
    }

    /// Bytes that a single query has to read, where that is known: it makes the speed a share of what the
    /// machine can deliver.
    fn bytes_per_query(&self) -> Option<u64>;

    /// Makes search point `point` of the grid ready for `queries`, `k` neighbours each, by `threads` threads of
    /// the rayon pool that the calls will be made in.
    ///
    /// # Errors
    /// [`EngineError`] if the point does not exist or the queries do not suit the index.
    fn prepare<'a>(
        &'a self,
        point: usize,
        queries: &'a Vectors,
        k: usize,
        threads: usize,
    ) -> Result<Box<dyn Searcher + 'a>, EngineError>;
}

/// An index, a search point, queries and scratch: ready to be timed.
pub trait Searcher: Send {
    /// Finds the neighbours of query `query`, nearest first, in `out` (cleared first).
    ///
    /// # Errors
    /// [`EngineError`] if there is no such query or it is refused.
    fn single(&mut self, query: usize, out: &mut Vec<Neighbor>) -> Result<(), EngineError>;

    /// Finds the neighbours of all queries in `out` (cleared first), the same number for each.
    ///
    /// # Errors
    /// [`EngineError`] if a query is refused.
    fn batch(&mut self, out: &mut Vec<Neighbor>) -> Result<(), EngineError>;

    /// Distances computed per query so far, on average, where the engine counts them.
    fn distances_per_query(&self) -> Option<f64>;
}

/// What `--suite` can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Suite {
    /// Kernels against each other, by tier.
    Kernels,
    /// The exact scan.
    Exact,
    /// Exact search in metric spaces.
    Covertree,
    /// Graph search.
    Hnsw,
    /// Zones and codes.
    ZonalPq,
    /// Every suite that exists.
    All,
}

/// Why a suite cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SuiteError {
    /// Not a suite.
    #[error("unknown suite {name:?}: expected kernels, exact, covertree, hnsw, zonal-pq or all")]
    Unknown {
        /// What was given.
        name: String,
    },
}

impl Suite {
    /// What [`Suite::All`] stands for.
    pub const BUILT: [Suite; 5] =
        [Suite::Kernels, Suite::Exact, Suite::Covertree, Suite::Hnsw, Suite::ZonalPq];

    /// The name used in records and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Suite::Kernels => "kernels",
            Suite::Exact => "exact",
            Suite::Covertree => "covertree",
            Suite::Hnsw => "hnsw",
            Suite::ZonalPq => "zonal-pq",
            Suite::All => "all",
        }
    }

    /// The suites to run for this name.
    pub fn resolve(self) -> Vec<Suite> {
        match self {
            Suite::All => Self::BUILT.to_vec(),
            one => vec![one],
        }
    }

    /// Whether the suite searches the data sets of `--dataset`; the others bring their own.
    pub const fn takes_datasets(self) -> bool {
        matches!(self, Suite::Exact | Suite::Hnsw | Suite::ZonalPq)
    }
}

impl std::str::FromStr for Suite {
    type Err = SuiteError;

    fn from_str(name: &str) -> Result<Self, SuiteError> {
        use Suite::{All, Covertree, Exact, Hnsw, Kernels, ZonalPq};
        [Kernels, Exact, Covertree, Hnsw, ZonalPq, All]
            .into_iter()
            .find(|suite| suite.name() == name)
            .ok_or_else(|| SuiteError::Unknown { name: name.to_owned() })
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_are_read_by_name() {
        assert_eq!("all".parse::<Suite>().unwrap().resolve(), Suite::BUILT);
        for suite in Suite::BUILT {
            assert_eq!(suite.name().parse::<Suite>().unwrap().resolve(), [suite]);
        }
        assert!("hnws".parse::<Suite>().unwrap_err().to_string().contains("zonal-pq"));
    }
}
