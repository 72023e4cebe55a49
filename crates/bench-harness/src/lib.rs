//! Data sets, exact truth, recall, protocol, records and report.
#![forbid(unsafe_code)]

// data
mod convert;
pub mod dataset;
pub mod dtype;
pub mod format;
pub mod generate;
pub mod open;
pub mod progress;
pub mod read;
pub mod recall;
pub mod truth;
pub mod vectors;
pub mod write;

// measuring
pub mod bar;
pub mod baseline;
pub mod engine;
pub mod exact;
mod facts;
pub mod kernel_suite;
pub mod machine;
mod number;
pub mod protocol;
pub mod record;
pub mod report;
pub mod run;
pub mod table;

/// The examples of the project's README, so that they are tested.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
#[allow(dead_code)]
struct Readme;
