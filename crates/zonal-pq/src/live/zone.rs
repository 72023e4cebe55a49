//! What one zone holds in an index that changes: rows that are appended, and removed by moving the last one there.
//!
//! All of it lies in one block of memory: a visit touches few pages, and a zone costs one allocation.

use std::marker::PhantomData;
use std::ops::Range;

use bytemuck::Pod;
use layouts::{AlignedVec, CACHE_LINE, Heap};
use simd_kernels::Element;

use crate::Error;
use crate::build::Part;
use crate::posting::Scanned;
use crate::unit::Unit;

/// Room in a block comes in so many rows.
const STEP: usize = 16;

/// The lengths that all zones of an index share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Elements of a vector.
    pub(crate) dim: usize,
    /// Elements of an integer row, where they are kept, else 0.
    pub(crate) bytes: usize,
    /// How rows lie in codes and factors.
    pub(crate) unit: Unit,
    /// Whether a number is kept for each vector.
    pub(crate) norms: bool,
}

/// A zone: a block of six columns, each with room for as many rows and beginning with a cache line.
///
/// Invariants: codes and factors are `units` whole units, as many as `len` rows need, in which the places after the
/// last row are [vacated](Unit::vacate); the others have one entry a row.
#[derive(Debug)]
pub(crate) struct Zone<T> {
    block: AlignedVec<u8>,
    /// Where each column begins in the block and the last one ends, in cache lines.
    starts: [u32; COLUMNS + 1],
    /// Rows that there is room for.
    room: u32,
    len: u32,
    units: u32,
    vectors: PhantomData<T>,
}

/// The columns, in the order in which a search comes to them.
const CODES: usize = 0;
const FACTORS: usize = 1;
const SLOTS: usize = 2;
const NORMS: usize = 3;
const BYTES: usize = 4;
const VECTORS: usize = 5;
const COLUMNS: usize = 6;

impl<T: Element> Zone<T> {
    /// No rows.
    pub(crate) fn empty() -> Self {
        Self {
            block: AlignedVec::new(),
            starts: [0; COLUMNS + 1],
            room: 0,
            len: 0,
            units: 0,
            vectors: PhantomData,
        }
    }

    /// No rows, and room for so many, in memory of `heap`.
    pub(crate) fn with_room(heap: &Heap, shape: Shape, rows: usize) -> Result<Self, Error> {
        let room = rows.next_multiple_of(STEP);
        let a_row = [
            size_of::<u32>(),
            if shape.norms { size_of::<f32>() } else { 0 },
            shape.bytes,
            shape.dim * size_of::<T>(),
        ];
        let units = [shape.unit.bytes_of(room), shape.unit.factors_of(room) * size_of::<f32>()];
        let columns = units.into_iter().chain(a_row.into_iter().map(|bytes| room.saturating_mul(bytes)));
        let (mut starts, mut lines) = ([0; COLUMNS + 1], 0usize);
        for (start, bytes) in starts.iter_mut().skip(1).zip(columns) {
            lines = lines.saturating_add(bytes.div_ceil(CACHE_LINE));
            let too_large = layouts::Error::Memory { bytes: lines.saturating_mul(CACHE_LINE) };
            *start = u32::try_from(lines).map_err(|_| too_large)?;
        }
        Ok(Self {
            block: AlignedVec::zeroed_in(heap, lines * CACHE_LINE)?,
            starts,
            room: room as u32,
            len: 0,
            units: 0,
            vectors: PhantomData,
        })
    }

    /// Rows.
    pub(crate) fn len(&self) -> usize {
        self.len as usize
    }

    /// The bytes of the first `count` elements of a column.
    #[inline]
    fn part<U>(&self, column: usize, count: usize) -> Range<usize> {
        let start = self.starts[column] as usize * CACHE_LINE;
        start..start + count * size_of::<U>()
    }

    #[inline]
    fn column<U: Pod>(&self, column: usize, count: usize) -> &[U] {
        let bytes = self.block.get(self.part::<U>(column, count)).unwrap_or_default();
        bytemuck::try_cast_slice(bytes).unwrap_or_default()
    }

    fn column_mut<U: Pod>(&mut self, column: usize, count: usize) -> &mut [U] {
        let part = self.part::<U>(column, count);
        let bytes = self.block.get_mut(part).unwrap_or_default();
        bytemuck::try_cast_slice_mut(bytes).unwrap_or_default()
    }

    /// Codes and factors of all units, to be written.
    fn units_mut(&mut self, shape: Shape) -> (&mut [u8], &mut [f32]) {
        let (codes, factors) = self.lengths(shape);
        let (codes, factors) = (self.part::<u8>(CODES, codes), self.part::<f32>(FACTORS, factors));
        let (one, two) = self.block.split_at_mut(factors.start);
        let two = two.get_mut(..factors.len()).unwrap_or_default();
        (one.get_mut(codes).unwrap_or_default(), bytemuck::try_cast_slice_mut(two).unwrap_or_default())
    }

    /// Bytes of codes and number of factors.
    #[inline]
    fn lengths(&self, shape: Shape) -> (usize, usize) {
        let units = self.units as usize;
        (units * shape.unit.bytes, units * shape.unit.rows * shape.unit.columns)
    }

    /// What a scan reads.
    #[inline]
    pub(crate) fn scanned(&self, shape: Shape) -> Scanned<'_> {
        let (codes, factors) = self.lengths(shape);
        Scanned {
            len: self.len(),
            codes: self.column(CODES, codes),
            places: self.units as usize * shape.unit.rows,
            factors: self.column(FACTORS, factors),
        }
    }

    /// The number of each row's key.
    #[inline]
    pub(crate) fn slots(&self) -> &[u32] {
        self.column(SLOTS, self.len())
    }

    /// The number that is kept for each vector, if any is.
    #[inline]
    pub(crate) fn norms(&self, shape: Shape) -> &[f32] {
        self.column(NORMS, if shape.norms { self.len() } else { 0 })
    }

    /// All integer rows, where they are kept.
    #[inline]
    pub(crate) fn bytes(&self, shape: Shape) -> &[i8] {
        self.column(BYTES, self.len() * shape.bytes)
    }

    /// All vectors.
    #[inline]
    pub(crate) fn vectors(&self, shape: Shape) -> &[T] {
        self.column(VECTORS, self.len() * shape.dim)
    }

    /// Rows that there is room for beside those that are there.
    pub(crate) fn spare(&self) -> usize {
        (self.room - self.len) as usize
    }

    /// A copy with room for `more` rows.
    pub(crate) fn copy(&self, heap: &Heap, shape: Shape, more: usize) -> Result<Self, Error> {
        let mut copy = Self::with_room(heap, shape, self.len() + more)?;
        (copy.len, copy.units) = (self.len, self.units);
        let (codes, factors) = self.lengths(shape);
        let lengths = [
            codes,
            factors * size_of::<f32>(),
            size_of_val(self.slots()),
            size_of_val(self.norms(shape)),
            size_of_val(self.bytes(shape)),
            size_of_val(self.vectors(shape)),
        ];
        for (column, bytes) in lengths.into_iter().enumerate() {
            copy.column_mut::<u8>(column, bytes).copy_from_slice(self.column(column, bytes));
        }
        Ok(copy)
    }

    /// Appends the rows of `part`, for which there [is room](Self::spare): their `slots`, and `vectors` and `bytes` one
    /// after another.
    pub(crate) fn append<'a>(
        &mut self,
        shape: Shape,
        part: &Part,
        slots: impl ExactSizeIterator<Item = u32>,
        vectors: impl Iterator<Item = &'a [T]>,
        bytes: impl Iterator<Item = &'a [i8]>,
    ) where
        T: 'a,
    {
        let (first, unit) = (self.len(), shape.unit);
        let rows = first + slots.len().min(self.spare());
        let before = unit.places(first);
        (self.len, self.units) = (rows as u32, unit.units(rows) as u32);
        self.column_mut(SLOTS, rows).iter_mut().skip(first).zip(slots).for_each(|(to, slot)| *to = slot);
        copy_rows(self.column_mut(VECTORS, rows * shape.dim), shape.dim, first, vectors);
        copy_rows(self.column_mut(BYTES, rows * shape.bytes), shape.bytes, first, bytes);
        if shape.norms {
            copy_rows(self.column_mut(NORMS, rows), 1, first, part.norms.chunks(1));
        }
        let (codes, factors) = self.units_mut(shape);
        (before..unit.places(rows)).for_each(|row| unit.vacate(factors, row));
        for row in 0..rows - first {
            unit.copy((&part.codes, &part.factors), row, (codes, factors), first + row);
        }
    }

    /// Removes a row; the last one takes its place. Nothing happens if there is no such row.
    pub(crate) fn swap_remove(&mut self, shape: Shape, row: usize) {
        let rows = self.len();
        let Some(last) = rows.checked_sub(1).filter(|&last| row <= last) else { return };
        if row != last {
            self.column_mut::<u32>(SLOTS, rows).copy_within(last.., row);
            self.column_mut::<T>(VECTORS, rows * shape.dim).copy_within(last * shape.dim.., row * shape.dim);
            self.column_mut::<i8>(BYTES, rows * shape.bytes)
                .copy_within(last * shape.bytes.., row * shape.bytes);
            if shape.norms {
                self.column_mut::<f32>(NORMS, rows).copy_within(last.., row);
            }
        }
        let (codes, factors) = self.units_mut(shape);
        if row != last {
            shape.unit.copy_within(codes, factors, last, row);
        }
        shape.unit.vacate(factors, last);
        (self.len, self.units) = (last as u32, shape.unit.units(last) as u32);
    }

    /// A vector.
    #[inline]
    pub(crate) fn vector(&self, shape: Shape, row: usize) -> &[T] {
        self.vectors(shape).get(row * shape.dim..(row + 1) * shape.dim).unwrap_or_default()
    }

    /// An integer row, where they are kept.
    #[inline]
    pub(crate) fn row(&self, shape: Shape, row: usize) -> &[i8] {
        self.bytes(shape).get(row * shape.bytes..(row + 1) * shape.bytes).unwrap_or_default()
    }

    /// Bytes of everything.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.block.memory_bytes()
    }
}

/// Writes rows of `width` elements into a column, from row `first` on.
fn copy_rows<'a, U: Pod>(column: &mut [U], width: usize, first: usize, rows: impl Iterator<Item = &'a [U]>) {
    let places = column.get_mut(first * width..).unwrap_or_default().chunks_exact_mut(width.max(1));
    places.zip(rows).for_each(|(to, row)| to.copy_from_slice(row));
}
