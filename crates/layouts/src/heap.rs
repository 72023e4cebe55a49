//! Memory for many blocks of some kilobytes that come and go: cut from large pieces, which lie on huge pages.
//!
//! A system allocator hands out such blocks on small pages, and once they have been replaced a few times neighbours lie
//! anywhere: each then costs a search a walk through the page table for every few kilobytes that it reads.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::Error;
use crate::region::{HUGE_PAGE, Region};

/// Bytes in which blocks are measured out.
const GRAIN: usize = 1 << 10;
/// Bytes of the first piece; each further one is as large as all before it, up to a huge page, and from
/// [`GROWTH`] huge pages on one part in so many of them.
const FIRST: usize = 64 << 10;
const GROWTH: usize = 8;
/// Bytes of the largest piece: grains are counted in 32 bits.
const LARGEST: usize = 1 << 40;

/// Where [`AlignedVec::zeroed_in`](crate::AlignedVec::zeroed_in) takes its memory from. Clones share it; it lives until
/// the last of them and of its blocks is gone.
///
/// A block is taken from the first piece that has room, where it fits most closely, and one that is given back becomes one
/// with its free neighbours: O(pieces + log blocks), under a lock, with tens of pieces. Those without a block go back to
/// the system. A block of 2 MiB or more is a piece of its own.
///
/// ```
/// use layouts::{AlignedVec, Heap};
/// let heap = Heap::new();
/// let zone = AlignedVec::<f32>::zeroed_in(&heap, 10_000)?;
/// assert_eq!((zone.len(), heap.used_bytes()), (10_000, 40 << 10));
/// drop(zone);
/// assert_eq!((heap.used_bytes(), heap.held_bytes()), (0, 0));
/// # Ok::<(), layouts::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Heap {
    shared: Arc<Mutex<Pieces>>,
}

/// A block; gives itself back.
pub(crate) struct Lease {
    heap: Heap,
    piece: u32,
    /// In grains.
    start: u32,
    len: u32,
}

/// All pieces.
///
/// Invariant: a piece in which nothing is leased is gone.
#[derive(Default)]
struct Pieces {
    /// By number; those that are gone leave their number to the next.
    pieces: Vec<Option<Piece>>,
    held: usize,
    used: usize,
}

/// A piece, and what of it is free.
///
/// Invariants: `free` and `by_len` hold the same runs, none of which touches or overlaps another or a block that is
/// leased.
struct Piece {
    memory: Region,
    /// Start to length, in grains.
    free: BTreeMap<u32, u32>,
    /// Length and start.
    by_len: BTreeSet<(u32, u32)>,
}

impl Heap {
    /// A heap that holds nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes that are leased, in whole KiB.
    pub fn used_bytes(&self) -> usize {
        self.pieces().used
    }

    /// Bytes that the system has given for blocks, used or not. Blocks of 2 MiB or more are not among them.
    pub fn held_bytes(&self) -> usize {
        self.pieces().held
    }

    /// `bytes` bytes of zero.
    pub(crate) fn zeroed(&self, bytes: usize) -> Result<Region, Error> {
        if bytes == 0 || bytes >= HUGE_PAGE {
            return Region::zeroed(bytes);
        }
        let grains = bytes.div_ceil(GRAIN) as u32;
        let (piece, start, memory) = self.pieces().take(grains)?;
        let lease = Lease { heap: self.clone(), piece, start, len: grains };
        // SAFETY: the run is of a piece that outlives the lease (`Pieces` drops none in which something is leased, and
        // the lease holds the heap), is leased to nobody else, and has at least `bytes` initialised bytes, whose start
        // is a multiple of a grain, and so of a cache line, beyond that of a region.
        Ok(unsafe { Region::from_lease(memory, bytes, lease) })
    }

    fn pieces(&self) -> MutexGuard<'_, Pieces> {
        // Nothing panics under the lock but for want of memory for the lists, before they are changed.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Heap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pieces = self.pieces();
        f.debug_struct("Heap").field("held", &pieces.held).field("used", &pieces.used).finish()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.heap.pieces().give_back(self.piece, self.start, self.len);
    }
}

impl Pieces {
    /// A run of so many grains: its piece, its start there, and its memory.
    fn take(&mut self, grains: u32) -> Result<(u32, u32, NonNull<u8>), Error> {
        // The first piece that has room, so that later ones empty and can go.
        let has_room = |piece: &Option<Piece>| piece.as_ref().is_some_and(|piece| piece.longest() >= grains);
        let number = match self.pieces.iter().position(has_room) {
            Some(number) => number,
            None => self.grow(grains as usize * GRAIN)?,
        };
        let error = Error::Memory { bytes: grains as usize * GRAIN };
        let piece = self.pieces.get_mut(number).and_then(Option::as_mut).ok_or(error)?;
        let start = piece.take(grains).ok_or(error)?;
        self.used += grains as usize * GRAIN;
        // SAFETY: free runs lie in their piece, so `start` grains from its beginning is still within it.
        Ok((number as u32, start, unsafe { piece.memory.start().add(start as usize * GRAIN) }))
    }

    /// Another piece, with room for `bytes`: its number.
    fn grow(&mut self, bytes: usize) -> Result<usize, Error> {
        let step = self.held.clamp(FIRST, HUGE_PAGE).max(self.held / GROWTH).min(LARGEST);
        let len = step.max(bytes).next_multiple_of(if step < HUGE_PAGE { GRAIN } else { HUGE_PAGE });
        let piece = Piece::new(Region::zeroed(len)?);
        let number = self.pieces.iter().position(Option::is_none).unwrap_or(self.pieces.len());
        match self.pieces.get_mut(number) {
            Some(place) => *place = Some(piece),
            None => self.pieces.push(Some(piece)),
        }
        self.held += len;
        Ok(number)
    }

    fn give_back(&mut self, number: u32, start: u32, len: u32) {
        self.used -= len as usize * GRAIN;
        let Some(place) = self.pieces.get_mut(number as usize) else { return };
        let Some(piece) = place else { return };
        piece.give_back(start, len);
        if piece.longest() as usize * GRAIN == piece.memory.len() {
            self.held -= piece.memory.len();
            *place = None;
        }
    }
}

impl Piece {
    /// All of it free.
    fn new(memory: Region) -> Self {
        let mut piece = Self { free: BTreeMap::new(), by_len: BTreeSet::new(), memory };
        piece.note(0, (piece.memory.len() / GRAIN) as u32);
        piece
    }

    /// Grains of the longest free run.
    fn longest(&self) -> u32 {
        self.by_len.last().map_or(0, |&(len, _)| len)
    }

    /// The start of a run of so many grains, from where they fit most closely.
    fn take(&mut self, grains: u32) -> Option<u32> {
        let &(len, start) = self.by_len.range((grains, 0)..).next()?;
        self.forget(start, len);
        if len > grains {
            self.note(start + grains, len - grains);
        }
        Some(start)
    }

    fn give_back(&mut self, mut start: u32, mut len: u32) {
        if let Some((&before, &more)) = self.free.range(..start).next_back()
            && before + more == start
        {
            self.forget(before, more);
            (start, len) = (before, len + more);
        }
        if let Some(&more) = self.free.get(&(start + len)) {
            self.forget(start + len, more);
            len += more;
        }
        self.note(start, len);
    }

    fn note(&mut self, start: u32, len: u32) {
        self.free.insert(start, len);
        self.by_len.insert((len, start));
    }

    fn forget(&mut self, start: u32, len: u32) {
        self.free.remove(&start);
        self.by_len.remove(&(len, start));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AlignedVec;

    /// What the lists say of each other and of the pieces.
    fn check(heap: &Heap, leased: usize) {
        let pieces = heap.pieces();
        let mut free = 0;
        for piece in pieces.pieces.iter().flatten() {
            let runs: BTreeSet<_> = piece.free.iter().map(|(&start, &len)| (len, start)).collect();
            assert_eq!(runs, piece.by_len);
            free += piece.free.values().map(|&len| len as usize * GRAIN).sum::<usize>();
            let runs: Vec<_> = piece.free.iter().collect();
            for pair in runs.windows(2) {
                let ((&start, &len), (&next, _)) = (pair[0], pair[1]);
                assert!(start + len < next, "free runs that touch or overlap");
            }
            assert!((piece.longest() as usize) < piece.memory.len() / GRAIN, "a piece without a block");
        }
        assert_eq!((pieces.held - free, pieces.used), (leased, leased));
        let held: usize = pieces.pieces.iter().flatten().map(|piece| piece.memory.len()).sum();
        assert_eq!(pieces.held, held);
    }

    #[test]
    fn blocks_never_share_memory_and_are_zero() {
        let heap = Heap::new();
        let mut state = 17u64;
        let mut next = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        let mut blocks: Vec<(AlignedVec<u8>, u8)> = Vec::new();
        let mut most = 0;
        for step in 0..if cfg!(miri) { 200 } else { 20_000 } {
            if blocks.len() < 60 && next(5) < 3 {
                let len = 1 + next(if step % 7 == 0 { 200_000 } else { 5_000 });
                let mut block = AlignedVec::<u8>::zeroed_in(&heap, len).unwrap();
                assert_eq!(block.as_ptr().align_offset(64), 0);
                assert!(block.iter().all(|&x| x == 0), "stale bytes");
                block.fill(step as u8 | 1);
                blocks.push((block, step as u8 | 1));
            } else if !blocks.is_empty() {
                let (block, mark) = blocks.swap_remove(next(blocks.len()));
                assert!(block.iter().all(|&x| x == mark), "written by another");
            }
            let leased: usize = blocks.iter().map(|x| x.0.len().next_multiple_of(GRAIN)).sum();
            most = leased.max(most);
            if step % 16 == 0 {
                check(&heap, leased);
            }
            assert!(heap.held_bytes() <= 3 * most + 2 * HUGE_PAGE, "space that is lost");
        }
        drop(blocks);
        check(&heap, 0);
        assert_eq!(heap.held_bytes(), 0);
    }

    #[test]
    fn blocks_outlive_their_heap_and_grow_out_of_it() {
        let heap = Heap::new();
        let mut block = AlignedVec::<u32>::zeroed_in(&heap, 100).unwrap();
        let other = heap.clone();
        drop(heap);
        block.fill(7);
        block.push(8).unwrap();
        assert_eq!((block.len(), block[99], block[100]), (101, 7, 8));
        assert_eq!(other.used_bytes(), 0);
        let large = AlignedVec::<u8>::zeroed_in(&other, HUGE_PAGE).unwrap();
        assert_eq!((large.len(), other.held_bytes()), (HUGE_PAGE, 0));
        assert!(AlignedVec::<u64>::zeroed_in(&other, 0).unwrap().is_empty());
        assert!(matches!(AlignedVec::<u64>::zeroed_in(&other, usize::MAX), Err(Error::Memory { .. })));
    }

    #[test]
    fn threads_may_take_and_give_back_at_once() {
        let heap = Heap::new();
        std::thread::scope(|scope| {
            for thread in 1..=4u8 {
                let heap = &heap;
                scope.spawn(move || {
                    for round in 0..if cfg!(miri) { 10 } else { 500 } {
                        let len = 100 + usize::from(thread) * 1777 * (round % 9);
                        let mut block = AlignedVec::<u8>::zeroed_in(heap, len).unwrap();
                        block.fill(thread);
                        assert!(block.iter().all(|&x| x == thread));
                    }
                });
            }
        });
        check(&heap, 0);
    }
}
