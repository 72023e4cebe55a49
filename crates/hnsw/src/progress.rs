//! How a build says where it is, and how it is stopped.

use std::ops::ControlFlow;

/// Hears of a build's stages, from one thread at a time; `()` listens to nothing.
///
/// ```
/// use std::ops::ControlFlow;
/// struct Stop;
/// impl hnsw::Progress for Stop {
///     fn stage(&self, _: &'static str, done: usize, total: usize) -> ControlFlow<()> {
///         if 2 * done > total { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
///     }
/// }
/// # use hnsw::{BuildParams, Error, Hnsw, Metric};
/// # let vectors: Vec<f32> = (0..2000).map(|x| (x % 97) as f32).collect();
/// # let rows = simd_kernels::Rows::new(&vectors, 4)?;
/// let stopped = Hnsw::build_with(rows, Metric::L2, &BuildParams::new(), &Stop);
/// assert!(matches!(stopped, Err(Error::Cancelled)));
/// # Ok::<(), hnsw::Error>(())
/// ```
pub trait Progress {
    /// Stage `name` begins, after `done` of `total` stages. `Break` cancels the build.
    fn stage(&self, name: &'static str, done: usize, total: usize) -> ControlFlow<()>;
}

impl Progress for () {
    fn stage(&self, _: &'static str, _: usize, _: usize) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}
