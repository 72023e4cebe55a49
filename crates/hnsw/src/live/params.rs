//! What a caller can ask of an index that changes.

use crate::error::Error;
use crate::metric::Metric;
use crate::params::BuildParams;

/// How a [`LiveHnsw`](crate::LiveHnsw) grows, shrinks and is published.
///
/// ```
/// use hnsw::{BuildParams, LiveParams};
/// let params = LiveParams::new(BuildParams::new().degree(48)).ef_insert(128).compact_at(None);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct LiveParams {
    pub(crate) build: BuildParams,
    pub(crate) ef_insert: usize,
    pub(crate) training: usize,
    pub(crate) compact_at: Option<f32>,
    pub(crate) publish: bool,
}

impl Default for LiveParams {
    fn default() -> Self {
        Self::new(BuildParams::new())
    }
}

impl LiveParams {
    /// Degree, storage, seeds and bulk builds as `build` says; 96 candidates an insertion, training on 2,048 rows,
    /// compaction at a tenth of tombstones, every call published.
    pub fn new(build: BuildParams) -> Self {
        Self { build, ef_insert: 96, training: 2048, compact_at: Some(0.1), publish: true }
    }

    /// Candidates that an insertion searches for, 8 to 65,536.
    #[must_use]
    pub fn ef_insert(mut self, ef: usize) -> Self {
        self.ef_insert = ef;
        self
    }

    /// Rows from which scale and codes are learned, at least 16. Until there are so many, a search compares all.
    #[must_use]
    pub fn training(mut self, rows: usize) -> Self {
        self.training = rows;
        self
    }

    /// The share of removed rows, above 0 and below 1, at which a call that changes the index also compacts it. Such a
    /// call also [rebuilds](crate::LiveHnsw::rebuild) an index whose vectors have left the range that its scale was
    /// learned for. `None` for neither.
    #[must_use]
    pub fn compact_at(mut self, share: Option<f32>) -> Self {
        self.compact_at = share;
        self
    }

    /// Whether readers see the effect of every call when it returns, or only that of
    /// [`publish`](crate::LiveHnsw::publish).
    #[must_use]
    pub fn publish_each_call(mut self, publish: bool) -> Self {
        self.publish = publish;
        self
    }

    pub(crate) fn check(&self, metric: Metric) -> Result<(), Error> {
        self.build.check(metric)?;
        let wrong = |argument, value: String, expected| Err(Error::Parameter { argument, value, expected });
        if !(8..=65_536).contains(&self.ef_insert) {
            return wrong("ef_insert", self.ef_insert.to_string(), "8 to 65,536");
        }
        if self.training < 16 {
            return wrong("training", self.training.to_string(), "at least 16");
        }
        match self.compact_at {
            Some(share) if !(share > 0.0 && share < 1.0) => {
                wrong("compact_at", share.to_string(), "above 0 and below 1")
            }
            _ => Ok(()),
        }
    }
}
