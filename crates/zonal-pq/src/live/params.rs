//! What a caller can ask of an index that changes.

use hnsw::Metric;

use crate::Error;
use crate::params::BuildParams;

/// How a [`LiveZonal`](crate::LiveZonal) grows and keeps its zones in shape.
///
/// ```
/// use zonal_pq::{BuildParams, LiveParams};
/// let params = LiveParams::new(BuildParams::new().code(zonal_pq::ScanCode::Components { dims: 64 })).zone_rows(32, 512).upkeep(0);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct LiveParams {
    pub(crate) build: BuildParams,
    pub(crate) merge_at: usize,
    pub(crate) split_at: usize,
    pub(crate) neighbours: usize,
    pub(crate) upkeep: usize,
}

impl Default for LiveParams {
    fn default() -> Self {
        Self::new(BuildParams::new())
    }
}

impl LiveParams {
    /// Builds and rebuilds as `build` says, but for second places: a vector is in one zone. Zones are split at twice
    /// and merged at an eighth of the rows that suit the size of the index, and each call does what it has made
    /// necessary.
    pub fn new(build: BuildParams) -> Self {
        Self { build: build.second(0.0), merge_at: 0, split_at: 0, neighbours: 32, upkeep: 4 }
    }

    /// Zones of so many rows or fewer are merged into others, those with more than `split_at` split. 0 and 0 for
    /// what suits the size of the index; else `split_at` is 16 to 32,768 and at least 16 times `merge_at`.
    #[must_use]
    pub fn zone_rows(mut self, merge_at: usize, split_at: usize) -> Self {
        (self.merge_at, self.split_at) = (merge_at, split_at);
        self
    }

    /// Zones around a split that are searched for vectors which a new centroid is nearer to: SPFresh's reassign
    /// range. 0 to 4,096.
    #[must_use]
    pub fn neighbours(mut self, zones: usize) -> Self {
        self.neighbours = zones;
        self
    }

    /// How much upkeep a call that changes the index does by itself: so many splits and merges for each zone's worth
    /// of rows that it changes, and one more. 0 leaves it all to [`maintain`](crate::LiveZonal::maintain), but for
    /// zones that could hold no more.
    #[must_use]
    pub fn upkeep(mut self, operations: usize) -> Self {
        self.upkeep = operations;
        self
    }

    pub(crate) fn check(&self, metric: Metric) -> Result<(), Error> {
        self.build.check(metric)?;
        let refuse = |argument, value: usize, expected| {
            Err(Error::Parameter { argument, value: value.to_string(), expected })
        };
        let Self { merge_at, split_at, .. } = *self;
        if split_at > crate::build::CAP || (split_at < 16 && split_at != 0) {
            return refuse("split_at", split_at, "16 to 32,768, or 0");
        }
        if merge_at > split_at / 16 {
            return refuse("merge_at", merge_at, "at most a sixteenth of `split_at`");
        }
        if self.neighbours > 4096 {
            return refuse("neighbours", self.neighbours, "0 to 4,096");
        }
        if self.upkeep > 1 << 20 {
            return refuse("upkeep", self.upkeep, "0 to 1,048,576");
        }
        Ok(())
    }
}
