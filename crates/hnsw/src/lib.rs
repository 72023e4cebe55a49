//! Graph-based approximate nearest-neighbour search with quantised traversal.
#![forbid(unsafe_code)]
#![allow(missing_docs, missing_debug_implementations, dead_code, clippy::print_stderr)]

mod beam;
mod build;
mod code;
mod error;
mod index;
mod intake;
mod parallel;
mod pool;
mod rotation;
mod visited;

pub use error::Error;
pub use index::{BuildParams, Hnsw, Metric, Searcher};
