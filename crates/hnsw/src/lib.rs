//! Graph-based approximate nearest-neighbour search with quantised traversal.
#![forbid(unsafe_code)]
#![allow(missing_docs, dead_code, clippy::print_stderr)]

mod beam;
mod build;
mod bytes;
mod code;
mod codes;
mod error;
mod graph;
mod index;
mod intake;
mod labels;
mod live;
mod metric;
mod parallel;
mod params;
mod pool;
mod progress;
mod rotation;
mod scan;
mod search;
mod seeds;
mod signs;
mod view;
mod visited;

pub use error::Error;
pub use index::Hnsw;
pub use layouts::Neighbor;
pub use live::{Found, LiveHnsw, LiveParams, LiveSearcher, Reader, Readers, Snapshot};
pub use metric::Metric;
pub use params::{BuildParams, Quality, SearchParams, Storage};
pub use progress::Progress;
pub use search::Searcher;
