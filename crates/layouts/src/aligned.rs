//! A growing array on aligned memory: cache lines when small, huge pages when large.
//!
//! What a `Vec` cannot promise is where it starts. Here row 0 starts a cache line, and from 2 MiB on a huge
//! page. Growth doubles, so `push` is O(1) amortised; every allocation can fail and says so.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use bytemuck::Pod;

use crate::error::{Error, no_memory};
use crate::heap::Heap;
use crate::region::{CACHE_LINE, HugePages, Region};

/// A growing array of plain values whose first element starts a cache line, or, from
/// [`HUGE_PAGE`](crate::HUGE_PAGE) bytes on, a huge page that the system was asked for.
///
/// Reads like a slice. Whatever grows it returns a `Result`: memory that the system does not give is
/// [`Error::Memory`], and the contents stay.
///
/// Invariants: the whole capacity is initialised, and `len <= capacity`.
///
/// ```
/// use layouts::AlignedVec;
/// let mut ids = AlignedVec::from_slice(&[3u32, 1, 4])?;
/// ids.push(1)?;
/// assert_eq!(&ids[..], [3, 1, 4, 1]);
/// assert_eq!(ids.as_ptr().align_offset(64), 0);
/// # Ok::<(), layouts::Error>(())
/// ```
pub struct AlignedVec<T> {
    region: Region,
    len: usize,
    elements: PhantomData<T>,
}

impl<T> AlignedVec<T> {
    /// Holds at compile time for every element type that is used: regions are aligned to a cache line, and an
    /// element of no size would have no capacity.
    const ELEMENT: () = assert!(size_of::<T>() > 0 && align_of::<T>() <= CACHE_LINE);

    /// Nothing; allocates nothing.
    pub const fn new() -> Self {
        const { Self::ELEMENT };
        Self { region: Region::empty(), len: 0, elements: PhantomData }
    }

    /// Elements that fit without a new allocation.
    pub fn capacity(&self) -> usize {
        self.region.len() / size_of::<T>()
    }

    /// Bytes of memory that are held.
    pub fn memory_bytes(&self) -> usize {
        self.region.len()
    }

    /// What became of the wish for huge pages.
    pub fn huge_pages(&self) -> HugePages {
        self.region.huge_pages()
    }

    /// Forgets the elements and keeps the memory.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Forgets the elements from `len` on, if there are that many.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }
}

impl<T: Pod> AlignedVec<T> {
    /// Room for `capacity` elements, exactly.
    ///
    /// # Errors
    /// [`Error::Memory`].
    pub fn with_capacity(capacity: usize) -> Result<Self, Error> {
        const { Self::ELEMENT };
        let bytes = capacity.checked_mul(size_of::<T>()).ok_or(no_memory::<T>(capacity))?;
        Ok(Self { region: Region::zeroed(bytes)?, len: 0, elements: PhantomData })
    }

    /// `len` elements of zero bits. Large ones cost nothing until they are touched.
    ///
    /// # Errors
    /// [`Error::Memory`].
    pub fn zeroed(len: usize) -> Result<Self, Error> {
        let mut vec = Self::with_capacity(len)?;
        vec.len = len;
        Ok(vec)
    }

    /// `len` elements of zero bits in memory of `heap`. An array that grows beyond them leaves it.
    ///
    /// # Errors
    /// [`Error::Memory`].
    pub fn zeroed_in(heap: &Heap, len: usize) -> Result<Self, Error> {
        const { Self::ELEMENT };
        let bytes = len.checked_mul(size_of::<T>()).ok_or(no_memory::<T>(len))?;
        Ok(Self { region: heap.zeroed(bytes)?, len, elements: PhantomData })
    }

    /// A copy of `elements`.
    ///
    /// # Errors
    /// [`Error::Memory`].
    pub fn from_slice(elements: &[T]) -> Result<Self, Error> {
        let mut vec = Self::zeroed(elements.len())?;
        vec.copy_from_slice(elements);
        Ok(vec)
    }

    /// A copy, in memory of exactly its length.
    ///
    /// # Errors
    /// [`Error::Memory`].
    pub fn try_clone(&self) -> Result<Self, Error> {
        Self::from_slice(self)
    }

    /// Makes room for `more` elements, at least doubling what has to grow.
    ///
    /// # Errors
    /// [`Error::Memory`].
    pub fn reserve(&mut self, more: usize) -> Result<(), Error> {
        let needed = self.len.checked_add(more).ok_or(no_memory::<T>(usize::MAX))?;
        if needed <= self.capacity() {
            return Ok(());
        }
        self.grow(needed.max(self.capacity().saturating_mul(2)).max(CACHE_LINE / size_of::<T>()))
    }

    /// Makes room for `more` elements and no more than that.
    ///
    /// # Errors
    /// [`Error::Memory`].
    pub fn reserve_exact(&mut self, more: usize) -> Result<(), Error> {
        let needed = self.len.checked_add(more).ok_or(no_memory::<T>(usize::MAX))?;
        if needed <= self.capacity() { Ok(()) } else { self.grow(needed) }
    }

    #[cold]
    fn grow(&mut self, capacity: usize) -> Result<(), Error> {
        let mut grown = Self::with_capacity(capacity)?;
        grown.len = self.len;
        grown.copy_from_slice(self);
        *self = grown;
        Ok(())
    }

    /// Appends one element.
    ///
    /// # Errors
    /// [`Error::Memory`].
    pub fn push(&mut self, element: T) -> Result<(), Error> {
        if self.len == self.capacity() {
            self.reserve(1)?;
        }
        // SAFETY: `len < capacity` now, so the place lies in the region, which is aligned for `T`.
        unsafe { self.region.start().cast::<T>().add(self.len).write(element) };
        self.len += 1;
        Ok(())
    }

    /// Appends a copy of `elements`.
    ///
    /// # Errors
    /// [`Error::Memory`].
    pub fn extend_from_slice(&mut self, elements: &[T]) -> Result<(), Error> {
        let start = self.len;
        self.resize_stale(start.checked_add(elements.len()).ok_or(no_memory::<T>(usize::MAX))?)?;
        if let Some(new) = self.get_mut(start..) {
            new.copy_from_slice(elements);
        }
        Ok(())
    }

    /// Makes the length `len`; new elements are `value`.
    ///
    /// # Errors
    /// [`Error::Memory`].
    pub fn resize(&mut self, len: usize, value: T) -> Result<(), Error> {
        let start = self.len;
        self.resize_stale(len)?;
        if let Some(new) = self.get_mut(start..) {
            new.fill(value);
        }
        Ok(())
    }

    /// Makes the length `len`; new elements hold whatever was there before: zeros, or elements that were
    /// forgotten. For storage that is reused and written in full.
    ///
    /// # Errors
    /// [`Error::Memory`].
    pub fn resize_stale(&mut self, len: usize) -> Result<(), Error> {
        self.reserve(len.saturating_sub(self.len))?;
        self.len = len;
        Ok(())
    }
}

impl<T> Deref for AlignedVec<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: the region holds at least `len` initialised elements, aligned for `T` (`ELEMENT`); only a
        // `T: Pod` gets a length above 0, and any bits are a value of that. The borrow of `self` keeps writers off.
        unsafe { std::slice::from_raw_parts(self.region.start().cast::<T>().as_ptr(), self.len) }
    }
}

impl<T> DerefMut for AlignedVec<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`, and the borrow of `self` is unique, as the region is.
        unsafe { std::slice::from_raw_parts_mut(self.region.start().cast::<T>().as_ptr(), self.len) }
    }
}

impl<T> Default for AlignedVec<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for AlignedVec<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(formatter)
    }
}

impl<T: PartialEq> PartialEq for AlignedVec<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Eq> Eq for AlignedVec<T> {}
