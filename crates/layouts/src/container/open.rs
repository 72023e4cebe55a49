//! Opening a container: nothing is believed before it is checked.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytemuck::{Pod, Zeroable};
use memmap2::Mmap;
use xxhash_rust::xxh3::xxh3_64;

use super::error::{ContainerError, Problem};
use super::format::{
    ALIGNMENTS, ENTRY_LEN, Entry, FORMAT_VERSION, HEADER_LEN, Header, MAGIC, MAX_SECTIONS, decode_name,
    place, show_name, table_end,
};
use super::section::Section;
use crate::aligned::AlignedVec;
use crate::error::{Error, wide};

/// When the checksums of sections are compared. Header and section table are always checked at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checks {
    /// All of them, when the file is opened. It is read in full.
    #[default]
    Full,
    /// Each when its section is first asked for. Opening reads the header and the table only.
    OnFirstUse,
}

/// Where the bytes of an open file lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Residence {
    /// In the file: mapped, paged in when touched, shared between processes. No file that is open may be changed
    /// in place by anyone; [`Writer::save`](super::Writer::save) never does that.
    #[default]
    Mapped,
    /// In memory of our own, on huge pages where it is large: a copy that no later change of the file reaches,
    /// and the quicker one to read at random.
    Memory,
}

/// How a container is opened; by default mapped and checked in full.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenOptions {
    checks: Checks,
    residence: Residence,
}

impl OpenOptions {
    /// Mapped, all checksums compared.
    pub fn new() -> Self {
        Self::default()
    }

    /// When to compare checksums.
    #[must_use]
    pub fn checks(self, checks: Checks) -> Self {
        Self { checks, ..self }
    }

    /// Where to have the bytes.
    #[must_use]
    pub fn residence(self, residence: Residence) -> Self {
        Self { residence, ..self }
    }

    /// Opens the file at `path`, which must be of `kind`.
    ///
    /// # Errors
    /// [`ContainerError`]: any [`Problem`] but those of writing.
    pub fn open(self, path: &Path, kind: &str) -> Result<Container, ContainerError> {
        let refuse = |problem| ContainerError::new(path, problem);
        let io = |action| move |source| refuse(Problem::Io { action, source });
        // Before opening it: that alone would wait for ever on a pipe without a writer.
        if !fs::metadata(path).map_err(io("find"))?.is_file() {
            return Err(refuse(Problem::NotAFile));
        }
        let file = File::open(path).map_err(io("open"))?;
        // SAFETY: the map is read-only and private to this process. That nobody changes the file in place while
        // it is mapped is the documented condition of `Residence::Mapped`; our own writer replaces files whole.
        let map = unsafe { Mmap::map(&file) }.map_err(io("map"))?;
        let table = read_front(&map, wide(map.len()), kind).map_err(refuse)?;
        let bytes = match self.residence {
            Residence::Mapped => Bytes::Mapped(map),
            // The front is read again: the copy is what counts, should the file have changed in between.
            Residence::Memory => {
                let copy = AlignedVec::from_slice(&map).map_err(|error| refuse(error.into()))?;
                return Container::new(path, Bytes::Memory(copy), kind, self.checks);
            }
        };
        Container::from_parts(path, bytes, table, self.checks)
    }

    /// Opens a file that is in memory already; errors name it `path`.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_bytes(
        self,
        bytes: AlignedVec<u8>,
        path: &Path,
        kind: &str,
    ) -> Result<Container, ContainerError> {
        Container::new(path, Bytes::Memory(bytes), kind, self.checks)
    }
}

/// An open container: its sections by name, without copies. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Container {
    image: Arc<Image>,
}

/// The bytes of a file whose header and table were checked, and never change.
#[derive(Debug)]
pub(crate) struct Image {
    path: PathBuf,
    bytes: Bytes,
    table: Table,
    /// For each section, whether its checksum was compared.
    checked: Vec<AtomicBool>,
}

#[derive(Debug)]
enum Bytes {
    Mapped(Mmap),
    Memory(AlignedVec<u8>),
}

impl Bytes {
    fn as_slice(&self) -> &[u8] {
        match self {
            Bytes::Mapped(map) => map,
            Bytes::Memory(vec) => vec,
        }
    }
}

/// What header and section table say, checked.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) kind: String,
    pub(crate) layout: u32,
    pub(crate) sections: Vec<SectionInfo>,
}

/// A section as the table describes it.
#[derive(Clone, Debug)]
pub struct SectionInfo {
    pub(crate) name: String,
    pub(crate) offset: usize,
    pub(crate) len: usize,
    pub(crate) element: usize,
    pub(crate) checksum: u64,
}

impl SectionInfo {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it starts in the file, in bytes.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Its length in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes of one element.
    pub fn element(&self) -> usize {
        self.element
    }
}

impl Container {
    /// Opens the file at `path`, which must be of `kind`: mapped, with all checksums compared. See
    /// [`OpenOptions`] for other ways.
    ///
    /// # Errors
    /// As [`OpenOptions::open`].
    pub fn open(path: &Path, kind: &str) -> Result<Self, ContainerError> {
        OpenOptions::new().open(path, kind)
    }

    fn new(path: &Path, bytes: Bytes, kind: &str, checks: Checks) -> Result<Self, ContainerError> {
        let front = bytes.as_slice();
        let table = read_front(front, wide(front.len()), kind)
            .map_err(|problem| ContainerError::new(path, problem))?;
        Self::from_parts(path, bytes, table, checks)
    }

    fn from_parts(path: &Path, bytes: Bytes, table: Table, checks: Checks) -> Result<Self, ContainerError> {
        let checked = table.sections.iter().map(|_| AtomicBool::new(false)).collect();
        let container = Self { image: Arc::new(Image { path: path.to_owned(), bytes, table, checked }) };
        if checks == Checks::Full {
            container.verify()?;
        }
        Ok(container)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.image.path
    }

    /// The inner layout, whose meaning is the kind's.
    pub fn layout(&self) -> u32 {
        self.image.table.layout
    }

    /// The inner layout, if it is one of `supported`.
    ///
    /// # Errors
    /// [`Problem::WrongLayout`].
    pub fn expect_layout(&self, supported: &[u32]) -> Result<u32, ContainerError> {
        let found = self.layout();
        if supported.contains(&found) {
            return Ok(found);
        }
        Err(self.refuse(Problem::WrongLayout { found, supported: supported.to_vec() }))
    }

    /// The kind.
    pub fn kind(&self) -> &str {
        &self.image.table.kind
    }

    /// Bytes of the file.
    pub fn file_len(&self) -> usize {
        self.image.bytes.as_slice().len()
    }

    /// All sections, in the order they lie in.
    pub fn sections(&self) -> &[SectionInfo] {
        &self.image.table.sections
    }

    /// The elements of section `name`, in place. The handle keeps the file open.
    ///
    /// # Errors
    /// [`Problem::MissingSection`], [`Problem::Elements`] if its elements are not of the size of `T`, and
    /// [`Problem::Damaged`] under [`Checks::OnFirstUse`].
    pub fn section<T: Pod>(&self, name: &str) -> Result<Section<T>, ContainerError> {
        Section::find(&self.image, |image| image.elements(name)).map_err(|problem| self.refuse(problem))
    }

    /// The elements of section `name`, in place, without comparing their checksum: for large sections whose contents
    /// can make a result wrong but never harm, so that opening need not read them. Under [`Checks::Full`] they were
    /// compared already; else [`verify`](Self::verify) does.
    ///
    /// # Errors
    /// [`Problem::MissingSection`], [`Problem::Elements`].
    pub fn section_unverified<T: Pod>(&self, name: &str) -> Result<Section<T>, ContainerError> {
        Section::find(&self.image, |image| image.elements_by(name, Image::bytes_of))
            .map_err(|problem| self.refuse(problem))
    }

    /// The one element of section `name`: a record of counts and parameters.
    ///
    /// # Errors
    /// As [`section`](Self::section); [`Problem::Elements`] also if there is not exactly one.
    pub fn value<T: Pod>(&self, name: &str) -> Result<T, ContainerError> {
        match *self.section::<T>(name)? {
            [value] => Ok(value),
            ref other => Err(self.refuse(Problem::Elements {
                section: name.to_owned(),
                len: wide(size_of_val(other)),
                element: wide(size_of::<T>()),
                expected: size_of::<T>(),
            })),
        }
    }

    /// Compares every checksum that was not compared yet, and the padding between sections.
    ///
    /// # Errors
    /// [`Problem::Damaged`] or [`Problem::DamagedPadding`], naming the first such section.
    pub fn verify(&self) -> Result<(), ContainerError> {
        let bytes = self.image.bytes.as_slice();
        let mut end = table_end(self.sections().len());
        for (index, section) in self.sections().iter().enumerate() {
            let padding = bytes.get(end..section.offset).unwrap_or_default();
            if padding.iter().any(|&byte| byte != 0) {
                return Err(self.refuse(Problem::DamagedPadding { section: section.name.clone() }));
            }
            self.image.check(index, section).map_err(|problem| self.refuse(problem))?;
            end = section.offset + section.len;
        }
        Ok(())
    }

    /// The error for a section whose bytes are whole and whose contents are no valid structure.
    pub fn invalid(&self, section: &str, error: Error) -> ContainerError {
        self.refuse(Problem::Invalid { section: section.to_owned(), error })
    }

    fn refuse(&self, problem: Problem) -> ContainerError {
        ContainerError::new(&self.image.path, problem)
    }
}

impl Image {
    fn elements<T: Pod>(&self, name: &str) -> Result<&[T], Problem> {
        self.elements_by(name, Self::check)
    }

    /// The elements of a section whose bytes `bytes_of` gives.
    fn elements_by<'a, T: Pod>(
        &'a self,
        name: &str,
        bytes_of: fn(&'a Self, usize, &SectionInfo) -> Result<&'a [u8], Problem>,
    ) -> Result<&'a [T], Problem> {
        let mut all = self.table.sections.iter().enumerate();
        let Some((index, section)) = all.find(|(_, section)| section.name == name) else {
            return Err(Problem::MissingSection { section: name.to_owned() });
        };
        let wrong = Problem::Elements {
            section: name.to_owned(),
            len: wide(section.len),
            element: wide(section.element),
            expected: size_of::<T>(),
        };
        if section.element != size_of::<T>() {
            return Err(wrong);
        }
        let bytes = bytes_of(self, index, section)?;
        // Refuses what does not divide, and an alignment of `T` above the section's.
        bytemuck::try_cast_slice(bytes).map_err(|_| wrong)
    }

    /// The bytes of a section.
    fn bytes_of(&self, _: usize, section: &SectionInfo) -> Result<&[u8], Problem> {
        let bytes = self.bytes.as_slice().get(section.offset..section.offset + section.len);
        bytes.ok_or_else(|| Problem::Damaged { section: section.name.clone() })
    }

    /// The bytes of a section, whose checksum is compared unless it was before. Two threads may both do so.
    fn check(&self, index: usize, section: &SectionInfo) -> Result<&[u8], Problem> {
        let damaged = || Problem::Damaged { section: section.name.clone() };
        let bytes = self.bytes_of(index, section)?;
        let checked = self.checked.get(index).ok_or_else(damaged)?;
        if !checked.load(Ordering::Relaxed) {
            if xxh3_64(bytes) != section.checksum {
                return Err(damaged());
            }
            checked.store(true, Ordering::Relaxed);
        }
        Ok(bytes)
    }
}

/// Checks header and section table, every bound in them against a file of `actual` bytes of which `bytes` are the
/// first (all up to the end of the table, if there are that many), before anything is allocated.
pub(crate) fn read_front(bytes: &[u8], actual: u64, kind: &str) -> Result<Table, Problem> {
    let header = read_header(bytes, actual)?;
    if decode_name(&header.kind) != Some(kind) {
        return Err(Problem::WrongKind { found: show_name(&header.kind), expected: kind.to_owned() });
    }
    let count = header.sections as usize;
    if count > MAX_SECTIONS {
        return Err(Problem::SectionCount { count: wide(count), max: wide(MAX_SECTIONS) });
    }
    let Some(table) = bytes.get(HEADER_LEN..table_end(count)) else {
        return Err(Problem::OutOfBounds {
            section: "section table".to_owned(),
            offset: wide(HEADER_LEN),
            len: wide(count * ENTRY_LEN),
            file_len: header.file_len,
        });
    };
    if xxh3_64(table) != header.table_checksum {
        return Err(Problem::Damaged { section: "section table".to_owned() });
    }

    let (entries, _) = table.as_chunks::<ENTRY_LEN>();
    let mut end = wide(table_end(count));
    for entry in entries {
        end = check_entry(&bytemuck::pod_read_unaligned(entry), end, header.file_len)?;
    }
    if end != header.file_len {
        return Err(Problem::Excess { expected: end, actual: header.file_len });
    }

    let mut sections = Vec::<SectionInfo>::with_capacity(count);
    for entry in entries {
        let entry: Entry = bytemuck::pod_read_unaligned(entry);
        let name = show_name(&entry.name);
        if sections.iter().any(|section| section.name == name) {
            return Err(Problem::DuplicateSection { section: name });
        }
        // Both lie below the length of `bytes`.
        let (offset, len) = (entry.offset as usize, entry.len as usize);
        sections.push(SectionInfo {
            name,
            offset,
            len,
            element: entry.element as usize,
            checksum: entry.checksum,
        });
    }
    Ok(Table { kind: kind.to_owned(), layout: header.layout, sections })
}

/// Checks everything that the header says of itself and of the file's length.
fn read_header(bytes: &[u8], actual: u64) -> Result<Header, Problem> {
    if cfg!(target_endian = "big") {
        return Err(Problem::BigEndianHost);
    }
    if bytes.iter().zip(&MAGIC).any(|(byte, magic)| byte != magic) {
        return Err(Problem::ForeignMagic);
    }
    let Some(front) = bytes.get(..HEADER_LEN) else {
        return Err(Problem::Truncated { expected: wide(HEADER_LEN), actual });
    };
    let mut header = Header::zeroed();
    bytemuck::bytes_of_mut(&mut header).copy_from_slice(front);
    // Before the checksum: a later version may have another header.
    if header.version == 0 || header.version > FORMAT_VERSION {
        return Err(Problem::Version { found: header.version, supported: FORMAT_VERSION });
    }
    if header.checksum != header.own_checksum() || header.reserved != 0 {
        return Err(Problem::Damaged { section: "header".to_owned() });
    }
    if actual < header.file_len {
        return Err(Problem::Truncated { expected: header.file_len, actual });
    }
    if actual > header.file_len {
        return Err(Problem::Excess { expected: header.file_len, actual });
    }
    Ok(header)
}

/// Checks an entry that follows what ends at `end`, and gives the end of its section.
fn check_entry(entry: &Entry, end: u64, file_len: u64) -> Result<u64, Problem> {
    let wrong = |reason| Problem::Entry { section: show_name(&entry.name), reason };
    if decode_name(&entry.name).is_none() {
        return Err(wrong("its name is none"));
    }
    if !ALIGNMENTS.contains(&entry.alignment) || entry.reserved != 0 {
        return Err(wrong("its alignment or a reserved field is unknown"));
    }
    let Some(section_end) = entry.offset.checked_add(entry.len).filter(|&end| end <= file_len) else {
        return Err(Problem::OutOfBounds {
            section: show_name(&entry.name),
            offset: entry.offset,
            len: entry.len,
            file_len,
        });
    };
    if place(end, entry.alignment) != Some(entry.offset) {
        return Err(wrong("it does not follow the section before it"));
    }
    if entry.element == 0 || !entry.len.is_multiple_of(u64::from(entry.element)) {
        return Err(wrong("its length is not a whole number of elements"));
    }
    Ok(section_end)
}
