//! Vectors of any element type: what readers return, generators make and indexes are built from.

use half::{bf16, f16};
use simd_kernels::{Element, Rows, ShapeError};

use crate::dtype::Dtype;

/// Why vectors could not be put together or converted.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum VectorsError {
    /// A dimension of zero.
    #[error("the dimension is zero")]
    ZeroDimension,
    /// The data are not whole rows.
    #[error("{len} elements are not whole rows of {dim}")]
    Ragged {
        /// Elements that were given.
        len: usize,
        /// Elements of a row.
        dim: usize,
    },
    /// The padding bits of a bit row are not zero.
    #[error("row {row} has bits set beyond its {bits} bits")]
    Padding {
        /// The row.
        row: usize,
        /// Bits of a row.
        bits: usize,
    },
    /// A value that the target type cannot hold.
    #[error("row {row}, column {column}: {value} does not fit {to}")]
    Value {
        /// The row.
        row: usize,
        /// The column.
        column: usize,
        /// The value.
        value: f64,
        /// The target type's name.
        to: &'static str,
    },
}

/// Equally long vectors of one type, row-major without gaps.
///
/// Invariants: `dim >= 1` and `data.len()` is a multiple of `dim`. No rows is a valid matrix.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix<T> {
    data: Vec<T>,
    dim: usize,
}

impl<T> Matrix<T> {
    /// Rows of `dim` elements.
    ///
    /// # Errors
    /// [`VectorsError::ZeroDimension`] or [`VectorsError::Ragged`].
    pub fn new(data: Vec<T>, dim: usize) -> Result<Self, VectorsError> {
        if dim == 0 {
            return Err(VectorsError::ZeroDimension);
        }
        if !data.len().is_multiple_of(dim) {
            return Err(VectorsError::Ragged { len: data.len(), dim });
        }
        Ok(Self { data, dim })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.data.len() / self.dim
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Elements of a row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// All elements, row after row.
    pub fn data(&self) -> &[T] {
        &self.data
    }

    /// Gives the elements away.
    pub fn into_data(self) -> Vec<T> {
        self.data
    }

    /// Row `index`, or `None` when there are fewer rows.
    pub fn row(&self, index: usize) -> Option<&[T]> {
        let start = index.checked_mul(self.dim)?;
        self.data.get(start..start.checked_add(self.dim)?)
    }

    /// All rows in order.
    pub fn iter(&self) -> std::slice::ChunksExact<'_, T> {
        self.data.chunks_exact(self.dim)
    }

    /// Keeps the first `rows` rows (all of them when there are fewer) and gives the memory back.
    pub fn truncate(&mut self, rows: usize) {
        self.data.truncate(rows.saturating_mul(self.dim));
        self.data.shrink_to_fit();
    }

    fn shape<U>(&self, data: Vec<U>) -> Matrix<U> {
        debug_assert_eq!(data.len(), self.data.len());
        Matrix { data, dim: self.dim }
    }
}

impl<T: Clone> Matrix<T> {
    /// A copy of the first `rows` rows, or of all when there are fewer.
    pub fn prefix(&self, rows: usize) -> Self {
        let end = rows.saturating_mul(self.dim).min(self.data.len());
        Self { data: self.data[..end].to_vec(), dim: self.dim }
    }

    /// A copy of the rows named by `ids`, or the first id that names none.
    ///
    /// # Errors
    /// The position in `ids` of the first id that names no row.
    pub fn select(&self, ids: &[u32]) -> Result<Self, usize> {
        if let Some(at) = ids.iter().position(|&id| id as usize >= self.len()) {
            return Err(at);
        }
        let rows = ids.iter().filter_map(|&id| self.row(id as usize));
        Ok(Self { data: rows.flatten().cloned().collect(), dim: self.dim })
    }
}

impl<T: Element> Matrix<T> {
    /// The rows as kernels take them.
    ///
    /// # Errors
    /// [`ShapeError::Dimension`] if the dimension is above what kernels of this element type accept.
    pub fn rows(&self) -> Result<Rows<'_, T>, ShapeError> {
        Rows::new(&self.data, self.dim)
    }
}

/// Vectors whose element type is known at run time.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Vectors {
    /// IEEE single precision.
    F32(Matrix<f32>),
    /// IEEE double precision.
    F64(Matrix<f64>),
    /// IEEE half precision.
    F16(Matrix<f16>),
    /// The upper half of an IEEE single.
    Bf16(Matrix<bf16>),
    /// Unsigned bytes.
    U8(Matrix<u8>),
    /// Signed bytes.
    I8(Matrix<i8>),
    /// Bit strings: bit `i` of a row is bit `i % 8` of its byte `i / 8`; the last byte's other bits are zero.
    Bits {
        /// `bits.div_ceil(8)` bytes a row.
        data: Matrix<u8>,
        /// Bits of a row.
        bits: usize,
    },
}

/// Vectors of another type, and what the change of type cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Converted {
    /// The vectors in the new type.
    pub vectors: Vectors,
    /// How many elements are not exactly what they were.
    pub changed: u64,
    /// The largest change of an element; 0 when the conversion was exact.
    pub largest_change: f64,
}

/// Calls `$body` with the matrix of whichever numeric type it is; bits have an arm of their own.
macro_rules! each_number {
    ($vectors:expr, $matrix:ident => $body:expr, bits($data:ident, $bits:ident) => $bit_body:expr) => {
        match $vectors {
            $crate::vectors::Vectors::F32($matrix) => $body,
            $crate::vectors::Vectors::F64($matrix) => $body,
            $crate::vectors::Vectors::F16($matrix) => $body,
            $crate::vectors::Vectors::Bf16($matrix) => $body,
            $crate::vectors::Vectors::U8($matrix) => $body,
            $crate::vectors::Vectors::I8($matrix) => $body,
            $crate::vectors::Vectors::Bits { data: $data, bits: $bits } => $bit_body,
        }
    };
}
pub(crate) use each_number;

impl Vectors {
    /// Bit strings of `bits` bits from packed rows of `bits.div_ceil(8)` bytes.
    ///
    /// # Errors
    /// [`VectorsError`] if `bits` is zero, the bytes are not whole rows, or a padding bit is set.
    pub fn from_packed_bits(bytes: Vec<u8>, bits: usize) -> Result<Self, VectorsError> {
        let data = Matrix::new(bytes, bits.div_ceil(8))?;
        if !bits.is_multiple_of(8) {
            let spare = !((1u8 << (bits % 8)) - 1);
            if let Some(row) = data.iter().position(|row| row.last().is_some_and(|last| last & spare != 0)) {
                return Err(VectorsError::Padding { row, bits });
            }
        }
        Ok(Self::Bits { data, bits })
    }

    /// Number of vectors.
    pub fn len(&self) -> usize {
        each_number!(self, matrix => matrix.len(), bits(data, _bits) => data.len())
    }

    /// Whether there is no vector.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Dimensions of a vector; for bit strings, bits.
    pub fn dim(&self) -> usize {
        each_number!(self, matrix => matrix.dim(), bits(_data, bits) => *bits)
    }

    /// The element type.
    pub fn dtype(&self) -> Dtype {
        match self {
            Self::F32(_) => Dtype::F32,
            Self::F64(_) => Dtype::F64,
            Self::F16(_) => Dtype::F16,
            Self::Bf16(_) => Dtype::Bf16,
            Self::U8(_) => Dtype::U8,
            Self::I8(_) => Dtype::I8,
            Self::Bits { .. } => Dtype::Bits,
        }
    }

    /// Bytes of the elements in memory.
    pub fn bytes(&self) -> usize {
        each_number!(self, matrix => std::mem::size_of_val(matrix.data()), bits(data, _bits) => data.data().len())
    }

    /// The elements as bytes in memory order, for checksums.
    pub fn as_bytes(&self) -> &[u8] {
        each_number!(self, matrix => bytemuck::cast_slice(matrix.data()), bits(data, _bits) => data.data())
    }

    /// A copy of the first `rows` vectors, or of all when there are fewer.
    pub fn prefix(&self, rows: usize) -> Self {
        match self {
            Self::F32(matrix) => Self::F32(matrix.prefix(rows)),
            Self::F64(matrix) => Self::F64(matrix.prefix(rows)),
            Self::F16(matrix) => Self::F16(matrix.prefix(rows)),
            Self::Bf16(matrix) => Self::Bf16(matrix.prefix(rows)),
            Self::U8(matrix) => Self::U8(matrix.prefix(rows)),
            Self::I8(matrix) => Self::I8(matrix.prefix(rows)),
            Self::Bits { data, bits } => Self::Bits { data: data.prefix(rows), bits: *bits },
        }
    }

    /// A copy of the vectors named by `ids`.
    ///
    /// # Errors
    /// The position in `ids` of the first id that names no vector.
    pub fn select(&self, ids: &[u32]) -> Result<Self, usize> {
        Ok(match self {
            Self::F32(matrix) => Self::F32(matrix.select(ids)?),
            Self::F64(matrix) => Self::F64(matrix.select(ids)?),
            Self::F16(matrix) => Self::F16(matrix.select(ids)?),
            Self::Bf16(matrix) => Self::Bf16(matrix.select(ids)?),
            Self::U8(matrix) => Self::U8(matrix.select(ids)?),
            Self::I8(matrix) => Self::I8(matrix.select(ids)?),
            Self::Bits { data, bits } => Self::Bits { data: data.select(ids)?, bits: *bits },
        })
    }

    /// Keeps the first `rows` vectors, or all when there are fewer.
    pub fn truncate(&mut self, rows: usize) {
        each_number!(self, matrix => matrix.truncate(rows), bits(data, _bits) => data.truncate(rows));
    }

    /// The element at a row and column as an `f64` (exact; a bit is 0 or 1), or `None` outside.
    pub fn get(&self, row: usize, column: usize) -> Option<f64> {
        each_number!(
            self,
            matrix => Some(matrix.row(row)?.get(column)?.to_f64()),
            bits(data, bits) => (column < *bits)
                .then(|| data.row(row)?.get(column / 8).map(|byte| f64::from(byte >> (column % 8) & 1)))?
        )
    }

    /// Row and column of the first NaN or infinity.
    pub fn first_non_finite(&self) -> Option<(usize, usize)> {
        fn find<T: Element>(matrix: &Matrix<T>) -> Option<(usize, usize)> {
            let at = matrix.data().iter().position(|value| !value.to_f64().is_finite())?;
            Some((at / matrix.dim(), at % matrix.dim()))
        }
        match self {
            Self::F32(matrix) => find(matrix),
            Self::F64(matrix) => find(matrix),
            Self::F16(matrix) => find(matrix),
            Self::Bf16(matrix) => find(matrix),
            Self::U8(_) | Self::I8(_) | Self::Bits { .. } => None,
        }
    }

    /// The vectors in another element type, each element rounded to nearest. A NaN or an infinity stays what
    /// it is in a float type.
    ///
    /// What was lost is in the answer: nothing is scaled or clipped to make values fit.
    ///
    /// # Errors
    /// [`VectorsError::Value`] if a value is outside the range of the target: above its largest finite value,
    /// outside 0..=255 or -128..=127, NaN for integers, anything but 0 and 1 for bits.
    ///
    /// ```
    /// use bench_harness::{dtype::Dtype, vectors::{Matrix, Vectors}};
    /// let exact = Vectors::F32(Matrix::new(vec![1.0, 250.0], 2)?).convert(Dtype::U8)?;
    /// assert_eq!(exact.changed, 0);
    /// let rounded = Vectors::F32(Matrix::new(vec![1.0, 2.25], 2)?).convert(Dtype::U8)?;
    /// assert_eq!((rounded.changed, rounded.largest_change), (1, 0.25));
    /// assert!(Vectors::F32(Matrix::new(vec![1.0, 300.0], 2)?).convert(Dtype::U8).is_err());
    /// # Ok::<(), bench_harness::vectors::VectorsError>(())
    /// ```
    pub fn convert(&self, to: Dtype) -> Result<Converted, VectorsError> {
        if to == self.dtype() {
            return Ok(Converted { vectors: self.clone(), changed: 0, largest_change: 0.0 });
        }
        match self {
            Self::Bits { data, bits } => {
                let values = data.iter().flat_map(|row| (0..*bits).map(|i| row[i / 8] >> (i % 8) & 1));
                convert_numbers(&Matrix { data: values.collect(), dim: *bits }, to)
            }
            Self::F32(matrix) => convert_numbers(matrix, to),
            Self::F64(matrix) => convert_numbers(matrix, to),
            Self::F16(matrix) => convert_numbers(matrix, to),
            Self::Bf16(matrix) => convert_numbers(matrix, to),
            Self::U8(matrix) => convert_numbers(matrix, to),
            Self::I8(matrix) => convert_numbers(matrix, to),
        }
    }
}

fn convert_numbers<T: Element>(from: &Matrix<T>, to: Dtype) -> Result<Converted, VectorsError> {
    let mut cost = Cost { changed: 0, largest: 0.0 };
    let vectors = match to {
        Dtype::F32 => Vectors::F32(cast(from, f64::from(f32::MAX), &mut cost)?),
        Dtype::F64 => Vectors::F64(cast(from, f64::MAX, &mut cost)?),
        Dtype::F16 => Vectors::F16(cast(from, f16::MAX.to_f64(), &mut cost)?),
        Dtype::Bf16 => Vectors::Bf16(cast(from, bf16::MAX.to_f64(), &mut cost)?),
        Dtype::U8 => Vectors::U8(cast_integer(from, 0.0, 255.0, &mut cost)?),
        Dtype::I8 => Vectors::I8(cast_integer(from, -128.0, 127.0, &mut cost)?),
        Dtype::Bits => {
            let width = from.dim().div_ceil(8);
            let mut bytes = vec![0u8; width * from.len()];
            for (row, (values, packed)) in from.iter().zip(bytes.chunks_exact_mut(width)).enumerate() {
                for (column, value) in values.iter().map(|value| value.to_f64()).enumerate() {
                    if value == 1.0 {
                        packed[column / 8] |= 1 << (column % 8);
                    } else if value != 0.0 {
                        return Err(VectorsError::Value { row, column, value, to: to.name() });
                    }
                }
            }
            Vectors::Bits { data: Matrix { data: bytes, dim: width }, bits: from.dim() }
        }
    };
    Ok(Converted { vectors, changed: cost.changed, largest_change: cost.largest })
}

struct Cost {
    changed: u64,
    largest: f64,
}

impl Cost {
    fn record(&mut self, before: f64, after: f64) {
        if before != after && !before.is_nan() {
            self.changed += 1;
            self.largest = self.largest.max((before - after).abs());
        }
    }
}

fn cast<T: Element, U: Element>(
    from: &Matrix<T>,
    max: f64,
    cost: &mut Cost,
) -> Result<Matrix<U>, VectorsError> {
    let mut data = Vec::with_capacity(from.data().len());
    for (at, value) in from.data().iter().map(|value| value.to_f64()).enumerate() {
        let cast = U::from_f64(value);
        if value.is_finite() && cast.to_f64().abs() > max {
            return Err(value_error(at, from.dim(), value, U::NAME));
        }
        cost.record(value, cast.to_f64());
        data.push(cast);
    }
    Ok(from.shape(data))
}

fn cast_integer<T: Element, U: Element>(
    from: &Matrix<T>,
    min: f64,
    max: f64,
    cost: &mut Cost,
) -> Result<Matrix<U>, VectorsError> {
    let mut data = Vec::with_capacity(from.data().len());
    for (at, value) in from.data().iter().map(|value| value.to_f64()).enumerate() {
        // Also refuses NaN.
        if !(min..=max).contains(&value.round()) {
            return Err(value_error(at, from.dim(), value, U::NAME));
        }
        let cast = U::from_f64(value);
        cost.record(value, cast.to_f64());
        data.push(cast);
    }
    Ok(from.shape(data))
}

fn value_error(at: usize, dim: usize, value: f64, to: &'static str) -> VectorsError {
    VectorsError::Value { row: at / dim, column: at % dim, value, to }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floats(values: &[f32], dim: usize) -> Vectors {
        Vectors::F32(Matrix::new(values.to_vec(), dim).unwrap())
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        assert_eq!(Matrix::new(vec![1], 0), Err(VectorsError::ZeroDimension));
        assert_eq!(Matrix::new(vec![1, 2, 3], 2), Err(VectorsError::Ragged { len: 3, dim: 2 }));
        assert_eq!(Matrix::<u8>::new(vec![], 2).unwrap().len(), 0);
    }

    #[test]
    fn rows_outside_are_none() {
        let matrix = Matrix::new(vec![1, 2, 3, 4], 2).unwrap();
        assert_eq!(matrix.row(1), Some(&[3, 4][..]));
        assert_eq!(matrix.row(2), None);
        assert_eq!(matrix.row(usize::MAX), None);
        assert_eq!(matrix.select(&[1, 0, 1]).unwrap().data(), [3, 4, 1, 2, 3, 4]);
        assert_eq!(matrix.select(&[1, 2]), Err(1));
        assert_eq!(matrix.prefix(9).len(), 2);
    }

    #[test]
    fn conversions_say_what_they_lost() {
        let exact = floats(&[1.0, 0.5, -2.0], 3).convert(Dtype::F16).unwrap();
        assert_eq!((exact.changed, exact.largest_change), (0, 0.0));
        let lossy = floats(&[1.0, 1.0 + 1.0 / 1024.0], 2).convert(Dtype::Bf16).unwrap();
        assert_eq!((lossy.changed, lossy.largest_change), (1, 1.0 / 1024.0));
    }

    #[test]
    fn values_that_do_not_fit_are_refused_by_place() {
        let refused = |value: f32, to| floats(&[0.0, 0.0, 0.0, value], 2).convert(to).unwrap_err();
        assert!(matches!(refused(256.0, Dtype::U8), VectorsError::Value { row: 1, column: 1, .. }));
        assert!(matches!(refused(-0.6, Dtype::U8), VectorsError::Value { .. }));
        assert!(matches!(refused(f32::NAN, Dtype::I8), VectorsError::Value { .. }));
        assert!(matches!(refused(1e6, Dtype::F16), VectorsError::Value { .. }));
        assert!(matches!(refused(2.0, Dtype::Bits), VectorsError::Value { .. }));
        assert!(floats(&[f32::INFINITY], 1).convert(Dtype::F16).is_ok());
    }

    #[test]
    fn bits_survive_a_round_trip() {
        let vectors = floats(&[1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0], 10);
        let bits = vectors.convert(Dtype::Bits).unwrap().vectors;
        assert_eq!((bits.len(), bits.dim(), bits.bytes()), (1, 10, 2));
        assert_eq!((bits.get(0, 8), bits.get(0, 9), bits.get(0, 10)), (Some(1.0), Some(0.0), None));
        assert_eq!(bits.convert(Dtype::F32).unwrap().vectors, vectors);
        assert!(matches!(
            Vectors::from_packed_bits(vec![0, 4], 10),
            Err(VectorsError::Padding { row: 0, .. })
        ));
    }
}
