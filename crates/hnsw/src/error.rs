//! What can go wrong, and with which argument.

/// Why an index could not be built, searched, changed or opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error(transparent)]
    Layout(#[from] layouts::Error),
    #[error(transparent)]
    Shape(#[from] simd_kernels::ShapeError),
    #[error(transparent)]
    Tier(#[from] simd_kernels::TierError),
}
