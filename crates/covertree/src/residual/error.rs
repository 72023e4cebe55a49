//! Why the residual engine refused something.

use super::field::MAX_DIM;

/// Why an operation on a residual correlation was refused. Whatever was refused left everything as it was.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ResidualError {
    /// There is no point.
    #[error("`{argument}` holds no point")]
    Empty {
        /// The name of the argument.
        argument: &'static str,
    },
    /// An argument that must be at least 1 is 0.
    #[error("`{argument}` is 0")]
    Zero {
        /// The name of the argument.
        argument: &'static str,
    },
    /// An argument's length does not fit the others.
    #[error("`{argument}` has length {actual}, expected {expected}")]
    Length {
        /// The name of the argument.
        argument: &'static str,
        /// The length that the other arguments ask for.
        expected: usize,
        /// The length that was given.
        actual: usize,
    },
    /// A number is NaN or infinite.
    #[error("`{argument}` holds {value} at place {index}")]
    NotFinite {
        /// The name of the argument.
        argument: &'static str,
        /// The first place that holds such a number.
        index: usize,
        /// The number.
        value: f64,
    },
    /// A number that must be positive is not, or is NaN or infinite.
    #[error("`{argument}` is {value} at place {index}, must be positive and finite")]
    NotPositive {
        /// The name of the argument.
        argument: &'static str,
        /// The first place that holds such a number; 0 for a single number.
        index: usize,
        /// The number.
        value: f64,
    },
    /// A number lies above its range.
    #[error("`{argument}` is {value}, must be at most {limit}")]
    TooLarge {
        /// The name of the argument.
        argument: &'static str,
        /// What was given.
        value: usize,
        /// The largest value that is accepted.
        limit: usize,
    },
    /// An id names no point.
    #[error("`{argument}` names point {id}, there are {points}")]
    UnknownId {
        /// The name of the argument.
        argument: &'static str,
        /// The id.
        id: u32,
        /// The number of points.
        points: usize,
    },
    /// The covariance matrix of the inducing points has no Cholesky factor, even with the jitter.
    #[error(
        "the covariance matrix of `inducing` is not positive definite; remove duplicates or raise the jitter"
    )]
    NotPositiveDefinite,
    /// What was asked for needs inducing points, and the index was made from a factor.
    #[error("the index was made from a factor, not from inducing points: `{operation}` cannot compute one")]
    NoInducing {
        /// The method.
        operation: &'static str,
    },
    /// The active instruction set could not be determined; see `NIGH_SIMD`.
    #[error(transparent)]
    Tier(#[from] simd_kernels::TierError),
    /// A shape that no kernel takes, such as a rank above its limit.
    #[error(transparent)]
    Shape(#[from] simd_kernels::ShapeError),
    /// Lengthscales or a variance outside the range of the covariance kernels.
    #[error(transparent)]
    Covariance(#[from] simd_kernels::CovarianceError),
    /// No memory, or a size beyond what an array can have.
    #[error(transparent)]
    Memory(#[from] layouts::Error),
}

/// Refuses NaN and infinity. Allocates nothing for a few values.
pub(super) fn expect_finite(argument: &'static str, values: &[f64]) -> Result<(), ResidualError> {
    const PIECE: usize = 1 << 16;
    let check = |(piece, values): (usize, &[f64])| {
        // Zero times a finite number is zero, so a sum that is not zero tells without a branch for each.
        let mut sums = [0.0f64; 8];
        let (groups, rest) = values.as_chunks::<8>();
        for group in groups {
            for (sum, value) in sums.iter_mut().zip(group) {
                *sum += value * 0.0;
            }
        }
        if sums.iter().chain(rest).all(|value| value.is_finite()) {
            return Ok(());
        }
        let index = values.iter().position(|value| !value.is_finite()).unwrap_or_default();
        Err(ResidualError::NotFinite { argument, index: piece * PIECE + index, value: values[index] })
    };
    if values.len() <= PIECE {
        return check((0, values));
    }
    let pieces = values.chunks(PIECE).enumerate().collect();
    super::parallel::try_map(pieces, |(): &mut (), piece| check(piece)).map(drop)
}

/// Refuses what is not positive and finite.
pub(super) fn expect_positive(argument: &'static str, values: &[f64]) -> Result<(), ResidualError> {
    match values.iter().position(|&value| !(value > 0.0 && value.is_finite())) {
        None => Ok(()),
        Some(index) => Err(ResidualError::NotPositive { argument, index, value: values[index] }),
    }
}

/// Refuses a wrong length.
pub(super) fn expect_len(
    argument: &'static str,
    expected: usize,
    actual: usize,
) -> Result<(), ResidualError> {
    if expected == actual { Ok(()) } else { Err(ResidualError::Length { argument, expected, actual }) }
}

/// Refuses coordinates that are no points of `dim` each, and returns how many points they are.
pub(super) fn expect_points(coords: &[f64], dim: usize) -> Result<usize, ResidualError> {
    if dim == 0 {
        return Err(ResidualError::Zero { argument: "dim" });
    }
    if dim > MAX_DIM {
        return Err(ResidualError::TooLarge { argument: "dim", value: dim, limit: MAX_DIM });
    }
    if coords.is_empty() {
        return Err(ResidualError::Empty { argument: "coords" });
    }
    expect_len("coords", coords.len().next_multiple_of(dim), coords.len())?;
    let (n, limit) = (coords.len() / dim, u32::MAX as usize - 1);
    if n > limit {
        return Err(ResidualError::TooLarge { argument: "coords", value: n, limit });
    }
    expect_finite("coords", coords)?;
    Ok(n)
}
