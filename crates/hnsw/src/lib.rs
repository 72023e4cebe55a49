//! Graph-based approximate nearest-neighbour search with quantised traversal.
//!
//! **Nothing is implemented yet.** The crate holds its place in the layering
//! (`simd-kernels <- layouts <- hnsw`) so that the engine lands where users will look for it.
#![forbid(unsafe_code)]
