//! Exact nearest neighbours in metric spaces, and the residual-correlation engine of Vecchia approximations.
//!
//! **Nothing is implemented yet.** The crate holds its place in the layering
//! (`simd-kernels <- layouts <- covertree`) so that the engine lands where users will look for it.
//! Until then the exact scan in `bench-harness` answers the same questions by brute force.
#![forbid(unsafe_code)]

pub mod residual;
