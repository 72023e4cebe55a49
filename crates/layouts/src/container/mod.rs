//! The file that every index is saved in: named, checksummed sections, used where they lie.
//!
//! The file is the memory image: opening one maps it, and searches read the map. Nothing is parsed but 64 bytes
//! of header and 64 bytes per section, so opening takes as long as comparing the checksums, or, when those wait
//! for the first use, no time at all.
//!
//! # Format, version 1
//! All numbers are little-endian and unsigned.
//!
//! | at | bytes | header |
//! |---:|---:|---|
//! | 0 | 8 | magic `AB 4E 49 47 48 0D 0A 1A` |
//! | 8 | 4 | format version, 1 |
//! | 12 | 4 | number of sections, at most 1024 |
//! | 16 | 8 | length of the file |
//! | 24 | 16 | kind: graphic ASCII, then zeros |
//! | 40 | 4 | layout id: the version of what the kind stores |
//! | 44 | 4 | 0 |
//! | 48 | 8 | xxh3 of the section table |
//! | 56 | 8 | xxh3 of bytes 0 to 55 |
//!
//! | at | bytes | each entry of the section table, from byte 64 on |
//! |---:|---:|---|
//! | 0 | 24 | name: graphic ASCII, then zeros; no two alike |
//! | 24 | 8 | offset in the file |
//! | 32 | 8 | length in bytes |
//! | 40 | 8 | xxh3 (64 bits, no seed) |
//! | 48 | 4 | alignment: 64, or 2 MiB for a hot section of at least that length |
//! | 52 | 4 | bytes of one element |
//! | 56 | 8 | 0 |
//!
//! Sections follow in the order of the table, each at the next multiple of its alignment, zeros between them. The
//! file ends where the last one does.
//!
//! # What is promised
//! - **Saving is atomic**: [`replace_file`].
//! - **Opening believes nothing.** Magic, version, header checksum, file length, kind, table checksum, and every
//!   offset and length are checked, in this order, before anything is allocated; nothing larger than the file
//!   ever is. Whatever is wrong is a [`ContainerError`] that names the file and the section. What the *elements*
//!   mean (ids below counts, a graph's invariants) is for their structures' `from_storage` to check.
//! - **Other versions** are refused by their number, other kinds by their name.
//!
//! The checksum finds damage, not malice; the bounds hold against both.

mod error;
mod format;
mod open;
mod positional;
mod replace;
mod section;
mod write;

pub use error::{ContainerError, Problem};
pub use format::{FORMAT_VERSION, MAX_SECTIONS, checksum};
pub use open::{Checks, Container, OpenOptions, Residence, SectionInfo};
pub use positional::FileReader;
pub use replace::replace_file;
pub use section::{Section, Storage};
pub use write::{Placement, Writer};
