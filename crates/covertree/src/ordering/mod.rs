//! The order of points, and each point's nearest neighbours among those before it.
//!
//! Vecchia approximations replace the joint density of a Gaussian process by a product of conditional ones, each
//! point given its nearest neighbours among the points before it. They need an order, [`random`] or
//! [`maximin`] as a rule, and then [`ordered_neighbors`], [`ordered_neighbors_by_correlation`], or, under other
//! metrics, [`ordered_neighbors_in_tree`].
//!
//! | order | for | cost |
//! |---|---|---|
//! | [`random`] | a good default; unbiased prefixes | O(n) |
//! | [`coordinate`] | time series and other lines | O(n log n) |
//! | [`hilbert`] | locality: caches, blocks, batches | O(n (d + log n)) |
//! | [`maximin`] | the best approximation per neighbour; exact | O(n log² n) in low dimensions |
//! | [`nested`] | multi-resolution grids; a cheap cover | O(n (d + log n) + n d · levels) |
//!
//! Every order is a checked [`layouts::Permutation`], the same on every machine, ties by the lower id.

mod blocks;
mod coordinate;
mod correlated;
mod error;
mod hilbert;
mod in_tree;
mod maximin;
mod neighbors;
mod nested;
mod random;

pub use coordinate::coordinate;
pub use correlated::ordered_neighbors_by_correlation;
pub use error::OrderingError;
pub use hilbert::{HILBERT_MAX_DIM, hilbert};
pub use in_tree::ordered_neighbors_in_tree;
pub use maximin::{Maximin, maximin};
pub use neighbors::{Csr, OrderedNeighbors, OrderedOptions, ordered_neighbors};
pub use nested::{Nested, nested};
pub use random::random;
