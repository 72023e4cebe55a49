//! Row-major vectors: one block, rows on cache lines where that is wanted.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use simd_kernels::{Element, Rows};

use crate::aligned::AlignedVec;
use crate::error::{Error, expect_below, expect_len, no_memory};
use crate::permutation::Permutation;
use crate::region::CACHE_LINE;

/// Whether rows are padded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RowPadding {
    /// Rows follow one another without gaps: best for scans, which read everything anyway.
    #[default]
    None,
    /// Every row starts a cache line, or, when a row is at most half a line, shares one without straddling: best
    /// for reads by id, which then touch the fewest lines.
    CacheLine,
}

impl RowPadding {
    /// Elements between the starts of two rows of `dim`.
    pub fn stride<T>(self, dim: usize) -> usize {
        let line = CACHE_LINE / size_of::<T>().clamp(1, CACHE_LINE);
        match self {
            RowPadding::None => dim,
            RowPadding::CacheLine if dim <= line => dim.next_power_of_two(),
            RowPadding::CacheLine => dim.checked_next_multiple_of(line).unwrap_or(dim),
        }
    }
}

/// Vectors of one dimension, row after row.
///
/// `S` is where they lie: [`AlignedVec`], or a [`Section`](crate::container::Section) or
/// [`Storage`](crate::Storage) when they may come from a file.
///
/// Invariants: exactly `len * stride` elements; `stride >= dim`; `dim` is one that kernels accept; padding is 0
/// when it was made here. A storage of one's own must keep giving the slice that it gave first.
///
/// ```
/// use layouts::{Matrix, RowPadding};
/// let mut vectors = Matrix::<f32>::new(3, RowPadding::CacheLine)?;
/// vectors.push(&[1.0, 2.0, 3.0])?;
/// vectors.push(&[4.0, 5.0, 6.0])?;
/// assert_eq!((vectors.stride(), vectors.row(1)), (4, Some(&[4.0f32, 5.0, 6.0][..])));
/// let rows: simd_kernels::Rows<'_, f32> = vectors.rows(); // what kernels take
/// assert_eq!(rows.len(), 2);
/// # Ok::<(), layouts::Error>(())
/// ```
#[derive(Debug)]
pub struct Matrix<T, S = AlignedVec<T>> {
    data: S,
    len: usize,
    dim: usize,
    stride: usize,
    elements: PhantomData<T>,
}

impl<T: Element> Matrix<T> {
    /// No rows yet, of `dim` elements.
    ///
    /// # Errors
    /// [`Error::Shape`] if `dim` is 0 or above what kernels accept.
    pub fn new(dim: usize, padding: RowPadding) -> Result<Self, Error> {
        Self::zeroed(0, dim, padding)
    }

    /// `len` rows of zeros.
    ///
    /// # Errors
    /// As [`new`](Self::new), and [`Error::Memory`].
    pub fn zeroed(len: usize, dim: usize, padding: RowPadding) -> Result<Self, Error> {
        Rows::<T>::new(&[], dim)?;
        let stride = padding.stride::<T>(dim);
        let data = AlignedVec::zeroed(len.checked_mul(stride).ok_or(no_memory::<T>(usize::MAX))?)?;
        Ok(Self { data, len, dim, stride, elements: PhantomData })
    }

    /// A copy of `rows`.
    ///
    /// # Errors
    /// [`Error::Memory`].
    pub fn from_rows(rows: Rows<'_, T>, padding: RowPadding) -> Result<Self, Error> {
        let mut matrix = Self::zeroed(rows.len(), rows.dim(), padding)?;
        for (to, from) in matrix.data.chunks_exact_mut(matrix.stride).zip(rows.iter()) {
            to[..from.len()].copy_from_slice(from);
        }
        Ok(matrix)
    }

    /// Makes room for `more` rows.
    ///
    /// # Errors
    /// [`Error::Memory`].
    pub fn reserve(&mut self, more: usize) -> Result<(), Error> {
        self.data.reserve(more.checked_mul(self.stride).ok_or(no_memory::<T>(usize::MAX))?)
    }

    /// Appends a row. O(dim) amortised.
    ///
    /// # Errors
    /// [`Error::Length`] unless it has `dim` elements, [`Error::Memory`].
    pub fn push(&mut self, row: &[T]) -> Result<(), Error> {
        expect_len("row", self.dim, row.len())?;
        self.data.reserve(self.stride)?;
        self.data.extend_from_slice(row)?;
        self.data.resize(self.data.len() + self.stride - self.dim, T::zeroed())?;
        self.len += 1;
        Ok(())
    }

    /// Forgets the rows and keeps the memory.
    pub fn clear(&mut self) {
        self.data.clear();
        self.len = 0;
    }
}

impl<T: Element, S: Deref<Target = [T]>> Matrix<T, S> {
    /// The vectors that `data` holds: `len` rows of `dim`, padded as `padding` says.
    ///
    /// # Errors
    /// As [`Matrix::new`], and [`Error::Length`] if the data are not exactly those rows.
    pub fn from_storage(data: S, len: usize, dim: usize, padding: RowPadding) -> Result<Self, Error> {
        let stride = padding.stride::<T>(dim);
        Rows::with_stride(&data, len, dim, stride)?;
        expect_len("data", len.saturating_mul(stride), data.len())?;
        Ok(Self { data, len, dim, stride, elements: PhantomData })
    }

    /// The block as kernels take it.
    #[inline]
    pub fn rows(&self) -> Rows<'_, T> {
        match Rows::with_stride(&self.data, self.len, self.dim, self.stride) {
            Ok(rows) => rows,
            // Every constructor has made this very check.
            Err(_) => unreachable!("the invariants of a matrix are those of its rows"),
        }
    }

    /// Row `index`, or `None` when there are fewer rows.
    #[inline]
    pub fn row(&self, index: usize) -> Option<&[T]> {
        let start = index.checked_mul(self.stride)?;
        self.data.get(start..start.checked_add(self.dim)?)
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Elements of one row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Elements between the starts of two rows.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// Everything, padding included: what a file stores.
    pub fn as_slice(&self) -> &[T] {
        &self.data
    }

    /// The rows in the order `permutation`.
    ///
    /// # Errors
    /// [`Error::Length`] unless it is of as many rows; [`Error::Memory`].
    pub fn reorder(&self, permutation: &Permutation) -> Result<Matrix<T>, Error> {
        expect_len("permutation", self.len, permutation.len())?;
        let mut data = AlignedVec::with_capacity(self.data.len())?;
        for &old in permutation.order() {
            let start = old as usize * self.stride;
            data.extend_from_slice(&self.data[start..start + self.stride])?;
        }
        Ok(Matrix { data, len: self.len, dim: self.dim, stride: self.stride, elements: PhantomData })
    }
}

impl<T: Element, S: DerefMut<Target = [T]>> Matrix<T, S> {
    /// Overwrites row `index`.
    ///
    /// # Errors
    /// [`Error::Range`] if there is no such row, [`Error::Length`] unless `row` has `dim` elements.
    pub fn set(&mut self, index: usize, row: &[T]) -> Result<(), Error> {
        expect_below("index", index, self.len)?;
        expect_len("row", self.dim, row.len())?;
        self.data[index * self.stride..][..self.dim].copy_from_slice(row);
        Ok(())
    }

    /// Row `index` to write to, or `None` when there are fewer rows.
    pub fn row_mut(&mut self, index: usize) -> Option<&mut [T]> {
        let start = index.checked_mul(self.stride)?;
        self.data.get_mut(start..start.checked_add(self.dim)?)
    }
}
