//! Zones, compressed codes and routing: inverted-file search with codes of a few bits.
#![forbid(unsafe_code)]

mod batch;
mod build;
mod calibrate;
mod candidates;
mod code;
mod error;
mod filter;
mod head;
mod index;
mod live;
mod params;
mod posting;
mod progress;
pub mod quantiser;
mod range;
mod refine;
mod route;
mod search;
mod space;
mod zones;

pub use batch::{BatchSearcher, NO_NEIGHBOR};
pub use calibrate::Calibration;
pub use error::Error;
pub use hnsw::{Found, IdFilter, IdSet, Metric, Progress};
pub use index::ZonalPq;
pub use layouts::Neighbor;
pub use live::{
    Checked, Durability, LiveBatchSearcher, LiveParams, LiveReader, LiveReaders, LiveSearcher, LiveSnapshot,
    LiveZonal, NOT_FOUND, Recovery, Upkeep,
};
pub use params::{BuildParams, Refine, SearchParams};
pub use search::Searcher;

/// Fails to compile should a public type stop being shareable between threads.
const _: () = {
    const fn shareable<T: Send + Sync>() {}
    shareable::<ZonalPq<f32>>();
    shareable::<Searcher>();
    shareable::<Error>();
};
