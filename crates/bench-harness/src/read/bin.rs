//! The big-ann formats: two little-endian `u32` (rows, dimension), then all values, and nothing after them.

use std::io::Read;

use bytemuck::Pod;

use super::fault::Fault;
use super::input::{Input, Order, product};
use crate::dataset::Truth;
use crate::vectors::Matrix;

pub(super) fn read<T: Pod, R: Read>(input: &mut Input<R>, limit: Option<usize>) -> Result<Matrix<T>, Fault> {
    let (rows, dim) = shape(input)?;
    input.expect_exactly("the rows", product(&[rows, dim, size_of::<T>() as u64])?)?;
    input.matrix(rows, dim, Order::Little, limit)
}

/// Ids and distances of a ground-truth file. The distances are as the file has them.
pub(super) fn read_truth<R: Read>(input: &mut Input<R>) -> Result<Truth, Fault> {
    let (queries, k) = shape(input)?;
    let count = product(&[queries, k])?;
    input.expect_exactly("ids and distances", product(&[count, 8])?)?;
    let ids = super::ids::checked(input.numbers("the ids", count, Order::Little)?, k)?;
    let distances: Vec<f32> = input.numbers("the distances", count, Order::Little)?;
    Ok(Truth::new(k as usize, ids, distances.into_iter().map(f64::from).collect())?)
}

fn shape<R: Read>(input: &mut Input<R>) -> Result<(u64, u64), Fault> {
    if input.len() == 0 {
        return Err(Fault::Empty);
    }
    let rows = u32::from_le_bytes(input.array("the number of rows")?);
    let dim = u32::from_le_bytes(input.array("the dimension")?);
    if dim == 0 {
        return Err(Fault::Dimension { row: 0, dim: 0 });
    }
    Ok((u64::from(rows), u64::from(dim)))
}
