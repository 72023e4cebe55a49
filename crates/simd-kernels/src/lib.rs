//! What the CPU can do: distance kernels for nearest-neighbour search, chosen for the CPU at run time.
//!
//! Ask for a table once, call it on blocks of rows:
//!
//! ```
//! use simd_kernels::{Kernels, Measure, Rows};
//! let kernels = Kernels::active()?;
//! let rows = Rows::new(&[1u8, 2, 3, 4, 5, 6], 3)?;
//! let mut distances = [0; 2];
//! kernels.forms::<u8>(Measure::L2Squared).rows(&[1, 2, 3], rows, &mut distances)?;
//! assert_eq!(distances, [0, 27]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod drive;
mod element;
mod lanes;
mod math;
mod panels;
mod portable;
mod prefetch;
pub mod reference;
mod select;
mod table;
mod tier;
mod view;
mod wht;

#[cfg(target_arch = "aarch64")]
mod arm;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use element::{Distance, Element, Measure};
pub use half::{bf16, f16};
pub use math::{Covariance, CovarianceError, Real};
pub use panels::{PANEL_ROWS, PanelElement, PanelForms, Panels};
pub use prefetch::prefetch_slice;
pub use select::Ordered;
pub use table::{BitForms, CodeForms, DistanceForms, Forms, Kernels};
pub use tier::{Capabilities, TIER_VARIABLE, Tier, TierError, capabilities};
pub use view::{Rows, ShapeError};
