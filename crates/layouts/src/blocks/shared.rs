//! A slice that several owners share and the last one frees, in one aligned allocation that can say no.
//!
//! What `Arc<[T]>` is, with three differences: the elements start a cache line, the pointer is thin (a table of them
//! is half as large), and running out of memory is an error. There are no weak shares, so one share is the only one.

use std::alloc::{Layout, alloc, dealloc};
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr::{self, NonNull};

use bytemuck::Pod;

use crate::error::{Error, no_memory};
use crate::primitive::{Access, AtomicU64, Ordering, Site, fence, order};

/// What precedes the elements. Its size is a multiple of a cache line, as its alignment is.
#[repr(C, align(64))]
struct Header {
    shares: AtomicU64,
    len: usize,
    access: Access,
}

/// One share of a slice.
///
/// Invariants: `header` was allocated by `allocate` with `len` elements, all of which are initialised; `shares` counts
/// the `Shared` that point to it.
pub(super) struct Shared<T> {
    header: NonNull<Header>,
    elements: PhantomData<T>,
}

// SAFETY: as with `Arc`: shares give `&T` to all threads, and any thread may be the one to drop the elements.
unsafe impl<T: Send + Sync> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Shared<T> {}

impl<T> Shared<T> {
    /// Memory for a header and `len` elements.
    fn layout(len: usize) -> Option<Layout> {
        const { assert!(align_of::<T>() <= align_of::<Header>()) };
        let (layout, _) = Layout::new::<Header>().extend(Layout::array::<T>(len).ok()?).ok()?;
        Some(layout)
    }

    /// A header for `len` elements, which are to be written next: until then the result must not be used.
    fn allocate(len: usize) -> Result<Self, Error> {
        let error = no_memory::<T>(len);
        let layout = Self::layout(len).ok_or(error)?;
        // SAFETY: the layout holds a header, so its size is not 0.
        let header = NonNull::new(unsafe { alloc(layout) }).ok_or(error)?.cast::<Header>();
        // SAFETY: fresh memory of that layout, aligned for a header.
        unsafe { header.write(Header { shares: AtomicU64::new(1), len, access: Access::default() }) };
        Ok(Self { header, elements: PhantomData })
    }

    /// `len` elements, made one by one. `element` must not panic.
    pub(super) fn from_fn(len: usize, mut element: impl FnMut(usize) -> T) -> Result<Self, Error> {
        let shared = ManuallyDrop::new(Self::allocate(len)?);
        for at in 0..len {
            // SAFETY: within the allocation, and aligned, as elements need no more than a header does. Should
            // `element` panic after all, the memory leaks.
            unsafe { shared.start().add(at).write(element(at)) };
        }
        Ok(ManuallyDrop::into_inner(shared))
    }

    fn header(&self) -> &Header {
        // SAFETY: by the invariants; shares never write to it but through the atomic.
        unsafe { self.header.as_ref() }
    }

    fn start(&self) -> *mut T {
        // SAFETY: the elements follow the header, in the same allocation.
        unsafe { self.header.add(1) }.cast::<T>().as_ptr()
    }

    /// Another share. Touches the count, which all owners share.
    pub(super) fn share(&self) -> Self {
        // Relaxed: whoever has a share keeps the memory alive, and hands the new one on by other means.
        self.header().shares.fetch_add(1, Ordering::Relaxed);
        Self { header: self.header, elements: PhantomData }
    }

    /// The elements, to write to, if this is the only share.
    pub(super) fn get_mut(&mut self) -> Option<&mut [T]> {
        // Acquire: what other owners read before they gave up their shares was read before what is written now.
        if self.header().shares.load(order(Site::UniqueBlock, Ordering::Acquire)) != 1 {
            return None;
        }
        self.header().access.write();
        // SAFETY: initialised, and only this share leads there; it is borrowed for as long as the slice.
        Some(unsafe { std::slice::from_raw_parts_mut(self.start(), self.header().len) })
    }

    /// Whether both are shares of one slice.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.header == other.header
    }

    /// Bytes of the allocation.
    pub(super) fn memory_bytes(&self) -> usize {
        size_of::<Header>() + size_of::<T>() * self.header().len
    }
}

impl<T: Pod> Shared<T> {
    /// A copy of `elements`, with zeros after them until there are `len`.
    pub(super) fn padded(elements: &[T], len: usize) -> Result<Self, Error> {
        let elements = &elements[..elements.len().min(len)];
        let shared = Self::allocate(len)?;
        // SAFETY: both parts lie within the allocation, which is fresh; all bits zero are a value of a `Pod`. A `Pod`
        // needs no drop, so it does not matter that `shared` could be dropped before this.
        unsafe {
            ptr::copy_nonoverlapping(elements.as_ptr(), shared.start(), elements.len());
            ptr::write_bytes(shared.start().add(elements.len()), 0, len - elements.len());
        }
        Ok(shared)
    }
}

impl<T> Deref for Shared<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        self.header().access.read();
        // SAFETY: initialised elements, to which nobody writes while this share is borrowed: see `get_mut`.
        unsafe { std::slice::from_raw_parts(self.start(), self.header().len) }
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        // Release, and an acquiring fence for the last: every use of every owner comes before the memory is freed.
        if self.header().shares.fetch_sub(1, order(Site::ReleaseBlock, Ordering::Release)) != 1 {
            return;
        }
        fence(Site::LastBlock, Ordering::Acquire);
        self.header().access.write();
        let len = self.header().len;
        let Some(layout) = Self::layout(len) else { return };
        // SAFETY: this was the last share. The elements are initialised and dropped here only; header and memory
        // come from `from_fn`, with this layout.
        unsafe {
            ptr::drop_in_place(ptr::slice_from_raw_parts_mut(self.start(), len));
            ptr::drop_in_place(self.header.as_ptr());
            dealloc(self.header.as_ptr().cast(), layout);
        }
    }
}
