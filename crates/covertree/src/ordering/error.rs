//! Why an ordering or its neighbours were refused.

use simd_kernels::Rows;

/// Why an ordering, or a search among predecessors, was refused. Nothing was computed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OrderingError {
    /// No points.
    #[error("`coords` holds no points")]
    Empty,
    /// A NaN or an infinity, which has no place in an order.
    #[error("`coords` row {row}, column {column} is not a finite number")]
    NotFinite {
        /// The row.
        row: usize,
        /// The column.
        column: usize,
    },
    /// More points than 32-bit ids can name.
    #[error("`coords` has {rows} rows, more than 32-bit ids can name")]
    TooMany {
        /// Number of rows.
        rows: usize,
    },
    /// More dimensions than the curve has bits for.
    #[error("`coords` has {dim} dimensions, the curve takes at most {max}")]
    Dimension {
        /// Dimensions of the points.
        dim: usize,
        /// The most that are taken.
        max: usize,
    },
    /// An axis that the points do not have.
    #[error("`axis` is {axis}, the points have {dim} dimensions")]
    Axis {
        /// The axis.
        axis: usize,
        /// Dimensions of the points.
        dim: usize,
    },
    /// A first point that does not exist.
    #[error("`first` is {first}, there are {rows} points")]
    First {
        /// The row.
        first: u32,
        /// Number of rows.
        rows: usize,
    },
    /// No neighbours were asked for.
    #[error("`m` is 0: ask for at least one neighbour")]
    ZeroM,
    /// More neighbours than points.
    #[error("`m` is {m}, there are only {rows} points")]
    TooManyNeighbors {
        /// Neighbours asked for.
        m: usize,
        /// Number of rows.
        rows: usize,
    },
    /// The residual engine refused.
    #[error(transparent)]
    Residual(#[from] crate::residual::ResidualError),
    /// The tree refused.
    #[error(transparent)]
    Tree(#[from] crate::Error),
    /// No memory, or a shape that cannot be.
    #[error(transparent)]
    Layout(#[from] layouts::Error),
}

/// Checks that there are points, that ids can name them, and that all coordinates are finite.
pub(crate) fn check_coords(coords: Rows<'_, f64>) -> Result<(), OrderingError> {
    if coords.is_empty() {
        return Err(OrderingError::Empty);
    }
    // `u32::MAX` itself is what pads the rows of neighbours.
    if coords.len() >= u32::MAX as usize {
        return Err(OrderingError::TooMany { rows: coords.len() });
    }
    for (row, values) in coords.iter().enumerate() {
        if let Some(column) = values.iter().position(|value| !value.is_finite()) {
            return Err(OrderingError::NotFinite { row, column });
        }
    }
    Ok(())
}

/// A vector with room for `len` elements, or the typed error.
pub(crate) fn with_room<T>(len: usize) -> Result<Vec<T>, OrderingError> {
    let mut vec = Vec::new();
    vec.try_reserve_exact(len)
        .map_err(|_| layouts::Error::Memory { bytes: len.saturating_mul(size_of::<T>()) })?;
    Ok(vec)
}

/// `len` copies of `value`, or the typed error.
pub(crate) fn filled<T: Clone>(value: T, len: usize) -> Result<Vec<T>, OrderingError> {
    let mut vec = with_room(len)?;
    vec.resize(len, value);
    Ok(vec)
}

/// `0..len` as ids, or the typed error.
pub(crate) fn ids(len: usize) -> Result<Vec<u32>, OrderingError> {
    let mut vec = with_room(len)?;
    vec.extend((0..).take(len));
    Ok(vec)
}
