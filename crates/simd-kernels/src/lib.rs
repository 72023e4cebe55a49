//! What the CPU can do: kernels for nearest-neighbour search, chosen for the CPU at run time.
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
//!
//! # What there is
//!
//! | kernels | on | forms |
//! |---|---|---|
//! | L2², inner product, L1: [`Kernels::forms`] | `f32 f64 f16 bf16 u8 i8` | pair, rows, ids, tile |
//! | cosine: [`Kernels::cosine`], [`Kernels::cosine_rows`], … | the same | pair, rows, ids, tile |
//! | Hamming, Jaccard: [`Kernels::hamming`], [`Kernels::jaccard`] | bits | pair, rows, ids, tile |
//! | `i8` query · 8-bit or packed 4-bit codes: [`Kernels::codes_u8`], [`Kernels::codes_u4`] | codes | pair, rows, ids, tile |
//! | squared distance to codes of mixed width: [`Kernels::codes_mixed`] | codes | pair, rows, ids, tile |
//! | many queries · interleaved rows: [`Kernels::panels`] | `f32 f64 u8 i8` | inner product, L2² |
//! | many `i8` queries · interleaved 2-, 4- or 8-bit codes: [`Kernels::code_panels_u4`], … | codes | inner product |
//! | many `i16` queries · interleaved `i16` rows: [`Kernels::word_panels`] | `i16` | inner product |
//! | sums of table entries looked up by 4-, 6- or 8-bit codes: [`Kernels::lookup_u4`], … | codes | blocks of 64 rows |
//! | one query · a leaf, sixteen boxes: [`Kernels::panel_within`], [`Kernels::box_bounds`], … | `f32 f64` | L2², unfused |
//! | exp, sqrt, RBF, Matérn: [`Kernels::exp`], [`Kernels::sqrt`], [`Kernels::covariance`] | `f32 f64` | in place |
//! | Walsh-Hadamard: [`Kernels::walsh_hadamard`] | `f32 f64` | in place |
//! | [`Kernels::select_below`], [`Kernels::argmin`], [`Kernels::top_k`] | `f32 f64 i32` | slices |
//! | [`Kernels::select_estimates_below`], [`Kernels::least_estimates`] | `i32` sums to `f32` | slices |
//! | [`Kernels::select_bands_reaching`] | `i32` sums to `f32` with widths | slices |
//!
//! *pair* is one against one; *rows* one query against rows that follow one another; *ids* one query against rows
//! picked by number, fetched ahead; *tile* many against many. Use the widest form that fits: a block call shares the
//! query's loads and the horizontal sums, and at 128 dimensions costs a third of as many pair calls.
//!
//! # Tiers
//!
//! [`Tier`] lists them. [`Kernels::active`] takes the best one that the CPU has; `NIGH_SIMD=avx2` caps it, and a name
//! that is unknown or a tier that the CPU lacks is an error; [`capabilities`] says what was taken and why nothing
//! better was. [`Kernels::for_tier`] gives any tier that the CPU can run, side by side. That the machine code is what
//! the tier promises is proven by `cargo xtask dispatch-check`; `docs/dispatch.md` tells how.
//!
//! # Numbers
//!
//! * Integers (`u8`, `i8`, bits, codes) are exact on every tier for every accepted dimension.
//! * Float distances are within `(dim / 4 + 16) ε Σ |termᵢ|` of the exact value, ε being that of the result type and
//!   the terms those that are added up. The order of additions is fixed per tier and differs between tiers.
//!   `bf16` inner products on [`Tier::Avx512Bf16`] also treat denormal inputs as zero.
//! * On one tier *rows*, *ids* and *tile* agree bit for bit, wherever a row stands; *pair* may differ within the bound.
//! * NaN and infinity go through as arithmetic has them. The functions of [`Kernels::exp`] and the covariances state
//!   their own bounds.
//! * Nothing depends on threads; nothing is allocated; no input makes a kernel panic or read beyond its arguments.
//!
//! # Where things are
//!
//! `drive/` holds the loops, written once; a tier's folder (`portable/`, `x86/avx2/`, `arm/neon/`, …) says how its
//! registers load, combine and reduce, in files of the same names; `table.rs` ties them into one table per tier;
//! `reference/` is the scalar truth; `contract.rs` lists the instructions that each body must consist of.
//!
//! To add a kernel: write its scalar twin in `reference/`; implement a step of `drive/` (or a shell of its own)
//! in each tier that gains from one; put the function pointers into the table, where `inventory.rs` then refuses to
//! compile until they are listed; add its line to `contract.rs` and its values to `tests/compare/`. Then run
//! `cargo xtask dispatch-check`.

mod code_panels;
#[doc(hidden)]
pub mod contract;
mod cosine;
mod drive;
mod element;
#[doc(hidden)]
pub mod inventory;
mod lanes;
mod lookups;
mod math;
mod near;
mod panels;
mod portable;
mod prefetch;
pub mod reference;
mod select;
mod table;
mod tier;
mod view;
mod wht;
mod word_panels;

#[cfg(target_arch = "aarch64")]
mod arm;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use code_panels::{CodePanelForms, CodePanels};
pub use element::{Distance, Element, Measure};
pub use half::{bf16, f16};
pub use lookups::{BLOCK_ROWS, CodeBlocks, LookupForms, LookupTables};
pub use math::{Covariance, CovarianceError, Real};
pub use near::BoxBounds;
pub use panels::{PANEL_ROWS, PanelElement, PanelForms, Panels};
pub use prefetch::prefetch_slice;
pub use select::{Affine, Band, BandRows, LEAST_ESTIMATES, Ordered};
pub use table::{BitForms, CodeForms, DistanceForms, Forms, Kernels};
pub use tier::{Capabilities, TIER_VARIABLE, Tier, TierError, capabilities};
pub use view::{Rows, ShapeError};
pub use word_panels::{WordPanelForms, WordPanels};
