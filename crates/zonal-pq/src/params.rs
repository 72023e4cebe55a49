//! What a caller can ask of a build and of a search.

use std::time::Duration;

use hnsw::Metric;

use crate::Error;
use crate::calibrate::Calibration;
use crate::candidates::MOST_PROBES;
use crate::quantiser::SymbolBits;

/// What estimates are made better with before vectors are measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refine {
    /// [`Refine::Bytes`] where vectors are wider than a byte a dimension and take more than 256 bytes, else
    /// [`Refine::Vectors`].
    #[default]
    Auto,
    /// One byte a dimension on one step, then the vectors.
    Bytes,
    /// The vectors alone.
    Vectors,
}

/// What a scan reads of every vector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ScanCode {
    /// [`ScanCode::Components`], as many as hold 86 % of the variance, at least 32 and at most 256; all dimensions where
    /// they are much alike.
    #[default]
    Auto,
    /// The leading principal components of the residuals in 4 bits each.
    Components {
        /// How many: a multiple of 8.
        dims: usize,
    },
    /// RaBitQ: a random rotation and 1 to 8 bits a dimension.
    Rabitq {
        /// Bits a dimension.
        bits: u8,
    },
    /// 4 or 8 bits a dimension, scaled per vector.
    Lvq {
        /// Bits a dimension.
        bits: u8,
    },
    /// Product codes of the residuals.
    Product {
        /// Sub-spaces, at most the dimension (of inner products: of the vectors).
        subspaces: usize,
        /// Bits of each symbol.
        bits: SymbolBits,
    },
}

/// How an index is built.
///
/// ```
/// use zonal_pq::BuildParams;
/// let params = BuildParams::new().zones(1024).second(0.2);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct BuildParams {
    pub(crate) zones: usize,
    pub(crate) code: ScanCode,
    pub(crate) refine: Refine,
    pub(crate) second: f32,
    pub(crate) lent: bool,
    pub(crate) sample: usize,
    pub(crate) iterations: usize,
    pub(crate) lambda: f32,
    pub(crate) graph_from: usize,
}

impl Default for BuildParams {
    fn default() -> Self {
        Self::new()
    }
}

impl BuildParams {
    /// As many zones as suits the number of vectors, codes as long as suits their spread, every vector in one zone.
    pub fn new() -> Self {
        Self {
            zones: 0,
            code: ScanCode::Auto,
            refine: Refine::Auto,
            second: 0.0,
            lent: false,
            sample: 64,
            iterations: 4,
            lambda: 1.0,
            graph_from: 8192,
        }
    }

    /// The number of zones (`nlist`); 0 picks it by the number of vectors. There are fewer where there are fewer
    /// vectors.
    #[must_use]
    pub fn zones(mut self, zones: usize) -> Self {
        self.zones = zones;
        self
    }

    /// What a scan reads of every vector.
    #[must_use]
    pub fn code(mut self, code: ScanCode) -> Self {
        self.code = code;
        self
    }

    /// What estimates are made better with before vectors are measured.
    #[must_use]
    pub fn refine(mut self, refine: Refine) -> Self {
        self.refine = refine;
        self
    }

    /// The share of vectors (0 to 1) that are stored in a second zone as well, those first that lie between zones:
    /// more memory, fewer probes.
    #[must_use]
    pub fn second(mut self, share: f32) -> Self {
        self.second = share;
        self
    }

    /// The index keeps no vectors of its own: every search is lent them ([`ZonalPq::with_vectors`]). For callers who hold
    /// them anyway. [`LiveZonal`] and [`DiskIndex`] need vectors of their own.
    ///
    /// [`ZonalPq::with_vectors`]: crate::ZonalPq::with_vectors
    /// [`LiveZonal`]: crate::LiveZonal
    /// [`DiskIndex`]: crate::DiskIndex
    #[must_use]
    pub fn lent_vectors(mut self) -> Self {
        self.lent = true;
        self
    }

    /// Parameters of the build's stages, for experiments: not part of the stable interface.
    #[doc(hidden)]
    #[must_use]
    pub fn experiment(mut self, name: &str, value: f64) -> Self {
        match name {
            "sample" => self.sample = value as usize,
            "iterations" => self.iterations = value as usize,
            "lambda" => self.lambda = value as f32,
            "graph_from" => self.graph_from = value as usize,
            _ => {}
        }
        self
    }

    pub(crate) fn check(&self, metric: Metric) -> Result<(), Error> {
        let refuse = |argument, value: String, expected| Err(Error::Parameter { argument, value, expected });
        if self.zones > 1 << 24 {
            return refuse("zones", self.zones.to_string(), "at most 16,777,216");
        }
        if let ScanCode::Components { dims } = self.code
            && (dims == 0 || !dims.is_multiple_of(8) || dims > 1 << 14)
        {
            return refuse("code dims", dims.to_string(), "a multiple of 8 up to 16,384");
        }
        if !(0.0..=1.0).contains(&self.second) {
            return refuse("second", self.second.to_string(), "0 to 1");
        }
        if metric == Metric::Hamming {
            return refuse("metric", "hamming".to_owned(), "l2, inner product or cosine");
        }
        Ok(())
    }
}

/// How a query is searched.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct SearchParams {
    /// Neighbours wanted. Fewer are found only where the zones that are visited hold fewer.
    pub k: usize,
    /// Zones visited, at most 65,536; more find more, and cost more.
    pub nprobe: usize,
    /// Candidates measured after the scan; raised to `k` where it is below.
    pub rerank: usize,
    /// Where a query stops before `nprobe` zones: see [`SearchParams::reach`]. Infinite unless set.
    pub reach: f32,
    /// Vectors whose codes are scanned at most, whatever `nprobe` says; the zone that reaches it is finished.
    pub budget: usize,
    /// Time after which no further zone is begun: see [`SearchParams::time`]. Without end unless set.
    pub time: Duration,
    /// In place of `nprobe`, the recall that it is to be picked by.
    pub(crate) target: Option<f32>,
}

impl SearchParams {
    /// `k` neighbours from `nprobe` zones; 4 k + 20 candidates are measured.
    pub const fn new(k: usize, nprobe: usize) -> Self {
        let (reach, budget, time) = (f32::INFINITY, usize::MAX, Duration::MAX);
        Self { k, nprobe, rerank: 4 * k + 20, reach, budget, time, target: None }
    }

    /// Measures `rerank` candidates after the scan.
    #[must_use]
    pub const fn rerank(mut self, rerank: usize) -> Self {
        self.rerank = rerank;
        self
    }

    /// `k` neighbours, of which the share `recall` (0 to 1) is to be the true nearest, averaged over queries.
    ///
    /// `nprobe` and `reach` are picked by what was measured on the index: see
    /// [`ZonalPq::calibrate`](crate::ZonalPq::calibrate). A search of an index without calibration is refused with
    /// [`Error::NotCalibrated`], one for more than was measured with [`Error::Unreached`].
    pub const fn recall(k: usize, recall: f32) -> Self {
        Self { target: Some(recall), ..Self::new(k, 0) }
    }

    /// Stops a query at the first zone whose centroid's squared distance exceeds that of the nearest centroid by more
    /// than `reach` times the squared distance of the `k`-th neighbour found in the two nearest zones: queries with
    /// near neighbours visit fewer zones than others. About 0.3 to 1 is useful, with a generous `nprobe`. Without
    /// effect on inner products.
    #[must_use]
    pub const fn reach(mut self, reach: f32) -> Self {
        self.reach = reach;
        self
    }

    /// The same with `nprobe` picked where a recall is asked for.
    pub(crate) fn resolve(&self, calibration: Option<&Calibration>) -> Result<Self, Error> {
        let Some(target) = self.target else { return Ok(*self) };
        calibration.ok_or(Error::NotCalibrated)?.pick(self, target)
    }

    /// Stops visiting zones once the codes of `vectors` vectors were scanned: a bound on the work of a query that does
    /// not depend on how large zones are.
    #[must_use]
    pub const fn budget(mut self, vectors: usize) -> Self {
        self.budget = vectors;
        self
    }

    /// Begins no further zone once `time` has passed since the search began; the two nearest are visited in any case,
    /// and measuring the candidates comes after. What is found then depends on the machine: a budget in vectors does
    /// not. Single queries without a filter or a radius only: others are refused with [`Error::Parameter`].
    #[must_use]
    pub const fn time(mut self, time: Duration) -> Self {
        self.time = time;
        self
    }

    /// Refuses a limit of time where none is kept.
    pub(crate) fn untimed(&self) -> Result<(), Error> {
        if self.time == Duration::MAX {
            return Ok(());
        }
        let value = format!("{:?}", self.time);
        Err(Error::Parameter { argument: "time", value, expected: "none, but for a single plain query" })
    }

    /// Checked and within what there is.
    pub(crate) fn within(&self, zones: usize, rows: usize) -> Result<Self, Error> {
        if self.reach.is_nan() || self.reach < 0.0 {
            let value = self.reach.to_string();
            return Err(Error::Parameter { argument: "reach", value, expected: "0 or more" });
        }
        let k = self.k.min(rows);
        Ok(Self {
            k,
            nprobe: self.nprobe.clamp(1, MOST_PROBES).min(zones.max(1)),
            rerank: self.rerank.max(k).min(rows),
            ..*self
        })
    }
}
