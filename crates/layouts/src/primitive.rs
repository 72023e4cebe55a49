//! Where the concurrent code takes its atomics from: the standard library, or loom when a model is checked.
//!
//! Beside the atomics stands what only a model needs, and what costs nothing without one: [`Access`], which lets
//! loom see reads and writes of plain memory, and [`Site`], which lets a model weaken one ordering at a time to
//! show that it is needed.

#[cfg(loom)]
pub(crate) use loom::sync::Arc;
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
#[cfg(not(loom))]
pub(crate) use std::sync::Arc;
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

#[cfg(loom)]
pub(crate) use planted::Site;

/// The places whose ordering the correctness of `published` and `blocks` rests on.
#[cfg(not(loom))]
#[derive(Clone, Copy)]
pub(crate) enum Site {
    AnnounceFence,
    LoadCurrent,
    Unpin,
    StoreCurrent,
    ReclaimFence,
    ScanSlot,
    PushSlot,
    WalkSlots,
    TakeSlot,
    ReleaseBlock,
    LastBlock,
    UniqueBlock,
}

/// The ordering of a site: what stands in the code, unless a model planted a fault there.
#[inline(always)]
#[cfg_attr(not(loom), allow(unused_variables, reason = "only a model asks where"))]
pub(crate) fn order(site: Site, ordering: Ordering) -> Ordering {
    #[cfg(loom)]
    if planted::is(site) {
        return Ordering::Relaxed;
    }
    ordering
}

/// A fence, unless a model planted a fault there.
#[inline(always)]
#[cfg_attr(not(loom), allow(unused_variables, reason = "only a model asks where"))]
pub(crate) fn fence(site: Site, ordering: Ordering) {
    #[cfg(loom)]
    if !planted::is(site) {
        loom::sync::atomic::fence(ordering);
    }
    #[cfg(not(loom))]
    std::sync::atomic::fence(ordering);
}

/// Whether freed memory is to stay readable, because a model with a planted fault will read it.
#[inline(always)]
pub(crate) fn keeps_freed_memory() -> bool {
    #[cfg(loom)]
    return planted::any();
    #[cfg(not(loom))]
    false
}

/// Whether a model has failed and is being unwound: a second complaint, out of a destructor, would abort and hide the
/// first.
#[inline(always)]
pub(crate) fn is_failing() -> bool {
    cfg!(loom) && std::thread::panicking()
}

/// Tells loom of the reads and writes of the plain memory that it stands beside. Nothing otherwise.
#[derive(Debug, Default)]
pub(crate) struct Access {
    #[cfg(loom)]
    cell: loom::cell::UnsafeCell<()>,
}

// SAFETY: it guards nothing; a model's cell reports unordered accesses by failing the model.
#[cfg(loom)]
unsafe impl Sync for Access {}

impl Access {
    /// The memory is about to be read.
    #[inline(always)]
    pub(crate) fn read(&self) {
        #[cfg(loom)]
        if !is_failing() {
            self.cell.with(|_| ());
        }
    }

    /// The memory is about to be written or freed.
    #[inline(always)]
    pub(crate) fn write(&self) {
        #[cfg(loom)]
        if !is_failing() {
            self.cell.with_mut(|_| ());
        }
    }
}

/// Faults that a model plants, one at a time, to show that it would see them.
#[cfg(loom)]
pub mod planted {
    use std::cell::Cell;

    /// The places whose ordering the correctness of `published` and `blocks` rests on.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Site {
        /// Between announcing a pin and asking what is current.
        AnnounceFence,
        /// Asking what is current.
        LoadCurrent,
        /// Saying that a pin has ended.
        Unpin,
        /// Making a snapshot current.
        StoreCurrent,
        /// Between making a snapshot current and asking what is pinned.
        ReclaimFence,
        /// Asking what a slot pins.
        ScanSlot,
        /// Adding a slot.
        PushSlot,
        /// Walking along the slots.
        WalkSlots,
        /// Taking over a slot that a reader left.
        TakeSlot,
        /// Giving up a share of a block.
        ReleaseBlock,
        /// Before freeing a block whose last share was given up.
        LastBlock,
        /// Before writing into a block of which there is one share.
        UniqueBlock,
    }

    std::thread_local! {
        // Of the standard library: the threads of a model are coroutines of one thread, the one that plants.
        static PLANTED: Cell<Option<Site>> = const { Cell::new(None) };
    }

    /// Plants a fault for all models of this test, or takes it away.
    pub fn plant(site: Option<Site>) {
        PLANTED.with(|planted| planted.set(site));
    }

    pub(super) fn is(site: Site) -> bool {
        PLANTED.with(|planted| planted.get() == Some(site))
    }

    pub(super) fn any() -> bool {
        PLANTED.with(|planted| planted.get().is_some())
    }
}
