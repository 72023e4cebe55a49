//! Many queries at once, and the neighbours of every point of the tree.
//!
//! Queries are answered in the order of the tree, so that one finds in the caches what the one before it left, and
//! are returned in the order they came in. Each is searched by itself: the results are those of single searches,
//! whatever the number of threads.

use layouts::Neighbor;

use super::{CoverTree, Layout, Searcher, Task};
use crate::error::Error;
use crate::parallel;
use crate::scalar::Scalar;
use crate::search::{Certificate, Search};
use crate::space::Space;

/// Queries that one task answers.
const CHUNK: usize = 256;

/// The results of many queries, one run of neighbours for each.
///
/// This is the CSR form: run `i` is `neighbors[starts[i]..starts[i + 1]]`.
#[derive(Clone, Debug)]
pub struct Neighbors<D> {
    starts: Vec<usize>,
    neighbors: Vec<Neighbor<D>>,
    certificate: Certificate,
}

impl<D: Scalar> Neighbors<D> {
    /// The neighbours of query `index`, sorted; nothing if there is no such query.
    pub fn of(&self, index: usize) -> &[Neighbor<D>] {
        let end = index.checked_add(1).and_then(|next| self.starts.get(next));
        match (self.starts.get(index), end) {
            (Some(&start), Some(&end)) => &self.neighbors[start..end],
            _ => &[],
        }
    }

    /// How many queries there were.
    pub fn len(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// Whether there was no query.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The neighbours of each query in turn.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[Neighbor<D>]> {
        self.starts.windows(2).map(|run| &self.neighbors[run[0]..run[1]])
    }

    /// Where the run of each query starts, and behind them the number of all neighbours.
    pub fn starts(&self) -> &[usize] {
        &self.starts
    }

    /// All runs, one after another.
    pub fn neighbors(&self) -> &[Neighbor<D>] {
        &self.neighbors
    }

    /// What all queries did together: exact if each was, `unexplored` the least of all.
    pub fn certificate(&self) -> Certificate {
        self.certificate
    }
}

/// The results of some of the queries, in the order they were answered.
pub(super) struct Answers<D> {
    /// Each query and how many neighbours it has.
    queries: Vec<(u32, u32)>,
    neighbors: Vec<Neighbor<D>>,
    certificate: Certificate,
}

impl<D: Scalar> Answers<D> {
    pub(super) fn new(queries: usize) -> Self {
        Self { queries: Vec::with_capacity(queries), neighbors: Vec::new(), certificate: nothing_done() }
    }

    /// Takes the result of query `index`.
    pub(super) fn push<S: Space<Distance = D>>(&mut self, index: u32, searcher: &Searcher<S>) {
        self.queries.push((index, searcher.found().len() as u32));
        self.neighbors.extend_from_slice(searcher.found());
        join(&mut self.certificate, searcher.certificate());
    }
}

impl<S: Space> CoverTree<S> {
    /// Answers many queries: for vectors rows one after another, for items a slice of them. Run `i` of the result
    /// belongs to query `i`. Runs on the caller's rayon pool.
    ///
    /// # Errors
    /// As [`search`](Self::search), for the first query that is refused; [`Error::Length`] if `queries` are no whole
    /// number of rows.
    ///
    /// ```
    /// use covertree::{Search, VectorMetric, VectorTree};
    /// let tree = VectorTree::from_rows(&[0.0, 0.0, 3.0, 4.0, 6.0, 8.0], 2, VectorMetric::L2)?;
    /// let found = tree.search_batch(&[3.0, 3.0, 0.0, 1.0], &Search::nearest(2))?;
    /// assert_eq!(found.of(0)[0].id, 1);
    /// assert_eq!(found.of(1)[0].distance, 1.0);
    /// # Ok::<(), covertree::Error>(())
    /// ```
    pub fn search_batch(
        &self,
        queries: &S::Batch,
        search: &Search<'_>,
    ) -> Result<Neighbors<S::Distance>, Error> {
        let task = self.task(search)?;
        let count = self.space.batch_len(queries)?;
        super::build::check_count(count)?;
        let order = self.space.order(queries, count);
        self.answer(count, order, |searcher, index| {
            let query = self.space.batch_query(queries, index as usize);
            self.space
                .prepare(query, &mut searcher.prepared)
                .map_err(|error| in_batch(error, index as usize))?;
            self.run_next(searcher, query, task)?;
            Ok(index)
        })
    }

    /// The neighbours of every point of the tree, itself left out: run `i` belongs to the point with id `i`, and is
    /// empty for an id that was removed. Runs on the caller's rayon pool.
    ///
    /// # Errors
    /// As [`search`](Self::search).
    pub fn all_nearest(&self, search: &Search<'_>) -> Result<Neighbors<S::Distance>, Error> {
        self.all(search, false)
    }

    /// The predecessors of every point of the tree: as [`all_nearest`](Self::all_nearest), among the points with
    /// lower ids only. Run `i` has `min(k, i)` neighbours if no point was removed.
    ///
    /// # Errors
    /// As [`search`](Self::search).
    ///
    /// ```
    /// use covertree::{Search, VectorMetric, VectorTree};
    /// let tree = VectorTree::from_rows(&[0.0, 1.0, 2.0, 4.0], 1, VectorMetric::L2)?;
    /// let found = tree.all_predecessors(&Search::nearest(2))?;
    /// let ids = |point| found.of(point).iter().map(|neighbor| neighbor.id).collect::<Vec<_>>();
    /// assert_eq!([ids(0), ids(1), ids(2), ids(3)], [vec![], vec![0], vec![1, 0], vec![2, 1]]);
    /// # Ok::<(), covertree::Error>(())
    /// ```
    pub fn all_predecessors(&self, search: &Search<'_>) -> Result<Neighbors<S::Distance>, Error> {
        self.all(search, true)
    }

    fn all(&self, search: &Search<'_>, predecessors: bool) -> Result<Neighbors<S::Distance>, Error> {
        let task = self.task(search)?;
        if !predecessors && self.shares_walks(search) {
            return self.all_by_leaves(task);
        }
        let ids = &self.shape.ids;
        let order = (0..ids.len() as u32).filter(|&slot| ids[slot as usize] != Layout::HOLE).collect();
        self.answer(self.shape.next_id as usize, order, |searcher, slot| {
            let slot = slot as usize;
            let id = ids[slot];
            let before = if predecessors { task.before.min(id) } else { task.before };
            self.space.prepare_slot(slot, &mut searcher.prepared);
            self.run_next(searcher, self.space.stored(slot), Task { before, except: id, ..task })?;
            Ok(id)
        })
    }

    /// Answers the queries in `order` and puts the results in the order of what `query` returns.
    fn answer(
        &self,
        count: usize,
        order: Vec<u32>,
        query: impl Fn(&mut Searcher<S>, u32) -> Result<u32, Error> + Send + Sync,
    ) -> Result<Neighbors<S::Distance>, Error> {
        let chunks: Vec<&[u32]> = order.chunks(CHUNK).collect();
        let answers = parallel::map(chunks, |chunk| {
            let mut searcher = Searcher::<S>::new();
            let mut answers = Answers::new(chunk.len());
            for &job in chunk {
                let index = query(&mut searcher, job)?;
                answers.push(index, &searcher);
            }
            Ok(answers)
        });
        Self::in_order(count, answers.into_iter().collect::<Result<_, Error>>()?)
    }

    /// All answers, in the order of the queries' numbers, which are below `count`.
    pub(super) fn in_order(
        count: usize,
        answers: Vec<Answers<S::Distance>>,
    ) -> Result<Neighbors<S::Distance>, Error> {
        let mut starts = vec![0; count + 1];
        for &(index, found) in answers.iter().flat_map(|answers| &answers.queries) {
            starts[index as usize + 1] = found as usize;
        }
        for at in 0..count {
            starts[at + 1] += starts[at];
        }
        let total = starts[count];
        let mut neighbors = Vec::new();
        let memory =
            |_| layouts::Error::Memory { bytes: total.saturating_mul(size_of::<Neighbor<S::Distance>>()) };
        neighbors.try_reserve_exact(total).map_err(memory)?;
        neighbors.resize(total, Neighbor::default());
        let mut certificate = nothing_done();
        for answers in &answers {
            let mut from = &answers.neighbors[..];
            for &(index, found) in &answers.queries {
                let (run, rest) = from.split_at(found as usize);
                neighbors[starts[index as usize]..][..run.len()].copy_from_slice(run);
                from = rest;
            }
            join(&mut certificate, answers.certificate);
        }
        Ok(Neighbors { starts, neighbors, certificate })
    }
}

fn nothing_done() -> Certificate {
    Certificate { exact: true, unexplored: f64::INFINITY, ..Certificate::default() }
}

fn join(all: &mut Certificate, one: Certificate) {
    all.distances += one.distances;
    all.nodes += one.nodes;
    all.exact &= one.exact;
    all.unexplored = all.unexplored.min(one.unexplored);
}

/// The same refusal, of row `index` of a batch.
fn in_batch(error: Error, index: usize) -> Error {
    let argument = "queries";
    match error {
        Error::NotFinite { column, .. } => Error::NotFinite { argument, row: index, column },
        Error::Direction { .. } => Error::Direction { argument, row: index },
        Error::Latitude { latitude, .. } => Error::Latitude { argument, row: index, latitude },
        other => other,
    }
}
