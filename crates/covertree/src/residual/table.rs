//! Results of a batch, and what they are certified by.

use layouts::Neighbor;

use super::error::ResidualError;

/// The id that fills places for which there is no neighbour.
pub const NO_NEIGHBOR: u32 = u32::MAX;

/// How one query was answered.
///
/// Every member was either measured exactly or has a correlation provably below [`bound`](Self::bound).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Certificate {
    /// Correlations with members computed in `f64`, those of the result among them.
    pub pair_evaluations: u32,
    /// Pivots that bounds were made from, and members so unlike all others that they were bounded one by one.
    pub pivot_evaluations: u32,
    /// Pairs whose `f32` value could not decide and that were computed again in `f64`.
    pub escalations: u32,
    /// No |ρ| of a member that was not measured exceeds this. 0 when all were measured.
    pub bound: f64,
    /// |ρ| of the last neighbour less `bound`; not negative beyond `error`, by construction.
    pub bound_gap: f64,
    /// Bound on the rounding error of every reported |ρ|: neighbours whose |ρ| differ by less than twice this are
    /// ties, which exact arithmetic could order otherwise.
    pub error: f64,
    /// The same bound for `f32`. Where it is not small against 1, a search in `f32` would return wrong neighbours.
    pub error_f32: f64,
}

impl Certificate {
    /// No query escalates so many pairs, for there are fewer.
    const PUT_OFF: u32 = u32::MAX;

    /// Marks a query that is still to be answered.
    pub(super) fn put_off(&mut self) {
        self.escalations = Self::PUT_OFF;
    }

    pub(super) fn is_put_off(&self) -> bool {
        self.escalations == Self::PUT_OFF
    }
}

/// Neighbours of a batch of queries: `k` places for each, in the order of the queries.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Neighborhoods {
    pub(super) k: usize,
    pub(super) ids: Vec<u32>,
    pub(super) distances: Vec<f64>,
    pub(super) certificates: Vec<Certificate>,
}

impl Neighborhoods {
    /// No results; the memory of a batch is taken by the batch.
    pub const fn new() -> Self {
        Self { k: 0, ids: Vec::new(), distances: Vec::new(), certificates: Vec::new() }
    }

    /// Number of queries.
    pub fn len(&self) -> usize {
        self.certificates.len()
    }

    /// Whether there is no query.
    pub fn is_empty(&self) -> bool {
        self.certificates.is_empty()
    }

    /// Places for each query.
    pub fn k(&self) -> usize {
        self.k
    }

    /// Ids of all queries, `k` each, nearest first, then [`NO_NEIGHBOR`].
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// Distances √(1 − |ρ|) beside [`ids`](Self::ids), then ∞.
    pub fn distances(&self) -> &[f64] {
        &self.distances
    }

    /// How each query was answered.
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// The neighbours of a query, nearest first, ties by the lower id; nothing if there is no such query.
    pub fn neighbors(&self, query: usize) -> impl Iterator<Item = Neighbor<f64>> + '_ {
        let range = query.saturating_mul(self.k)..(query + 1).saturating_mul(self.k);
        let ids = self.ids.get(range.clone()).unwrap_or_default();
        let distances = self.distances.get(range).unwrap_or_default();
        let pairs = ids.iter().zip(distances).take_while(|(id, _)| **id != NO_NEIGHBOR);
        pairs.map(|(&id, &distance)| Neighbor::new(id, distance))
    }

    /// Puts results of `(_, query)` into the places of the queries. What was computed for a query before it was put
    /// off stays counted.
    pub(super) fn hand_over(&self, queries: &[(u32, u32)], to: &mut Self) {
        let k = self.k;
        for (at, &(_, query)) in queries.iter().enumerate() {
            let query = query as usize;
            to.ids[query * k..(query + 1) * k].copy_from_slice(&self.ids[at * k..(at + 1) * k]);
            to.distances[query * k..(query + 1) * k].copy_from_slice(&self.distances[at * k..(at + 1) * k]);
            let before = to.certificates[query];
            to.certificates[query] = self.certificates[at];
            if before.is_put_off() {
                to.certificates[query].pair_evaluations += before.pair_evaluations;
                to.certificates[query].pivot_evaluations += before.pivot_evaluations;
            }
        }
    }

    /// Makes `queries` empty places of `k`. Allocates only if they take more room than any before.
    pub(super) fn reset(&mut self, queries: usize, k: usize) -> Result<(), ResidualError> {
        let places = queries.saturating_mul(k);
        let memory = |_| ResidualError::Memory(layouts::Error::Memory { bytes: places.saturating_mul(12) });
        self.ids.clear();
        self.distances.clear();
        self.certificates.clear();
        self.ids.try_reserve(places).map_err(memory)?;
        self.distances.try_reserve(places).map_err(memory)?;
        self.certificates.try_reserve(queries).map_err(memory)?;
        self.ids.resize(places, NO_NEIGHBOR);
        self.distances.resize(places, f64::INFINITY);
        self.certificates.resize(queries, Certificate::default());
        self.k = k;
        Ok(())
    }
}
