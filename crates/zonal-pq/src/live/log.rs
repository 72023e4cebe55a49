//! The write-ahead log: what was changed since the last checkpoint, in records that are whole or not there.
//!
//! ```text
//! header, 48 bytes: magic "NIGHZLOG" | version u32 | bytes of an element u32 | dim u64 | generation u64
//!                   | name of the element type, 8 bytes | xxh3 of all that
//! record:           length of the payload u64 | number of the record u64 | kind u32 | keys u32 | xxh3 of header and
//!                   payload u64 | payload: keys u64 each, then, where vectors are put, the vectors
//! ```
//!
//! Numbers are little-endian. A record is written before the change that it stands for is made. What a crash leaves
//! at the end is a part of a record: it was never acknowledged, and is cut off. Damage before the last record is
//! another matter, and refused.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use bytemuck::Zeroable;
use layouts::AlignedVec;
use layouts::container::replace_file;
use simd_kernels::{Element, Rows};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::Error;

const MAGIC: [u8; 8] = *b"NIGHZLOG";
const VERSION: u32 = 1;
/// Bytes of the head of a file, and of a record.
const HEAD: usize = 48;
const RECORD: usize = 32;
/// What is done with a record's keys.
const PUT: u32 = 1;
const REMOVE: u32 = 2;

/// How much of a computer's failing acknowledged changes survive. All survive the end of the process, however it
/// comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// The log is forced to disk before a call returns: nothing acknowledged is lost when power fails.
    #[default]
    Always,
    /// It is forced to disk once in so many calls: those since are lost when power fails.
    Every(u32),
    /// It is forced to disk by checkpoints only, else when the system sees fit.
    System,
}

/// A change as the log has it.
#[derive(Debug)]
pub(crate) enum Change<T> {
    /// Keys get vectors, those that are there other ones.
    Put(Vec<u64>, AlignedVec<T>),
    /// Keys go.
    Remove(Vec<u64>),
}

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Head {
    magic: [u8; 8],
    version: u32,
    element: u32,
    dim: u64,
    generation: u64,
    name: [u8; 8],
    checksum: u64,
}

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Record {
    len: u64,
    number: u64,
    kind: u32,
    keys: u32,
    checksum: u64,
}

fn head<T: Element>(dim: usize, generation: u64) -> Head {
    let mut head = Head {
        magic: MAGIC,
        version: VERSION,
        element: size_of::<T>() as u32,
        dim: dim as u64,
        generation,
        ..Head::zeroed()
    };
    for (to, from) in head.name.iter_mut().zip(T::NAME.bytes()) {
        *to = from;
    }
    head.checksum = xxh3_64(bytemuck::bytes_of(&head).get(..HEAD - 8).unwrap_or_default());
    head
}

/// A log that is being written.
#[derive(Debug)]
pub(crate) struct Log {
    file: File,
    path: PathBuf,
    /// Bytes of whole records and the head.
    len: u64,
    /// The number of the next record.
    next: u64,
    policy: Durability,
    /// Calls since the last time it was forced to disk.
    waiting: u32,
    /// Whether the file holds what could not be taken back.
    broken: bool,
}

/// Where a log was before a change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    len: u64,
    next: u64,
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { action, path, source }
}

impl Log {
    /// A log without records, on disk when this returns.
    pub(crate) fn create<T: Element>(
        path: &Path,
        dim: usize,
        generation: u64,
        policy: Durability,
    ) -> Result<Self, Error> {
        let head = head::<T>(dim, generation);
        replace_file(path, |file| file.write_all(bytemuck::bytes_of(&head)))
            .map_err(failed("create", path))?;
        Self::continued(path, HEAD as u64, 0, policy)
    }

    fn continued(path: &Path, len: u64, next: u64, policy: Durability) -> Result<Self, Error> {
        let mut file = OpenOptions::new().read(true).write(true).open(path).map_err(failed("open", path))?;
        file.set_len(len).map_err(failed("cut", path))?;
        file.seek(SeekFrom::Start(len)).map_err(failed("seek in", path))?;
        Ok(Self { file, path: path.to_owned(), len, next, policy, waiting: 0, broken: false })
    }

    /// Reads a log from its start, hands every whole record to `each`, and cuts off what a crash left at the end;
    /// returns the log to go on with and the bytes that were cut off.
    pub(crate) fn replay<T: Element>(
        path: &Path,
        dim: usize,
        generation: u64,
        policy: Durability,
        mut each: impl FnMut(Change<T>) -> Result<(), Error>,
    ) -> Result<(Self, u64), Error> {
        let file = File::open(path).map_err(failed("open", path))?;
        let end = file.metadata().map_err(failed("read", path))?.len();
        let mut reader = BufReader::with_capacity(1 << 20, file);
        let mut found = Head::zeroed();
        let expected = head::<T>(dim, generation);
        let damaged = |reason| Error::Damaged { section: "log", reason };
        reader
            .read_exact(bytemuck::bytes_of_mut(&mut found))
            .map_err(|_| damaged("it is shorter than its head"))?;
        if bytemuck::bytes_of(&found) != bytemuck::bytes_of(&expected) {
            return Err(damaged("its head is not that of this index"));
        }
        let (mut at, mut next) = (HEAD as u64, 0);
        while let Some((change, len)) = read_record::<T>(&mut reader, dim, next, end - at, path)? {
            each(change)?;
            at += len;
            next += 1;
        }
        if at < end && is_followed(&mut reader, at, next, path)? {
            return Err(damaged("a record before the last one is not what was written"));
        }
        Ok((Self::continued(path, at, next, policy)?, end - at))
    }

    /// Writes that keys get vectors.
    pub(crate) fn put<T: Element>(&mut self, keys: &[u64], vectors: Rows<'_, T>) -> Result<Mark, Error> {
        let bytes = size_of_val(keys) as u64 + (vectors.len() * vectors.dim() * size_of::<T>()) as u64;
        self.append(PUT, keys, bytes, |each| {
            vectors.iter().try_for_each(|row| each(bytemuck::cast_slice(row)))
        })
    }

    /// Writes that keys go.
    pub(crate) fn remove(&mut self, keys: &[u64]) -> Result<Mark, Error> {
        self.append(REMOVE, keys, size_of_val(keys) as u64, |_| Ok(()))
    }

    fn append(
        &mut self,
        kind: u32,
        keys: &[u64],
        len: u64,
        rest: impl Fn(&mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()>,
    ) -> Result<Mark, Error> {
        if self.broken {
            let source = io::Error::other("an earlier change could not be taken back: make a checkpoint");
            return Err(failed("write", &self.path)(source));
        }
        let mark = Mark { len: self.len, next: self.next };
        let mut record = Record { len, number: self.next, kind, keys: keys.len() as u32, checksum: 0 };
        let mut checksum = Xxh3::new();
        checksum.update(bytemuck::bytes_of(&record));
        checksum.update(bytemuck::cast_slice(keys));
        let mut write = || {
            rest(&mut |bytes| {
                checksum.update(bytes);
                Ok(())
            })?;
            record.checksum = checksum.digest();
            let mut out = BufWriter::with_capacity(1 << 16, &self.file);
            out.write_all(bytemuck::bytes_of(&record))?;
            out.write_all(bytemuck::cast_slice(keys))?;
            rest(&mut |bytes| out.write_all(bytes))?;
            out.flush()?;
            drop(out);
            self.waiting += 1;
            let is_due = match self.policy {
                Durability::Always => true,
                Durability::Every(calls) => self.waiting >= calls,
                Durability::System => false,
            };
            if is_due {
                self.file.sync_data()?;
                self.waiting = 0;
            }
            Ok(())
        };
        let written: io::Result<()> = write();
        if let Err(source) = written {
            self.take_back(mark);
            return Err(failed("write", &self.path)(source));
        }
        self.len += RECORD as u64 + len;
        self.next += 1;
        Ok(mark)
    }

    /// Takes back what was written since `mark`.
    pub(crate) fn take_back(&mut self, mark: Mark) {
        let cut = self.file.set_len(mark.len).and_then(|()| self.file.seek(SeekFrom::Start(mark.len)));
        let synced = if self.policy == Durability::System { Ok(()) } else { self.file.sync_data() };
        self.broken |= cut.is_err() || synced.is_err();
        (self.len, self.next) = (mark.len, mark.next);
    }

    /// Forces everything to disk.
    pub(crate) fn sync(&mut self) -> Result<(), Error> {
        self.waiting = 0;
        self.file.sync_data().map_err(failed("sync", &self.path))
    }

    /// Bytes of the file.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }
}

/// The next record and its length, or `None` if what follows is not a whole one. `rest` bytes are left in the file.
fn read_record<T: Element>(
    reader: &mut impl Read,
    dim: usize,
    number: u64,
    rest: u64,
    path: &Path,
) -> Result<Option<(Change<T>, u64)>, Error> {
    let mut record = Record::zeroed();
    if rest < RECORD as u64 {
        return Ok(None);
    }
    reader.read_exact(bytemuck::bytes_of_mut(&mut record)).map_err(failed("read", path))?;
    let keys = u64::from(record.keys);
    let vectors = if record.kind == PUT { keys.saturating_mul((dim * size_of::<T>()) as u64) } else { 0 };
    let is_sound = record.number == number
        && matches!(record.kind, PUT | REMOVE)
        && record.len == vectors.saturating_add(8 * keys)
        && record.len <= rest - RECORD as u64;
    if !is_sound {
        return Ok(None);
    }
    let mut checksum = Xxh3::new();
    checksum.update(bytemuck::bytes_of(&Record { checksum: 0, ..record }));
    let mut keys = AlignedVec::<u64>::zeroed(record.keys as usize)?;
    let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut keys);
    reader.read_exact(bytes).map_err(failed("read", path))?;
    checksum.update(bytes);
    let mut vectors = AlignedVec::<T>::zeroed(vectors as usize / size_of::<T>())?;
    let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut vectors);
    reader.read_exact(bytes).map_err(failed("read", path))?;
    checksum.update(bytes);
    if checksum.digest() != record.checksum {
        return Ok(None);
    }
    let keys = keys.to_vec();
    let change = if record.kind == PUT { Change::Put(keys, vectors) } else { Change::Remove(keys) };
    Ok(Some((change, RECORD as u64 + record.len)))
}

/// Whether there is a whole record of a number after `number` behind `at`: a crash leaves none, damage does.
fn is_followed(reader: &mut BufReader<File>, at: u64, number: u64, path: &Path) -> Result<bool, Error> {
    reader.seek(SeekFrom::Start(at)).map_err(failed("read", path))?;
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).map_err(failed("read", path))?;
    let is_whole = |start: usize| {
        let record: Record = bytemuck::pod_read_unaligned(rest.get(start..start + RECORD)?);
        if record.number <= number || record.number - number > 1 << 32 || !matches!(record.kind, PUT | REMOVE)
        {
            return None;
        }
        let payload = start + RECORD;
        let payload = rest.get(payload..payload.checked_add(usize::try_from(record.len).ok()?)?)?;
        let mut checksum = Xxh3::new();
        checksum.update(bytemuck::bytes_of(&Record { checksum: 0, ..record }));
        checksum.update(payload);
        (checksum.digest() == record.checksum).then_some(())
    };
    Ok((0..rest.len().saturating_sub(RECORD - 1)).any(|start| is_whole(start).is_some()))
}
