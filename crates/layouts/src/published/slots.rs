//! What readers say about themselves: one word each, a tag and an epoch, on cache lines of its own.
//!
//! Data-independent: nothing here knows what is published. `README.md` in this folder argues why the orderings
//! suffice; the models of `tests/published_under_every_interleaving.rs` check it.

use std::ptr::{self, NonNull};

use crate::error::Error;
use crate::primitive::{Access, AtomicPtr, AtomicU64, Ordering, Site, fence, order};
use crate::published::alloc::{free_box, new_box};

/// No reader has this slot.
const FREE: u64 = 0;
/// Its reader pins nothing.
const IDLE: u64 = 1;
/// Its reader may be about to hold any snapshot from an epoch on.
const CLAIMING: u64 = 2;
/// Its reader holds the snapshot of one epoch.
const HOLDING: u64 = 3;

/// Bits of the tag; the epoch stands above them.
const TAG_BITS: u32 = 2;

/// The most lines that a CPU fetches for one miss are two: so no reader's store disturbs another.
#[repr(align(128))]
pub(super) struct Slot {
    word: AtomicU64,
    /// The slot that was added before; fixed once this one is in the list.
    next: *mut Slot,
    access: Access,
}

// SAFETY: the word is atomic, the rest fixed once others know of the slot; `next` is freed by `Slots` alone.
unsafe impl Send for Slot {}
// SAFETY: as above.
unsafe impl Sync for Slot {}

impl Slot {
    /// Step one of a pin: says that any snapshot from `since` on may be taken up. What is current must be asked
    /// after this.
    #[inline]
    pub(super) fn claim(&self, since: u64) {
        // Relaxed: the fence below orders what came before it, too.
        self.word.store(since << TAG_BITS | CLAIMING, Ordering::Relaxed);
        fence(Site::AnnounceFence, Ordering::SeqCst);
    }

    /// Step two: narrows the claim to the one snapshot that was found.
    #[inline]
    pub(super) fn hold(&self, epoch: u64) {
        // Relaxed: before the claim became this, nothing that it covers was free to go.
        self.word.store(epoch << TAG_BITS | HOLDING, Ordering::Relaxed);
    }

    /// Ends a pin.
    #[inline]
    pub(super) fn release(&self) {
        self.word.store(IDLE, order(Site::Unpin, Ordering::Release));
    }

    /// Leaves the slot to the next reader who comes.
    pub(super) fn leave(&self) {
        self.word.store(FREE, order(Site::Unpin, Ordering::Release));
    }

    /// Takes the slot over, if nobody has it.
    fn take(&self) -> bool {
        let free = self.word.load(Ordering::Relaxed) == FREE;
        let taken = order(Site::TakeSlot, Ordering::Acquire);
        free && self.word.compare_exchange(FREE, IDLE, taken, Ordering::Relaxed).is_ok()
    }
}

/// All slots there have ever been: a list that only grows, whose slots are used again.
///
/// Invariant: every pointer in the list is null or came from `new_box` and stays valid until `self` is dropped.
#[repr(align(128))]
pub(super) struct Slots {
    head: AtomicPtr<Slot>,
}

impl Slots {
    pub(super) fn new() -> Self {
        Self { head: AtomicPtr::new(ptr::null_mut()) }
    }

    /// A slot for a new reader: one that was left, or else a new one. O(slots), without a lock.
    ///
    /// The slot is valid for as long as `self` is, and the caller's alone until it calls `leave`.
    pub(super) fn register(&self) -> Result<NonNull<Slot>, Error> {
        if let Some(slot) = self.walk().find(|slot| slot.take()) {
            return Ok(NonNull::from(slot));
        }
        let slot = new_box(Slot {
            word: AtomicU64::new(IDLE),
            next: self.head.load(Ordering::Relaxed),
            access: Access::default(),
        })?;
        loop {
            // SAFETY: not in the list yet, so nobody else knows of it.
            let slot_mut = unsafe { &mut *slot.as_ptr() };
            slot_mut.access.write();
            let pushed = order(Site::PushSlot, Ordering::Release);
            match self.head.compare_exchange(slot_mut.next, slot.as_ptr(), pushed, Ordering::Relaxed) {
                Ok(_) => return Ok(slot),
                Err(newer) => slot_mut.next = newer,
            }
        }
    }

    /// Asks every slot what it pins, for what was retired before this call; `held` is scratch. `None` if there is
    /// no memory for the answer.
    pub(super) fn scan<'a>(&self, held: &'a mut Vec<u64>) -> Option<Pins<'a>> {
        fence(Site::ReclaimFence, Ordering::SeqCst);
        held.clear();
        let mut claimed_since = u64::MAX;
        for slot in self.walk() {
            let word = slot.word.load(order(Site::ScanSlot, Ordering::Acquire));
            let epoch = word >> TAG_BITS;
            match word & ((1 << TAG_BITS) - 1) {
                CLAIMING => claimed_since = claimed_since.min(epoch),
                HOLDING => {
                    held.try_reserve(1).ok()?;
                    held.push(epoch);
                }
                _ => {}
            }
        }
        held.sort_unstable();
        Some(Pins { claimed_since, held })
    }

    fn walk(&self) -> impl Iterator<Item = &Slot> {
        let mut next = self.head.load(order(Site::WalkSlots, Ordering::Acquire));
        std::iter::from_fn(move || {
            // SAFETY: by the invariant null or valid for as long as `self` is borrowed, and initialised before
            // it was pushed, which the acquiring load of the head follows.
            let slot = unsafe { next.as_ref() }?;
            slot.access.read();
            next = slot.next;
            Some(slot)
        })
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        let mut next = self.head.load(Ordering::Relaxed);
        while let Some(slot) = NonNull::new(next) {
            // SAFETY: still valid; only `drop` frees slots, and each one once.
            next = unsafe { slot.as_ref() }.next;
            // SAFETY: from `new_box`, and nobody borrows the list any more.
            unsafe { free_box(slot) };
        }
    }
}

/// What was found to be pinned.
pub(super) struct Pins<'a> {
    claimed_since: u64,
    /// Sorted.
    held: &'a [u64],
}

impl Pins<'_> {
    /// Whether a reader may hold the retired snapshot of `epoch`.
    pub(super) fn may_hold(&self, epoch: u64) -> bool {
        epoch >= self.claimed_since || self.held.binary_search(&epoch).is_ok()
    }
}
