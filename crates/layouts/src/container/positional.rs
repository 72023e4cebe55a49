//! Reading a container piece by piece: for files larger than memory.
//!
//! A map of a file takes address space for all of it and is paged in and out as the system sees fit. Here nothing
//! is mapped: small sections are copied, and of large ones those bytes are read that are asked for.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use bytemuck::Pod;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::error::{ContainerError, Problem};
use super::format::{HEADER_LEN, MAX_SECTIONS, table_end};
use super::open::{SectionInfo, Table, read_front};
use crate::aligned::AlignedVec;
use crate::error::{Error, wide};

/// Bytes that are read at a time where all of a section is.
const PIECE: usize = 1 << 18;

/// An open file, read by position; shared between threads without a lock where the system can do that.
///
/// The front of the file is checked when it is opened, as by [`Container`](super::Container); the checksum of a
/// section when [`section`](Self::section) copies it. [`read`](Self::read) compares nothing.
///
/// ```
/// use layouts::container::{FileReader, Placement, Writer};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("zones.nigh");
/// Writer::new("zones", 1).section("bytes", Placement::Plain, &[1u8, 2, 3, 4]).save(&path)?;
/// let file = FileReader::open(&path, "zones")?;
/// let section = file.info("bytes")?;
/// let mut two = [0; 2];
/// file.read(&section, 1, &mut two)?;
/// assert_eq!(two, [2, 3]);
/// assert!(file.read(&section, 3, &mut two).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct FileReader {
    path: PathBuf,
    file: Positional,
    len: u64,
    table: Table,
}

impl FileReader {
    /// Opens the file at `path`, which must be of `kind`, and reads its header and section table.
    ///
    /// # Errors
    /// As [`OpenOptions::open`](super::OpenOptions::open).
    pub fn open(path: &Path, kind: &str) -> Result<Self, ContainerError> {
        let refuse = |problem| ContainerError::new(path, problem);
        let io = |action| move |source| refuse(Problem::Io { action, source });
        // Before opening it: that alone would wait for ever on a pipe without a writer.
        if !fs::metadata(path).map_err(io("find"))?.is_file() {
            return Err(refuse(Problem::NotAFile));
        }
        let file = File::open(path).map_err(io("open"))?;
        let len = file.metadata().map_err(io("find"))?.len();
        let file = Positional::new(file);
        let most = usize::try_from(len).unwrap_or(usize::MAX);
        let mut front = AlignedVec::zeroed(HEADER_LEN.min(most)).map_err(|error| refuse(error.into()))?;
        file.read_exact_at(&mut front, 0).map_err(io("read"))?;
        // What the header says of the number of sections is believed as far as the format goes.
        if let Some(&[a, b, c, d]) = front.get(12..16) {
            let sections = (u32::from_le_bytes([a, b, c, d]) as usize).min(MAX_SECTIONS);
            front.resize(table_end(sections).min(most), 0).map_err(|error| refuse(error.into()))?;
            file.read_exact_at(&mut front, 0).map_err(io("read"))?;
        }
        let table = read_front(&front, len, kind).map_err(refuse)?;
        Ok(Self { path: path.to_owned(), file, len, table })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of the file.
    pub fn file_len(&self) -> u64 {
        self.len
    }

    /// The kind.
    pub fn kind(&self) -> &str {
        &self.table.kind
    }

    /// The inner layout, if it is one of `supported`.
    ///
    /// # Errors
    /// [`Problem::WrongLayout`].
    pub fn expect_layout(&self, supported: &[u32]) -> Result<u32, ContainerError> {
        let found = self.table.layout;
        if supported.contains(&found) {
            return Ok(found);
        }
        Err(self.refuse(Problem::WrongLayout { found, supported: supported.to_vec() }))
    }

    /// All sections, in the order they lie in.
    pub fn sections(&self) -> &[SectionInfo] {
        &self.table.sections
    }

    /// What the table says of section `name`.
    ///
    /// # Errors
    /// [`Problem::MissingSection`].
    pub fn info(&self, name: &str) -> Result<SectionInfo, ContainerError> {
        let found = self.table.sections.iter().find(|section| section.name == name);
        found.cloned().ok_or_else(|| self.refuse(Problem::MissingSection { section: name.to_owned() }))
    }

    /// A copy of section `name`, compared with its checksum.
    ///
    /// # Errors
    /// [`Problem::MissingSection`], [`Problem::Elements`] if its elements are not of the size of `T`,
    /// [`Problem::Damaged`], [`Problem::Memory`], [`Problem::Io`].
    pub fn section<T: Pod>(&self, name: &str) -> Result<AlignedVec<T>, ContainerError> {
        let section = self.info(name)?;
        if section.element != size_of::<T>() {
            return Err(self.elements::<T>(&section));
        }
        // Not above the length of the file, which was compared.
        let mut copy = AlignedVec::<T>::zeroed(section.len / size_of::<T>())
            .map_err(|error| self.refuse(error.into()))?;
        let bytes = bytemuck::cast_slice_mut(&mut copy[..]);
        self.read(&section, 0, bytes)?;
        if xxh3_64(bytes) != section.checksum {
            return Err(self.refuse(Problem::Damaged { section: section.name }));
        }
        Ok(copy)
    }

    /// The one element of section `name`.
    ///
    /// # Errors
    /// As [`section`](Self::section); [`Problem::Elements`] also if there is not exactly one.
    pub fn value<T: Pod>(&self, name: &str) -> Result<T, ContainerError> {
        let section = self.info(name)?;
        if section.len != size_of::<T>() {
            return Err(self.elements::<T>(&section));
        }
        match self.section::<T>(name)?[..] {
            [value] => Ok(value),
            _ => Err(self.elements::<T>(&section)),
        }
    }

    /// Reads the bytes from `at` on of a section of this file into `out`, comparing no checksum.
    ///
    /// # Errors
    /// [`Problem::OutOfBounds`] unless they lie in the section; [`Problem::Io`].
    pub fn read(&self, section: &SectionInfo, at: usize, out: &mut [u8]) -> Result<(), ContainerError> {
        if at.checked_add(out.len()).is_none_or(|end| end > section.len) {
            return Err(self.refuse(Problem::OutOfBounds {
                section: section.name.clone(),
                offset: wide(section.offset).saturating_add(wide(at)),
                len: wide(out.len()),
                file_len: self.len,
            }));
        }
        self.file
            .read_exact_at(out, wide(section.offset) + wide(at))
            .map_err(|source| self.refuse(Problem::Io { action: "read", source }))
    }

    /// Reads all of the file and compares every checksum and the padding between sections.
    ///
    /// # Errors
    /// [`Problem::Damaged`] or [`Problem::DamagedPadding`], naming the first such section; [`Problem::Io`].
    pub fn verify(&self) -> Result<(), ContainerError> {
        let mut piece = AlignedVec::<u8>::zeroed(PIECE).map_err(|error| self.refuse(error.into()))?;
        let mut end = table_end(self.table.sections.len());
        for section in &self.table.sections {
            let mut clean = true;
            self.pieces(end, section.offset, &mut piece, &mut |bytes| {
                clean &= bytes.iter().all(|&byte| byte == 0);
            })?;
            if !clean {
                return Err(self.refuse(Problem::DamagedPadding { section: section.name.clone() }));
            }
            let mut sum = Box::new(Xxh3::new());
            end = section.offset + section.len;
            self.pieces(section.offset, end, &mut piece, &mut |bytes| sum.update(bytes))?;
            if sum.digest() != section.checksum {
                return Err(self.refuse(Problem::Damaged { section: section.name.clone() }));
            }
        }
        Ok(())
    }

    /// Reads the bytes `start..end` of the file.
    fn pieces(
        &self,
        start: usize,
        end: usize,
        piece: &mut [u8],
        work: &mut dyn FnMut(&[u8]),
    ) -> Result<(), ContainerError> {
        for at in (start..end).step_by(piece.len().max(1)) {
            let len = piece.len().min(end - at);
            let Some(bytes) = piece.get_mut(..len) else { continue };
            self.file
                .read_exact_at(bytes, wide(at))
                .map_err(|source| self.refuse(Problem::Io { action: "read", source }))?;
            work(bytes);
        }
        Ok(())
    }

    /// The error for a section whose bytes are whole and whose contents are no valid structure.
    pub fn invalid(&self, section: &str, error: Error) -> ContainerError {
        self.refuse(Problem::Invalid { section: section.to_owned(), error })
    }

    fn elements<T>(&self, section: &SectionInfo) -> ContainerError {
        self.refuse(Problem::Elements {
            section: section.name.clone(),
            len: wide(section.len),
            element: wide(section.element),
            expected: size_of::<T>(),
        })
    }

    fn refuse(&self, problem: Problem) -> ContainerError {
        ContainerError::new(&self.path, problem)
    }
}

/// A file whose reads have no place of their own.
#[cfg(unix)]
#[derive(Debug)]
struct Positional(File);

#[cfg(unix)]
impl Positional {
    fn new(file: File) -> Self {
        Self(file)
    }

    fn read_exact_at(&self, out: &mut [u8], at: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.0, out, at)
    }
}

/// Elsewhere one read at a time moves the file's place.
#[cfg(not(unix))]
#[derive(Debug)]
struct Positional(std::sync::Mutex<File>);

#[cfg(not(unix))]
impl Positional {
    fn new(file: File) -> Self {
        Self(std::sync::Mutex::new(file))
    }

    fn read_exact_at(&self, out: &mut [u8], at: u64) -> io::Result<()> {
        use std::io::{Read, Seek, SeekFrom};
        let mut file = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(out)
    }
}
