//! Why a file was refused: the file, and the first thing found wrong with it.

use crate::dataset::DatasetError;
use crate::vectors::VectorsError;

/// A file that was refused. Nothing of it was returned.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {fault}")]
pub struct ReadError {
    /// The path or name that was given.
    pub file: String,
    /// What was wrong.
    pub fault: Fault,
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The operating system's error.
    #[error("{0}")]
    Io(std::io::Error),
    /// The path names a folder or a device.
    #[error("this is not a regular file")]
    NotAFile,
    /// The end of the name is that of no format that fits.
    #[error("the name does not end like {wanted}")]
    UnknownFormat {
        /// What would do.
        wanted: String,
    },
    /// No byte at all.
    #[error("the file is empty")]
    Empty,
    /// Fewer bytes than the header, or the shape, asks for.
    #[error("truncated: {what} needs {expected} bytes, {actual} are there")]
    Truncated {
        /// What is cut short.
        what: String,
        /// Bytes that it needs.
        expected: u64,
        /// Bytes that are there.
        actual: u64,
    },
    /// More bytes than the header asks for.
    #[error("{extra} trailing bytes: the header describes {expected} bytes")]
    Trailing {
        /// Bytes that the header describes, itself included.
        expected: u64,
        /// Bytes after them.
        extra: u64,
    },
    /// The first bytes are not the format's.
    #[error("this is no {format} file: it does not start with the format's signature")]
    Signature {
        /// The format that the name announced.
        format: &'static str,
    },
    /// A dimension that is zero or negative.
    #[error("row {row} has dimension {dim}")]
    Dimension {
        /// The row; 0 when the dimension is stated once for the file.
        row: u64,
        /// The stated dimension.
        dim: i64,
    },
    /// Rows of different dimension.
    #[error("row {row} has dimension {actual}, the rows before it have {expected}")]
    RowDimension {
        /// The row.
        row: u64,
        /// Dimension of row 0.
        expected: u64,
        /// Dimension of this row.
        actual: i64,
    },
    /// Sizes whose product is no number of bytes.
    #[error("the header's sizes multiply to more than 2^64 bytes")]
    Overflow,
    /// A header that cannot be understood.
    #[error("header: {0}")]
    Header(String),
    /// A correct file of a kind that is not read.
    #[error("{0} is not supported")]
    Unsupported(String),
    /// A value that its type does not allow.
    #[error("row {row} holds the {what} {value}")]
    Value {
        /// The row.
        row: u64,
        /// What the value was to be.
        what: &'static str,
        /// The value.
        value: i64,
    },
    /// A part that the format promises is not there.
    #[error("{0} is missing")]
    Missing(String),
    /// The rows do not make vectors.
    #[error("{0}")]
    Vectors(#[from] VectorsError),
    /// The parts do not make a data set.
    #[error("{0}")]
    Dataset(#[from] DatasetError),
    /// The HDF5 library's error.
    #[error("HDF5: {0}")]
    Hdf5(String),
    /// The memory for the rows cannot be had.
    #[error("no memory for {bytes} bytes")]
    Memory {
        /// Bytes that were asked for.
        bytes: u64,
    },
}

impl Fault {
    pub(crate) fn of(self, file: &str) -> ReadError {
        ReadError { file: file.to_owned(), fault: self }
    }
}
