//! An array that grows at its end while others read what it held before.
//!
//! Kernels want rows one after the other, and a snapshot wants rows that stay. Rows that are only ever appended can
//! be both: what a [`ArenaView`] covers is never written again, and the writer goes on behind it, in the same memory.
//! Where that is full, the rows are copied to memory twice as large, and views keep what they have.
//!
//! ```text
//! chunk  [ covered by views: read by all, written by nobody | the writer's alone | room ]
//! ```
//!
//! No atomics here but the share count of a chunk: a view is taken by the writer after it wrote, and whatever hands
//! the view to another thread (see [`published`](crate::published)) orders the writes before the reads.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use bytemuck::Pod;

use crate::error::{Error, no_memory};
#[cfg(loom)]
use crate::primitive::Access;
use crate::primitive::Arc;
use crate::region::{CACHE_LINE, Region};

/// Memory that an arena and its views share.
struct Chunk {
    region: Region,
    /// One for each element, so that a model sees who reads and who writes it.
    #[cfg(loom)]
    accesses: Vec<Access>,
}

impl Chunk {
    fn new<T>(capacity: usize) -> Result<Arc<Self>, Error> {
        let bytes = capacity.checked_mul(size_of::<T>()).ok_or(no_memory::<T>(capacity))?;
        Ok(Arc::new(Self {
            region: Region::zeroed(bytes)?,
            #[cfg(loom)]
            accesses: (0..capacity).map(|_| Access::default()).collect(),
        }))
    }

    fn capacity<T>(&self) -> usize {
        self.region.len() / size_of::<T>()
    }

    /// The first `len` elements.
    ///
    /// # Safety
    /// The chunk was made for `T` and holds so many, and nobody writes to them while they are borrowed.
    unsafe fn elements<T: Pod>(&self, len: usize) -> &[T] {
        #[cfg(loom)]
        self.accesses[..len].iter().for_each(Access::read);
        // SAFETY: a region is initialised, and aligned to a cache line; any bits are a `Pod`.
        unsafe { std::slice::from_raw_parts(self.region.start().cast::<T>().as_ptr(), len) }
    }
}

/// The writer's end of a growing array: appends, and hands out views of what there is.
///
/// Reads like a slice. The first element starts a cache line, or a huge page in large arenas.
///
/// Invariants: `len` is at most the capacity of `chunk`; every view of `chunk` covers at most `shared` elements, and
/// elements below `shared` are never written again.
///
/// ```
/// use layouts::Arena;
/// let mut rows = Arena::from_slice(&[1u32, 2])?;
/// let before = rows.view();
/// rows.extend_from_slice(&[3, 4])?;
/// assert_eq!((&before[..], &rows[..]), (&[1, 2][..], &[1, 2, 3, 4][..]));
/// # Ok::<(), layouts::Error>(())
/// ```
pub struct Arena<T: Pod> {
    chunk: Arc<Chunk>,
    len: usize,
    shared: usize,
    elements: PhantomData<T>,
}

impl<T: Pod> Arena<T> {
    const ELEMENT: () = assert!(size_of::<T>() > 0 && align_of::<T>() <= CACHE_LINE);

    /// Nothing yet.
    ///
    /// # Errors
    /// [`Error::Memory`].
    pub fn new() -> Result<Self, Error> {
        const { Self::ELEMENT };
        Ok(Self { chunk: Chunk::new::<T>(0)?, len: 0, shared: 0, elements: PhantomData })
    }

    /// A copy of `elements`.
    ///
    /// # Errors
    /// [`Error::Memory`].
    pub fn from_slice(elements: &[T]) -> Result<Self, Error> {
        let mut arena = Self::new()?;
        arena.extend_from_slice(elements)?;
        Ok(arena)
    }

    /// Elements that fit without a new chunk.
    pub fn capacity(&self) -> usize {
        self.chunk.capacity::<T>()
    }

    /// Bytes of the current chunk.
    pub fn memory_bytes(&self) -> usize {
        self.chunk.region.len()
    }

    /// Makes room for `more` elements, at least doubling what has to grow. O(len) then, O(1) otherwise.
    ///
    /// # Errors
    /// [`Error::Memory`].
    pub fn reserve(&mut self, more: usize) -> Result<(), Error> {
        let needed = self.len.checked_add(more).ok_or(no_memory::<T>(usize::MAX))?;
        if needed <= self.capacity() {
            return Ok(());
        }
        // The first chunk is exact: what is never added to wastes nothing.
        let doubled = self.capacity().saturating_mul(2);
        let chunk = Chunk::new::<T>(needed.max(doubled))?;
        let old: &[T] = self;
        // SAFETY: the new chunk holds more, is nobody else's yet, and does not overlap the old.
        unsafe { write(&chunk, 0, old) };
        self.chunk = chunk;
        Ok(())
    }

    /// Appends a copy of `elements`, which no view that exists shows.
    ///
    /// # Errors
    /// [`Error::Memory`]; nothing is appended then.
    pub fn extend_from_slice(&mut self, elements: &[T]) -> Result<(), Error> {
        self.reserve(elements.len())?;
        // SAFETY: there is room from `len` on; no view covers it (`shared <= len`), and `&mut self` keeps borrows
        // of this arena away, `elements` among them.
        unsafe { write(&self.chunk, self.len, elements) };
        self.len += elements.len();
        Ok(())
    }

    /// Forgets what was appended after the first `len` elements, as far as no view has covered it.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len.max(self.shared));
    }

    /// What there is now, to be read anywhere for any time. O(1).
    pub fn view(&mut self) -> ArenaView<T> {
        self.shared = self.len;
        ArenaView { chunk: self.chunk.clone(), len: self.len, elements: PhantomData }
    }
}

/// Copies `elements` into a chunk.
///
/// # Safety
/// The chunk was made for `T` and has room for them from `start` on, where nobody reads or writes meanwhile.
unsafe fn write<T: Pod>(chunk: &Chunk, start: usize, elements: &[T]) {
    #[cfg(loom)]
    chunk.accesses[start..start + elements.len()].iter().for_each(Access::write);
    // SAFETY: within the region, which is aligned for `T`; the caller vouches for the rest. The region's pointer
    // came from an allocation that this chunk owns, never through a shared reference to its bytes.
    unsafe {
        let to = chunk.region.start().cast::<T>().as_ptr().add(start);
        std::ptr::copy_nonoverlapping(elements.as_ptr(), to, elements.len());
    }
}

impl<T: Pod> Deref for Arena<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: `len` elements are there, and writing takes `&mut self`.
        unsafe { self.chunk.elements(self.len) }
    }
}

impl<T: Pod> fmt::Debug for Arena<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Arena")
            .field("len", &self.len)
            .field("shared", &self.shared)
            .finish_non_exhaustive()
    }
}

/// What an [`Arena`] held when the view was taken: never changes, and outlives the arena.
pub struct ArenaView<T: Pod> {
    chunk: Arc<Chunk>,
    len: usize,
    elements: PhantomData<T>,
}

impl<T: Pod> Clone for ArenaView<T> {
    fn clone(&self) -> Self {
        Self { chunk: self.chunk.clone(), ..*self }
    }
}

impl<T: Pod> Deref for ArenaView<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: `len` was at most `shared` when the view was taken, so these are never written again.
        unsafe { self.chunk.elements(self.len) }
    }
}

impl<T: Pod> fmt::Debug for ArenaView<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ArenaView").field("len", &self.len).finish_non_exhaustive()
    }
}
