//! Search under a condition on ids, by whichever of three ways the share of matches makes cheapest.

mod set;
#[cfg(test)]
mod tests;
mod walk;

use simd_kernels::Element;

pub use crate::filter::set::{IdFilter, IdSet};
use crate::filter::walk::{Passing, gather, passes, two_hop};

use crate::beam::Scorer;
use crate::build::partition::mix;
use crate::graph::Graph;
use crate::params::SearchParams;
use crate::search::{Parts, Searcher, begin};
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
fn draw<T, G: Graph>(
    parts: &Parts<'_, T, G>,
    filter: &(impl IdFilter + ?Sized),
    drawn: &mut Vec<u32>,
) -> u64 {
    drawn.clear();
    let rows = parts.graph.rows() as u64;
    for draw in 0..DRAWS {
        let row = (mix(5, draw) % rows) as u32;
        if passes(parts.labels, filter, row) {
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

/// The cheapest way for a share of matches among `total` ids and `ef` candidates.
fn regime(share: f64, total: usize, ef: usize) -> Regime {
    let scan = share * total as f64;
    let (two_hop, traverse) = (TWO_HOP_STEP * dense(ef, share), PLAIN_STEP * ef as f64 / share);
    if scan <= two_hop.min(traverse) {
        Regime::Scan
    } else if two_hop < traverse {
        Regime::TwoHop
    } else {
        Regime::Traverse
    }
}

/// The `k` nearest of `query` among the ids that `filter` accepts.
pub(crate) fn filtered<'s, T: Element, G: Graph, F: IdFilter + ?Sized>(
    parts: &Parts<'_, T, G>,
    searcher: &'s mut Searcher<T>,
    query: &[T],
    params: &SearchParams,
    filter: &F,
) -> Result<&'s [Neighbor], Error> {
    if !begin(parts, searcher, query, params, None)? {
        return Ok(&[]);
    }
    let total = parts.labels.len();
    let hint = filter.count_hint();
    let share = match hint {
        Some(count) => count.min(total) as f64 / total as f64,
        None => {
            let tests = draw(parts, filter, &mut searcher.drawn);
            searcher.drawn.len() as f64 / tests as f64
        }
    };
    let ef = params.ef_search.max(params.k).min(parts.graph.rows());
    let matches = share * total as f64;
    // Codes save nothing where nearly all matches are measured exactly in the end.
    let by_codes = (matches > 4.0 * ef as f64 && parts.view.codes.is_some()).then_some(ef);
    match regime(share, total, ef) {
        Regime::Scan => scan(parts, searcher, query, filter, by_codes)?,
        Regime::TwoHop => walk_matches(parts, searcher, query, filter, dense(ef, share) as usize)?,
        Regime::Traverse => {
            let met = walk_all(parts, searcher, query, filter, ef, share)?;
            // Matches are rarer around the query than elsewhere: what was found may be the rim of what there is.
            if 2 * met < ef {
                searcher.results.clear();
                match matches <= TWO_HOP_STEP * dense(ef, share) {
                    true => scan(parts, searcher, query, filter, by_codes)?,
                    false => walk_matches(parts, searcher, query, filter, dense(ef, share) as usize)?,
                }
            }
        }
    }
    let found = searcher.results.len();
    if found < searcher.results.k() && hint.is_none_or(|count| found < count) {
        searcher.results.clear();
        scan(parts, searcher, query, filter, None)?;
    }
    Ok(searcher.results.sorted())
}

/// Walks over matches, beginning at drawn ones and at those around the usual places.
fn walk_matches<T: Element, G: Graph, F: IdFilter + ?Sized>(
    parts: &Parts<'_, T, G>,
    searcher: &mut Searcher<T>,
    query: &[T],
    filter: &F,
    ef: usize,
) -> Result<(), Error> {
    let Searcher { beam, prepared, scores, starts, results, waypoints, drawn, .. } = searcher;
    beam.start(parts.graph, ef.min(parts.graph.rows()));
    // A waypoint may bring a full row more than is asked for.
    let room = 2 * parts.graph.degree();
    beam.ids.resize(beam.ids.len().max(room), 0);
    beam.scores.resize(beam.ids.len(), 0);
    draw(parts, filter, drawn);
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
    let mut passing = Passing {
        view: parts.view,
        labels: parts.labels,
        filter,
        query,
        prepared,
        results,
        pending: None,
        met: 0,
    };
    for &(score, row) in starts.iter() {
        if passes(parts.labels, filter, row) {
            beam.add(score, row);
        } else if beam.visited.insert(row) {
            let count = gather(parts, filter, beam, waypoints, row);
            beam.collect(count, &mut passing)?;
        }
    }
    two_hop(parts, beam, waypoints, &mut passing)?;
    passing.finish()
}

/// Walks over everything with as many more candidates as matches are rarer. Returns how many matches it met.
fn walk_all<T: Element, G: Graph, F: IdFilter + ?Sized>(
    parts: &Parts<'_, T, G>,
    searcher: &mut Searcher<T>,
    query: &[T],
    filter: &F,
    ef: usize,
    share: f64,
) -> Result<usize, Error> {
    let Searcher { beam, prepared, starts, results, .. } = searcher;
    let wide = (ef as f64 / share).ceil() as usize;
    beam.start(parts.graph, wide.min(parts.graph.rows()));
    for &(score, row) in starts.iter() {
        beam.add(score, row);
    }
    let mut passing = Passing {
        view: parts.view,
        labels: parts.labels,
        filter,
        query,
        prepared,
        results,
        pending: None,
        met: 0,
    };
    beam.run(parts.graph, &mut passing)?;
    passing.finish()?;
    Ok(passing.met)
}

/// Measures all matches: exactly, or where `refine` says how many of the best to measure exactly, by codes first.
fn scan<T: Element, G: Graph, F: IdFilter + ?Sized>(
    parts: &Parts<'_, T, G>,
    searcher: &mut Searcher<T>,
    query: &[T],
    filter: &F,
    refine: Option<usize>,
) -> Result<(), Error> {
    let rows = parts.labels.rows()?;
    let total = parts.labels.len() as u32;
    let Searcher { beam, prepared, results, .. } = searcher;
    beam.start(parts.graph, refine.unwrap_or(1));
    let mut passing = Passing {
        view: parts.view,
        labels: parts.labels,
        filter,
        query,
        prepared,
        results,
        pending: None,
        met: 0,
    };
    let (mut block, mut scores) = ([0; BLOCK], [0; BLOCK]);
    let (mut next, mut ended) = (filter.next_accepted(0, total), false);
    while !ended {
        let mut count = 0;
        while count < BLOCK {
            let Some(id) = next else {
                ended = true;
                break;
            };
            next = if id + 1 < total { filter.next_accepted(id + 1, total) } else { None };
            // Equal vectors share a row, which is measured once.
            let Some(&row) = rows.get(id as usize) else { continue };
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
        filtered(&self.parts()?, searcher, query, &params.resolve(self.calibration())?, filter)
    }
}
