//! The idx format of MNIST: two zero bytes, an element type, the number of dimensions, big-endian sizes, values.

use std::io::Read;

use super::fault::Fault;
use super::input::{Input, Order, product};
use crate::vectors::Vectors;

pub(super) fn read<R: Read>(input: &mut Input<R>, limit: Option<usize>) -> Result<Vectors, Fault> {
    if input.len() == 0 {
        return Err(Fault::Empty);
    }
    let [zero_a, zero_b, kind, dimensions] = input.array("the signature")?;
    if [zero_a, zero_b] != [0, 0] {
        return Err(Fault::Signature { format: "idx" });
    }
    let size = match kind {
        0x08 | 0x09 => 1,
        0x0d => 4,
        0x0e => 8,
        0x0b => return Err(Fault::Unsupported("16-bit integers".to_owned())),
        0x0c => return Err(Fault::Unsupported("32-bit integers".to_owned())),
        _ => return Err(Fault::Header(format!("unknown element type {kind:#04x}"))),
    };
    if dimensions < 2 {
        return Err(Fault::Unsupported(format!(
            "an idx file of {dimensions} dimensions (labels, not vectors)"
        )));
    }
    let rows = u64::from(u32::from_be_bytes(input.array("the sizes")?));
    let mut dim = 1u64;
    for _ in 1..dimensions {
        dim = product(&[dim, u64::from(u32::from_be_bytes(input.array("the sizes")?))])?;
    }
    if dim == 0 {
        return Err(Fault::Dimension { row: 0, dim: 0 });
    }
    input.expect_exactly("the values", product(&[rows, dim, size])?)?;
    match kind {
        0x08 => Ok(Vectors::U8(input.matrix(rows, dim, Order::Big, limit)?)),
        0x09 => Ok(Vectors::I8(input.matrix(rows, dim, Order::Big, limit)?)),
        0x0d => Ok(Vectors::F32(input.matrix(rows, dim, Order::Big, limit)?)),
        _ => Ok(Vectors::F64(input.matrix(rows, dim, Order::Big, limit)?)),
    }
}
