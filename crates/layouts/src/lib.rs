//! Where vectors, graphs and results lie in memory and in files.

mod aligned;
mod error;
mod interleaved;
mod region;

pub use aligned::AlignedVec;
pub use error::Error;
pub use interleaved::Interleaved;
pub use region::{CACHE_LINE, HUGE_PAGE, HugePages};
