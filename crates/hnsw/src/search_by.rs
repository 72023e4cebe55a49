//! Searches by a distance of the caller's own: the graph shows where to look, the caller says what is near.

use layouts::Neighbor;
use simd_kernels::Element;

use crate::beam::{Beam, Scorer};
use crate::graph::Graph;
use crate::labels::Names;
use crate::metric::sortable;
use crate::params::SearchParams;
use crate::search::{Parts, Results, Searcher, reset};
use crate::{Error, Hnsw};

/// Asks the caller about every name of a row, and keeps the answers.
pub(crate) struct Asking<'a, L, R, D> {
    names: &'a L,
    pub(crate) results: &'a mut R,
    distance: D,
    /// What led to the rows that are looked at now. Of rows that lost their names nobody can be asked; for the way
    /// through them they count as near as that.
    from: i32,
}

impl<'a, L: Names, R: Results<L::Name>, D: FnMut(L::Name) -> f32> Asking<'a, L, R, D> {
    pub(crate) fn new(names: &'a L, results: &'a mut R, distance: D) -> Self {
        // Nearer than what no full pool takes.
        Self { names, results, distance, from: i32::MAX - 1 }
    }

    /// The least distance of a row's names, all of which become results.
    pub(crate) fn row(&mut self, row: u32) -> Result<i32, Error> {
        let mut least = None;
        let mut numbers = true;
        self.names.each(row, |name| {
            // Adding zero makes -0 the same as 0.
            let distance = (self.distance)(name) + 0.0;
            numbers &= !distance.is_nan();
            if numbers {
                self.results.offer(distance, name);
                let sortable = sortable(distance);
                least = Some(least.map_or(sortable, |least: i32| least.min(sortable)));
            }
        });
        if numbers { Ok(least.unwrap_or(self.from)) } else { Err(not_a_number()) }
    }
}

fn not_a_number() -> Error {
    Error::Parameter { argument: "distance", value: "NaN".to_owned(), expected: "a function to numbers" }
}

impl<L: Names, R: Results<L::Name>, D: FnMut(L::Name) -> f32> Scorer for Asking<'_, L, R, D> {
    fn score(&mut self, ids: &[u32], out: &mut [i32]) -> Result<(), Error> {
        for (&id, out) in ids.iter().zip(out) {
            *out = self.row(id)?;
        }
        Ok(())
    }
    fn prefetch(&self, id: u32) {
        self.names.prefetch(id);
    }
    fn expand(&mut self, score: i32, _: u32) -> Result<(), Error> {
        self.from = score;
        Ok(())
    }
}

/// Walks from all seeds with `ef_search` candidates. The caller is asked about every name once.
pub(crate) fn walk_by<T, G: Graph, L: Names, R: Results<L::Name>>(
    parts: &Parts<'_, T, G, L>,
    beam: &mut Beam,
    ef_search: usize,
    asking: &mut Asking<'_, L, R, impl FnMut(L::Name) -> f32>,
) -> Result<(), Error> {
    beam.start(parts.graph, ef_search.min(parts.graph.rows()));
    for &seed in &*parts.seeds.ids {
        if beam.visited.insert(seed) {
            beam.scored += 1;
            beam.pool.insert(asking.row(seed)?, seed);
        }
    }
    beam.run(parts.graph, asking)
}

impl<T: Element> Hnsw<T> {
    /// The `params.k` ids that are nearest by `distance`, a function of the caller's own, nearest first, ties by the
    /// lower id, each at the distance that the function gave.
    ///
    /// The graph is walked as it was built, for the index's metric; where `distance` ranks vectors much as that metric
    /// does (weighted or of another norm, learned, with a price added), few rows are looked at. The less it does, the
    /// more candidates it takes; with `ef_search` no less than the number of rows the answer is exact, whatever the
    /// function. There is no order that it is called in, but for no id twice. It is asked about some
    /// `ef_search · degree / 2` ids one at a time, which is the cost: no code and no kernel helps here. For exact
    /// search by any metric see the crate `covertree`.
    ///
    /// # Errors
    /// [`Error::Parameter`] if the function gives NaN; [`Error::NotCalibrated`] where a recall is asked for, which
    /// no calibration can know.
    ///
    /// ```
    /// use hnsw::{BuildParams, Hnsw, Metric, SearchParams, Searcher};
    /// use simd_kernels::Rows;
    /// let points: Vec<f32> = (0..2000).map(|x| (x * 7 % 1000) as f32).collect();
    /// let index = Hnsw::build(Rows::new(&points, 2)?, Metric::L2, &BuildParams::new())?;
    /// // The city-block distance, with the second column counting thrice.
    /// let weighted = |id: u32| {
    ///     let row = &points[2 * id as usize..][..2];
    ///     (row[0] - 300.0).abs() + 3.0 * (row[1] - 310.0).abs()
    /// };
    /// let mut searcher = Searcher::new()?;
    /// let found = index.search_by(&mut searcher, &SearchParams::new(3, 50), weighted)?;
    /// assert_eq!(found[0].distance, weighted(found[0].id));
    /// assert!((0..1000).all(|id| weighted(id) >= found[0].distance));
    /// # Ok::<(), hnsw::Error>(())
    /// ```
    pub fn search_by<'s>(
        &self,
        searcher: &'s mut Searcher<T>,
        params: &SearchParams,
        distance: impl FnMut(u32) -> f32,
    ) -> Result<&'s [Neighbor], Error> {
        let params = params.resolve(None)?;
        let Searcher { scratch, results, .. } = searcher;
        let parts = self.parts()?;
        reset(results, params.k, parts.names.len())?;
        if params.k > 0 && parts.names.len() > 0 {
            let mut asking = Asking::new(parts.names, results, distance);
            walk_by(&parts, &mut scratch.beam, params.ef_search.max(params.k), &mut asking)?;
        }
        Ok(searcher.results.sorted())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use layouts::TopK;

    /// Rows of even number have themselves for a name.
    struct Even;

    impl Names for Even {
        type Name = u32;
        fn names(&self) -> usize {
            4
        }
        fn extent(&self) -> usize {
            8
        }
        fn each(&self, row: u32, mut each: impl FnMut(u32)) {
            if row.is_multiple_of(2) {
                each(row);
            }
        }
        fn prefetch(&self, _: u32) {}
    }

    #[test]
    fn rows_without_names_count_as_near_as_what_led_to_them() {
        let mut results = TopK::new(8).unwrap();
        let mut asking = Asking::new(&Even, &mut results, |name| name as f32 / 2.0);
        let mut scores = [0; 3];
        asking.score(&[1, 2, 6], &mut scores).unwrap();
        assert_eq!(scores, [i32::MAX - 1, sortable(1.0), sortable(3.0)]);
        asking.expand(sortable(1.0), 2).unwrap();
        asking.score(&[3, 4, 5], &mut scores).unwrap();
        assert_eq!(scores, [sortable(1.0), sortable(2.0), sortable(1.0)]);
        assert_eq!(results.sorted().iter().map(|found| found.id).collect::<Vec<_>>(), [2, 4, 6]);
    }
}
