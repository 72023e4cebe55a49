//! One bound that the threads of a search lower together.
//!
//! When one query is answered by several threads, each over its own rows and with its own [`TopK`], a thread
//! whose pool is full knows that no row beyond its k-th distance is wanted, in any thread. Sharing that number
//! lets every thread reject what the luckiest one can. It cannot change the result:
//!
//! - **What is stored is true for ever.** A thread lowers the bound to the distance of its own k-th best. From
//!   then on k rows at or below that distance exist, so no row *above* it is among the k nearest of all. More
//!   rows seen can only lower the true bound further. Ties survive, because pruning tests `>` only.
//! - **It only falls.** Lowering is one `fetch_min`. All read-modify-writes of one atomic stand in one order,
//!   and a thread never sees an older value after a newer one.
//! - **Late news costs time, not truth.** `Relaxed` suffices: a stale read is an earlier, larger bound, which is
//!   true as well and prunes less. No other data are published through the bound; the pools are handed over when
//!   threads are joined, and that synchronises.
//!
//! So *which* rows are skipped depends on timing, and *what is found* does not. A model of this under every
//! interleaving is in `tests/a_shared_bound_changes_no_result.rs` (`RUSTFLAGS="--cfg loom"`).
//!
//! Distances are held as `f64`, which takes every `f32` and `i32` exactly, mapped to integers of the same order:
//! that makes the minimum a single instruction loop for all three.
//!
//! [`TopK`]: crate::TopK

use std::fmt;
use std::marker::PhantomData;

use simd_kernels::Distance;

use crate::neighbor::is_nan;
use crate::primitive::{AtomicU64, Ordering};

/// A distance that several threads lower and none can raise.
///
/// Lives on cache lines of its own, so that lowering it disturbs no neighbour.
///
/// ```
/// use layouts::SharedBound;
/// let bound = SharedBound::<f32>::new();
/// std::thread::scope(|scope| {
///     scope.spawn(|| bound.lower(3.0));
///     scope.spawn(|| bound.lower(2.0));
/// });
/// assert!(bound.prunes(2.5));
/// assert!(!bound.prunes(2.0)); // a tie may still win by its lower id
/// ```
#[repr(align(128))]
pub struct SharedBound<D = f32> {
    /// `ordered` of the bound.
    bits: AtomicU64,
    distance: PhantomData<fn(D) -> D>,
}

impl<D: Distance> SharedBound<D> {
    /// A bound that prunes nothing.
    pub fn new() -> Self {
        Self { bits: AtomicU64::new(ordered(f64::INFINITY)), distance: PhantomData }
    }

    /// Lowers the bound to `distance`, if that is lower. NaN is not.
    pub fn lower(&self, distance: D) {
        let bits = ordered(distance.to_f64());
        // Most calls find the bound lower already: look before taking the line for writing.
        if !is_nan(distance) && bits < self.bits.load(Ordering::Relaxed) {
            self.bits.fetch_min(bits, Ordering::Relaxed);
        }
    }

    /// The bound, or one that it had a moment ago.
    #[inline]
    pub fn get(&self) -> D {
        D::from_f64(unordered(self.bits.load(Ordering::Relaxed)))
    }

    /// Whether no row at `distance` can be among the results.
    #[inline]
    pub fn prunes(&self, distance: D) -> bool {
        distance > self.get()
    }

    /// Back to a bound that prunes nothing, for the next query. `&mut`: no thread may still be searching.
    pub fn reset(&mut self) {
        *self = Self::new();
    }
}

impl<D: Distance> Default for SharedBound<D> {
    fn default() -> Self {
        Self::new()
    }
}

impl<D: Distance> fmt::Debug for SharedBound<D> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("SharedBound").field(&self.get()).finish()
    }
}

const SIGN: u64 = 1 << 63;

/// Maps numbers to integers of the same order; both zeros to one.
fn ordered(value: f64) -> u64 {
    let bits = (value + 0.0).to_bits();
    if bits & SIGN == 0 { bits | SIGN } else { !bits }
}

/// Undoes `ordered`.
fn unordered(bits: u64) -> f64 {
    f64::from_bits(if bits & SIGN == 0 { !bits } else { bits & !SIGN })
}
