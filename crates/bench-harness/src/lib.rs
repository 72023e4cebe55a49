//! Data sets, exact truth, recall, protocol, records and report.
#![forbid(unsafe_code)]

// data
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
