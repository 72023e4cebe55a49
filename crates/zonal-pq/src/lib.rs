//! Zones, compressed codes and routing: inverted-file search with codes of 1 to 8 bits.
//!
//! **Nothing is implemented yet.** The crate holds its place in the layering
//! (`simd-kernels <- layouts <- hnsw <- zonal-pq`) so that the engine lands where users will look for it.
#![forbid(unsafe_code)]

pub mod quantiser;
