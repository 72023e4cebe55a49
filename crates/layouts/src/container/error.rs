//! Why a file was refused or could not be written: always with its path, and with the section where one is meant.

use std::io;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// A file that was refused, or that could not be read or written, and why.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct ContainerError {
    path: PathBuf,
    #[source]
    problem: Problem,
}

impl ContainerError {
    pub(crate) fn new(path: &Path, problem: Problem) -> Self {
        Self { path: path.to_owned(), problem }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is wrong with it.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// What is wrong with it, without the file.
    pub fn into_problem(self) -> Problem {
        self.problem
    }
}

/// What is wrong with a file. The variants that name a `section` may also name `header` or `section table`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The system failed.
    #[error("could not {action}: {source}")]
    Io {
        /// What was being done.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// It is a folder, a pipe or a device.
    #[error("not a regular file")]
    NotAFile,
    /// This computer is big-endian; files are little-endian memory images.
    #[error("files are little-endian and this computer is not")]
    BigEndianHost,
    /// It does not start with the magic bytes: something else altogether.
    #[error("not a nigh file: the magic bytes are missing")]
    ForeignMagic,
    /// It was written in a later (or never released) format.
    #[error("format version {found} is not one that can be read (1 to {supported})")]
    Version {
        /// The version in the file.
        found: u32,
        /// The newest version that can be read.
        supported: u32,
    },
    /// It holds another kind of index.
    #[error("holds a `{found}`, expected a `{expected}`")]
    WrongKind {
        /// The kind in the file.
        found: String,
        /// The kind that was asked for.
        expected: String,
    },
    /// Its kind is right and its inner layout is none that can be read.
    #[error("layout {found} is none of those that can be read ({supported:?})")]
    WrongLayout {
        /// The layout id in the file.
        found: u32,
        /// The layout ids that can be read.
        supported: Vec<u32>,
    },
    /// It ends too early.
    #[error("truncated: {actual} bytes of {expected}")]
    Truncated {
        /// Bytes that there must be.
        expected: u64,
        /// Bytes that there are.
        actual: u64,
    },
    /// Something follows its end.
    #[error("{actual} bytes, {expected} expected: something was appended")]
    Excess {
        /// Bytes that there must be.
        expected: u64,
        /// Bytes that there are.
        actual: u64,
    },
    /// A checksum does not match.
    #[error("`{section}` is damaged: its checksum does not match")]
    Damaged {
        /// The section.
        section: String,
    },
    /// A byte between two sections is not 0.
    #[error("the padding before `{section}` is damaged")]
    DamagedPadding {
        /// The section behind the padding.
        section: String,
    },
    /// A section reaches beyond the file.
    #[error("`{section}` claims {len} bytes at {offset}, the file has {file_len}")]
    OutOfBounds {
        /// The section.
        section: String,
        /// Where it claims to start.
        offset: u64,
        /// The bytes that it claims.
        len: u64,
        /// The bytes of the file.
        file_len: u64,
    },
    /// An entry of the section table contradicts itself or the format.
    #[error("the entry of `{section}` in the section table is wrong: {reason}")]
    Entry {
        /// The section.
        section: String,
        /// The rule that does not hold.
        reason: &'static str,
    },
    /// More sections than the format allows.
    #[error("{count} sections, at most {max} are allowed")]
    SectionCount {
        /// The number of sections.
        count: u64,
        /// The most that are allowed.
        max: u64,
    },
    /// Two sections have one name.
    #[error("two sections are named `{section}`")]
    DuplicateSection {
        /// The name.
        section: String,
    },
    /// A section that the reader needs is not there.
    #[error("there is no section `{section}`")]
    MissingSection {
        /// The section.
        section: String,
    },
    /// A section holds elements of another size, or not the number that the reader needs.
    #[error("`{section}` holds {len} bytes in elements of {element}, expected elements of {expected}")]
    Elements {
        /// The section.
        section: String,
        /// The bytes of the section.
        len: u64,
        /// The bytes of one of its elements.
        element: u64,
        /// The bytes of the element that was asked for.
        expected: usize,
    },
    /// A kind or a section cannot have this name.
    #[error("`{name}` is no name: 1 to {max} characters of graphic ASCII are")]
    Name {
        /// The name.
        name: String,
        /// The most characters.
        max: usize,
    },
    /// A section is whole, and what it holds is not a valid structure.
    #[error("`{section}`: {error}")]
    Invalid {
        /// The section.
        section: String,
        /// What the structure said.
        error: Error,
    },
    /// There is no memory to hold the file.
    #[error(transparent)]
    Memory(#[from] Error),
}
