//! Batches of queries: sorted by where they lie, answered in groups, put back into their order.

use std::sync::Mutex;

use super::error::{ResidualError, expect_finite, expect_len};
use super::factor::Factor;
use super::relations::Relations;
use super::search::{Out, Pruning, Scratch, group_of};
use super::table::Neighborhoods;
use super::{Eligible, ResidualIndex, parallel};

/// Buffers of searches, reused from call to call and between indexes. They grow to what the largest search needed.
#[derive(Debug, Default)]
pub struct SearchScratch {
    /// Queries by where they lie.
    sorted: Vec<(u32, u32)>,
    /// Results in that order.
    found: Neighborhoods,
    /// Queries that were put off, and their results.
    again: Vec<(u32, u32)>,
    found_again: Neighborhoods,
    /// One for each thread that has worked at a time.
    pool: Mutex<Vec<Scratch>>,
}

impl SearchScratch {
    /// Empty buffers.
    pub const fn new() -> Self {
        Self {
            sorted: Vec::new(),
            found: Neighborhoods::new(),
            again: Vec::new(),
            found_again: Neighborhoods::new(),
            pool: Mutex::new(Vec::new()),
        }
    }
}

impl ResidualIndex {
    /// The `k` nearest neighbours of members, given by id, into `out`. `k` above the number of points counts as
    /// that number. Queries run on the caller's rayon pool; the result does not depend on it.
    ///
    /// # Errors
    /// [`ResidualError::Zero`] if `k` is 0, [`ResidualError::UnknownId`].
    pub fn search_members(
        &self,
        ids: &[u32],
        k: usize,
        eligible: Eligible,
        pruning: Pruning,
        out: &mut Neighborhoods,
    ) -> Result<(), ResidualError> {
        self.search_members_with(&mut SearchScratch::new(), ids, k, eligible, pruning, out)
    }

    /// As [`search_members`](Self::search_members), with buffers of the caller: on one thread, a search that is not
    /// larger than one before allocates nothing.
    ///
    /// ```
    /// use covertree::residual::{
    ///     Covariance, CovarianceModel, Eligible, Factor, Neighborhoods, Pruning, ResidualIndex, SearchScratch,
    /// };
    /// let model = CovarianceModel::new(Covariance::Matern32, &[1.0], 1.0);
    /// let factor = Factor { v: &[], rank: 0, p: &[1.0; 4] };
    /// let index = ResidualIndex::from_factor(&[0.0, 1.0, 3.0, 3.5], 1, &model, factor)?;
    /// let (mut scratch, mut found) = (SearchScratch::new(), Neighborhoods::new());
    /// for id in 0..4 {
    ///     let (eligible, pruning) = (Eligible::All, Pruning::Bounds);
    ///     index.search_members_with(&mut scratch, &[id], 2, eligible, pruning, &mut found)?;
    ///     assert_eq!(found.ids()[0], id);
    /// }
    /// # Ok::<(), covertree::residual::ResidualError>(())
    /// ```
    ///
    /// # Errors
    /// As [`search_members`](Self::search_members).
    pub fn search_members_with(
        &self,
        scratch: &mut SearchScratch,
        ids: &[u32],
        k: usize,
        eligible: Eligible,
        pruning: Pruning,
        out: &mut Neighborhoods,
    ) -> Result<(), ResidualError> {
        self.search_ids((ids, eligible), (k, pruning), self.relations.as_ref(), scratch, out)
    }

    /// As [`search_members`](Self::search_members), with relations.
    fn search_ids(
        &self,
        (ids, eligible): (&[u32], Eligible),
        (k, pruning): (usize, Pruning),
        relations: Option<&Relations>,
        scratch: &mut SearchScratch,
        out: &mut Neighborhoods,
    ) -> Result<(), ResidualError> {
        if let Some(&id) = ids.iter().find(|id| **id as usize >= self.len()) {
            return Err(ResidualError::UnknownId { argument: "ids", id, points: self.len() });
        }
        let place = |query: u32| self.order.places[ids[query as usize] as usize];
        self.search((ids.len(), k, pruning, relations), scratch, out, place, |scratch, query| {
            let id = ids[query as usize];
            let limit = if eligible == Eligible::Predecessors { id } else { u32::MAX };
            let place = place(query);
            scratch.queries.homes.push(self.block_of_place(place as usize) as u32);
            self.field.push_member(&mut scratch.queries, place as usize, limit)
        })
    }

    /// The `k` nearest predecessors of every point: row `i` of `out` holds min(k, i) ids below `i`.
    ///
    /// Where that pays, blocks are related for this search alone, if they are not
    /// ([`relate_blocks`](Self::relate_blocks)), in memory of up to about twice that of V.
    ///
    /// # Errors
    /// As [`search_members`](Self::search_members).
    pub fn search_predecessors(&self, k: usize, out: &mut Neighborhoods) -> Result<(), ResidualError> {
        if k == 0 {
            return Err(ResidualError::Zero { argument: "k" });
        }
        let ids: Vec<u32> = (0..self.len() as u32).collect();
        let pays = self.relations.is_none() && Relations::pay_once(&self.field, &self.blocks);
        let own = if pays { Some(Relations::new(&self.field, &self.blocks)?) } else { None };
        let relations = own.as_ref().or(self.relations.as_ref());
        let queries = (&ids[..], Eligible::Predecessors);
        self.search_ids(queries, (k, Pruning::Bounds), relations, &mut SearchScratch::new(), out)
    }

    /// The `k` nearest neighbours of points that need not be members, given by coordinates and their own factor,
    /// computed as that of the members was.
    ///
    /// # Errors
    /// As [`from_factor`](Self::from_factor), and [`ResidualError::Zero`] if `k` is 0.
    pub fn search_points(
        &self,
        coords: &[f64],
        factor: Factor<'_>,
        k: usize,
        pruning: Pruning,
        out: &mut Neighborhoods,
    ) -> Result<(), ResidualError> {
        self.search_points_with(&mut SearchScratch::new(), coords, factor, k, pruning, out)
    }

    /// As [`search_points`](Self::search_points), with buffers of the caller: on one thread, a search that is not
    /// larger than one before allocates nothing.
    ///
    /// # Errors
    /// As [`search_points`](Self::search_points).
    pub fn search_points_with(
        &self,
        scratch: &mut SearchScratch,
        coords: &[f64],
        factor: Factor<'_>,
        k: usize,
        pruning: Pruning,
        out: &mut Neighborhoods,
    ) -> Result<(), ResidualError> {
        let dim = self.dim();
        expect_len("coords", coords.len().next_multiple_of(dim), coords.len())?;
        expect_finite("coords", coords)?;
        let n = coords.len() / dim;
        factor.check(n)?;
        expect_len("rank", self.field.rank, factor.rank.max(1))?;
        let point = |query: u32| &coords[query as usize * dim..(query as usize + 1) * dim];
        let block = |query: u32| self.block_of_point(point(query)) as u32;
        self.search((n, k, pruning, self.relations.as_ref()), scratch, out, block, |scratch, query| {
            let v = &factor.v[query as usize * factor.rank..(query as usize + 1) * factor.rank];
            scratch.queries.homes.push(block(query));
            self.field.push_point(&mut scratch.queries, point(query), v, factor.p[query as usize])
        })
    }

    /// As [`search_points`](Self::search_points), the points' factor computed from the inducing points.
    ///
    /// # Errors
    /// As [`search_points`](Self::search_points), and [`ResidualError::NoInducing`].
    #[cfg(feature = "inducing")]
    pub fn search_new_points(
        &self,
        coords: &[f64],
        k: usize,
        pruning: Pruning,
        out: &mut Neighborhoods,
    ) -> Result<(), ResidualError> {
        let Some(inducing) = &self.inducing else {
            return Err(ResidualError::NoInducing { operation: "search_new_points" });
        };
        let dim = self.dim();
        expect_len("coords", coords.len().next_multiple_of(dim), coords.len())?;
        expect_finite("coords", coords)?;
        let (mut v, rank) = (vec![0.0; coords.len() / dim * inducing.rank], inducing.rank);
        let point = |i: usize, x: &mut [f64]| x.copy_from_slice(&coords[i * dim..(i + 1) * dim]);
        let squares = inducing.solve(self.field.kernels, &self.model, point, &mut v, rank)?;
        let p: Vec<f64> = squares.variances(&self.model).map(|(_, p)| p).collect();
        self.search_points(coords, Factor { v: &v, rank, p: &p }, k, pruning, out)
    }

    /// Sorts queries by `key`, answers them in groups, and puts the results back into their order.
    fn search(
        &self,
        (n, k, pruning, relations): (usize, usize, Pruning, Option<&Relations>),
        scratch: &mut SearchScratch,
        out: &mut Neighborhoods,
        key: impl Fn(u32) -> u32,
        push: impl Fn(&mut Scratch, u32) -> Result<(), ResidualError> + Sync,
    ) -> Result<(), ResidualError> {
        if k == 0 {
            return Err(ResidualError::Zero { argument: "k" });
        }
        if n >= u32::MAX as usize {
            return Err(ResidualError::TooLarge {
                argument: "queries",
                value: n,
                limit: u32::MAX as usize - 1,
            });
        }
        let k = k.min(self.len());
        out.reset(n, k)?;
        let SearchScratch { sorted, found, again, found_again, pool } = scratch;
        sorted.clear();
        sorted.extend((0..n as u32).map(|query| (key(query), query)));
        sorted.sort_unstable();
        let answer = |queries: &[(u32, u32)], found: &mut Neighborhoods, pruning| {
            found.reset(queries.len(), k)?;
            let group = group_of(queries.len());
            let places = queries
                .chunks(group)
                .zip(found.ids.chunks_mut(group * k))
                .zip(found.distances.chunks_mut(group * k))
                .zip(found.certificates.chunks_mut(group))
                .map(|(((queries, ids), distances), certificates)| {
                    (queries, Out { ids, distances, certificates })
                });
            parallel::try_each(places, pool, |scratch: &mut Scratch, (queries, out)| {
                scratch.queries.clear();
                for &(_, query) in queries {
                    push(scratch, query)?;
                }
                self.search_group(scratch, k, (pruning, relations), out)
            })
        };
        answer(sorted, found, pruning)?;
        again.clear();
        let certificates = found.certificates.iter().zip(&*sorted);
        again.extend(certificates.filter(|(certificate, _)| certificate.is_put_off()).map(|(_, at)| *at));
        answer(again, found_again, Pruning::None)?;
        found.hand_over(sorted, out);
        found_again.hand_over(again, out);
        Ok(())
    }
}
