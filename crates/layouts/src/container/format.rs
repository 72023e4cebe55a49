//! The bytes of a header and of a section table.
//!
//! Both are plain little-endian structures, read in place: a big-endian computer is turned away before.

use bytemuck::{Pod, Zeroable};
use xxhash_rust::xxh3::xxh3_64;

use super::error::Problem;
use crate::region::{CACHE_LINE, HUGE_PAGE};

/// First a byte that is no text, last the bytes that a transfer in text mode would change.
pub(crate) const MAGIC: [u8; 8] = *b"\xabNIGH\r\n\x1a";

/// The format version that is written.
pub const FORMAT_VERSION: u32 = 1;

/// The most sections of a file.
pub const MAX_SECTIONS: usize = 1024;

/// The longest name of a kind.
pub(crate) const KIND_LEN: usize = 16;

/// The longest name of a section.
pub(crate) const NAME_LEN: usize = 24;

/// The first 64 bytes of a file.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Header {
    pub(crate) magic: [u8; 8],
    pub(crate) version: u32,
    pub(crate) sections: u32,
    pub(crate) file_len: u64,
    pub(crate) kind: [u8; KIND_LEN],
    pub(crate) layout: u32,
    pub(crate) reserved: u32,
    /// xxh3 of the section table.
    pub(crate) table_checksum: u64,
    /// xxh3 of everything before it.
    pub(crate) checksum: u64,
}

/// One section in the table.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Entry {
    pub(crate) name: [u8; NAME_LEN],
    pub(crate) offset: u64,
    pub(crate) len: u64,
    pub(crate) checksum: u64,
    pub(crate) alignment: u32,
    pub(crate) element: u32,
    pub(crate) reserved: u64,
}

pub(crate) const HEADER_LEN: usize = size_of::<Header>();
pub(crate) const ENTRY_LEN: usize = size_of::<Entry>();
const _: () = assert!(HEADER_LEN == 64 && ENTRY_LEN == 64);

impl Header {
    /// The checksum that `checksum` must be.
    pub(crate) fn own_checksum(&self) -> u64 {
        xxh3_64(&bytemuck::bytes_of(self)[..HEADER_LEN - size_of::<u64>()])
    }
}

/// The checksum that sections have, for parts of a section that are read on their own.
pub fn checksum(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}

/// Where the section table ends.
pub(crate) fn table_end(sections: usize) -> usize {
    HEADER_LEN + sections * ENTRY_LEN
}

/// Where a section of `alignment` starts that follows what ends at `end`.
pub(crate) fn place(end: u64, alignment: u32) -> Option<u64> {
    end.checked_next_multiple_of(u64::from(alignment))
}

/// The alignments that a section may have.
pub(crate) const ALIGNMENTS: [u32; 2] = [CACHE_LINE as u32, HUGE_PAGE as u32];

/// `name` as it is stored: padded with zeros.
pub(crate) fn encode_name<const N: usize>(name: &str) -> Result<[u8; N], Problem> {
    let mut bytes = [0; N];
    match bytes.get_mut(..name.len()) {
        Some(place) if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()) => {
            place.copy_from_slice(name.as_bytes());
            Ok(bytes)
        }
        _ => Err(Problem::Name { name: name.to_owned(), max: N }),
    }
}

/// The name that is stored in `bytes`, or `None` if they are none.
pub(crate) fn decode_name(bytes: &[u8]) -> Option<&str> {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    let (name, padding) = bytes.split_at(end);
    let is_name = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
    if is_name && padding.iter().all(|&byte| byte == 0) { str::from_utf8(name).ok() } else { None }
}

/// Stored bytes for a message, whatever they are.
pub(crate) fn show_name(bytes: &[u8]) -> String {
    bytes.split(|&byte| byte == 0).next().unwrap_or_default().escape_ascii().to_string()
}
