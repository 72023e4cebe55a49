//! What is asked of a tree: how many neighbours, how near, among which ids, and with how much work.

use crate::error::Error;
use crate::filter::Filter;

/// In which order a search visits the tree. Results are the same; the work differs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Traversal {
    /// Down the nearest child, then back through the others in the order of their bounds. Little state and
    /// neighbouring memory: the fastest where distances are cheap.
    #[default]
    DepthFirst,
    /// Always the nearest bound of the whole tree. Measures the fewest points, for a heap operation a node: right
    /// for expensive metrics, and the order in which a budget gets the most.
    BestFirst,
    /// A whole level at a time, dropping what the distances of the levels above rule out. For comparison.
    LevelSynchronous,
}

/// A question to a tree: the k nearest, all within a radius, or both, and which points count.
///
/// ```
/// use covertree::Search;
/// let five_nearest = Search::nearest(5);
/// let all_within_ten = Search::within(10.0);
/// let five_within_ten_before_id_100 = Search::nearest(5).radius(10.0).before(100);
/// # let _ = (five_nearest, all_within_ten, five_within_ten_before_id_100);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Search<'a> {
    pub(crate) k: Option<usize>,
    pub(crate) radius: Option<f64>,
    pub(crate) before: Option<u32>,
    pub(crate) filter: Option<&'a Filter>,
    pub(crate) budget: Option<u64>,
    pub(crate) traversal: Traversal,
}

impl<'a> Search<'a> {
    /// The `k` nearest; all points if there are fewer.
    pub fn nearest(k: usize) -> Self {
        Self {
            k: Some(k),
            radius: None,
            before: None,
            filter: None,
            budget: None,
            traversal: Traversal::default(),
        }
    }

    /// All points at most `radius` away.
    pub fn within(radius: f64) -> Self {
        Self { k: None, ..Self::nearest(0).radius(radius) }
    }

    /// Only points at most `radius` away. `f64::INFINITY` is no limit.
    #[must_use]
    pub fn radius(self, radius: f64) -> Self {
        Self { radius: Some(radius), ..self }
    }

    /// Only points whose id is below `id`: predecessors in the order of the ids. Subtrees without any are skipped.
    #[must_use]
    pub fn before(self, id: u32) -> Self {
        Self { before: Some(id), ..self }
    }

    /// Only points that `filter`, made by [`CoverTree::filter`](crate::CoverTree::filter), lets pass. Subtrees
    /// without any are skipped.
    #[must_use]
    pub fn filter(self, filter: &'a Filter) -> Self {
        Self { filter: Some(filter), ..self }
    }

    /// Stops once `distances` distances were measured (the block that reaches the number is finished). Then the
    /// result may not be exact, and the [`Certificate`] says so. Without this call every search is exact.
    #[must_use]
    pub fn budget(self, distances: u64) -> Self {
        Self { budget: Some(distances), ..self }
    }

    /// The order of visits.
    #[must_use]
    pub fn traversal(self, traversal: Traversal) -> Self {
        Self { traversal, ..self }
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.k == Some(0) {
            return Err(Error::Zero { argument: "k" });
        }
        if self.budget == Some(0) {
            return Err(Error::Zero { argument: "budget" });
        }
        match self.radius {
            Some(radius) if radius.is_nan() || radius < 0.0 => {
                Err(Error::Parameter { argument: "radius", value: radius, expected: "must be 0 or more" })
            }
            _ => Ok(()),
        }
    }
}

/// What a search did, and what its result is worth.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Certificate {
    /// Distances to points that were computed.
    pub distances: u64,
    /// Inner nodes whose children were bounded.
    pub nodes: u64,
    /// Whether the result is exact: always, unless a budget ran out first.
    pub exact: bool,
    /// No point that was left out without being measured is nearer than this; infinite if the result is exact.
    /// Neighbours found below it are certain, each of them and their order.
    pub unexplored: f64,
}

impl Certificate {
    /// How much nearer the `k`-th neighbour might be than the one found at `distance`: 0 if that is certain.
    pub fn gap(&self, distance: f64) -> f64 {
        (distance - self.unexplored).max(0.0)
    }
}
