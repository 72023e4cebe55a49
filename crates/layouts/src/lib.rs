//! Where vectors, graphs and results lie in memory and in files.
//!
//! A search is as fast as its memory is laid out: these are the structures that the engines share, each with its
//! invariants, and with the cost of what it does.
//!
//! | for | take | costs |
//! |---|---|---|
//! | any array that kernels read | [`AlignedVec`] | `push` O(1) amortised; 2 MiB pages from 2 MiB on |
//! | many arrays of some kilobytes that come and go | [`Heap`] | O(log blocks), under a lock; huge pages for all together |
//! | vectors, one query at a time | [`Matrix`] | a row: one multiplication; padding only if wanted |
//! | vectors, many queries or short rows | [`Interleaved`] | packing at memory speed; last panel padded |
//! | codes of 2, 4 or 8 bits, scanned in blocks | [`InterleavedCodes`] | a byte at a time; last panel padded |
//! | codes of 4, 6 or 8 bits that look up tables | [`BlockedCodes`] | a byte at a time; last block padded |
//! | a tree searched child block by child block | [`ChildrenArena`] | 8 bytes a node; `children` O(1), `parent` O(log n) |
//! | a graph of bounded degree | [`Adjacency`] | 4 bytes a slot, used or not; a row is a line or a few |
//! | the user's own ids | [`IdMap`] | out: one read; in: one hash look-up |
//! | a better order of rows | [`Permutation`] | O(n) to check, to invert, to apply |
//! | which rows a search has met | [`VisitedSet`], [`VisitedBits`] | a byte or a bit a row; cleared in O(1), or O(words touched) |
//! | the k nearest of a stream | [`TopK`] | one comparison to reject, O(log k) to take |
//! | the candidates of a graph search | [`LinearPool`] | O(`ef_search`) moves an insertion, O(1) for the next |
//! | rows that change while snapshots are read | [`Blocks`] | a row: two look-ups; a copy: a pointer per 128 blocks; a change: its block |
//! | rows that are only added, in one piece, while others read | [`Arena`] | appending as a `push`; a view O(1) |
//! | snapshots for readers without locks | [`published`] | a pin: two stores to a line of one's own, a fence, a load |
//! | a bound that threads share | [`SharedBound`] | a relaxed load to ask, a `fetch_min` to lower |
//! | saving and opening all of it | [`container`] | opened where it lies; atomic to save |
//!
//! ```
//! use layouts::container::{Container, Placement, Writer};
//! use layouts::{Matrix, RowPadding, Storage};
//!
//! let mut vectors = Matrix::<f32>::new(2, RowPadding::None)?;
//! vectors.push(&[3.0, 4.0])?;
//!
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("vectors.nigh");
//! Writer::new("vectors", 1).section("rows", Placement::Hot, vectors.as_slice()).save(&path)?;
//!
//! let file = Container::open(&path, "vectors")?;
//! let rows = Storage::from(file.section::<f32>("rows")?);
//! let vectors = Matrix::from_storage(rows, 1, 2, RowPadding::None)?;
//! assert_eq!(vectors.row(0), Some(&[3.0f32, 4.0][..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Nothing here panics on what it is given, and whatever allocates can say no: see [`Error`]. A refused operation
//! changes nothing. Everything is `Send + Sync`.

mod adjacency;
mod aligned;
mod arena;
mod blocked_codes;
mod blocks;
mod children;
pub mod container;
mod error;
mod heap;
mod id_map;
mod interleaved;
mod interleaved_codes;
mod linear_pool;
mod matrix;
mod neighbor;
mod permutation;
mod primitive;
pub mod published;
mod region;
mod shared_bound;
mod top_k;
mod visited;

pub use adjacency::{Adjacency, Pushed};
pub use aligned::AlignedVec;
pub use arena::{Arena, ArenaView};
pub use blocked_codes::BlockedCodes;
pub use blocks::Blocks;
pub use children::{ChildrenArena, Span};
pub use container::Storage;
pub use error::Error;
pub use heap::Heap;
pub use id_map::IdMap;
pub use interleaved::Interleaved;
pub use interleaved_codes::InterleavedCodes;
pub use linear_pool::LinearPool;
pub use matrix::{Matrix, RowPadding};
pub use neighbor::Neighbor;
pub use permutation::Permutation;
pub use region::{CACHE_LINE, HUGE_PAGE, HugePages};
pub use shared_bound::SharedBound;
pub use top_k::TopK;
pub use visited::{VisitedBits, VisitedSet};

/// Fails to compile should a public type stop being shareable between threads.
const _: () = {
    const fn shareable<T: Send + Sync>() {}
    shareable::<AlignedVec<f32>>();
    shareable::<Matrix<f32, Storage<f32>>>();
    shareable::<Interleaved<u8, 16, 4>>();
    shareable::<InterleavedCodes<4>>();
    shareable::<BlockedCodes<6>>();
    shareable::<ChildrenArena<Storage<Span>>>();
    shareable::<Adjacency<Storage<u32>>>();
    shareable::<IdMap>();
    shareable::<Permutation>();
    shareable::<VisitedSet>();
    shareable::<VisitedBits>();
    shareable::<TopK<f64>>();
    shareable::<LinearPool<i32>>();
    shareable::<SharedBound<f32>>();
    shareable::<Blocks<u32>>();
    shareable::<Arena<u8>>();
    shareable::<ArenaView<u8>>();
    shareable::<published::Writer<Blocks<u32>>>();
    shareable::<published::Published<Blocks<u32>>>();
    shareable::<published::Reader<Blocks<u32>>>();
    shareable::<published::Pinned<'_, Blocks<u32>>>();
    shareable::<Error>();
    shareable::<container::Container>();
    shareable::<container::FileReader>();
    shareable::<container::ContainerError>();
    shareable::<container::Section<u64>>();
    shareable::<container::Writer<'_>>();
};
