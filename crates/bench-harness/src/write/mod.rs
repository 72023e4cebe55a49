//! Writers: the counterparts of [`crate::read`], for converting sets and for tests.
//!
//! A file is written beside its place under another name and renamed when it is complete, so that a reader
//! never sees half of one.

mod ann_results;
mod hdf5;
mod npy;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use bytemuck::Pod;

use crate::dataset::{Metric, Truth};
use crate::format::Format;
use crate::vectors::{Matrix, Vectors};
pub use ann_results::{Found, ann_result};
pub use hdf5::{Hdf5Layout, hdf5_to_bytes};

/// A file that could not be written. A file of that name is as it was.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {fault}")]
pub struct WriteError {
    /// The path or name that was given.
    pub file: String,
    /// What was wrong.
    pub fault: WriteFault,
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteFault {
    /// The operating system's error.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The format cannot hold these elements.
    #[error("a {format:?} file does not hold {content}; convert first")]
    Content {
        /// The format that the name asks for, if any.
        format: Option<Format>,
        /// What was to be written.
        content: String,
    },
    /// A number that the format has no room for.
    #[error("{what} {value} is more than the format holds")]
    TooLarge {
        /// What the number is.
        what: &'static str,
        /// The number.
        value: u64,
    },
    /// The metric has no name in the layout.
    #[error("{layout} has no name for the metric {metric}")]
    Metric {
        /// The layout.
        layout: &'static str,
        /// The metric.
        metric: Metric,
    },
    /// The HDF5 library's error.
    #[error("HDF5: {0}")]
    Hdf5(String),
}

/// Writes vectors in the format of the name's end: `.fvecs .bvecs .fbin .u8bin .i8bin .npy .idx`.
///
/// Elements are never converted: `.fvecs` takes `f32`, `.bvecs` takes `u8`, and so on; `.npy` takes all types
/// but `bf16`, which numpy does not have.
///
/// # Errors
/// [`WriteError`] if the format cannot hold the vectors or the system refuses.
pub fn vectors(path: &Path, vectors: &Vectors) -> Result<(), WriteError> {
    save(path, &mut |out, format| write_vectors(out, format, vectors))
}

/// As [`vectors`], to bytes.
///
/// # Errors
/// [`WriteError`] if the format cannot hold the vectors.
pub fn vectors_to_bytes(name: &str, vectors: &Vectors) -> Result<Vec<u8>, WriteError> {
    to_bytes(name, |out, format| write_vectors(out, format, vectors))
}

/// Writes ids in the format of the name's end: `.ivecs .ibin .npy`.
///
/// # Errors
/// [`WriteError`] if an id is above `i32::MAX`, the format is not one of ids, or the system refuses.
pub fn ids(path: &Path, ids: &Matrix<u32>) -> Result<(), WriteError> {
    save(path, &mut |out, format| write_ids(out, format, ids))
}

/// As [`ids`], to bytes.
///
/// # Errors
/// [`WriteError`] if an id is above `i32::MAX` or the format is not one of ids.
pub fn ids_to_bytes(name: &str, ids: &Matrix<u32>) -> Result<Vec<u8>, WriteError> {
    to_bytes(name, |out, format| write_ids(out, format, ids))
}

/// Writes a big-ann ground truth (`.gtbin`): ids, and distances rounded to `f32`.
///
/// # Errors
/// [`WriteError`] if an id is above `i32::MAX`, k is 0, or the system refuses.
pub fn truth(path: &Path, truth: &Truth) -> Result<(), WriteError> {
    save(path, &mut |out, _| write_truth(out, truth))
}

/// As [`truth`], to bytes.
///
/// # Errors
/// [`WriteError`] if an id is above `i32::MAX` or k is 0.
pub fn truth_to_bytes(name: &str, truth: &Truth) -> Result<Vec<u8>, WriteError> {
    to_bytes(name, |out, _| write_truth(out, truth))
}

/// Writes a whole set as HDF5.
///
/// # Errors
/// [`WriteError`] if the layout has no name for the metric, the set has no truth, or the system refuses.
pub fn hdf5(path: &Path, set: &crate::dataset::Dataset, layout: Hdf5Layout) -> Result<(), WriteError> {
    let bytes = hdf5_to_bytes(&path.to_string_lossy(), set, layout)?;
    save(path, &mut |out, _| Ok(out.write_all(&bytes)?))
}

type Written = Result<(), WriteFault>;

fn write_vectors(out: &mut dyn Write, format: Option<Format>, vectors: &Vectors) -> Written {
    match (format, vectors) {
        (Some(Format::Fvecs), Vectors::F32(matrix)) => xvecs(out, matrix),
        (Some(Format::Bvecs), Vectors::U8(matrix)) => xvecs(out, matrix),
        (Some(Format::Fbin), Vectors::F32(matrix)) => bin(out, matrix),
        (Some(Format::U8bin), Vectors::U8(matrix)) => bin(out, matrix),
        (Some(Format::I8bin), Vectors::I8(matrix)) => bin(out, matrix),
        (Some(Format::Npy), vectors) => npy::write(out, vectors),
        (Some(Format::Idx), Vectors::U8(matrix)) => idx(out, 0x08, matrix),
        (Some(Format::Idx), Vectors::I8(matrix)) => idx(out, 0x09, matrix),
        (Some(Format::Idx), Vectors::F32(matrix)) => idx(out, 0x0d, matrix),
        (Some(Format::Idx), Vectors::F64(matrix)) => idx(out, 0x0e, matrix),
        _ => Err(WriteFault::Content { format, content: format!("{} vectors", vectors.dtype()) }),
    }
}

fn write_ids(out: &mut dyn Write, format: Option<Format>, ids: &Matrix<u32>) -> Written {
    if let Some(&id) = ids.data().iter().find(|&&id| id > i32::MAX as u32) {
        return Err(WriteFault::TooLarge { what: "id", value: u64::from(id) });
    }
    match format {
        Some(Format::Ivecs) => xvecs(out, ids),
        Some(Format::Ibin) => bin(out, ids),
        Some(Format::Npy) => npy::write_ids(out, ids),
        _ => Err(WriteFault::Content { format, content: "ids".to_owned() }),
    }
}

fn write_truth(out: &mut dyn Write, truth: &Truth) -> Written {
    if let Some(&id) = truth.ids().iter().find(|&&id| id > i32::MAX as u32) {
        return Err(WriteFault::TooLarge { what: "id", value: u64::from(id) });
    }
    out.write_all(&fit("number of queries", truth.len())?.to_le_bytes())?;
    out.write_all(&fit("k", truth.k())?.to_le_bytes())?;
    little(out, truth.ids())?;
    let distances: Vec<f32> = truth.distances().iter().map(|&distance| distance as f32).collect();
    little(out, &distances)
}

fn xvecs<T: Pod>(out: &mut dyn Write, matrix: &Matrix<T>) -> Written {
    let dim = i32::try_from(matrix.dim())
        .map_err(|_| WriteFault::TooLarge { what: "dimension", value: matrix.dim() as u64 })?;
    for row in matrix.iter() {
        out.write_all(&dim.to_le_bytes())?;
        little(out, row)?;
    }
    Ok(())
}

fn bin<T: Pod>(out: &mut dyn Write, matrix: &Matrix<T>) -> Written {
    out.write_all(&fit("number of rows", matrix.len())?.to_le_bytes())?;
    out.write_all(&fit("dimension", matrix.dim())?.to_le_bytes())?;
    little(out, matrix.data())
}

fn idx<T: Pod>(out: &mut dyn Write, kind: u8, matrix: &Matrix<T>) -> Written {
    out.write_all(&[0, 0, kind, 2])?;
    out.write_all(&fit("number of rows", matrix.len())?.to_be_bytes())?;
    out.write_all(&fit("dimension", matrix.dim())?.to_be_bytes())?;
    ordered(out, matrix.data(), cfg!(target_endian = "big"))
}

fn fit(what: &'static str, value: usize) -> Result<u32, WriteFault> {
    u32::try_from(value).map_err(|_| WriteFault::TooLarge { what, value: value as u64 })
}

/// The values as little-endian bytes.
fn little<T: Pod>(out: &mut dyn Write, values: &[T]) -> Written {
    ordered(out, values, cfg!(target_endian = "little"))
}

fn ordered<T: Pod>(out: &mut dyn Write, values: &[T], native: bool) -> Written {
    if native || size_of::<T>() == 1 {
        return Ok(out.write_all(bytemuck::cast_slice(values))?);
    }
    for value in values {
        let mut bytes = [0u8; 16];
        let bytes = &mut bytes[..size_of::<T>()];
        bytes.copy_from_slice(bytemuck::bytes_of(value));
        bytes.reverse();
        out.write_all(bytes)?;
    }
    Ok(())
}

fn to_bytes(
    name: &str,
    write: impl FnOnce(&mut dyn Write, Option<Format>) -> Written,
) -> Result<Vec<u8>, WriteError> {
    let mut bytes = Vec::new();
    match write(&mut bytes, Format::of(name)) {
        Ok(()) => Ok(bytes),
        Err(fault) => Err(WriteError { file: name.to_owned(), fault }),
    }
}

fn save(
    path: &Path,
    write: &mut dyn FnMut(&mut dyn Write, Option<Format>) -> Written,
) -> Result<(), WriteError> {
    let name = path.to_string_lossy();
    atomically(path, &mut |out| write(out, Format::of(&name)))
        .map_err(|fault| WriteError { file: name.into_owned(), fault })
}

/// Writes `path` completely or not at all.
pub(crate) fn atomically(path: &Path, write: &mut dyn FnMut(&mut dyn Write) -> Written) -> Written {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut part = path.as_os_str().to_owned();
    // Two processes, or threads, that write the same file must not write into one another's part.
    part.push(format!(".{}-{}.part", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
    let result = File::create(&part).map_err(WriteFault::Io).and_then(|file| {
        let mut out = BufWriter::with_capacity(1 << 16, file);
        write(&mut out)?;
        let file = out.into_inner().map_err(|error| WriteFault::Io(error.into_error()))?;
        file.sync_all()?;
        Ok(std::fs::rename(&part, path)?)
    });
    if result.is_err() {
        // The first error is the one to tell; a part that cannot be removed harms nobody.
        let _ = std::fs::remove_file(&part);
    }
    result
}
