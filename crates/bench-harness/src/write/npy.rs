//! numpy arrays, version 1: the header is padded so that values start at a multiple of 64 bytes.

use std::io::Write;

use super::{WriteFault, Written, little};
use crate::vectors::{Matrix, Vectors};

pub(super) fn write(out: &mut dyn Write, vectors: &Vectors) -> Written {
    let (rows, dim) = (vectors.len(), vectors.dim());
    match vectors {
        Vectors::F32(matrix) => array(out, "<f4", rows, dim, matrix),
        Vectors::F64(matrix) => array(out, "<f8", rows, dim, matrix),
        Vectors::F16(matrix) => array(out, "<f2", rows, dim, matrix),
        Vectors::U8(matrix) => array(out, "|u1", rows, dim, matrix),
        Vectors::I8(matrix) => array(out, "|i1", rows, dim, matrix),
        Vectors::Bf16(_) => Err(WriteFault::Content {
            format: Some(crate::format::Format::Npy),
            content: "bf16 vectors".to_owned(),
        }),
        Vectors::Bits { data, bits } => {
            header(out, "|b1", rows, dim)?;
            for row in data.iter() {
                let values: Vec<u8> = (0..*bits).map(|bit| row[bit / 8] >> (bit % 8) & 1).collect();
                out.write_all(&values)?;
            }
            Ok(())
        }
    }
}

pub(super) fn write_ids(out: &mut dyn Write, ids: &Matrix<u32>) -> Written {
    array(out, "<i4", ids.len(), ids.dim(), ids)
}

fn array<T: bytemuck::Pod>(
    out: &mut dyn Write,
    descr: &str,
    rows: usize,
    dim: usize,
    matrix: &Matrix<T>,
) -> Written {
    header(out, descr, rows, dim)?;
    little(out, matrix.data())
}

fn header(out: &mut dyn Write, descr: &str, rows: usize, dim: usize) -> Written {
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({rows}, {dim}), }}");
    let unpadded = 10 + text.len() + 1;
    text.push_str(&" ".repeat(unpadded.next_multiple_of(64) - unpadded));
    text.push('\n');
    out.write_all(b"\x93NUMPY\x01\x00")?;
    out.write_all(&(text.len() as u16).to_le_bytes())?;
    Ok(out.write_all(text.as_bytes())?)
}
