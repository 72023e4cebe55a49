//! Untyped memory: zeroed, aligned, on huge pages where that pays.
//!
//! Small regions come from the allocator, at 64 bytes, so that no row that fits a cache line straddles two.
//! From [`HUGE_PAGE`] on they are anonymous maps at 2 MiB, with the kernel asked to back every whole 2 MiB in
//! them by one page: random reads in a large index miss the TLB on nearly every row otherwise. The tail below
//! a whole huge page stays on small pages, so nothing is rounded up. Others are leased from a [`Heap`](crate::Heap).

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::io;
use std::ptr::NonNull;

use memmap2::{MmapMut, MmapOptions};

use crate::error::Error;
use crate::heap::Lease;

/// Bytes of a cache line, the alignment of every region.
pub const CACHE_LINE: usize = 64;

/// Bytes of a huge page: the alignment of every region of at least that size.
pub const HUGE_PAGE: usize = 2 << 20;

/// What became of the wish for huge pages. Never an error: without them everything works, only slower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HugePages {
    /// The region is below [`HUGE_PAGE`]: none were asked for.
    Small,
    /// The kernel accepted the advice.
    Advised,
    /// The kernel refused the advice.
    Refused(io::ErrorKind),
    /// This system has no such advice.
    Unsupported,
}

/// Bytes that are all initialised, at an address that is a multiple of [`CACHE_LINE`].
///
/// Invariants: `start` is valid for reads and writes of `len` initialised bytes for as long as `self` lives, and
/// nothing else points there.
pub(crate) struct Region {
    start: NonNull<u8>,
    len: usize,
    backing: Backing,
}

enum Backing {
    /// `len == 0`.
    Nothing,
    Heap(Layout),
    /// Held for its `Drop`; `start` points into it.
    Map {
        _map: MmapMut,
        huge_pages: HugePages,
    },
    /// Held for its `Drop`; `start` points into it.
    Lease {
        _lease: Lease,
    },
}

// SAFETY: a region owns its bytes alone, like a `Vec<u8>`; nothing in it is tied to a thread.
unsafe impl Send for Region {}
// SAFETY: through `&Region` only reads are possible.
unsafe impl Sync for Region {}

#[repr(align(64))]
struct Line;

impl Region {
    /// No bytes; takes no memory.
    pub(crate) const fn empty() -> Self {
        Self { start: NonNull::<Line>::dangling().cast(), len: 0, backing: Backing::Nothing }
    }

    /// `len` bytes of zero.
    pub(crate) fn zeroed(len: usize) -> Result<Self, Error> {
        match len {
            0 => Ok(Self::empty()),
            1..HUGE_PAGE => Self::from_heap(len),
            _ => Self::from_map(len),
        }
    }

    fn from_heap(len: usize) -> Result<Self, Error> {
        let error = Error::Memory { bytes: len };
        let layout = Layout::from_size_align(len, CACHE_LINE).map_err(|_| error)?;
        // SAFETY: `len` is not 0.
        let start = NonNull::new(unsafe { alloc_zeroed(layout) }).ok_or(error)?;
        Ok(Self { start, len, backing: Backing::Heap(layout) })
    }

    fn from_map(len: usize) -> Result<Self, Error> {
        let error = Error::Memory { bytes: len };
        // One huge page more than needed, so that an aligned start lies within; unused pages are never touched
        // and so cost address space only.
        let mapped = len.checked_add(HUGE_PAGE).ok_or(error)?;
        let mut map = MmapOptions::new().len(mapped).map_anon().map_err(|_| error)?;
        let skip = map.as_ptr().align_offset(HUGE_PAGE);
        let start = map.get_mut(skip..).filter(|rest| rest.len() >= len).ok_or(error)?.as_mut_ptr();
        let start = NonNull::new(start).ok_or(error)?;
        let huge_pages = advise(&map, skip, len / HUGE_PAGE * HUGE_PAGE);
        Ok(Self { start, len, backing: Backing::Map { _map: map, huge_pages } })
    }

    /// Memory that a heap has leased; its bytes are made zero.
    ///
    /// # Safety
    /// `start` is a multiple of [`CACHE_LINE`] and valid for reads and writes of `len` initialised bytes for as long as
    /// `lease` lives, and nobody else has these.
    pub(crate) unsafe fn from_lease(start: NonNull<u8>, len: usize, lease: Lease) -> Self {
        // SAFETY: valid for writes, by contract.
        unsafe { start.write_bytes(0, len) };
        Self { start, len, backing: Backing::Lease { _lease: lease } }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn huge_pages(&self) -> HugePages {
        match &self.backing {
            Backing::Nothing | Backing::Heap(_) | Backing::Lease { .. } => HugePages::Small,
            Backing::Map { huge_pages, .. } => *huge_pages,
        }
    }

    /// The first byte; see the invariants for what may be done with it.
    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        if let Backing::Heap(layout) = self.backing {
            // SAFETY: `start` came from the allocator with this layout, in `from_heap`, and is freed only here.
            unsafe { dealloc(self.start.as_ptr(), layout) }
        }
    }
}

#[cfg(target_os = "linux")]
fn advise(map: &MmapMut, offset: usize, len: usize) -> HugePages {
    match map.advise_range(memmap2::Advice::HugePage, offset, len) {
        Ok(()) => HugePages::Advised,
        Err(error) => HugePages::Refused(error.kind()),
    }
}

#[cfg(not(target_os = "linux"))]
fn advise(_map: &MmapMut, _offset: usize, _len: usize) -> HugePages {
    HugePages::Unsupported
}
