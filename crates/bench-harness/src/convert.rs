//! Another element type for the same vectors, with what the change cost.

use half::{bf16, f16};
use simd_kernels::Element;

use crate::dtype::Dtype;
use crate::vectors::{Matrix, Vectors, VectorsError};

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

impl Vectors {
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
                convert_numbers(&Matrix::new(values.collect(), *bits)?, to)
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
            Vectors::Bits { data: Matrix::new(bytes, width)?, bits: from.dim() }
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
    Matrix::new(data, from.dim())
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
    Matrix::new(data, from.dim())
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
