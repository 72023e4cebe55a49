//! Zones, compressed codes and routing: inverted-file search with codes of a few bits.
#![forbid(unsafe_code)]

mod batch;
mod build;
mod candidates;
mod code;
mod disk;
mod error;
mod file;
mod head;
mod index;
mod params;
mod posting;
mod progress;
mod refine;
mod route;
mod search;
mod space;
mod zones;

pub use batch::{BatchSearcher, NO_NEIGHBOR};
pub use disk::{DiskBatchSearcher, DiskIndex, DiskSearcher, Reads};
pub use error::Error;
pub use file::{Description, describe};
pub use hnsw::{Metric, Progress};
pub use index::ZonalPq;
pub use layouts::Neighbor;
pub use params::{BuildParams, Refine, SearchParams};
pub use search::Searcher;

/// Fails to compile should a public type stop being shareable between threads.
const _: () = {
    const fn shareable<T: Send + Sync>() {}
    shareable::<ZonalPq<f32>>();
    shareable::<Searcher>();
    shareable::<DiskIndex<f32>>();
    shareable::<DiskSearcher>();
    shareable::<Error>();
};
