//! The tree without its points: which children a node has, and which slots and ids lie in a leaf.
//!
//! A *slot* is a place in the order of the tree; a node's own points and a leaf's points are each one run of slots.
//! Nodes are numbered so that a child comes after its parent and a subtree is one run of nodes, leaves and slots.

use bytemuck::{Pod, Zeroable};
use layouts::{AlignedVec, Span, Storage};

use crate::error::Error;
use crate::space::FANOUT;

/// An inner node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Node {
    /// How many children it has, at most sixteen.
    pub(crate) count: u32,
    /// Where its own points start, if it has any: then one for each child, its centre.
    pub(crate) centres: u32,
}

/// What a child is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reference {
    /// Nothing below the child's centre.
    Empty,
    /// The leaf of this number.
    Leaf(u32),
    /// The inner node of this number.
    Inner(u32),
}

const LEAF_BIT: u32 = 1 << 31;
const EMPTY: u32 = u32::MAX;
/// Far above what balance allows for as many points as there are ids.
const MAX_DEPTH: usize = 256;

impl Reference {
    #[inline]
    pub(crate) fn decode(code: u32) -> Self {
        match code {
            EMPTY => Reference::Empty,
            code if code & LEAF_BIT != 0 => Reference::Leaf(code & !LEAF_BIT),
            code => Reference::Inner(code),
        }
    }

    pub(crate) fn encode(self) -> u32 {
        match self {
            Reference::Empty => EMPTY,
            Reference::Leaf(leaf) => leaf | LEAF_BIT,
            Reference::Inner(inner) => inner,
        }
    }
}

/// See the module.
///
/// Invariants, which [`validate`](Self::validate) checks of a file:
/// - every inner node but the root and every leaf is the child of exactly one node, and inner nodes come after
///   their parents: the tree has no cycle and every point is reached exactly once;
/// - every slot lies in exactly one leaf or block of centres, or holds no point;
/// - ids are distinct and below `next_id`; `least[16 n + c]` is the least id below child `c` of node `n`.
#[derive(Debug)]
#[doc(hidden)]
pub struct Shape {
    pub(crate) nodes: Storage<Node>,
    /// Sixteen references a node.
    pub(crate) children: Storage<u32>,
    /// The least id below each child, by the same numbers; the largest number where there is none.
    pub(crate) least: Storage<u32>,
    /// The slots of each leaf.
    pub(crate) leaves: Storage<Span>,
    /// The id of each slot; [`Layout::HOLE`] where there is no point.
    pub(crate) ids: Storage<u32>,
    pub(crate) root: u32,
    /// Whether nodes hold their children's centres as points of their own.
    pub(crate) centred: bool,
    /// How many points there are.
    pub(crate) len: usize,
    /// The id that the next point gets.
    pub(crate) next_id: u32,
}

impl Shape {
    #[inline]
    pub(crate) fn child(&self, node: u32, child: usize) -> Reference {
        Reference::decode(self.children[node as usize * FANOUT + child])
    }

    pub(crate) fn root(&self) -> Reference {
        Reference::decode(self.root)
    }

    /// The slots of a node's own points.
    #[inline]
    pub(crate) fn centres(&self, node: u32) -> std::ops::Range<usize> {
        let Node { count, centres } = self.nodes[node as usize];
        let start = centres as usize;
        if self.centred { start..start + count as usize } else { start..start }
    }

    /// Checks every invariant.
    ///
    /// # Errors
    /// [`layouts::Error::Invariant`] naming the first place that breaks one.
    pub(crate) fn validate(&self, lanes: usize) -> Result<(), layouts::Error> {
        let broken = |structure, index, reason| Err(layouts::Error::Invariant { structure, index, reason });
        let (nodes, leaves, slots) = (self.nodes.len(), self.leaves.len(), self.ids.len());
        if self.children.len() != nodes * FANOUT || self.least.len() != nodes * FANOUT {
            return broken("tree", self.children.len(), "there are not sixteen children a node");
        }
        // What each slot is met by: leaves and blocks of centres.
        let mut met = vec![false; slots];
        let mut points = 0;
        let mut meet = |start: usize, len: usize, index: usize, structure: &'static str| {
            if !start.is_multiple_of(lanes) {
                return broken(structure, index, "its slots start inside a panel");
            }
            let Some(met) = start.checked_add(len).and_then(|end| met.get_mut(start..end)) else {
                return broken(structure, index, "it names a slot that there is not");
            };
            points += len;
            if met.iter().any(|&met| met) {
                broken(structure, index, "its slots are another's too")
            } else {
                met.fill(true);
                Ok(())
            }
        };
        for (leaf, span) in self.leaves.iter().enumerate() {
            if span.len == 0 {
                return broken("leaf", leaf, "it is empty");
            }
            meet(span.start as usize, span.len as usize, leaf, "leaf")?;
        }
        for (node, &Node { count, centres }) in self.nodes.iter().enumerate() {
            if count == 0 || count as usize > FANOUT {
                return broken("node", node, "it has no child, or more than sixteen");
            }
            if self.centred {
                meet(centres as usize, count as usize, node, "node")?;
            }
        }
        if points != self.len {
            return broken("tree", points, "the number of points is not that of the parameters");
        }
        self.validate_ids(&met)?;
        self.validate_children(nodes, leaves)?;
        if self.depth() > MAX_DEPTH {
            return broken("tree", self.depth(), "it is deeper than any that is built");
        }
        Ok(())
    }

    fn validate_ids(&self, met: &[bool]) -> Result<(), layouts::Error> {
        let broken = |index, reason| Err(layouts::Error::Invariant { structure: "ids", index, reason });
        if self.next_id == Layout::HOLE || self.len > self.next_id as usize {
            return broken(self.len, "there are more points than ids");
        }
        let mut ids = Vec::new();
        ids.try_reserve_exact(self.len).map_err(|_| layouts::Error::Memory { bytes: self.len * 4 })?;
        for (slot, (&id, &met)) in self.ids.iter().zip(met).enumerate() {
            match (met, id) {
                (true, id) if id < self.next_id => ids.push(id),
                (false, Layout::HOLE) => {}
                (true, _) => return broken(slot, "the id was never given out"),
                (false, _) => return broken(slot, "a slot outside of every block has an id"),
            }
        }
        ids.sort_unstable();
        match ids.windows(2).position(|pair| pair[0] == pair[1]) {
            Some(at) => broken(at, "an id stands twice"),
            None => Ok(()),
        }
    }

    fn validate_children(&self, nodes: usize, leaves: usize) -> Result<(), layouts::Error> {
        let broken = |index, reason| Err(layouts::Error::Invariant { structure: "tree", index, reason });
        let (mut inner_met, mut leaf_met) = (vec![false; nodes], vec![false; leaves]);
        let mut visit = |reference, parent: Option<usize>| {
            let index = parent.unwrap_or(0);
            let met = match reference {
                Reference::Empty => return Ok(()),
                Reference::Leaf(leaf) => leaf_met.get_mut(leaf as usize),
                Reference::Inner(inner) if parent.is_some_and(|parent| inner as usize <= parent) => {
                    return broken(index, "a child does not come after its parent");
                }
                Reference::Inner(inner) => inner_met.get_mut(inner as usize),
            };
            match met {
                Some(met) if !*met => {
                    *met = true;
                    Ok(())
                }
                Some(_) => broken(index, "a child has two parents"),
                None => broken(index, "a child is no node"),
            }
        };
        visit(self.root(), None)?;
        for (node, children) in self.children.chunks_exact(FANOUT).enumerate() {
            let count = self.nodes[node].count as usize;
            for (child, &code) in children.iter().enumerate() {
                let reference = Reference::decode(code);
                if child >= count && reference != Reference::Empty {
                    return broken(node, "a child beyond the number of children");
                }
                if child < count && !self.centred && reference == Reference::Empty {
                    return broken(node, "a child is missing");
                }
                visit(reference, Some(node))?;
            }
        }
        if let Some(index) = inner_met.iter().chain(&leaf_met).position(|&met| !met) {
            return broken(index, "a node or leaf has no parent");
        }
        if least_ids(&self.nodes, &self.children, &self.leaves, &self.ids, self.centred)?[..]
            != self.least[..]
        {
            return broken(0, "a least id is wrong");
        }
        Ok(())
    }

    /// The depth of the tree: a root that is a leaf has depth 1, no tree 0.
    pub(crate) fn depth(&self) -> usize {
        let mut depths = vec![1; self.nodes.len()];
        let mut deepest = usize::from(self.root() != Reference::Empty);
        for node in 0..self.nodes.len() {
            for child in 0..self.nodes[node].count as usize {
                match self.child(node as u32, child) {
                    Reference::Empty => {}
                    Reference::Leaf(_) => deepest = deepest.max(depths[node] + 1),
                    Reference::Inner(inner) => {
                        depths[inner as usize] = depths[node] + 1;
                        deepest = deepest.max(depths[node] + 1);
                    }
                }
            }
        }
        deepest
    }
}

/// A tree in the making, by numbers of rows.
#[derive(Debug)]
pub(crate) enum Branch {
    Empty,
    /// Where the space has centres, `to_centre` is each row's distance to the centre above, else empty.
    Leaf {
        rows: Vec<u32>,
        to_centre: Vec<f64>,
    },
    /// Where the space has centres: those of the children, their distances to the centre above, and the children's
    /// radii.
    Inner {
        centres: Vec<u32>,
        to_centre: Vec<f64>,
        radii: Vec<f64>,
        children: Vec<Branch>,
    },
}

impl Branch {
    /// A leaf without a centre.
    pub(crate) fn leaf(rows: Vec<u32>) -> Self {
        Branch::Leaf { rows, to_centre: Vec::new() }
    }

    /// A node without centres.
    pub(crate) fn inner(children: Vec<Branch>) -> Self {
        Branch::Inner { centres: Vec::new(), to_centre: Vec::new(), radii: Vec::new(), children }
    }
}

/// A branch whose nodes and slots are numbered.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) shape: Shape,
    /// The row that goes into each slot, or [`Layout::HOLE`].
    pub(crate) order: Vec<u32>,
    /// The distance of each slot's point to the centre above, where there are centres.
    pub(crate) to_centre: Vec<f64>,
    /// The radius of each child, sixteen a node, where there are centres.
    pub(crate) radii: Vec<f64>,
}

impl Layout {
    /// Where there is no row and no id.
    pub(crate) const HOLE: u32 = u32::MAX;

    /// Numbers the nodes and slots of `branch`; blocks start at multiples of `lanes`. Row `r` has id `ids[r]`.
    ///
    /// # Errors
    /// [`Error::TooMany`], [`Error::Layout`] if there is no memory.
    pub(crate) fn of(
        branch: &Branch,
        lanes: usize,
        centred: bool,
        ids: &[u32],
        next_id: u32,
    ) -> Result<Self, Error> {
        let mut draft = Draft { lanes, ..Draft::default() };
        let root = draft.place(branch).encode();
        // Half of the numbers, so that padding and the leaf bit leave room.
        let limit = u64::from(LEAF_BIT);
        if draft.order.len() as u64 >= limit || next_id == Self::HOLE {
            return Err(Error::TooMany { points: draft.order.len() as u64, limit });
        }
        let mut slot_ids = AlignedVec::with_capacity(draft.order.len())?;
        for &row in &draft.order {
            slot_ids.push(if row == Self::HOLE { Self::HOLE } else { ids[row as usize] })?;
        }
        let least = least_ids(&draft.nodes, &draft.children, &draft.leaves, &slot_ids, centred)?;
        let shape = Shape {
            nodes: AlignedVec::from_slice(&draft.nodes)?.into(),
            children: AlignedVec::from_slice(&draft.children)?.into(),
            least: least.into(),
            leaves: AlignedVec::from_slice(&draft.leaves)?.into(),
            ids: slot_ids.into(),
            root,
            centred,
            len: draft.order.iter().filter(|&&row| row != Self::HOLE).count(),
            next_id,
        };
        Ok(Self { shape, order: draft.order, to_centre: draft.to_centre, radii: draft.radii })
    }
}

#[derive(Default)]
struct Draft {
    lanes: usize,
    nodes: Vec<Node>,
    children: Vec<u32>,
    leaves: Vec<Span>,
    order: Vec<u32>,
    to_centre: Vec<f64>,
    radii: Vec<f64>,
}

impl Draft {
    fn place(&mut self, branch: &Branch) -> Reference {
        match branch {
            Branch::Empty => Reference::Empty,
            Branch::Leaf { rows, to_centre } => {
                self.to_centre.extend_from_slice(to_centre);
                self.leaves.push(Span { start: self.order.len() as u32, len: rows.len() as u32 });
                self.block(rows);
                Reference::Leaf(self.leaves.len() as u32 - 1)
            }
            Branch::Inner { centres, to_centre, radii, children } => {
                self.to_centre.extend_from_slice(to_centre);
                let node = self.nodes.len();
                self.nodes.push(Node { count: children.len() as u32, centres: self.order.len() as u32 });
                self.children.resize((node + 1) * FANOUT, EMPTY);
                self.block(centres);
                if !radii.is_empty() {
                    self.radii.extend_from_slice(radii);
                    self.radii.resize((node + 1) * FANOUT, 0.0);
                }
                for (child, branch) in children.iter().enumerate() {
                    self.children[node * FANOUT + child] = self.place(branch).encode();
                }
                Reference::Inner(node as u32)
            }
        }
    }

    fn block(&mut self, rows: &[u32]) {
        self.order.extend_from_slice(rows);
        self.order.resize(self.order.len().next_multiple_of(self.lanes), Layout::HOLE);
    }
}

/// The least id below every child.
fn least_ids(
    nodes: &[Node],
    children: &[u32],
    leaves: &[Span],
    ids: &[u32],
    centred: bool,
) -> Result<AlignedVec<u32>, layouts::Error> {
    let mut least = AlignedVec::zeroed(children.len())?;
    least.fill(Layout::HOLE);
    for place in (0..children.len()).rev() {
        let of = |slots: std::ops::Range<usize>| ids[slots].iter().copied().min().unwrap_or(Layout::HOLE);
        least[place] = match Reference::decode(children[place]) {
            Reference::Empty => continue,
            Reference::Leaf(leaf) => of(leaves[leaf as usize].range()),
            Reference::Inner(inner) => {
                let Node { count, centres } = nodes[inner as usize];
                let own = if centred { centres as usize..(centres as usize) + count as usize } else { 0..0 };
                let below = least[inner as usize * FANOUT..][..FANOUT].iter().copied().min();
                of(own).min(below.unwrap_or(Layout::HOLE))
            }
        };
    }
    Ok(least)
}
