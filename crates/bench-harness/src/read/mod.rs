//! Readers: one file in, vectors, ids, truth or a whole stored set out, or a [`ReadError`] that names the file.
//!
//! Files are not trusted. Every size that a header states is compared with the file's length before anything
//! is allocated, so that no file makes a reader ask for more memory than it has bytes (a compressed HDF5 file:
//! more than deflate can unpack from it). NaN and infinities are kept: [`crate::dataset::Dataset::validate`]
//! refuses them by place.
//!
//! The format follows from the end of the name ([`Format::of`]). Everything can be read from a path or from
//! bytes that are already in memory.

mod bin;
mod fault;
mod hdf5;
mod header;
mod ids;
mod idx;
mod input;
mod npy;
mod xvecs;

use std::io::Read;
use std::path::Path;

use crate::dataset::Truth;
use crate::format::Format;
use crate::vectors::{Matrix, Vectors};
pub use fault::{Fault, ReadError};
pub use hdf5::StoredSet;
use input::Input;

/// The vectors of a `.fvecs`, `.bvecs`, `.fbin`, `.u8bin`, `.i8bin`, `.npy` or idx file, or its first `limit`.
///
/// # Errors
/// [`ReadError`] with the path and the reason.
pub fn vectors(path: &Path, limit: Option<usize>) -> Result<Vectors, ReadError> {
    at_path(path, |format, input| vectors_of(format, input, limit))
}

/// As [`vectors`], from bytes; `name` says the format and is named by errors.
///
/// # Errors
/// [`ReadError`] with the name and the reason.
///
/// ```
/// let bytes = [2u8, 0, 0, 0, 7, 9];
/// let vectors = bench_harness::read::vectors_from_bytes(&bytes, "two.bvecs", None)?;
/// assert_eq!((vectors.len(), vectors.dim(), vectors.get(0, 1)), (1, 2, Some(9.0)));
/// # Ok::<(), bench_harness::read::ReadError>(())
/// ```
pub fn vectors_from_bytes(bytes: &[u8], name: &str, limit: Option<usize>) -> Result<Vectors, ReadError> {
    in_bytes(bytes, name, |format, input| vectors_of(format, input, limit))
}

/// The ids of an `.ivecs`, `.ibin` or integer `.npy` file, row by row. A one-dimensional array has rows of one.
///
/// # Errors
/// [`ReadError`] with the path and the reason.
pub fn ids(path: &Path) -> Result<Matrix<u32>, ReadError> {
    at_path(path, ids_of)
}

/// As [`ids`], from bytes.
///
/// # Errors
/// [`ReadError`] with the name and the reason.
pub fn ids_from_bytes(bytes: &[u8], name: &str) -> Result<Matrix<u32>, ReadError> {
    in_bytes(bytes, name, ids_of)
}

/// A big-ann ground truth (ids and distances). Its distances are as the file has them, in the file's own
/// definition (big-ann stores squared Euclidean distances).
///
/// # Errors
/// [`ReadError`] with the path and the reason.
pub fn truth(path: &Path) -> Result<Truth, ReadError> {
    Input::open(path)
        .and_then(|mut input| bin::read_truth(&mut input))
        .map_err(|fault| fault.of(&shown(path)))
}

/// As [`truth`], from bytes.
///
/// # Errors
/// [`ReadError`] with the name and the reason.
pub fn truth_from_bytes(bytes: &[u8], name: &str) -> Result<Truth, ReadError> {
    bin::read_truth(&mut Input::of(bytes)).map_err(|fault| fault.of(name))
}

/// The whole set of an HDF5 file in the layout of ann-benchmarks or VIBE.
///
/// # Errors
/// [`ReadError`] with the path and the reason.
pub fn hdf5(path: &Path) -> Result<StoredSet, ReadError> {
    hdf5::read(path).map_err(|fault| fault.of(&shown(path)))
}

/// As [`hdf5`], from bytes (which are copied once).
///
/// # Errors
/// [`ReadError`] with the name and the reason.
pub fn hdf5_from_bytes(bytes: &[u8], name: &str) -> Result<StoredSet, ReadError> {
    hdf5::read_bytes(bytes).map_err(|fault| fault.of(name))
}

fn vectors_of<R: Read>(
    format: Option<Format>,
    input: &mut Input<R>,
    limit: Option<usize>,
) -> Result<Vectors, Fault> {
    match format {
        Some(Format::Fvecs) => xvecs::read(input, limit).map(Vectors::F32),
        Some(Format::Bvecs) => xvecs::read(input, limit).map(Vectors::U8),
        Some(Format::Fbin) => bin::read(input, limit).map(Vectors::F32),
        Some(Format::U8bin) => bin::read(input, limit).map(Vectors::U8),
        Some(Format::I8bin) => bin::read(input, limit).map(Vectors::I8),
        Some(Format::Npy) => npy::read(input, limit),
        Some(Format::Idx) => idx::read(input, limit),
        _ => Err(unknown("vectors (.fvecs .bvecs .fbin .u8bin .i8bin .npy .idx)")),
    }
}

fn ids_of<R: Read>(format: Option<Format>, input: &mut Input<R>) -> Result<Matrix<u32>, Fault> {
    let matrix: Matrix<u32> = match format {
        Some(Format::Ivecs) => xvecs::read(input, None)?,
        Some(Format::Ibin) => bin::read(input, None)?,
        Some(Format::Npy) => return npy::read_ids(input),
        _ => return Err(unknown("ids (.ivecs .ibin .npy)")),
    };
    let dim = matrix.dim();
    Ok(Matrix::new(ids::checked(matrix.into_data(), dim as u64)?, dim)?)
}

fn unknown(wanted: &str) -> Fault {
    Fault::UnknownFormat { wanted: wanted.to_owned() }
}

fn at_path<T>(
    path: &Path,
    read: impl FnOnce(Option<Format>, &mut Input<std::io::BufReader<std::fs::File>>) -> Result<T, Fault>,
) -> Result<T, ReadError> {
    let name = shown(path);
    Input::open(path)
        .and_then(|mut input| read(Format::of(&name), &mut input))
        .map_err(|fault| fault.of(&name))
}

fn in_bytes<'a, T>(
    bytes: &'a [u8],
    name: &str,
    read: impl FnOnce(Option<Format>, &mut Input<&'a [u8]>) -> Result<T, Fault>,
) -> Result<T, ReadError> {
    read(Format::of(name), &mut Input::of(bytes)).map_err(|fault| fault.of(name))
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Up to eight truth values of one byte each as the bits of one byte.
fn pack_bools(values: &[u8], row: u64) -> Result<u8, Fault> {
    let mut packed = 0;
    for (bit, &value) in values.iter().enumerate() {
        match value {
            0 => {}
            1 => packed |= 1 << bit,
            _ => return Err(Fault::Value { row, what: "truth value", value: i64::from(value) }),
        }
    }
    Ok(packed)
}
