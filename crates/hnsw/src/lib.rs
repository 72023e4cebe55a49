//! Graph-based approximate nearest-neighbour search with quantised traversal.
#![forbid(unsafe_code)]
#![allow(missing_docs, dead_code, clippy::print_stderr)]

mod batch;
mod beam;
mod build;
mod calibrate;
mod code;
mod error;
mod filter;
mod graph;
mod horizon;
mod index;
mod intake;
mod iterate;
mod labels;
mod metric;
mod parallel;
mod params;
mod pool;
mod range;
mod rotation;
mod search;
mod seeds;
mod view;
mod visited;

pub use batch::{BatchSearcher, NO_NEIGHBOR};
pub use calibrate::Calibration;
pub use error::Error;
pub use filter::{IdFilter, IdSet};
pub use index::Hnsw;
pub use iterate::Neighbors;
pub use layouts::Neighbor;
pub use metric::Metric;
pub use params::{BuildParams, Quality, SearchParams, Storage};
pub use search::Searcher;
