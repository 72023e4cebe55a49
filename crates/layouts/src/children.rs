//! A tree whose every node's children are one run of numbers.
//!
//! Nodes are numbered level by level, siblings side by side. The vectors of a node's children, stored in that
//! order, are then one contiguous block: one kernel call with the query in registers, instead of a call and a
//! miss per child.

use std::ops::{Deref, Range};

use bytemuck::{Pod, Zeroable};

use crate::aligned::AlignedVec;
use crate::error::{Error, expect_below, reserve};
use crate::permutation::Permutation;

/// A run of numbers: `start..start + len`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Span {
    /// The first number.
    pub start: u32,
    /// How many there are.
    pub len: u32,
}

impl Span {
    /// The numbers, as a range to slice with.
    pub fn range(self) -> Range<usize> {
        self.start as usize..(self.start as usize).saturating_add(self.len as usize)
    }
}

/// A tree, or several, with contiguous children.
///
/// `S` is where the spans lie: [`AlignedVec`], or a [`Section`](crate::container::Section) of a file.
///
/// Invariants: the spans of the nodes `0..len`, in order, follow one another from the number of roots up to
/// `len` without a gap (a leaf's is empty, where the next one starts), and every span lies behind its own node.
/// So every node but the roots is child of exactly one earlier node, and levels are contiguous too.
///
/// ```
/// use layouts::ChildrenArena;
/// //     1        nodes as they were made, each with its parent
/// //    / \
/// //   0   3
/// //   |
/// //   2
/// let (tree, order) = ChildrenArena::from_parents(&[1, ChildrenArena::NO_PARENT, 0, 1])?;
/// assert_eq!(order.order(), [1, 0, 3, 2]); // new number -> old number
/// assert_eq!((tree.children(0), tree.children(1), tree.children(2)), (1..3, 3..4, 4..4));
/// assert_eq!((tree.parent(3), tree.levels()), (Some(1), &[0u32, 1, 3, 4][..]));
/// # Ok::<(), layouts::Error>(())
/// ```
#[derive(Debug)]
pub struct ChildrenArena<S = AlignedVec<Span>> {
    spans: S,
    /// Level `l` is the nodes `levels[l]..levels[l + 1]`.
    levels: Vec<u32>,
}

impl ChildrenArena {
    /// The parent of a root.
    pub const NO_PARENT: u32 = u32::MAX;

    /// The most nodes.
    pub const MAX_LEN: usize = u32::MAX as usize;

    /// The tree in which node `i` hangs below `parents[i]`, and the order its nodes were put in. Siblings keep
    /// the order they had. O(n).
    ///
    /// # Errors
    /// [`Error::Range`] if a parent is no node or there are more than [`MAX_LEN`](Self::MAX_LEN),
    /// [`Error::Invariant`] if a node hangs below itself, [`Error::Memory`].
    pub fn from_parents(parents: &[u32]) -> Result<(Self, Permutation), Error> {
        let n = parents.len();
        expect_below("parents.len()", n, Self::MAX_LEN.saturating_add(1))?;
        let inner = |parent: u32| parent != Self::NO_PARENT;
        for &parent in parents.iter().filter(|&&parent| inner(parent)) {
            expect_below("parents", parent as usize, n)?;
        }

        // Children of every old node, by counting: `first[p]..first[p + 1]` of `listed`.
        let mut first = AlignedVec::<u32>::zeroed(n + 1)?;
        for &parent in parents.iter().filter(|&&parent| inner(parent)) {
            first[parent as usize + 1] += 1;
        }
        for node in 0..n {
            first[node + 1] += first[node];
        }
        let mut next = first.try_clone()?;
        let mut listed = AlignedVec::<u32>::zeroed(n)?;
        for (node, &parent) in (0..).zip(parents).filter(|&(_, &parent)| inner(parent)) {
            let place = &mut next[parent as usize];
            listed[*place as usize] = node;
            *place += 1;
        }

        // Breadth first: the queue is the order.
        let mut order = Vec::new();
        reserve(&mut order, n)?;
        order.extend((0..).zip(parents).filter(|&(_, &parent)| !inner(parent)).map(|(node, _)| node));
        let mut spans = AlignedVec::with_capacity(n)?;
        while let Some(&old) = order.get(spans.len()) {
            let (from, to) = (first[old as usize], first[old as usize + 1]);
            spans.push(Span { start: order.len() as u32, len: to - from })?;
            order.extend_from_slice(&listed[from as usize..to as usize]);
        }
        if order.len() < n {
            // What no root reaches hangs below itself; name the first such node.
            let mut reached = crate::visited::VisitedBits::new(n)?;
            order.iter().for_each(|&node| _ = reached.insert(node));
            let index = (0..)
                .zip(parents)
                .find(|&(node, _)| !reached.contains(node))
                .map_or(n, |(node, _)| node as usize);
            return Err(broken(index, "the node hangs below itself"));
        }
        Ok((Self::from_storage(spans)?, Permutation::new(order)?))
    }
}

impl<S: Deref<Target = [Span]>> ChildrenArena<S> {
    /// The tree that `spans` hold. O(n): every invariant is checked.
    ///
    /// # Errors
    /// [`Error::Range`] if there are too many nodes, [`Error::Invariant`] naming the first node that breaks one,
    /// [`Error::Memory`].
    pub fn from_storage(spans: S) -> Result<Self, Error> {
        let mut tree = Self { spans, levels: Vec::new() };
        tree.validate()?;
        let (mut start, mut end) = (0, tree.roots().end);
        loop {
            reserve(&mut tree.levels, 1)?;
            tree.levels.push(start as u32);
            if start == end {
                break;
            }
            // The level after `start..end` ends where the children of its last node do.
            let next = tree.spans[end - 1].range().end;
            (start, end) = (end, next);
        }
        Ok(tree)
    }

    /// Checks every invariant.
    ///
    /// # Errors
    /// As [`from_storage`](Self::from_storage).
    pub fn validate(&self) -> Result<(), Error> {
        let n = self.spans.len();
        expect_below("spans.len()", n, ChildrenArena::MAX_LEN.saturating_add(1))?;
        let mut expected = self.roots().end;
        if n > 0 && expected == 0 {
            return Err(broken(0, "the tree has no root"));
        }
        for (node, span) in self.spans.iter().enumerate() {
            let children = span.range();
            if children.start != expected {
                return Err(broken(node, "the children do not follow those of the node before"));
            }
            if children.start <= node && !children.is_empty() {
                return Err(broken(node, "a child does not come after its parent"));
            }
            if children.end > n {
                return Err(broken(node, "a child is no node"));
            }
            expected = children.end;
        }
        if expected == n { Ok(()) } else { Err(broken(expected, "the node has no parent and is no root")) }
    }

    /// The children of `node`: rows of whatever is stored in this order. Empty for a leaf and for no node.
    #[inline]
    pub fn children(&self, node: u32) -> Range<usize> {
        self.spans.get(node as usize).map_or(0..0, |span| span.range())
    }

    /// The parent of `node`, or `None` for a root and for no node. O(log n).
    pub fn parent(&self, node: u32) -> Option<u32> {
        if self.roots().contains(&(node as usize)) || node as usize >= self.len() {
            return None;
        }
        // Spans are sorted and leave no gap, so the last that starts at or before `node` is the one that holds it.
        let after = self.spans.partition_point(|span| span.start <= node);
        u32::try_from(after.checked_sub(1)?).ok()
    }

    /// The roots.
    pub fn roots(&self) -> Range<usize> {
        0..self.spans.first().map_or(0, |span| span.start as usize)
    }

    /// Where the levels start, and behind them the number of nodes: level `l` is `levels[l]..levels[l + 1]`.
    pub fn levels(&self) -> &[u32] {
        &self.levels
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The span of every node: what a file stores.
    pub fn as_slice(&self) -> &[Span] {
        &self.spans
    }
}

fn broken(index: usize, reason: &'static str) -> Error {
    Error::Invariant { structure: "tree", index, reason }
}
