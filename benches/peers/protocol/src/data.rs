//! Arrays of the data folder: `.npy` files of format 1 or 2, as the harness writes them.

use std::path::Path;

/// Rows of float32, one after the other.
#[derive(Debug)]
pub struct Matrix {
    data: Vec<f32>,
    dim: usize,
}

impl Matrix {
    /// Reads a two-dimensional array of little-endian float32.
    pub fn read(path: &Path) -> Result<Self, String> {
        let (bytes, shape) = array(path, "<f4")?;
        let (rows, dim) = match shape[..] {
            [rows, dim] if dim > 0 => (rows, dim),
            _ => return Err(format!("{}: of shape {shape:?}", path.display())),
        };
        let data: Vec<f32> = bytes
            .chunks_exact(4)
            .map(|word| f32::from_le_bytes([word[0], word[1], word[2], word[3]]))
            .collect();
        if data.len() != rows * dim {
            return Err(format!("{}: {} elements for {rows} x {dim}", path.display(), data.len()));
        }
        Ok(Self { data, dim })
    }

    /// Elements of a row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.data.len() / self.dim
    }

    /// All rows.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.data.chunks_exact(self.dim)
    }
}

/// An array of bytes.
pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>, String> {
    array(path, "|u1").map(|(bytes, _)| bytes)
}

/// The elements and the shape of a file whose elements are of this type.
fn array(path: &Path, kind: &str) -> Result<(Vec<u8>, Vec<usize>), String> {
    let wrong = |what: &str| format!("{}: {what}", path.display());
    let mut bytes = std::fs::read(path).map_err(|error| wrong(&error.to_string()))?;
    let (start, length) = match bytes.get(..12) {
        Some(head) if head.starts_with(b"\x93NUMPY\x01") => {
            (10, u16::from_le_bytes([head[8], head[9]]) as usize)
        }
        Some(head) if head.starts_with(b"\x93NUMPY\x02") => {
            (12, u32::from_le_bytes([head[8], head[9], head[10], head[11]]) as usize)
        }
        _ => return Err(wrong("no .npy file of format 1 or 2")),
    };
    let header = bytes.get(start..start + length).ok_or_else(|| wrong("ends in its header"))?;
    let header = String::from_utf8_lossy(header).into_owned();
    if !header.contains(kind) || header.contains("'fortran_order': True") {
        return Err(wrong(&format!("expected rows of {kind}, found {header}")));
    }
    let shape = header.split('(').nth(1).and_then(|rest| rest.split(')').next()).unwrap_or_default();
    let shape = shape.split(',').filter_map(|word| word.trim().parse().ok()).collect();
    bytes.drain(..start + length);
    Ok((bytes, shape))
}
