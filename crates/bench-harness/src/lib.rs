//! Data sets, exact truth, recall, protocol, records and report.
#![forbid(unsafe_code)]

// data
pub mod dataset;
pub mod dtype;
pub mod progress;
pub mod vectors;

// measuring
pub mod bar;
pub mod baseline;
pub mod engine;
pub mod exact;
pub mod machine;
pub mod protocol;
pub mod record;
