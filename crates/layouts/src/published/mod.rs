//! Snapshots that one writer publishes and any number of readers use, without a lock and without waiting.
//!
//! A structure that changes while it is searched has three bad choices: a lock, which stalls searches; changing in
//! place, which lets a search see half a change; a reference count that all readers bump, whose cache line then
//! travels between cores once per query. Here the writer builds the next version beside the current one (cheaply,
//! if it is made of [`Blocks`](crate::Blocks)), makes it current by one store, and frees old versions once no reader
//! can hold them.
//!
//! | who | does | costs |
//! |---|---|---|
//! | [`Reader::pin`] | announces itself in its own slot, reads the current pointer | two stores to its own line, a fence, one shared read; wait-free |
//! | dropping a [`Pinned`] | one store to its own line | |
//! | [`Pinned::snapshot`] | an `Arc` to keep for long | bumps a count that readers share |
//! | [`Published::reader`] | takes a slot that was left, or adds one | O(readers), no lock |
//! | [`Writer::publish`] | one store, then [`Writer::reclaim`] | O(readers + snapshots retired and pinned) |
//!
//! What is promised:
//!
//! - **A pinned snapshot never changes and never goes away** before the [`Pinned`] is dropped. Two pins of one reader
//!   never go back in time.
//! - **Nobody waits.** A reader that pins for ever costs memory, not time: exactly the snapshot that it holds is kept.
//!   All others are freed by the next `publish` or `reclaim` after their last pin ended. A reader that is interrupted
//!   between the two steps of a pin keeps, until it goes on, every snapshot retired since the one that it pinned before.
//! - **One writer**, by the borrow checker: publishing takes `&mut Writer`, and a `Writer` cannot be cloned.
//! - **Readers come and go at any time**, on any thread, also after the writer is gone.
//!
//! Slots are never given back before everything is dropped, so their memory is that of the most readers there ever
//! were at one time: 128 bytes each.
//!
//! ```
//! use layouts::published::Writer;
//!
//! let mut writer = Writer::<Vec<u32>>::new(vec![1, 2, 3])?;
//! let published = writer.published(); // hand clones of this to whoever reads
//! let mut reader = published.reader()?;
//!
//! let before = reader.pin();
//! let mut next = writer.current().to_vec();
//! next.push(4);
//! writer.publish(next)?;
//! assert_eq!(before.len(), 3); // still what it was
//! drop(before);
//! assert_eq!(reader.pin().len(), 4);
//! # Ok::<(), layouts::Error>(())
//! ```
//!
//! Why the orderings suffice is argued in `README.md` in this folder, and checked by loom under
//! `cargo xtask loom`: the models, and the same models with each ordering weakened in turn, which they must notice.
//! The scheme is that of hazard pointers (Michael, "Hazard Pointers: Safe Memory Reclamation for Lock-Free Objects",
//! IEEE TPDS 2004) with an epoch-based announcement (Fraser, "Practical Lock-Freedom", 2004) in front, which makes a
//! pin wait-free.

mod alloc;
mod slots;

use std::fmt;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, reserve};
use crate::primitive::{Access, Arc, AtomicPtr, Ordering, Site, is_failing, keeps_freed_memory, order};
use alloc::{free_box, new_box};
use slots::{Slot, Slots};

#[cfg(loom)]
#[doc(hidden)]
pub use crate::primitive::planted;

/// One version, and its number.
struct Node<T> {
    epoch: u64,
    value: Arc<T>,
    access: Access,
}

impl<T> Node<T> {
    fn new(epoch: u64, value: Arc<T>) -> Result<NonNull<Self>, Error> {
        let node = new_box(Self { epoch, value, access: Access::default() })?;
        // SAFETY: just made, and nobody else knows of it.
        unsafe { node.as_ref() }.access.write();
        Ok(node)
    }

    /// # Safety
    /// `node` comes from `new`, and nobody uses it from now on.
    unsafe fn free(node: NonNull<Self>) {
        // SAFETY: valid until the next lines.
        unsafe { node.as_ref() }.access.write();
        if keeps_freed_memory() {
            // SAFETY: valid, and dropped here only; `Pinned` reads `access`, which fails the model, before the rest.
            unsafe { std::ptr::drop_in_place(&raw mut (*node.as_ptr()).value) };
        } else {
            // SAFETY: `new` took it from `new_box`; the caller vouches for the rest.
            unsafe { free_box(node) }
        }
    }
}

/// What the writer and the readers share.
///
/// Invariants: `current` is a valid node, and every other node is in the list of the one `Writer` or in `left`.
struct Core<T> {
    /// On lines of its own, which change only when something is published.
    current: AtomicPtr<Node<T>>,
    slots: Slots,
    /// What was pinned when the writer was dropped.
    left: Mutex<Vec<NonNull<Node<T>>>>,
}

// SAFETY: a core owns its nodes; they hand `&T` to all threads, and any thread may be the one to drop a `T`.
unsafe impl<T: Send + Sync> Send for Core<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Core<T> {}

impl<T> Drop for Core<T> {
    fn drop(&mut self) {
        let left = std::mem::take(self.left.get_mut().unwrap_or_else(PoisonError::into_inner));
        let current = NonNull::new(self.current.load(Ordering::Relaxed));
        for node in left.into_iter().chain(current) {
            // SAFETY: the writer is gone, and so is every reader: each held a share of this core.
            unsafe { Node::free(node) }
        }
    }
}

/// The one who publishes. See the [module](self).
pub struct Writer<T> {
    core: Arc<Core<T>>,
    /// What `core.current` points to.
    current: NonNull<Node<T>>,
    /// Nodes that were current once.
    retired: Vec<NonNull<Node<T>>>,
    epoch: u64,
    /// Scratch of `reclaim`.
    held: Vec<u64>,
}

// SAFETY: the nodes are the core's, which may be sent and shared when `T` may be both.
unsafe impl<T: Send + Sync> Send for Writer<T> {}
// SAFETY: `&Writer` gives out `&T` and new `Published`, no more.
unsafe impl<T: Send + Sync> Sync for Writer<T> {}

impl<T> Writer<T> {
    /// Publishes the first snapshot, of epoch 0.
    ///
    /// # Errors
    /// [`Error::Memory`].
    pub fn new(value: impl Into<Arc<T>>) -> Result<Self, Error> {
        let first = Node::new(0, value.into())?;
        let core = Core {
            current: AtomicPtr::new(first.as_ptr()),
            slots: Slots::new(),
            left: Mutex::new(Vec::new()),
        };
        Ok(Self { core: Arc::new(core), current: first, retired: Vec::new(), epoch: 0, held: Vec::new() })
    }

    /// The handle from which readers are made.
    pub fn published(&self) -> Published<T> {
        Published { core: self.core.clone() }
    }

    /// Makes `value`, or what an `Arc` of it holds, current for every pin from now on, and frees what no reader can
    /// hold any more. O(readers + snapshots kept); waits for nobody.
    ///
    /// # Errors
    /// [`Error::Memory`]; what was current stays so.
    pub fn publish(&mut self, value: impl Into<Arc<T>>) -> Result<(), Error> {
        reserve(&mut self.retired, 1)?;
        let next = Node::new(self.epoch + 1, value.into())?;
        self.core.current.store(next.as_ptr(), order(Site::StoreCurrent, Ordering::Release));
        self.retired.push(std::mem::replace(&mut self.current, next));
        self.epoch += 1;
        self.reclaim();
        Ok(())
    }

    /// Frees the retired snapshots that no reader can hold any more; returns how many are still kept.
    /// [`publish`](Self::publish) does this too: call it when nothing is published for long.
    pub fn reclaim(&mut self) -> usize {
        if self.retired.is_empty() {
            return 0;
        }
        // Without memory for the scan everything is kept until there is some.
        if let Some(pins) = self.core.slots.scan(&mut self.held) {
            let mut at = 0;
            while let Some(&node) = self.retired.get(at) {
                // SAFETY: in the list, so not freed yet.
                if pins.may_hold(unsafe { node.as_ref() }.epoch) {
                    at += 1;
                } else {
                    self.retired.swap_remove(at);
                    // SAFETY: out of the list now, not current since before the scan, and the scan found no reader
                    // that holds it or could come to hold it.
                    unsafe { Node::free(node) }
                }
            }
        }
        self.retired.len()
    }

    /// The snapshot that is current. No pin is needed: only this writer could retire it.
    pub fn current(&self) -> &Arc<T> {
        // SAFETY: the current node is valid, and publishing, which might end that, takes `&mut self`.
        &unsafe { self.current.as_ref() }.value
    }

    /// The number of the current snapshot: how many were published after the first.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Retired snapshots that are still in memory because a reader may hold them, as of the last
    /// [`publish`](Self::publish) or [`reclaim`](Self::reclaim).
    pub fn kept(&self) -> usize {
        self.retired.len()
    }
}

impl<T> Drop for Writer<T> {
    fn drop(&mut self) {
        if !is_failing() && self.reclaim() > 0 {
            // Whoever drops the core last frees them.
            *self.core.left.lock().unwrap_or_else(PoisonError::into_inner) =
                std::mem::take(&mut self.retired);
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Writer<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Writer")
            .field("epoch", &self.epoch)
            .field("kept", &self.kept())
            .field("current", self.current())
            .finish()
    }
}

/// What a [`Writer`] publishes, for whoever wants to read it: the handle from which [`Reader`]s are made.
pub struct Published<T> {
    core: Arc<Core<T>>,
}

impl<T> Published<T> {
    /// A reader of its own for one thread or task. O(readers), without a lock; to be kept and used again.
    ///
    /// # Errors
    /// [`Error::Memory`].
    pub fn reader(&self) -> Result<Reader<T>, Error> {
        let slot = self.core.slots.register()?;
        Ok(Reader { core: self.core.clone(), slot, since: 0 })
    }

    /// The current snapshot, to keep for as long as one likes. Makes and drops a reader for it: who asks often keeps
    /// a [`Reader`].
    ///
    /// # Errors
    /// [`Error::Memory`].
    pub fn snapshot(&self) -> Result<Arc<T>, Error> {
        Ok(self.reader()?.pin().snapshot())
    }
}

impl<T> Clone for Published<T> {
    fn clone(&self) -> Self {
        Self { core: self.core.clone() }
    }
}

impl<T> fmt::Debug for Published<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Published").finish_non_exhaustive()
    }
}

/// One reader: pins the current snapshot, again and again. May be sent to another thread; who reads in two threads
/// makes two.
pub struct Reader<T> {
    core: Arc<Core<T>>,
    /// In the list of `core`, and this reader's alone.
    slot: NonNull<Slot>,
    /// The epoch that was pinned last: no later pin finds an earlier one.
    since: u64,
}

// SAFETY: the slot is as much shared as the core that it lies in.
unsafe impl<T: Send + Sync> Send for Reader<T> {}
// SAFETY: `&Reader` gives no access to anything.
unsafe impl<T: Send + Sync> Sync for Reader<T> {}

impl<T> Reader<T> {
    /// The current snapshot, which stays as it is until the [`Pinned`] is dropped. Wait-free; stores to no line that
    /// another reader uses.
    #[inline]
    pub fn pin(&mut self) -> Pinned<'_, T> {
        // SAFETY: slots are valid for as long as the core, of which `self` holds a share.
        let slot = unsafe { self.slot.as_ref() };
        slot.claim(self.since);
        let node = self.core.current.load(order(Site::LoadCurrent, Ordering::Acquire));
        // SAFETY: it was current after the claim was announced, so no scan that covers it misses the claim, and the
        // epoch is at least `since`; it is not freed before the slot lets go of it.
        let node = unsafe { &*node };
        node.access.read();
        slot.hold(node.epoch);
        self.since = node.epoch;
        Pinned { node, slot }
    }

    /// The current snapshot, to keep for as long as one likes: see [`Pinned::snapshot`].
    pub fn snapshot(&mut self) -> Arc<T> {
        self.pin().snapshot()
    }
}

impl<T> Drop for Reader<T> {
    fn drop(&mut self) {
        // SAFETY: as in `pin`.
        unsafe { self.slot.as_ref() }.leave();
    }
}

impl<T> fmt::Debug for Reader<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Reader").field("since", &self.since).finish_non_exhaustive()
    }
}

/// A snapshot that a [`Reader`] holds. Reads like the `&T` that it stands for.
///
/// Forgetting one is safe: its snapshot is then kept until the reader pins again or is dropped.
pub struct Pinned<'a, T> {
    node: &'a Node<T>,
    slot: &'a Slot,
}

impl<T> Pinned<'_, T> {
    /// The number of the snapshot: how many were published before it.
    #[inline]
    pub fn epoch(&self) -> u64 {
        self.node.epoch
    }

    /// The snapshot, to keep for as long as one likes, beyond pin, reader and writer. Bumps a count that is shared
    /// with all who do this: not for every query.
    pub fn snapshot(&self) -> Arc<T> {
        self.node.access.read();
        self.node.value.clone()
    }
}

impl<T> Deref for Pinned<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.node.access.read();
        &self.node.value
    }
}

impl<T> Drop for Pinned<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.slot.release();
    }
}

impl<T: fmt::Debug> fmt::Debug for Pinned<'_, T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Pinned").field("epoch", &self.epoch()).field("value", &**self).finish()
    }
}
