//! The tree: its making and its public face.

mod batch;
mod build;
mod engine;
mod file;
mod file_of_items;
#[cfg(test)]
mod invariants;
mod leaves;
mod pool;
mod shape;
mod update;

use std::fmt;

use layouts::Neighbor;

use crate::error::Error;
use crate::filter::Filter;
use crate::search::Search;
use crate::space::{Items, Space, Vectors};

pub use batch::Neighbors;
pub use build::BuildOptions;
pub use engine::Searcher;
pub(crate) use engine::Task;
pub(crate) use shape::Shape;
pub(crate) use shape::{Branch, Layout, Reference};

/// A tree on rows of numbers under a built-in metric.
pub type VectorTree<T = f64> = CoverTree<Vectors<T>>;
/// A tree on values of any type under a metric of the user's.
pub type ItemTree<P, M> = CoverTree<Items<P, M>>;

/// An index of points for exact nearest-neighbour search; see the [crate documentation](crate).
pub struct CoverTree<S> {
    pub(crate) space: S,
    pub(crate) shape: Shape,
    /// Changes with every change of the points: what a [`Filter`] was made for.
    pub(crate) state: u64,
    pub(crate) options: BuildOptions,
}

impl<S: fmt::Debug> fmt::Debug for CoverTree<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("CoverTree").field("len", &self.shape.len).finish_non_exhaustive()
    }
}

impl<S> CoverTree<S> {
    /// How many points there are.
    pub fn len(&self) -> usize {
        self.shape.len
    }

    /// Whether there is no point.
    pub fn is_empty(&self) -> bool {
        self.shape.len == 0
    }

    /// The points and their metric.
    pub fn space(&self) -> &S {
        &self.space
    }

    /// The ids of all points, in no particular order.
    pub fn ids(&self) -> impl Iterator<Item = u32> + '_ {
        self.shape.ids.iter().copied().filter(|&id| id != Layout::HOLE)
    }

    /// How the tree was built.
    pub fn options(&self) -> BuildOptions {
        self.options
    }

    /// Levels of nodes, leaves included.
    pub fn depth(&self) -> usize {
        self.shape.depth()
    }

    /// The ids for which `accept` holds, for [`Search::filter`]. O(n).
    pub fn filter(&self, accept: impl Fn(u32) -> bool) -> Filter {
        Filter::of(&self.shape, self.state, accept)
    }
}

impl<S: Space> CoverTree<S> {
    /// Answers one query. The result, sorted by distance and then by id, stays in `searcher` until the next search;
    /// what it took is [`Searcher::certificate`].
    ///
    /// Allocates nothing once `searcher` has grown. O(log n) nodes for points of low dimension, up to all points
    /// where nothing can be ruled out.
    ///
    /// # Errors
    /// [`Error::Zero`] for `k` or the budget, [`Error::Parameter`] for the radius, [`Error::StaleFilter`]; for rows
    /// [`Error::Length`], [`Error::NotFinite`], [`Error::Direction`] and [`Error::Latitude`] naming `query`; for
    /// items [`Error::Metric`].
    pub fn search<'s>(
        &self,
        searcher: &'s mut Searcher<S>,
        query: &S::Point,
        search: &Search<'_>,
    ) -> Result<&'s [Neighbor<S::Distance>], Error> {
        let task = self.task(search)?;
        self.space.prepare(query, &mut searcher.prepared)?;
        self.run(searcher, query, task)?;
        Ok(searcher.found())
    }

    /// Checks what is asked.
    pub(crate) fn task<'a>(&self, search: &Search<'a>) -> Result<Task<'a, S::Distance>, Error> {
        use crate::scalar::Scalar;
        search.check()?;
        if search.filter.is_some_and(|filter| filter.state != self.state) {
            return Err(Error::StaleFilter);
        }
        let limit = search.radius.map_or(S::Distance::INFINITY, |radius| self.space.reach(radius));
        Ok(Task { search: *search, before: search.before.unwrap_or(u32::MAX), except: u32::MAX, limit })
    }
}
