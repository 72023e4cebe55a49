//! Why an operation on a structure in memory was refused.

use simd_kernels::ShapeError;

/// Why an operation was refused. Whatever was refused left everything as it was.
///
/// Files have an error of their own, [`ContainerError`](crate::container::ContainerError), which names the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The system gave no memory.
    #[error("no memory for {bytes} bytes")]
    Memory {
        /// Bytes that were asked for; `usize::MAX` when their number does not even fit a `usize`.
        bytes: usize,
    },
    /// A shape that no block of rows can have.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// An argument that must not be zero is.
    #[error("`{argument}` is 0")]
    Zero {
        /// The name of the argument.
        argument: &'static str,
    },
    /// An argument lies above its range.
    #[error("`{argument}` is {value}, must be below {limit}")]
    Range {
        /// The name of the argument.
        argument: &'static str,
        /// The value that was given.
        value: u64,
        /// The lowest value that is too high.
        limit: u64,
    },
    /// An argument's length does not fit.
    #[error("`{argument}` has length {actual}, expected {expected}")]
    Length {
        /// The name of the argument.
        argument: &'static str,
        /// The length that was expected.
        expected: usize,
        /// The length that was given.
        actual: usize,
    },
    /// A value occurs twice where every one may occur once.
    #[error("`{argument}` holds {value} twice")]
    Duplicate {
        /// The name of the argument.
        argument: &'static str,
        /// The value.
        value: u64,
    },
    /// Stored data break an invariant of the structure that they are to form.
    #[error("{structure} broken at {index}: {reason}")]
    Invariant {
        /// The structure.
        structure: &'static str,
        /// The row, node or slot where it breaks first.
        index: usize,
        /// The invariant that does not hold.
        reason: &'static str,
    },
}

/// `value` as a `u64` for a message; a `usize` always fits on the targets there are.
pub(crate) fn wide(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

/// Checks that `value < limit`.
pub(crate) fn expect_below(argument: &'static str, value: usize, limit: usize) -> Result<(), Error> {
    if value < limit {
        Ok(())
    } else {
        Err(Error::Range { argument, value: wide(value), limit: wide(limit) })
    }
}

/// Checks that `actual == expected`.
pub(crate) fn expect_len(argument: &'static str, expected: usize, actual: usize) -> Result<(), Error> {
    if actual == expected { Ok(()) } else { Err(Error::Length { argument, expected, actual }) }
}

/// Room for `more` elements in a plain vector, or the typed error.
pub(crate) fn reserve<T>(vec: &mut Vec<T>, more: usize) -> Result<(), Error> {
    vec.try_reserve(more).map_err(|_| no_memory::<T>(vec.len().saturating_add(more)))
}

/// Room for `len` elements in all in a plain vector, or the typed error.
pub(crate) fn reserve_all<T>(vec: &mut Vec<T>, len: usize) -> Result<(), Error> {
    let more = len.saturating_sub(vec.len());
    reserve(vec, more)
}

/// The error for `count` elements that found no memory.
pub(crate) fn no_memory<T>(count: usize) -> Error {
    Error::Memory { bytes: count.saturating_mul(size_of::<T>()) }
}
