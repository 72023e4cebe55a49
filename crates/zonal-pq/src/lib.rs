//! Approximate nearest neighbours by zones: vectors lie in parts of space, a query visits the nearest few of them and
//! scans short codes there, and what looks near is measured exactly.
//!
//! ```
//! use simd_kernels::Rows;
//! use zonal_pq::{BuildParams, Metric, SearchParams, Searcher, ZonalPq};
//!
//! // A thousand vectors of 32 dimensions, one after another.
//! let vectors: Vec<f32> = (0..32_000).map(|x| ((x * x % 977) as f32).sin()).collect();
//! let index = ZonalPq::build(Rows::new(&vectors, 32)?, Metric::Cosine, &BuildParams::new())?;
//!
//! let mut searcher = Searcher::new()?; // one per thread, used again and again
//! let found = index.search(&mut searcher, &vectors[..32], &SearchParams::new(10, 8))?;
//! assert_eq!(found.len(), 10);
//! assert_eq!(found[0].id, 0);
//! # Ok::<(), zonal_pq::Error>(())
//! ```
//!
//! # How it works, and why it is fast
//!
//! * **Zones by integer k-means**: vectors become rows of bytes, and centroids, assignments and residuals are exact
//!   byte products. Cutting space hierarchically, in proportion to what lies in each part, makes zones alike in size.
//! * **Codes that a register reads for sixteen rows at once**: the leading principal components of the residuals in
//!   4 bits each ([`ScanCode::Components`]), side by side, so that an estimate is an integer product of the query,
//!   prepared once for all zones, plus one number per row. RaBitQ, LVQ and product codes can stand in their place
//!   ([`ScanCode`], [`quantiser`]).
//! * **No heap, no branch per row**: estimates of a zone are compared with a limit by registers, what passes is kept
//!   in a buffer that is cut down to the best whenever it is full. The next zone's codes are fetched meanwhile.
//! * **Measuring in stages**: candidates by byte rows first where vectors are wider, then by the vectors; each is
//!   fetched ahead of its use. Distances in results are exact.
//! * **Batches zone by zone**: a zone is read once for all queries that visit it, and several of them share each
//!   register of codes.
//!
//! All of it is the same, bit for bit, for any number of threads and on every CPU: the index, and (but for the exact
//! distances, which are float sums) every step of a search.
//!
//! # Choosing
//!
//! | you have | take |
//! |---|---|
//! | most data | the defaults; raise `nprobe` until the recall suffices, or calibrate and ask for a recall |
//! | recall above 0.95 wanted from little time | [`BuildParams::second`] 0.3: more memory, fewer probes |
//! | recall above 0.99 wanted | a larger [`SearchParams::rerank`] besides |
//! | many queries at once | [`ZonalPq::search_batch`] |
//! | data in which nothing is near anything (noise) | all zones: `nprobe` of [`ZonalPq::zones`], which is an exact search but for the codes |
//! | one query at a time, and memory for a graph | the crate `hnsw` |
//!
//! A vector costs, beside itself, its code (half a byte a component) with 4 bytes, 8 for its id and place, and one
//! byte a dimension where vectors are wider than that.
//!
//! # What else it does
//!
//! | for | call |
//! |---|---|
//! | only some ids | [`ZonalPq::search_filtered`] with an [`IdSet`] or a closure; never fewer than there are |
//! | everything within a radius, or the nearest within one | [`ZonalPq::search_range`], [`ZonalPq::search_within`] |
//! | a recall instead of `nprobe` | [`ZonalPq::calibrate`], then [`SearchParams::recall`] |
//! | fewer zones for easy queries | [`SearchParams::reach`] |
//! | an end to the work of a query, in vectors or by the clock | [`SearchParams::budget`], [`SearchParams::time`] |
//! | vectors that stay where the caller has them | [`BuildParams::lent_vectors`], [`ZonalPq::with_vectors`] |
//! | one large query on all threads | [`ZonalPq::search_spread`] |
//! | a file: written whole, read or mapped; what it holds | [`ZonalPq::save`], [`ZonalPq::open`], [`describe`] |
//! | an index larger than memory | [`ZonalPq::save_by_zone`], [`DiskIndex`] |
//! | vectors that come and go while others search | [`LiveZonal`], with a log that survives a crash |
//! | quantisers by themselves | [`quantiser`] |
//!
//! # Distances
//!
//! Smaller is nearer: squared Euclidean distance, minus the inner product, or one minus the cosine. Results are
//! sorted by distance, ties by the lower id.
//!
//! # Where things are
//!
//! `space.rs` turns every input into integers; `zones/` clusters and assigns; `head.rs`, `quantiser/` and `code.rs` make
//! codes; `build.rs` puts an index together. `route.rs` finds zones, `search.rs` is a query from end to end, `batch.rs`
//! many of them, `candidates.rs` keeps the best and `refine.rs` measures them; `posting.rs` is what a search sees of
//! zones, wherever they lie.
#![forbid(unsafe_code)]

mod batch;
mod build;
mod calibrate;
mod candidates;
mod code;
mod disk;
mod error;
mod file;
mod filter;
mod head;
mod index;
mod lent;
mod live;
mod parallel;
mod params;
mod posting;
mod progress;
pub mod quantiser;
mod range;
mod refine;
mod route;
mod search;
mod space;
mod spread;
mod unit;
mod zones;

pub use batch::{BatchSearcher, NO_NEIGHBOR};
pub use calibrate::Calibration;
pub use disk::{DiskBatchSearcher, DiskIndex, DiskSearcher, Reads};
pub use error::Error;
pub use file::{Description, describe};
pub use hnsw::{Found, IdFilter, IdSet, Metric, Progress};
pub use index::ZonalPq;
pub use layouts::Neighbor;
pub use lent::LentVectors;
pub use live::{
    Checked, Durability, LiveBatchSearcher, LiveParams, LiveReader, LiveReaders, LiveSearcher, LiveSnapshot,
    LiveZonal, NOT_FOUND, Recovery, Upkeep,
};
pub use params::{BuildParams, Refine, ScanCode, SearchParams};
pub use search::Searcher;

/// Fails to compile should a public type stop being shareable between threads.
const _: () = {
    const fn shareable<T: Send + Sync>() {}
    shareable::<ZonalPq<f32>>();
    shareable::<Searcher>();
    shareable::<LentVectors<'_, f32>>();
    shareable::<DiskIndex<f32>>();
    shareable::<DiskSearcher>();
    shareable::<Error>();
};
