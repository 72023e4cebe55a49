//! A section that is held, and storage that may be one.

use std::fmt;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::Arc;

use bytemuck::Pod;

use super::open::Image;
use crate::aligned::AlignedVec;

/// The elements of a section, without a copy: it keeps the file's map or memory alive by itself, so a structure
/// can own it. Reads like a slice; cloning is cheap.
///
/// Invariants: `start` and `len` name elements inside `image`, which never move or change while it lives.
pub struct Section<T> {
    start: NonNull<T>,
    len: usize,
    image: Arc<Image>,
}

// SAFETY: a section is a shared, read-only borrow of plain data, kept alive by an `Arc` that is `Send + Sync`.
unsafe impl<T: Send + Sync> Send for Section<T> {}
// SAFETY: as above; through `&Section` there are only reads.
unsafe impl<T: Send + Sync> Sync for Section<T> {}

impl<T: Pod> Section<T> {
    /// The elements that `elements` finds in the image; `elements` is called once.
    pub(crate) fn find<E>(
        image: &Arc<Image>,
        elements: impl FnOnce(&Image) -> Result<&[T], E>,
    ) -> Result<Self, E> {
        let found = elements(image)?;
        Ok(Self { start: NonNull::from(found).cast(), len: found.len(), image: Arc::clone(image) })
    }
}

impl<T> Deref for Section<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: the elements were a slice of the image (or of static memory) when this was made; the image is
        // alive, since `self` holds it, and neither its map nor its vector is ever written or moved again.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl<T> Clone for Section<T> {
    fn clone(&self) -> Self {
        Self { start: self.start, len: self.len, image: Arc::clone(&self.image) }
    }
}

impl<T: fmt::Debug> fmt::Debug for Section<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(formatter)
    }
}

/// Elements that were built here, or lie in a file: one type for an index that can be either.
///
/// ```
/// use layouts::{AlignedVec, Storage};
/// let built = Storage::from(AlignedVec::from_slice(&[1u32, 2])?);
/// assert_eq!(built[1], 2);
/// assert!(!built.is_mapped());
/// # Ok::<(), layouts::Error>(())
/// ```
#[derive(Debug)]
pub enum Storage<T> {
    /// In memory of its own.
    Owned(AlignedVec<T>),
    /// In a container.
    Section(Section<T>),
}

impl<T> Storage<T> {
    /// Whether the elements lie in a container.
    pub fn is_mapped(&self) -> bool {
        matches!(self, Storage::Section(_))
    }
}

impl<T> Deref for Storage<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        match self {
            Storage::Owned(vec) => vec,
            Storage::Section(section) => section,
        }
    }
}

impl<T> From<AlignedVec<T>> for Storage<T> {
    fn from(vec: AlignedVec<T>) -> Self {
        Storage::Owned(vec)
    }
}

impl<T> From<Section<T>> for Storage<T> {
    fn from(section: Section<T>) -> Self {
        Storage::Section(section)
    }
}
