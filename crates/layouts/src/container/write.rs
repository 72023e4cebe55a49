//! Writing a container: sections are named, then the whole file appears at once.

use std::fmt;
use std::io::{self, Cursor, Seek, SeekFrom, Write};
use std::path::Path;

use bytemuck::{Pod, Zeroable};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

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
    content: Content<'a>,
    element: usize,
}

/// What a section holds.
enum Content<'a> {
    Bytes(&'a [u8]),
    /// So many bytes, written piece by piece whenever they are asked for.
    Made(usize, &'a Make<'a>),
}

/// Writes the bytes of a section, the same ones each time.
type Make<'a> = dyn Fn(&mut dyn Write) -> io::Result<()> + Send + Sync + 'a;

impl fmt::Debug for Content<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} bytes", self.len())
    }
}

impl Content<'_> {
    fn len(&self) -> usize {
        match self {
            Content::Bytes(bytes) => bytes.len(),
            Content::Made(len, _) => *len,
        }
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Content::Bytes(bytes) => out.write_all(bytes),
            Content::Made(len, make) => {
                let mut counted = Counted { out, left: *len };
                make(&mut counted)?;
                if counted.left == 0 { Ok(()) } else { Err(io::Error::from(io::ErrorKind::UnexpectedEof)) }
            }
        }
    }

    fn checksum(&self) -> io::Result<u64> {
        if let Content::Bytes(bytes) = self {
            return Ok(xxh3_64(bytes));
        }
        let mut sum = Sum(Box::new(Xxh3::new()));
        self.write(&mut sum)?;
        Ok(sum.0.digest())
    }
}

/// Passes on no more bytes than a section has.
struct Counted<'w> {
    out: &'w mut dyn Write,
    left: usize,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.left {
            return Err(io::Error::from(io::ErrorKind::WriteZero));
        }
        let written = self.out.write(bytes)?;
        self.left -= written;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// The checksum of what is written.
struct Sum(Box<Xxh3>);

impl Write for Sum {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
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
        let content = Content::Bytes(bytemuck::cast_slice(elements));
        self.sections.push(Pending { name, placement, content, element: size_of::<T>() });
        self
    }

    /// Adds a section of `len` bytes that need not lie in memory as they do in the file: `make` writes them, piece
    /// by piece, once for the checksum and once for the file. [`save`](Self::save) fails with [`Problem::Io`] if
    /// they are not `len`; should they differ between the two times, the file does not open.
    ///
    /// ```
    /// use layouts::container::{Container, Placement, Writer};
    /// let columns = [[1u8, 2, 3], [4, 5, 6]];
    /// let rows = |out: &mut dyn std::io::Write| {
    ///     (0..3).try_for_each(|row| out.write_all(&[columns[0][row], columns[1][row]]))
    /// };
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("rows.nigh");
    /// Writer::new("rows", 1).section_made("rows", Placement::Plain, 6, &rows).save(&path)?;
    /// assert_eq!(Container::open(&path, "rows")?.section::<u8>("rows")?[..], [1, 4, 2, 5, 3, 6]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn section_made(
        mut self,
        name: &'a str,
        placement: Placement,
        len: usize,
        make: &'a (dyn Fn(&mut dyn Write) -> io::Result<()> + Send + Sync + 'a),
    ) -> Self {
        self.sections.push(Pending { name, placement, content: Content::Made(len, make), element: 1 });
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
            let hot = section.placement == Placement::Hot && section.content.len() >= HUGE_PAGE;
            let alignment = if hot { HUGE_PAGE } else { CACHE_LINE } as u32;
            let offset = place(end, alignment).ok_or(wrong("it would start beyond 2^64 bytes"))?;
            let len = wide(section.content.len());
            end = offset.checked_add(len).ok_or(wrong("it would end beyond 2^64 bytes"))?;
            let element = u32::try_from(section.element).ok().filter(|&element| element > 0);
            table.push(Entry {
                name,
                offset,
                len,
                checksum: section
                    .content
                    .checksum()
                    .map_err(|source| Problem::Io { action: "encode", source })?,
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
            section.content.write(out)?;
        }
        Ok(())
    }
}
