//! What can go wrong with a quantiser, and with which argument.

/// Why a quantiser could not be made, trained or used. What failed left everything as it was.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An argument of the wrong length.
    #[error("`{argument}` has length {actual}, expected {expected}")]
    Length {
        /// The name of the argument.
        argument: &'static str,
        /// What the other arguments ask for.
        expected: usize,
        /// What was given.
        actual: usize,
    },
    /// NaN or infinity.
    #[error("`{argument}` row {row}, column {column} is not a finite number")]
    NotFinite {
        /// The name of the argument.
        argument: &'static str,
        /// The row, 0 for a single vector.
        row: usize,
        /// The column.
        column: usize,
    },
    /// Finite numbers whose squared length is not.
    #[error("the squared length of `{argument}` does not fit an f32: scale the vectors down")]
    TooLarge {
        /// The name of the argument.
        argument: &'static str,
    },
    /// A number that an argument must not be.
    #[error("`{argument}` is {value}, expected {expected}")]
    Parameter {
        /// The name of the argument.
        argument: &'static str,
        /// What was given.
        value: usize,
        /// What would be right.
        expected: &'static str,
    },
    /// Nothing to learn from.
    #[error("`{argument}` holds no vectors")]
    Empty {
        /// The name of the argument.
        argument: &'static str,
    },
    /// A query that was prepared for codes of another layout.
    #[error("the query was prepared for another layout than that of the codes")]
    Layout,
    /// No memory, or a structure that does not hold.
    #[error(transparent)]
    Memory(#[from] layouts::Error),
    /// A kernel refused its arguments.
    #[error(transparent)]
    Shape(#[from] simd_kernels::ShapeError),
}

pub(super) fn expect_len(argument: &'static str, expected: usize, actual: usize) -> Result<(), Error> {
    if expected == actual { Ok(()) } else { Err(Error::Length { argument, expected, actual }) }
}

/// Refuses NaN and infinity, naming the first.
pub(super) fn expect_finite(argument: &'static str, row: usize, values: &[f32]) -> Result<(), Error> {
    // Bits, not comparisons: the loop then has no branch and is done in whole registers.
    let worst = values.iter().fold(0u32, |worst, x| worst.max(x.to_bits() & 0x7fff_ffff));
    if worst < 0x7f80_0000 {
        return Ok(());
    }
    let column = values.iter().position(|x| !x.is_finite()).unwrap_or(0);
    Err(Error::NotFinite { argument, row, column })
}
