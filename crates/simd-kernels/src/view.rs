//! Views: the checked shapes that kernels take. Lengths are tested here, once per block, and never in a loop.

use crate::element::Element;

/// Why a kernel call was refused. Nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShapeError {
    /// A dimension of zero, or one above the limit of the element type.
    #[error("dimension {dim} is outside 1..={max} for this element type")]
    Dimension {
        /// The dimension that was given.
        dim: usize,
        /// The largest dimension whose distances the result type can hold.
        max: usize,
    },
    /// A dimension that packed codes cannot have.
    #[error("dimension {dim} is not a multiple of {granule}")]
    Granule {
        /// The dimension that was given.
        dim: usize,
        /// What it must be a multiple of.
        granule: usize,
    },
    /// Rows would overlap: the stride is below the row length.
    #[error("stride {stride} is below the row length {row_len}")]
    Stride {
        /// The stride that was given.
        stride: usize,
        /// The stored length of one row.
        row_len: usize,
    },
    /// The data do not hold the stated rows.
    #[error("{actual} elements do not hold {expected}")]
    Data {
        /// Elements that the shape needs.
        expected: usize,
        /// Elements that were given.
        actual: usize,
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
    /// An id names no row.
    #[error("`ids` holds an id that is not below the {rows} rows")]
    Id {
        /// The number of rows.
        rows: usize,
    },
    /// A length that must be a power of two is not.
    #[error("`{argument}` has length {actual}, which is not a power of two")]
    PowerOfTwo {
        /// The name of the argument.
        argument: &'static str,
        /// The length that was given.
        actual: usize,
    },
    /// An output has no room for the results.
    #[error("`{argument}` has room for {actual} results, {needed} may come")]
    Room {
        /// The name of the argument.
        argument: &'static str,
        /// How many results there may be.
        needed: usize,
        /// The length that was given.
        actual: usize,
    },
    /// Ids would not fit 32 bits.
    #[error("{len} ids from {base_id} on do not fit 32 bits")]
    IdRange {
        /// The first id.
        base_id: u32,
        /// How many ids there are.
        len: usize,
    },
}

pub(crate) fn expect_len(argument: &'static str, expected: usize, actual: usize) -> Result<(), ShapeError> {
    if expected == actual { Ok(()) } else { Err(ShapeError::Length { argument, expected, actual }) }
}

/// A block of equally long vectors in one slice: row `i` is `data[i * stride..][..dim]`.
///
/// Invariants: `1 <= dim <= T::MAX_DIM`, `stride >= dim`, and every row lies within `data`.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a, T> {
    data: &'a [T],
    len: usize,
    dim: usize,
    stride: usize,
}

impl<'a, T: Element> Rows<'a, T> {
    /// Rows of `dim` elements that follow one another without gaps.
    ///
    /// # Errors
    /// [`ShapeError::Dimension`] if `dim` is 0 or above `T::MAX_DIM`; [`ShapeError::Data`] if `data.len()` is
    /// not a multiple of `dim`.
    ///
    /// ```
    /// use simd_kernels::Rows;
    /// let rows = Rows::new(&[1.0f32, 2.0, 3.0, 4.0], 2)?;
    /// assert_eq!((rows.len(), rows.row(1)), (2, Some(&[3.0f32, 4.0][..])));
    /// # Ok::<(), simd_kernels::ShapeError>(())
    /// ```
    pub fn new(data: &'a [T], dim: usize) -> Result<Self, ShapeError> {
        check_dim::<T>(dim)?;
        if !data.len().is_multiple_of(dim) {
            return Err(ShapeError::Data { expected: data.len().next_multiple_of(dim), actual: data.len() });
        }
        Ok(Self { data, len: data.len() / dim, dim, stride: dim })
    }

    /// `len` rows of `dim` elements whose starts lie `stride` elements apart. The last row may end the slice:
    /// its padding need not exist.
    ///
    /// # Errors
    /// [`ShapeError`] if `dim` is out of range, `stride < dim`, or `data` is too short.
    pub fn with_stride(data: &'a [T], len: usize, dim: usize, stride: usize) -> Result<Self, ShapeError> {
        check_dim::<T>(dim)?;
        if stride < dim {
            return Err(ShapeError::Stride { stride, row_len: dim });
        }
        let expected = match len.checked_sub(1) {
            None => 0,
            Some(last) => last.saturating_mul(stride).saturating_add(dim),
        };
        if data.len() < expected {
            return Err(ShapeError::Data { expected, actual: data.len() });
        }
        Ok(Self { data, len, dim, stride })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Elements of one row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Elements between the starts of two rows.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// Row `index`, or `None` when there are fewer rows.
    pub fn row(&self, index: usize) -> Option<&'a [T]> {
        if index >= self.len {
            return None;
        }
        self.data.get(index * self.stride..index * self.stride + self.dim)
    }

    /// The rows `start..end`, or `None` when they do not all exist.
    pub fn slice(&self, start: usize, end: usize) -> Option<Self> {
        if start > end || end > self.len {
            return None;
        }
        let from = (start * self.stride).min(self.data.len());
        Some(Self { data: self.data.get(from..)?, len: end - start, ..*self })
    }

    /// All rows in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'a [T]> + use<'a, T> {
        let rows = *self;
        (0..rows.len).map(move |index| &rows.data[index * rows.stride..index * rows.stride + rows.dim])
    }

    /// The slice that the rows lie in, gaps included.
    pub fn data(&self) -> &'a [T] {
        self.data
    }

    /// The address of row 0. Row `i < len` starts `i * stride` elements further on.
    pub(crate) fn as_ptr(&self) -> *const T {
        self.data.as_ptr()
    }
}

fn check_dim<T: Element>(dim: usize) -> Result<(), ShapeError> {
    if dim == 0 || dim > T::MAX_DIM {
        return Err(ShapeError::Dimension { dim, max: T::MAX_DIM });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        let data = [0u8; 10];
        assert!(matches!(Rows::new(&data, 0), Err(ShapeError::Dimension { dim: 0, .. })));
        assert!(matches!(Rows::new(&data, 3), Err(ShapeError::Data { expected: 12, actual: 10 })));
        assert!(matches!(Rows::new(&data, u8::MAX_DIM + 1), Err(ShapeError::Dimension { .. })));
        assert!(matches!(Rows::with_stride(&data, 2, 4, 3), Err(ShapeError::Stride { .. })));
        assert!(matches!(Rows::with_stride(&data, 3, 4, 4), Err(ShapeError::Data { expected: 12, .. })));
        assert!(matches!(Rows::with_stride(&data, usize::MAX, 4, 4), Err(ShapeError::Data { .. })));
    }

    #[test]
    fn the_last_row_needs_no_padding() {
        let data: Vec<u8> = (0..10).collect();
        let rows = Rows::with_stride(&data, 2, 4, 6).unwrap();
        assert_eq!(rows.row(1), Some(&[6, 7, 8, 9][..]));
        assert_eq!(rows.row(2), None);
        assert_eq!(rows.iter().len(), 2);
        assert_eq!(rows.slice(1, 2).unwrap().row(0), Some(&[6, 7, 8, 9][..]));
        assert!(rows.slice(2, 2).unwrap().is_empty());
        assert!(rows.slice(1, 3).is_none());
    }

    #[test]
    fn no_rows_is_a_shape() {
        let none: [f32; 0] = [];
        assert!(Rows::new(&none, 7).unwrap().is_empty());
        assert!(Rows::with_stride(&none, 0, 7, 9).unwrap().slice(0, 0).unwrap().is_empty());
    }
}
