//! Writing a container: sections are named, then the whole file appears at once.

use std::io::{self, Cursor, Seek, SeekFrom, Write};
use std::path::Path;

use bytemuck::{Pod, Zeroable};
use xxhash_rust::xxh3::xxh3_64;

use super::error::{ContainerError, Problem};
use super::format::{Entry, FORMAT_VERSION, Header, MAGIC, MAX_SECTIONS, encode_name, place, table_end};
use super::replace::replace_file;
use crate::aligned::AlignedVec;
use crate::error::{no_memory, wide};
use crate::region::{CACHE_LINE, HUGE_PAGE};

/// How a section is aligned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// To a cache line.
    Plain,
    /// To a huge page, if it is at least one long: for what every search reads at random.
    Hot,
}

/// A container in the making: it borrows the sections until [`save`](Self::save).
///
/// ```
/// use layouts::container::{Container, Placement, Writer};
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("zones.nigh");
/// Writer::new("zones", 1)
///     .section("centroids", Placement::Hot, &[0.5f32, 1.5, 2.5])
///     .section("counts", Placement::Plain, &[7u64])
///     .save(&path)?;
/// let file = Container::open(&path, "zones")?;
/// assert_eq!(file.section::<f32>("centroids")?[..], [0.5, 1.5, 2.5]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Writer<'a> {
    kind: &'a str,
    layout: u32,
    sections: Vec<Pending<'a>>,
}

#[derive(Debug)]
struct Pending<'a> {
    name: &'a str,
    placement: Placement,
    bytes: &'a [u8],
    element: usize,
}

impl<'a> Writer<'a> {
    /// A container of a kind, 1 to 16 characters of graphic ASCII, and an inner layout that the kind defines.
    pub fn new(kind: &'a str, layout: u32) -> Self {
        Self { kind, layout, sections: Vec::new() }
    }

    /// Adds a section with a name of its own, 1 to 24 characters of graphic ASCII. What is wrong with a name is
    /// said by [`save`](Self::save).
    #[must_use]
    pub fn section<T: Pod>(mut self, name: &'a str, placement: Placement, elements: &'a [T]) -> Self {
        let bytes = bytemuck::cast_slice(elements);
        self.sections.push(Pending { name, placement, bytes, element: size_of::<T>() });
        self
    }

    /// Writes the file, in place of any that is there; see [`replace_file`] for what holds when that fails.
    ///
    /// Reads all sections twice: for the checksums, then to write them.
    ///
    /// # Errors
    /// [`Problem::Io`], [`Problem::Name`], [`Problem::DuplicateSection`], [`Problem::SectionCount`],
    /// [`Problem::Entry`], [`Problem::BigEndianHost`].
    pub fn save(&self, path: &Path) -> Result<(), ContainerError> {
        let refuse = |problem| ContainerError::new(path, problem);
        let (header, table) = self.plan().map_err(refuse)?;
        let write = |file: &mut std::fs::File| {
            file.set_len(header.file_len)?;
            self.emit(&header, &table, file)
        };
        replace_file(path, write).map_err(|source| refuse(Problem::Io { action: "save", source }))
    }

    /// The bytes of the file.
    ///
    /// # Errors
    /// As [`save`](Self::save), and [`Problem::Memory`]. The error names the file `(memory)`.
    pub fn to_bytes(&self) -> Result<AlignedVec<u8>, ContainerError> {
        let refuse = |problem| ContainerError::new(Path::new("(memory)"), problem);
        let (header, table) = self.plan().map_err(refuse)?;
        let len = usize::try_from(header.file_len).map_err(|_| refuse(no_memory::<u8>(usize::MAX).into()))?;
        let mut bytes = AlignedVec::zeroed(len).map_err(|error| refuse(error.into()))?;
        self.emit(&header, &table, &mut Cursor::new(&mut bytes[..]))
            .map_err(|source| refuse(Problem::Io { action: "encode", source }))?;
        Ok(bytes)
    }

    /// Places and checksums every section.
    fn plan(&self) -> Result<(Header, Vec<Entry>), Problem> {
        if cfg!(target_endian = "big") {
            return Err(Problem::BigEndianHost);
        }
        let count = self.sections.len();
        if count > MAX_SECTIONS {
            return Err(Problem::SectionCount { count: wide(count), max: wide(MAX_SECTIONS) });
        }
        let mut table = Vec::<Entry>::with_capacity(count);
        let mut end = wide(table_end(count));
        for section in &self.sections {
            let wrong = |reason| Problem::Entry { section: section.name.to_owned(), reason };
            let name = encode_name(section.name)?;
            if table.iter().any(|entry| entry.name == name) {
                return Err(Problem::DuplicateSection { section: section.name.to_owned() });
            }
            let hot = section.placement == Placement::Hot && section.bytes.len() >= HUGE_PAGE;
            let alignment = if hot { HUGE_PAGE } else { CACHE_LINE } as u32;
            let offset = place(end, alignment).ok_or(wrong("it would start beyond 2^64 bytes"))?;
            let len = wide(section.bytes.len());
            end = offset.checked_add(len).ok_or(wrong("it would end beyond 2^64 bytes"))?;
            let element = u32::try_from(section.element).ok().filter(|&element| element > 0);
            table.push(Entry {
                name,
                offset,
                len,
                checksum: xxh3_64(section.bytes),
                alignment,
                element: element.ok_or(wrong("its elements have no size, or one above 2^32 bytes"))?,
                reserved: 0,
            });
        }
        let mut header = Header {
            magic: MAGIC,
            version: FORMAT_VERSION,
            sections: count as u32,
            file_len: end,
            kind: encode_name(self.kind)?,
            layout: self.layout,
            table_checksum: xxh3_64(bytemuck::cast_slice(&table)),
            ..Header::zeroed()
        };
        header.checksum = header.own_checksum();
        Ok((header, table))
    }

    /// Writes everything to `out`, which is as long as the file and zero.
    fn emit(&self, header: &Header, table: &[Entry], out: &mut (impl Write + Seek)) -> io::Result<()> {
        let mut front = Vec::with_capacity(table_end(table.len()));
        front.extend_from_slice(bytemuck::bytes_of(header));
        front.extend_from_slice(bytemuck::cast_slice(table));
        out.write_all(&front)?;
        for (entry, section) in table.iter().zip(&self.sections) {
            out.seek(SeekFrom::Start(entry.offset))?;
            out.write_all(section.bytes)?;
        }
        Ok(())
    }
}
