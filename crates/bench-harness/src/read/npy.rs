//! numpy's format, versions 1 to 3: a signature, a Python literal that states type, order and shape, the values.

use std::io::Read;

use half::f16;

use super::fault::Fault;
use super::header::{self, Header};
use super::ids;
use super::input::{Input, Order, product, reserve};
use crate::vectors::{Matrix, Vectors};

/// A header of a real array is 118 bytes long; numpy itself refuses more than 10,000 by default.
const MAX_HEADER: u64 = 1 << 16;

/// What an array holds, and in which order of bytes.
fn element(header: &Header) -> Result<(&str, u64, Order), Fault> {
    let unsupported = || Fault::Unsupported(format!("element type {:?}", header.descr));
    let mut chars = header.descr.chars();
    let order = match chars.next() {
        Some('<' | '|') => Order::Little,
        Some('>') => Order::Big,
        Some('=') => {
            return Err(Fault::Unsupported("a file of unstated byte order".to_owned()));
        }
        _ => return Err(unsupported()),
    };
    match chars.as_str() {
        kind @ ("b1" | "u1" | "i1") => Ok((kind, 1, order)),
        kind @ "f2" => Ok((kind, 2, order)),
        kind @ ("f4" | "i4") => Ok((kind, 4, order)),
        kind @ ("f8" | "i8") => Ok((kind, 8, order)),
        _ => Err(unsupported()),
    }
}

/// Reads up to the values and checks that the file holds exactly these.
fn start<R: Read>(input: &mut Input<R>) -> Result<(Header, u64, u64), Fault> {
    if input.len() == 0 {
        return Err(Fault::Empty);
    }
    let [signature @ .., major, _minor] = input.array::<8>("the signature")?;
    if signature != *b"\x93NUMPY" {
        return Err(Fault::Signature { format: "npy" });
    }
    let len = match major {
        1 => u64::from(u16::from_le_bytes(input.array("the header's length")?)),
        2 | 3 => u64::from(u32::from_le_bytes(input.array("the header's length")?)),
        _ => return Err(Fault::Unsupported(format!("npy version {major}"))),
    };
    if len > input.remaining() {
        return Err(Fault::Truncated {
            what: "the header".to_owned(),
            expected: len,
            actual: input.remaining(),
        });
    }
    if len > MAX_HEADER {
        return Err(Fault::Header(format!("{len} bytes are more than the {MAX_HEADER} that are read")));
    }
    let text = String::from_utf8(input.numbers("the header", len, Order::Little)?)
        .map_err(|_| Fault::Header("not UTF-8".to_owned()))?;
    let header = header::parse(&text)?;
    if header.fortran_order {
        return Err(Fault::Unsupported("Fortran order (save with numpy.ascontiguousarray)".to_owned()));
    }
    let (rows, dim) = match header.shape[..] {
        [rows] => (rows, 1),
        [rows, ref rest @ ..] => (rows, product(rest)?),
        [] => return Err(Fault::Unsupported("an array without dimensions".to_owned())),
    };
    if dim == 0 {
        return Err(Fault::Dimension { row: 0, dim: 0 });
    }
    let (_, size, _) = element(&header)?;
    input.expect_exactly("the values", product(&[rows, dim, size])?)?;
    Ok((header, rows, dim))
}

pub(super) fn read<R: Read>(input: &mut Input<R>, limit: Option<usize>) -> Result<Vectors, Fault> {
    let (header, rows, dim) = start(input)?;
    let (kind, _, order) = element(&header)?;
    match kind {
        "f2" => Ok(Vectors::F16(input.matrix::<f16>(rows, dim, order, limit)?)),
        "f4" => Ok(Vectors::F32(input.matrix(rows, dim, order, limit)?)),
        "f8" => Ok(Vectors::F64(input.matrix(rows, dim, order, limit)?)),
        "u1" => Ok(Vectors::U8(input.matrix(rows, dim, order, limit)?)),
        "i1" => Ok(Vectors::I8(input.matrix(rows, dim, order, limit)?)),
        "b1" => bits(input, limit.map_or(rows, |limit| rows.min(limit as u64)), dim),
        _ => Err(Fault::Unsupported(format!("element type {:?} for vectors (it is for ids)", header.descr))),
    }
}

pub(super) fn read_ids<R: Read>(input: &mut Input<R>) -> Result<Matrix<u32>, Fault> {
    let (header, rows, dim) = start(input)?;
    let count = product(&[rows, dim])?;
    let ids = match element(&header)? {
        ("i4", _, order) => ids::checked(input.numbers("the ids", count, order)?, dim)?,
        ("i8", _, order) => {
            let mut narrowed = reserve(count)?;
            for at in 0..count {
                let bytes = input.array("the ids")?;
                let id = if order == Order::Little {
                    i64::from_le_bytes(bytes)
                } else {
                    i64::from_be_bytes(bytes)
                };
                narrowed.push(ids::narrow(id, at, dim)?);
            }
            narrowed
        }
        _ => return Err(Fault::Unsupported(format!("element type {:?} for ids", header.descr))),
    };
    Ok(Matrix::new(ids, dim as usize)?)
}

/// One byte a truth value, packed row by row.
fn bits<R: Read>(input: &mut Input<R>, rows: u64, dim: u64) -> Result<Vectors, Fault> {
    let mut packed = reserve(product(&[rows, dim.div_ceil(8)])?)?;
    let mut group = [0u8; 8];
    for row in 0..rows {
        let mut left = dim as usize;
        while left > 0 {
            let values = &mut group[..left.min(8)];
            input.fill("the values", values)?;
            packed.push(super::pack_bools(values, row)?);
            left -= values.len();
        }
    }
    Ok(Vectors::from_packed_bits(packed, dim as usize)?)
}
