//! Approximate nearest neighbours by walking a graph, on quantised codes that cost a cache line or two a vector.
//!
//! ```
//! use hnsw::{BuildParams, Hnsw, Metric, SearchParams, Searcher};
//! use simd_kernels::Rows;
//!
//! // A thousand vectors of 32 dimensions, one after another.
//! let vectors: Vec<f32> = (0..32_000).map(|x| ((x * x % 977) as f32).sin()).collect();
//! let index = Hnsw::build(Rows::new(&vectors, 32)?, Metric::Cosine, &BuildParams::new())?;
//!
//! let mut searcher = Searcher::new()?; // one per thread, used again and again
//! let found = index.search(&mut searcher, &vectors[..32], &SearchParams::new(10, 40))?;
//! assert_eq!(found.len(), 10);
//! assert_eq!(found[0].id, 0);
//! # Ok::<(), hnsw::Error>(())
//! ```
//!
//! # How it works, and why it is fast
//!
//! A query of a graph index costs the cache lines that it touches; arithmetic is nearly free beside them. So:
//!
//! * **One primary code per vector, a line or a few** ([`Storage::Lines`]): principal components, all on one step,
//!   7 bits for the wide ones, 4 for others, none for the rest. Distances of codes are exact integers
//!   ([`simd_kernels::Kernels::codes_mixed`]). How many lines is measured on a sample of the data
//!   ([`Storage::Auto`]).
//! * **Refinement on the way**: every row that is expanded is measured exactly, one step after its memory was asked
//!   for. There is no pass at the end, and distances in results are exact.
//! * **No upper layers**: a few hundred rows are scored to begin with, which above some dozen dimensions is as good.
//! * **Rows in an order of space**, so that neighbours share pages and lines; huge pages; no lock, no allocation and
//!   no clearing of large memory in a query.
//! * **Small sets are scanned**, by byte products over sixteen rows at once: nothing is faster while they fit a cache.
//!
//! The graph is built from random carvings of the data compared leaf by leaf with matrix products, pruned, and
//! improved by searching it for each of its own rows. All of that is integer arithmetic in a fixed order: an index has the same
//! bytes for any number of threads and on every CPU. Equal vectors are one node, and every row can be reached:
//! a beam as wide as the set (`ef_search >= n`) is exact.
//!
//! # Choosing
//!
//! | you have | take |
//! |---|---|
//! | most data | the defaults; raise `ef_search` until the recall suffices |
//! | recall above 0.99 wanted, or hard data | [`BuildParams::degree`] 64, [`Quality::Max`] |
//! | little memory, and less than a million rows | [`BuildParams::degree`] 32 |
//! | little memory for codes | [`Storage::Full`] (none), or [`Storage::Bits`] with a wide beam |
//! | inner products of vectors of any length | [`Metric::InnerProduct`]; it walks by [`Storage::Bytes`] where lengths differ |
//! | bits | `u8` vectors and [`Metric::Hamming`] |
//!
//! A vector costs, beside itself, `4 · degree` bytes of graph, 64 bytes a line of code, and 4 for its id.
//!
//! # What else it does
//!
//! | for | call |
//! |---|---|
//! | many queries at once | [`Hnsw::search_batch`], several searches side by side on each thread |
//! | only some ids | [`Hnsw::search_filtered`] with an [`IdSet`] or a closure; never fewer than there are |
//! | everything within a radius, or the nearest within one | [`Hnsw::search_range`], [`Hnsw::search_within`] |
//! | one more, and one more | [`Hnsw::iter`] |
//! | a distance of one's own | [`Hnsw::search_by`] |
//! | a recall instead of `ef_search` | [`Hnsw::calibrate`], then [`SearchParams::recall`] |
//! | files, searched where they lie | [`Hnsw::save`], [`Hnsw::open`], [`describe`] |
//! | vectors that come and go while others search | [`LiveHnsw`], whose [`Reader`] and [`Snapshot`] have all these searches, by key |
//!
//! # Distances
//!
//! Smaller is nearer: squared Euclidean distance, minus the inner product, one minus the cosine, or differing bits.
//! Results are sorted by distance, ties by the lower id.
//!
//! # Where things are
//!
//! `intake.rs` turns every input into integers; `rotation.rs` and `code.rs` make the mixed codes, `bytes.rs` and
//! `signs.rs` the other kinds; `build/` builds; `beam.rs` is the loop of a walk, `search.rs` a query from end to end;
//! `view.rs` is what both the frozen and a changing index show to a search.
#![forbid(unsafe_code)]

mod batch;
mod beam;
mod build;
mod bytes;
mod calibrate;
mod code;
mod codes;
mod error;
mod file;
mod filter;
mod graph;
mod horizon;
mod index;
mod intake;
mod iterate;
mod labels;
mod live;
mod metric;
mod order;
mod parallel;
mod params;
mod pool;
mod progress;
mod range;
mod rotation;
mod scan;
mod search;
mod search_by;
mod seeds;
mod signs;
mod view;
mod visited;

pub use batch::{BatchSearcher, NO_NEIGHBOR};
pub use calibrate::Calibration;
pub use error::Error;
pub use file::{Description, describe};
pub use filter::{IdFilter, IdSet};
pub use index::Hnsw;
pub use iterate::Neighbors;
pub use layouts::Neighbor;
pub use live::{
    Found, LiveBatchSearcher, LiveHnsw, LiveNeighbors, LiveParams, LiveSearcher, NO_KEY, Reader, Readers,
    Snapshot,
};
pub use metric::Metric;
pub use params::{BuildParams, Quality, SearchParams, Storage};
pub use progress::Progress;
pub use search::Searcher;

/// Pieces that the crate `zonal-pq` is made of as well; not part of the stable interface.
#[doc(hidden)]
pub mod pieces {
    pub use crate::intake::{Intake, check_row, nearest, norm_squared};
    pub use crate::metric::{Exact, Query, sortable};
    pub use crate::parallel::{PerThread, threads, try_blocks, try_chunks};
    pub use crate::rotation::{Moments, Rotation, principal};
}

/// Fails to compile should a public type stop being shareable between threads.
const _: () = {
    const fn shareable<T: Send + Sync>() {}
    shareable::<Hnsw<f32>>();
    shareable::<Searcher<f32>>();
    shareable::<Error>();
};
