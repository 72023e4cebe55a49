//! Data sets, exact truth, recall, protocol, records and report: everything behind `cargo xtask bench`.
//!
//! * **Data**: [`open`] finds a set by name, folder, file or generator and gives a [`dataset::Dataset`]; [`read`] and
//!   [`write`](mod@write) know the formats, [`generate`](mod@generate) makes sets from a seed, [`truth`] computes and
//!   caches exact neighbours, [`recall`](mod@recall) judges answers by id and by distance. `docs/data.md` has the
//!   details.
//! * **Engines**: [`engine`] is what an index must offer to be measured; [`exact`] is the first one, a scan whose
//!   speed is that of the kernels, and the oracle of all others.
//! * **Measuring**: [`protocol`] times searches as ann-benchmarks does, [`peers`] lets other libraries take turns with
//!   ours, [`kernel_suite`] times kernels tier by tier, [`covertree_suite`] metric and residual-correlation search
//!   beside brute force,
//!   [`machine`] measures what the machine could deliver at most; [`record`] keeps the results, [`baseline`] compares
//!   them, [`gate`] says whether anything was lost, [`table`] and [`report`] show them.
//!
//! Heavy dependencies live here so that the libraries below stay small. No code here prints; `xtask` does.
#![forbid(unsafe_code)]

// data
mod convert;
pub mod dataset;
pub mod dtype;
pub mod format;
pub mod generate;
pub mod graph_engine;
pub mod open;
pub mod progress;
pub mod read;
pub mod recall;
pub mod truth;
pub mod vectors;
pub mod write;
pub mod zonal_engine;

// measuring
pub mod bar;
pub mod baseline;
pub mod covertree_suite;
pub mod engine;
pub mod exact;
mod facts;
pub mod gate;
mod hnsw_suite;
pub mod kernel_suite;
pub mod machine;
mod number;
pub mod peers;
pub mod protocol;
pub mod record;
pub mod reference;
pub mod report;
pub mod run;
pub mod table;

/// The examples of the project's README, so that they are tested.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
#[allow(dead_code)]
struct Readme;
