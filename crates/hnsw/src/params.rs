//! What a caller can ask of a build and of a search.

use crate::Calibration;
use crate::error::Error;
use crate::metric::Metric;
use crate::scan::SCAN_BYTES;

/// How a search walks the graph: by what codes, and hence at what cost in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Storage {
    /// The one of the others that reaches recall 0.98 at the least cost, counted on a sample of the data.
    #[default]
    Auto,
    /// The vectors themselves; no codes beside them.
    Full,
    /// Codes of so many cache lines of 64 bytes, 1 to 16, mixed of 7-bit and 4-bit dimensions on one step.
    Lines(usize),
    /// One byte a dimension, scaled per vector.
    Bytes,
    /// One bit a dimension after a random rotation: least memory, and a wide beam to make up for it.
    Bits,
}

/// How much work a build puts into its graph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Quality {
    /// Candidates from random carvings only.
    Fast,
    /// One pass of searching the graph for better ones.
    #[default]
    Balanced,
    /// Two passes, with a wider beam.
    Max,
}

/// How an index is built.
///
/// ```
/// use hnsw::{BuildParams, Quality, Storage};
/// let params = BuildParams::new().degree(64).quality(Quality::Max).storage(Storage::Lines(2));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct BuildParams {
    pub(crate) degree: usize,
    pub(crate) quality: Quality,
    pub(crate) storage: Storage,
    pub(crate) seeds: usize,
    pub(crate) calibrate: bool,
    pub(crate) tune: Tune,
}

/// What the levels of quality stand for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tune {
    pub(crate) candidates: usize,
    pub(crate) leaf_keep: usize,
    pub(crate) leaf: usize,
    pub(crate) rounds: usize,
    pub(crate) passes: usize,
    pub(crate) ef_construction: usize,
    pub(crate) prune_width: usize,
    pub(crate) alphas: [f32; 2],
    /// Integer rows of so many bytes are scanned.
    pub(crate) scan_bytes: usize,
    /// Whether rows are stored in an order of space.
    pub(crate) reorder: bool,
}

impl Default for BuildParams {
    fn default() -> Self {
        Self::new()
    }
}

impl BuildParams {
    /// Degree 48, balanced quality, automatic storage.
    pub fn new() -> Self {
        Self {
            degree: 48,
            quality: Quality::Balanced,
            storage: Storage::Auto,
            seeds: 256,
            calibrate: false,
            tune: Tune {
                candidates: 64,
                leaf_keep: 24,
                leaf: 512,
                rounds: 3,
                passes: 1,
                ef_construction: 64,
                prune_width: 96,
                alphas: [1.0, 1.2],
                scan_bytes: SCAN_BYTES,
                reorder: true,
            },
        }
    }

    /// The most neighbours of a row, 4 to 256 (the `2 M` of HNSW). Memory is 4 bytes each.
    #[must_use]
    pub fn degree(mut self, degree: usize) -> Self {
        self.degree = degree;
        self
    }

    /// How much work to put into the graph.
    #[must_use]
    pub fn quality(mut self, quality: Quality) -> Self {
        self.quality = quality;
        match quality {
            Quality::Fast => (self.tune.passes, self.tune.rounds) = (0, 5),
            Quality::Balanced => (self.tune.passes, self.tune.rounds, self.tune.ef_construction) = (1, 3, 64),
            Quality::Max => (self.tune.passes, self.tune.rounds, self.tune.ef_construction) = (2, 3, 128),
        }
        self
    }

    /// What a search walks by.
    #[must_use]
    pub fn storage(mut self, storage: Storage) -> Self {
        self.storage = storage;
        self
    }

    /// How many rows a search may begin from, at least 1.
    #[must_use]
    pub fn seeds(mut self, seeds: usize) -> Self {
        self.seeds = seeds;
        self
    }

    /// Whether the build ends with [`Hnsw::calibrate`](crate::Hnsw::calibrate) on rows of the index; off by default.
    #[must_use]
    pub fn calibrate(mut self, calibrate: bool) -> Self {
        self.calibrate = calibrate;
        self
    }

    /// Parameters of the build's stages, for experiments: not part of the stable interface.
    #[doc(hidden)]
    #[must_use]
    pub fn experiment(mut self, name: &str, value: f64) -> Self {
        let size = value as usize;
        match name {
            "candidates" => self.tune.candidates = size,
            "leaf_keep" => self.tune.leaf_keep = size,
            "leaf" => self.tune.leaf = size,
            "rounds" => self.tune.rounds = size,
            "passes" => self.tune.passes = size,
            "ef_construction" => self.tune.ef_construction = size,
            "prune_width" => self.tune.prune_width = size,
            "reorder" => self.tune.reorder = value != 0.0,
            "scan_bytes" => self.tune.scan_bytes = size,
            "alpha" => self.tune.alphas[1] = value as f32,
            "alpha0" => self.tune.alphas[0] = value as f32,
            _ => {}
        }
        self
    }

    pub(crate) fn check(&self, metric: Metric) -> Result<(), Error> {
        let within = |argument, value: usize, low, high, expected| {
            if (low..=high).contains(&value) {
                Ok(())
            } else {
                Err(Error::Parameter { argument, value: value.to_string(), expected })
            }
        };
        within("degree", self.degree, 4, 256, "4 to 256")?;
        within("seeds", self.seeds, 1, 1 << 20, "1 to 1,048,576")?;
        if let Storage::Lines(lines) = self.storage {
            within("storage lines", lines, 1, 16, "1 to 16")?;
        }
        if metric == Metric::Hamming && !matches!(self.storage, Storage::Auto | Storage::Full) {
            let value = format!("{:?}", self.storage);
            return Err(Error::Parameter { argument: "storage", value, expected: "Auto or Full for bits" });
        }
        Ok(())
    }
}

/// How a query is searched.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct SearchParams {
    /// Neighbours wanted. Fewer are found only where there are fewer.
    pub k: usize,
    /// Candidates held: more find more, and cost more. Raised to `k` where it is below.
    pub ef_search: usize,
    /// In place of `ef_search`, the recall that it is to be picked by.
    pub(crate) target: Option<f32>,
}

impl SearchParams {
    /// `k` neighbours with `ef_search` candidates.
    pub const fn new(k: usize, ef_search: usize) -> Self {
        Self { k, ef_search, target: None }
    }

    /// `k` neighbours, of which the share `recall` (0 to 1) is to be the true nearest, averaged over queries.
    ///
    /// `ef_search` is picked by what was measured on the index: see [`Hnsw::calibrate`](crate::Hnsw::calibrate).
    /// A search of an index without calibration is refused with [`Error::NotCalibrated`], one for more than was
    /// measured with [`Error::Unreached`].
    pub const fn recall(k: usize, recall: f32) -> Self {
        Self { k, ef_search: 0, target: Some(recall) }
    }

    /// The same with `ef_search` picked where a recall is asked for.
    #[inline]
    pub(crate) fn resolve(&self, calibration: Option<&Calibration>) -> Result<Self, Error> {
        let Some(target) = self.target else { return Ok(*self) };
        let calibration = calibration.ok_or(Error::NotCalibrated)?;
        Ok(Self::new(self.k, calibration.ef_search(self.k, target)?))
    }
}
