//! Zones: parts of space around a centroid each, and which of them a vector belongs to.
//!
//! Centroids are integer rows like the vectors, so everything here is exact integer arithmetic: the same zones
//! for any number of threads and on every CPU.

mod assign;
mod cluster;
mod second;

pub(crate) use assign::{Centroids, norm};
pub(crate) use cluster::{Plan, cluster};
pub(crate) use second::{NONE, second_zones};
