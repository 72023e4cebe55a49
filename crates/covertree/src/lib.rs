//! Exact nearest neighbours in metric spaces, and the residual-correlation engine of Vecchia approximations.
#![forbid(unsafe_code)]

mod error;
mod filter;
mod metric;
mod parallel;
mod scalar;
mod search;
mod space;
mod tree;

pub mod ordering;
pub mod residual;

pub use error::Error;
pub use filter::Filter;
pub use layouts::Neighbor;
pub use metric::Metric;
pub use scalar::Scalar;
pub use search::{Certificate, Search, Traversal};
pub use space::{Items, Space, VectorMetric, Vectors};
pub use tree::{BuildOptions, CoverTree, ItemTree, Neighbors, Searcher, VectorTree};
