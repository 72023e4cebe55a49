//! Which ids count, worked out once for a whole tree.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::space::FANOUT;
use crate::tree::{Layout, Reference, Shape};

/// A number for each state of each tree, so that a filter is not used on another.
pub(crate) fn next_state() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// The points of a tree that count, made by [`CoverTree::filter`](crate::CoverTree::filter): a bit for each slot, and
/// for each child whether anything below it counts, so that a search skips the rest of the tree as if it were not
/// there. Costs a pass over the ids once; worth keeping for many queries.
#[derive(Clone, Debug)]
pub struct Filter {
    pub(crate) state: u64,
    /// By slot, 64 a word.
    slots: Vec<u64>,
    /// By node, bit c for child c.
    children: Vec<u16>,
    count: usize,
}

impl Filter {
    pub(crate) fn of(shape: &Shape, state: u64, accept: impl Fn(u32) -> bool) -> Self {
        let mut slots = vec![0u64; shape.ids.len().div_ceil(64)];
        let mut count = 0;
        for (slot, &id) in shape.ids.iter().enumerate() {
            if id != Layout::HOLE && accept(id) {
                slots[slot / 64] |= 1 << (slot % 64);
                count += 1;
            }
        }
        let mut filter = Self { state, slots, children: vec![0; shape.nodes.len()], count };
        for node in (0..shape.nodes.len()).rev() {
            for child in 0..FANOUT {
                let any = match shape.child(node as u32, child) {
                    Reference::Empty => false,
                    Reference::Leaf(leaf) => {
                        shape.leaves[leaf as usize].range().any(|slot| filter.allows(slot))
                    }
                    Reference::Inner(inner) => {
                        filter.children[inner as usize] != 0
                            || shape.centres(inner).any(|slot| filter.allows(slot))
                    }
                };
                filter.children[node] |= u16::from(any) << child;
            }
        }
        filter
    }

    /// How many points count.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether none does.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    #[inline]
    pub(crate) fn allows(&self, slot: usize) -> bool {
        self.slots[slot / 64] >> (slot % 64) & 1 != 0
    }

    /// The children of `node` below which something counts.
    #[inline]
    pub(crate) fn children(&self, node: u32) -> u32 {
        u32::from(self.children[node as usize])
    }
}
