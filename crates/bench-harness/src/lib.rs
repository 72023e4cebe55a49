//! Data sets, exact truth, recall, protocol, records and report.
#![forbid(unsafe_code)]

// data
pub mod dataset;
pub mod dtype;
pub mod vectors;

// measuring
mod aligned;
pub mod baseline;
pub mod engine;
pub mod exact;
pub mod machine;
pub mod progress;
pub mod protocol;
pub mod record;
