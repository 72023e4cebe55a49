//! Rows in blocks that copies share: what a structure is made of whose snapshots are published while it changes.
//!
//! A copy of a [`Matrix`](crate::Matrix) or an [`Adjacency`](crate::Adjacency) is a copy of all of its rows. Here the
//! rows lie in blocks of a fixed number of rows, and a copy shares them all; a block is copied only once one of its
//! rows is about to be changed while another copy still has it. So the next version costs what has changed, and a row
//! is still found by arithmetic: two table look-ups, in tables small enough for a cache.
//!
//! ```text
//! Blocks: [chunk][chunk] ...            one pointer per 128 blocks, owned by each copy
//!            └──> [block][block] ...    one pointer per block, shared by copies until one of its blocks changes
//!                    └──> rows          rows_per_block * width elements on cache lines, shared likewise
//! ```
//!
//! With b blocks, [`try_clone`](Blocks::try_clone) counts b / 128 shares up. The first change in a block copies the
//! block, and the first in a chunk of 128 blocks also copies its pointers and counts up 128 shares. Small blocks make
//! scattered changes cheap, large ones make the tables small; 4 KiB (32 rows of 32 `u32`) is a fair middle.

mod shared;

use std::fmt;

use bytemuck::Pod;
use simd_kernels::prefetch_slice;

use crate::error::{Error, expect_below, expect_len, no_memory, reserve, wide};
use shared::Shared;

/// Blocks whose pointers lie in one chunk.
const FAN_OUT: usize = 128;

/// The place for a block: taken from the front, one after the other.
type Place<T> = Option<Shared<T>>;

/// Rows of equal width in blocks that copies share until one of them writes.
///
/// Every block starts a cache line; rows follow one another without padding, so a width of whole lines keeps rows on
/// lines of their own. Memory comes from the allocator, block by block: unlike one large array it is not asked to lie
/// on huge pages.
///
/// Invariants: `chunks` hold `FAN_OUT` places each; the first `len.div_ceil(rows_per_block)` places of all are taken
/// and no others; each block has `rows_per_block * width` elements.
///
/// ```
/// use layouts::Blocks;
/// let mut graph = Blocks::from_rows(&[1u32, 2, 0, 2, 0, 1], 2, 1)?; // three rows of two
/// let snapshot = graph.try_clone()?;
/// graph.row_mut(1)?[0] = 7;
/// graph.push(&[0, 1])?;
/// assert_eq!((graph.row(1), snapshot.row(1)), (Some(&[7, 2][..]), Some(&[0, 2][..])));
/// assert_eq!((graph.len(), snapshot.len()), (4, 3));
/// assert_eq!(graph.shared_blocks(&snapshot), 2); // rows 0 and 2 are there once
/// # Ok::<(), layouts::Error>(())
/// ```
pub struct Blocks<T> {
    chunks: Vec<Shared<Place<T>>>,
    len: usize,
    width: usize,
    /// Binary logarithm of the rows of a block.
    shift: u32,
}

impl<T> Blocks<T> {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Elements of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows of a block.
    pub fn rows_per_block(&self) -> usize {
        1 << self.shift
    }

    /// Number of blocks.
    pub fn blocks(&self) -> usize {
        self.len.div_ceil(self.rows_per_block())
    }

    /// The row of this index, if there is one. O(1).
    #[inline]
    pub fn row(&self, row: usize) -> Option<&[T]> {
        if row >= self.len {
            return None;
        }
        let block = self.place(row >> self.shift)?;
        let start = (row & (self.rows_per_block() - 1)) * self.width;
        block.get(start..start + self.width)
    }

    /// All rows of the block of this index that there are, one after the other, if there is such a block.
    pub fn block(&self, block: usize) -> Option<&[T]> {
        let rows =
            self.len.checked_sub(block.checked_mul(self.rows_per_block())?)?.min(self.rows_per_block());
        self.place(block)?.get(..rows * self.width)
    }

    /// Asks for a row before it is read. A hint; the look-up itself is done at once.
    #[inline]
    pub fn prefetch(&self, row: usize) {
        prefetch_slice(self.row(row).unwrap_or_default(), usize::MAX);
    }

    /// Blocks that are one and the same in both copies. O(blocks).
    pub fn shared_blocks(&self, other: &Self) -> usize {
        let blocks = 0..self.blocks().min(other.blocks());
        let same =
            |block| self.place(block).zip(other.place(block)).is_some_and(|(one, two)| one.is_same(two));
        blocks.filter(|&block| same(block)).count()
    }

    /// Bytes that this copy leads to, shared ones included. O(blocks).
    pub fn memory_bytes(&self) -> usize {
        let tables: usize = self.chunks.iter().map(Shared::memory_bytes).sum();
        let blocks = (0..self.blocks()).filter_map(|block| self.place(block)).map(Shared::memory_bytes);
        tables + blocks.sum::<usize>() + self.chunks.capacity() * size_of::<Shared<Place<T>>>()
    }

    /// A copy that shares every block. O(blocks / 128).
    ///
    /// # Errors
    /// [`Error::Memory`].
    pub fn try_clone(&self) -> Result<Self, Error> {
        let mut chunks = Vec::new();
        reserve(&mut chunks, self.chunks.len())?;
        chunks.extend(self.chunks.iter().map(Shared::share));
        Ok(Self { chunks, ..*self })
    }

    #[inline]
    fn place(&self, block: usize) -> Option<&Shared<T>> {
        self.chunks.get(block / FAN_OUT)?.get(block % FAN_OUT)?.as_ref()
    }
}

impl<T: Pod> Blocks<T> {
    /// No rows, of `width` elements each, for blocks of `rows_per_block`.
    ///
    /// # Errors
    /// [`Error::Zero`] if an argument is 0; [`Error::Invariant`] unless `rows_per_block` is a power of two;
    /// [`Error::Memory`] if no block can be as large.
    pub fn new(width: usize, rows_per_block: usize) -> Result<Self, Error> {
        for (argument, value) in [("width", width), ("rows_per_block", rows_per_block)] {
            if value == 0 {
                return Err(Error::Zero { argument });
            }
        }
        if !rows_per_block.is_power_of_two() {
            let reason = "`rows_per_block` is not a power of two";
            return Err(Error::Invariant { structure: "blocks", index: rows_per_block, reason });
        }
        let elements = rows_per_block.checked_mul(width).ok_or(no_memory::<T>(usize::MAX))?;
        elements.checked_mul(size_of::<T>()).ok_or(no_memory::<T>(usize::MAX))?;
        Ok(Self { chunks: Vec::new(), len: 0, width, shift: rows_per_block.trailing_zeros() })
    }

    /// A copy of `rows`, one after the other.
    ///
    /// # Errors
    /// As [`new`](Self::new), and [`Error::Length`] unless `rows` are whole rows.
    pub fn from_rows(rows: &[T], width: usize, rows_per_block: usize) -> Result<Self, Error> {
        let mut blocks = Self::new(width, rows_per_block)?;
        expect_len("rows", rows.len() / width * width, rows.len())?;
        for part in rows.chunks(rows_per_block * width) {
            blocks.push_block(part)?;
            blocks.len += part.len() / width;
        }
        Ok(blocks)
    }

    /// The row of this index, to be changed. Copies its block if another copy has it too.
    ///
    /// # Errors
    /// [`Error::Range`] if there is no such row; [`Error::Memory`]. Every row is then unchanged.
    pub fn row_mut(&mut self, row: usize) -> Result<&mut [T], Error> {
        expect_below("row", row, self.len)?;
        self.slots_mut(row)
    }

    /// Appends a row. O(width), and a block is copied if it is the last, not full, and in another copy.
    ///
    /// # Errors
    /// [`Error::Length`] unless `row` has [`width`](Self::width) elements; [`Error::Memory`].
    pub fn push(&mut self, row: &[T]) -> Result<(), Error> {
        expect_len("row", self.width, row.len())?;
        if self.len & (self.rows_per_block() - 1) == 0 {
            self.push_block(row)?;
        } else {
            self.slots_mut(self.len)?.copy_from_slice(row);
        }
        self.len += 1;
        Ok(())
    }

    /// Copies the rows of these indices into `out`, one after the other: for kernels that read whole blocks. All are
    /// asked for before the first is read. O(rows * width).
    ///
    /// # Errors
    /// [`Error::Length`] unless `out` holds exactly as many rows; [`Error::Range`] for the first row that does not
    /// exist, with the rows before it copied.
    pub fn gather(&self, rows: &[u32], out: &mut [T]) -> Result<(), Error> {
        expect_len("out", rows.len().saturating_mul(self.width), out.len())?;
        rows.iter().for_each(|&row| self.prefetch(row as usize));
        for (&row, out) in rows.iter().zip(out.chunks_exact_mut(self.width)) {
            let Some(row) = self.row(row as usize) else {
                return Err(Error::Range { argument: "rows", value: row.into(), limit: wide(self.len) });
            };
            out.copy_from_slice(row);
        }
        Ok(())
    }

    /// The elements of a row whose block is there, in a block that is this copy's alone.
    fn slots_mut(&mut self, row: usize) -> Result<&mut [T], Error> {
        let (shift, width) = (self.shift, self.width);
        // The invariants give every row below `len`, and the one after if its block was begun, a place.
        let broken = Error::Invariant { structure: "blocks", index: row, reason: "the row has no block" };
        let places = self.places_mut((row >> shift) / FAN_OUT)?;
        let block = places.get_mut((row >> shift) % FAN_OUT).and_then(Option::as_mut).ok_or(broken)?;
        if block.get_mut().is_none() {
            *block = Shared::padded(block, block.len())?;
        }
        let start = (row & ((1 << shift) - 1)) * width;
        block.get_mut().and_then(|block| block.get_mut(start..start + width)).ok_or(broken)
    }

    /// The places of a chunk, in a chunk that is this copy's alone.
    fn places_mut(&mut self, chunk: usize) -> Result<&mut [Place<T>], Error> {
        let broken = Error::Invariant { structure: "blocks", index: chunk, reason: "there is no such chunk" };
        let chunk = self.chunks.get_mut(chunk).ok_or(broken)?;
        if chunk.get_mut().is_none() {
            let old: &[Place<T>] = chunk;
            *chunk = Shared::from_fn(old.len(), |at| old[at].as_ref().map(Shared::share))?;
        }
        chunk.get_mut().ok_or(broken)
    }

    /// Begins a block after the last one, which is full; its first rows are `rows`, the others zero.
    fn push_block(&mut self, rows: &[T]) -> Result<(), Error> {
        let elements = self.rows_per_block() * self.width;
        let block = Shared::padded(rows, elements)?;
        let at = self.len >> self.shift;
        if at.is_multiple_of(FAN_OUT) && self.chunks.len() == at / FAN_OUT {
            reserve(&mut self.chunks, 1)?;
            self.chunks.push(Shared::from_fn(FAN_OUT, |_| None)?);
        }
        if let Some(place) = self.places_mut(at / FAN_OUT)?.get_mut(at % FAN_OUT) {
            *place = Some(block);
        }
        Ok(())
    }
}

impl<T: PartialEq> PartialEq for Blocks<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.len, self.width) == (other.len, other.width)
            && (0..self.len).all(|row| self.row(row) == other.row(row))
    }
}

impl<T> fmt::Debug for Blocks<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Blocks")
            .field("len", &self.len)
            .field("width", &self.width)
            .field("rows_per_block", &self.rows_per_block())
            .finish_non_exhaustive()
    }
}
