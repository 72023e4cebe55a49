//! The TEXMEX formats: every row is its dimension as a little-endian `i32`, then its values.
//!
//! Nothing states the number of rows: it follows from the file's length and the first dimension.

use std::io::Read;

use bytemuck::Pod;

use super::fault::Fault;
use super::input::{Input, product, reserve};
use crate::vectors::Matrix;

pub(super) fn read<T: Pod, R: Read>(input: &mut Input<R>, limit: Option<usize>) -> Result<Matrix<T>, Fault> {
    if input.len() == 0 {
        return Err(Fault::Empty);
    }
    let first = i32::from_le_bytes(input.array("the dimension of row 0")?);
    let dim = u64::try_from(first).unwrap_or(0);
    if dim == 0 {
        return Err(Fault::Dimension { row: 0, dim: i64::from(first) });
    }
    let row_bytes = product(&[dim, size_of::<T>() as u64])?;
    let stride = row_bytes + 4;
    let (rows, rest) = (input.len() / stride, input.len() % stride);
    if rest != 0 {
        // A wrong dimension further up looks the same from here: name the row that states one, if any does.
        if rows > 0 {
            check_dimensions(input, first, row_bytes, rows)?;
        }
        return Err(Fault::Truncated { what: format!("row {rows}"), expected: stride, actual: rest });
    }
    let rows = limit.map_or(rows, |limit| rows.min(limit as u64));
    let mut values: Vec<T> = reserve(product(&[rows, dim])?)?;
    for row in 0..rows {
        if row > 0 {
            check_dimension(input, first, row)?;
        }
        let start = values.len();
        values.resize(start + dim as usize, T::zeroed());
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut values[start..]);
        input.fill("a row", bytes)?;
        if cfg!(target_endian = "big") {
            bytes.chunks_exact_mut(size_of::<T>()).for_each(<[u8]>::reverse);
        }
    }
    Ok(Matrix::new(values, dim as usize)?)
}

fn check_dimension<R: Read>(input: &mut Input<R>, first: i32, row: u64) -> Result<(), Fault> {
    let dim = i32::from_le_bytes(input.array("a row's dimension")?);
    if dim <= 0 {
        return Err(Fault::Dimension { row, dim: i64::from(dim) });
    }
    if dim != first {
        return Err(Fault::RowDimension { row, expected: first as u64, actual: i64::from(dim) });
    }
    Ok(())
}

/// Walks over the rows without keeping them.
fn check_dimensions<R: Read>(
    input: &mut Input<R>,
    first: i32,
    row_bytes: u64,
    rows: u64,
) -> Result<(), Fault> {
    let mut sink = [0u8; 4096];
    for row in 0..=rows {
        if row > 0 {
            if input.remaining() < 4 {
                break;
            }
            check_dimension(input, first, row)?;
        }
        let mut left = row_bytes.min(input.remaining());
        while left > 0 {
            let step = left.min(sink.len() as u64);
            input.fill("a row", &mut sink[..step as usize])?;
            left -= step;
        }
    }
    Ok(())
}
