//! Search under a condition on ids, by whichever of three ways the share of matches makes cheapest.

mod condition;
mod set;
#[cfg(test)]
mod tests;
mod walk;

use simd_kernels::Element;

pub(crate) use crate::filter::condition::Condition;
use crate::filter::condition::OfIds;
pub use crate::filter::set::{IdFilter, IdSet};
use crate::filter::walk::{Passing, gather, two_hop};

use crate::beam::Scorer;
use crate::build::partition::mix;
use crate::graph::Graph;
use crate::labels::Names;
use crate::params::SearchParams;
use crate::search::{Parts, Results, Scratch, Searcher, begin, reset};
use crate::{Error, Hnsw, Neighbor};

/// How a filtered search goes about its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Regime {
    /// Measures the matches and nothing else.
    Scan,
    /// Walks over matches only, through what lies between them.
    TwoHop,
    /// Walks over everything and keeps matches.
    Traverse,
}

/// What the ways cost, in rows scanned: an expansion of a plain walk, and one of a two-hop walk
/// (measured on codes of one line, 100,000 to 250,000 rows).
const PLAIN_STEP: f64 = 45.0;
const TWO_HOP_STEP: f64 = 600.0;
/// Below this share of matches two hops reach few of them, and a two-hop walk needs more candidates.
const SPARSE: f64 = 0.05;
/// Rows drawn to estimate the share of matches and to find some to begin from.
const DRAWS: u64 = 4096;
/// Matches among them that are enough.
const DRAWN: usize = 32;
/// The best of these are begun from.
const STARTS: usize = 4;
/// Rows scored in one go.
const BLOCK: usize = 64;

/// Rows that pass, found by drawing rows by hash, and the number of draws.
fn draw(rows: usize, condition: &impl Condition, drawn: &mut Vec<u32>) -> u64 {
    drawn.clear();
    for draw in 0..DRAWS {
        let row = (mix(5, draw) % rows.max(1) as u64) as u32;
        if condition.passes(row) {
            drawn.push(row);
            if drawn.len() == DRAWN {
                return draw + 1;
            }
        }
    }
    DRAWS
}

/// Candidates of a two-hop walk.
fn dense(ef: usize, share: f64) -> f64 {
    ef as f64 * (SPARSE / share).max(1.0)
}

/// The cheapest way for a share of matches among `total` names and `ef` candidates, where asking about a name in a
/// scan costs `asking`.
fn regime(share: f64, total: usize, ef: usize, asking: f64) -> Regime {
    let scan = (share + asking) * total as f64;
    let (two_hop, traverse) = (TWO_HOP_STEP * dense(ef, share), PLAIN_STEP * ef as f64 / share);
    if scan <= two_hop.min(traverse) {
        Regime::Scan
    } else if two_hop < traverse {
        Regime::TwoHop
    } else {
        Regime::Traverse
    }
}

/// A filtered search at work.
pub(crate) struct Filtered<'a, T: Element, G, L, C, R> {
    pub(crate) parts: &'a Parts<'a, T, G, L>,
    pub(crate) condition: &'a C,
    pub(crate) scratch: &'a mut Scratch<T>,
    /// Empty, with room for as many as are wanted.
    pub(crate) results: &'a mut R,
    pub(crate) query: &'a [T],
}

impl<T, G, L, C, R> Filtered<'_, T, G, L, C, R>
where
    T: Element,
    G: Graph,
    L: Names,
    C: Condition<Name = L::Name>,
    R: Results<L::Name>,
{
    /// Fills `results` with the nearest among the names that the condition accepts.
    pub(crate) fn search(&mut self, params: &SearchParams) -> Result<(), Error> {
        let parts = self.parts;
        if !begin(parts, self.scratch, self.query, params, None)? {
            return Ok(());
        }
        let total = parts.names.names();
        let hint = self.condition.count_hint();
        let share = match hint {
            Some(count) => count.min(total) as f64 / total as f64,
            None => {
                let drawn = &mut self.scratch.drawn;
                let tests = draw(parts.names.extent(), self.condition, drawn);
                drawn.len() as f64 / tests as f64
            }
        };
        let ef = params.ef_search.max(params.k).min(parts.graph.rows());
        let matches = share * total as f64;
        // Codes save nothing where nearly all matches are measured exactly in the end.
        let by_codes = (matches > 4.0 * ef as f64 && parts.view.codes.is_some()).then_some(ef);
        match regime(share, total, ef, C::ASKING) {
            Regime::Scan => self.scan(by_codes)?,
            Regime::TwoHop => self.walk_matches(dense(ef, share) as usize)?,
            Regime::Traverse => {
                let met = self.walk_all(ef, share)?;
                // Matches are rarer around the query than elsewhere: what was found may be the rim of what there is.
                if 2 * met < ef {
                    self.results.forget();
                    match matches + C::ASKING * total as f64 <= TWO_HOP_STEP * dense(ef, share) {
                        true => self.scan(by_codes)?,
                        false => self.walk_matches(dense(ef, share) as usize)?,
                    }
                }
            }
        }
        let found = self.results.held();
        if found < self.results.wanted() && hint.is_none_or(|count| found < count) {
            self.results.forget();
            self.scan(None)?;
        }
        Ok(())
    }

    /// Walks over matches, beginning at drawn ones and at those around the usual places.
    fn walk_matches(&mut self, ef: usize) -> Result<(), Error> {
        let &mut Self { parts, condition, query, .. } = self;
        let Scratch { beam, prepared, scores, starts, waypoints, drawn, .. } = &mut *self.scratch;
        beam.start(parts.graph, ef.min(parts.graph.rows()));
        // A waypoint may bring a full row more than is asked for.
        let room = 2 * parts.graph.degree();
        beam.ids.resize(beam.ids.len().max(room), 0);
        beam.scores.resize(beam.ids.len(), 0);
        draw(parts.names.extent(), condition, drawn);
        drawn.sort_unstable();
        drawn.dedup();
        scores.resize(drawn.len().max(scores.len()), 0);
        let drawn_scores = &mut scores[..drawn.len()];
        parts.view.score(query, prepared, drawn, drawn_scores)?;
        let (mut places, mut least) = ([0; STARTS], [0; STARTS]);
        let count =
            parts.view.kernels.top_k(drawn_scores, 0, STARTS.min(drawn.len()), &mut places, &mut least)?;
        for (&score, &place) in least.iter().zip(&places).take(count) {
            beam.add(score, drawn[place as usize]);
        }
        let results = &mut *self.results;
        let mut passing =
            Passing { view: parts.view, condition, query, prepared, results, pending: None, met: 0 };
        for &(score, row) in starts.iter() {
            if condition.passes(row) {
                beam.add(score, row);
            } else if beam.visited.insert(row) {
                let count = gather(parts, condition, beam, waypoints, row);
                beam.collect(count, parts.graph, &mut passing)?;
            }
        }
        two_hop(parts, beam, waypoints, &mut passing)?;
        passing.finish()
    }

    /// Walks over everything with as many more candidates as matches are rarer. Returns how many matches it met.
    fn walk_all(&mut self, ef: usize, share: f64) -> Result<usize, Error> {
        let &mut Self { parts, condition, query, .. } = self;
        let Scratch { beam, prepared, starts, .. } = &mut *self.scratch;
        let wide = (ef as f64 / share).ceil() as usize;
        beam.start(parts.graph, wide.min(parts.graph.rows()));
        for &(score, row) in starts.iter() {
            beam.add(score, row);
        }
        let results = &mut *self.results;
        let mut passing =
            Passing { view: parts.view, condition, query, prepared, results, pending: None, met: 0 };
        beam.run(parts.graph, &mut passing)?;
        passing.finish()?;
        Ok(passing.met)
    }

    /// Measures all matches: exactly, or where `refine` says how many of the best to measure exactly, by codes first.
    fn scan(&mut self, refine: Option<usize>) -> Result<(), Error> {
        let &mut Self { parts, condition, query, .. } = self;
        let Scratch { beam, prepared, .. } = &mut *self.scratch;
        beam.start(parts.graph, refine.unwrap_or(1));
        let results = &mut *self.results;
        let mut passing =
            Passing { view: parts.view, condition, query, prepared, results, pending: None, met: 0 };
        let (mut block, mut scores) = ([0; BLOCK], [0; BLOCK]);
        let (mut rows, mut ended) = (condition.rows()?, false);
        while !ended {
            let mut count = 0;
            while count < BLOCK {
                let Some(row) = rows.next() else {
                    ended = true;
                    break;
                };
                // Equal vectors share a row, which is measured once.
                if beam.visited.insert(row) {
                    match refine {
                        Some(_) => parts.view.prefetch(row),
                        None => parts.view.prefetch_exact(row),
                    }
                    block[count] = row;
                    count += 1;
                }
            }
            beam.scored += count as u64;
            let (block, scores) = (&block[..count], &mut scores[..count]);
            match refine {
                Some(_) => {
                    passing.score(block, scores)?;
                    for (&row, &score) in block.iter().zip(scores.iter()) {
                        if score < beam.pool.threshold() {
                            beam.pool.insert(score, row);
                        }
                    }
                }
                None => block.iter().try_for_each(|&row| passing.refine(row))?,
            }
        }
        if refine.is_some() {
            while let Some((score, row)) = beam.pool.next() {
                passing.expand(score, row)?;
            }
            passing.finish()?;
        }
        Ok(())
    }
}

impl<T: Element> Hnsw<T> {
    /// The `params.k` nearest of `query` among the ids that `filter` accepts, nearest first, ties by the lower id.
    ///
    /// Never fewer than `min(k, matches)`: where a walk returns short, all matches are measured. Which way is taken
    /// depends on how many ids match, by [`IdFilter::count_hint`] or by asking about a sample:
    ///
    /// * few matches: these are measured, by codes and the best `ef_search` exactly;
    /// * under about a fourteenth: only matches are candidates, reached through neighbours of neighbours;
    /// * more: the graph is walked as without a filter, with `ef_search` raised as matches are rarer; if there are fewer
    ///   around the query than elsewhere, one of the other ways follows.
    ///
    /// So it does not matter whether matches lie near the query or far from it. An [`IdSet`] is quicker than a closure
    /// where matches are few, for it can be enumerated; the first search of that kind takes O(n) and 4 bytes for each
    /// vector, kept by the index, to find the vectors of ids.
    ///
    /// # Errors
    /// As [`search`](Self::search).
    ///
    /// ```
    /// use hnsw::{BuildParams, Hnsw, IdSet, Metric, SearchParams, Searcher};
    /// use simd_kernels::Rows;
    /// let line: Vec<f32> = (0..1000).map(|x| x as f32).collect();
    /// let index = Hnsw::build(Rows::new(&line, 1)?, Metric::L2, &BuildParams::new())?;
    /// let (mut searcher, params) = (Searcher::new()?, SearchParams::new(2, 32));
    /// let set = IdSet::from_ids([7, 300, 999])?;
    /// let near = index.search_filtered(&mut searcher, &[500.0], &params, &set)?;
    /// assert_eq!(near.iter().map(|n| n.id).collect::<Vec<_>>(), [300, 7]);
    /// let even = |id: u32| id % 2 == 0;
    /// let near = index.search_filtered(&mut searcher, &[501.0], &params, &even)?;
    /// assert_eq!(near.iter().map(|n| n.id).collect::<Vec<_>>(), [500, 502]);
    /// # Ok::<(), hnsw::Error>(())
    /// ```
    pub fn search_filtered<'s>(
        &self,
        searcher: &'s mut Searcher<T>,
        query: &[T],
        params: &SearchParams,
        filter: &(impl IdFilter + ?Sized),
    ) -> Result<&'s [Neighbor], Error> {
        let params = params.resolve(self.calibration())?;
        let Searcher { scratch, results, .. } = searcher;
        reset(results, params.k, self.len())?;
        let condition = &OfIds { labels: &self.labels, filter };
        Filtered { parts: &self.parts()?, condition, scratch, results, query }.search(&params)?;
        Ok(results.sorted())
    }
}
