//! What one zone holds in an index that changes: rows that are appended, and removed by moving the last one there.

use layouts::AlignedVec;
use simd_kernels::Element;

use crate::Error;
use crate::build::Part;
use crate::posting::Scanned;
use crate::unit::Unit;

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

/// A zone.
///
/// Invariants: `codes` and `factors` are whole units, as many as `slots` need, in which the places after the last row are
/// [vacated](Unit::vacate); the others have one entry a row.
#[derive(Debug)]
pub(crate) struct Zone<T> {
    pub(crate) codes: AlignedVec<u8>,
    pub(crate) factors: AlignedVec<f32>,
    /// The number of each row's key.
    pub(crate) slots: AlignedVec<u32>,
    pub(crate) bytes: AlignedVec<i8>,
    pub(crate) vectors: AlignedVec<T>,
    pub(crate) norms: AlignedVec<f32>,
}

impl<T: Element> Zone<T> {
    /// No rows.
    pub(crate) fn empty() -> Self {
        Self {
            codes: AlignedVec::new(),
            factors: AlignedVec::new(),
            slots: AlignedVec::new(),
            bytes: AlignedVec::new(),
            vectors: AlignedVec::new(),
            norms: AlignedVec::new(),
        }
    }

    /// Rows.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// What a scan reads.
    #[inline]
    pub(crate) fn scanned(&self, shape: Shape) -> Scanned<'_> {
        Scanned {
            len: self.slots.len(),
            codes: &self.codes,
            places: shape.unit.places(self.slots.len()),
            factors: &self.factors,
        }
    }

    /// A copy with room for `more` rows.
    pub(crate) fn copy(&self, shape: Shape, more: usize) -> Result<Self, Error> {
        let rows = self.len() + more;
        Ok(Self {
            codes: copy(&self.codes, shape.unit.bytes_of(rows))?,
            factors: copy(&self.factors, shape.unit.factors_of(rows))?,
            slots: copy(&self.slots, rows)?,
            bytes: copy(&self.bytes, rows * shape.bytes)?,
            vectors: copy(&self.vectors, rows * shape.dim)?,
            norms: copy(&self.norms, rows * usize::from(shape.norms))?,
        })
    }

    /// Appends the rows of `part`: their `slots`, and `vectors` and `bytes` one after another.
    pub(crate) fn append<'a>(
        &mut self,
        shape: Shape,
        part: &Part,
        slots: impl ExactSizeIterator<Item = u32>,
        vectors: impl Iterator<Item = &'a [T]>,
        bytes: impl Iterator<Item = &'a [i8]>,
    ) -> Result<(), Error>
    where
        T: 'a,
    {
        let (first, unit) = (self.len(), shape.unit);
        let more = slots.len();
        room(&mut self.slots, more)?;
        room(&mut self.vectors, more * shape.dim)?;
        room(&mut self.bytes, more * shape.bytes)?;
        room(&mut self.norms, more * usize::from(shape.norms))?;
        room(&mut self.codes, unit.bytes_of(first + more) - unit.bytes_of(first))?;
        room(&mut self.factors, unit.factors_of(first + more) - unit.factors_of(first))?;
        for slot in slots {
            self.slots.push(slot)?;
        }
        for vector in vectors {
            self.vectors.extend_from_slice(vector)?;
        }
        if shape.bytes > 0 {
            for row in bytes {
                self.bytes.extend_from_slice(row)?;
            }
        }
        if shape.norms {
            self.norms.extend_from_slice(&part.norms)?;
        }
        let (before, rows) = (unit.places(first), self.len());
        self.codes.resize(unit.bytes_of(rows), 0)?;
        self.factors.resize(unit.factors_of(rows), 0.0)?;
        (before..unit.places(rows)).for_each(|row| unit.vacate(&mut self.factors, row));
        let from = (&part.codes[..], &part.factors[..]);
        for row in 0..rows - first {
            unit.copy(from, row, (&mut self.codes, &mut self.factors), first + row);
        }
        Ok(())
    }

    /// Removes a row; the last one takes its place. Nothing happens if there is no such row.
    pub(crate) fn swap_remove(&mut self, shape: Shape, row: usize) {
        let Some(last) = self.len().checked_sub(1).filter(|&last| row <= last) else { return };
        if row != last {
            self.slots[row] = self.slots[last];
            self.vectors.copy_within(last * shape.dim..(last + 1) * shape.dim, row * shape.dim);
            if shape.bytes > 0 {
                self.bytes.copy_within(last * shape.bytes..(last + 1) * shape.bytes, row * shape.bytes);
            }
            if shape.norms {
                self.norms[row] = self.norms[last];
            }
            shape.unit.copy_within(&mut self.codes, &mut self.factors, last, row);
        }
        shape.unit.vacate(&mut self.factors, last);
        self.codes.truncate(shape.unit.bytes_of(last));
        self.factors.truncate(shape.unit.factors_of(last));
        self.slots.truncate(last);
        self.vectors.truncate(last * shape.dim);
        self.bytes.truncate(last * shape.bytes);
        self.norms.truncate(last);
    }

    /// A vector.
    #[inline]
    pub(crate) fn vector(&self, shape: Shape, row: usize) -> &[T] {
        self.vectors.get(row * shape.dim..(row + 1) * shape.dim).unwrap_or_default()
    }

    /// An integer row, where they are kept.
    #[inline]
    pub(crate) fn row(&self, shape: Shape, row: usize) -> &[i8] {
        self.bytes.get(row * shape.bytes..(row + 1) * shape.bytes).unwrap_or_default()
    }

    /// Bytes of everything.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.codes.memory_bytes()
            + self.factors.memory_bytes()
            + self.slots.memory_bytes()
            + self.bytes.memory_bytes()
            + self.vectors.memory_bytes()
            + self.norms.memory_bytes()
    }
}

/// Makes room for `more` elements, and an eighth over if it has to grow: there are many zones, and doubling them all
/// would double the index.
fn room<U: bytemuck::Pod>(elements: &mut AlignedVec<U>, more: usize) -> Result<(), Error> {
    let len = elements.len() + more;
    if len > elements.capacity() {
        elements.reserve_exact(more + len / 8)?;
    }
    Ok(())
}

fn copy<U: bytemuck::Pod>(elements: &[U], room: usize) -> Result<AlignedVec<U>, Error> {
    let mut copy = AlignedVec::with_capacity(room.max(elements.len()))?;
    copy.extend_from_slice(elements)?;
    Ok(copy)
}
