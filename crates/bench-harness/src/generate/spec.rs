//! Specifications of generated sets: `synth:clustered?n=100000&d=96&q=1000&seed=42`.

use std::fmt;
use std::str::FromStr;

use super::GenerateError;
use crate::dataset::Metric;
use crate::dtype::Dtype;

/// What kind of data to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// Uniform in the unit cube: the hardest case, all distances nearly equal.
    Uniform,
    /// Independent normal components.
    Gaussian,
    /// Normal clusters of different size and width.
    Clustered,
    /// A random subspace of dimension `intrinsic`, with noise around it.
    Subspace,
    /// Whole numbers 0..=255 made as SIFT makes them: clusters, normalised, clipped, scaled to norm 512.
    Sift,
    /// Bit strings around random prototypes.
    Bits,
    /// Coordinates of a Gaussian process: uniform in the unit square or cube.
    GpUniform,
    /// Coordinates of a Gaussian process: normal.
    GpNormal,
    /// Coordinates of a Gaussian process: distinct cells of a regular grid, so that very many distances tie.
    GpGrid,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 9] = [
        Kind::Uniform,
        Kind::Gaussian,
        Kind::Clustered,
        Kind::Subspace,
        Kind::Sift,
        Kind::Bits,
        Kind::GpUniform,
        Kind::GpNormal,
        Kind::GpGrid,
    ];

    /// The name used in specifications.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Uniform => "uniform",
            Kind::Gaussian => "gaussian",
            Kind::Clustered => "clustered",
            Kind::Subspace => "subspace",
            Kind::Sift => "sift",
            Kind::Bits => "bits",
            Kind::GpUniform => "gp-uniform",
            Kind::GpNormal => "gp-normal",
            Kind::GpGrid => "gp-grid",
        }
    }

    const fn default_dim(self) -> usize {
        match self {
            Kind::GpUniform | Kind::GpNormal | Kind::GpGrid => 2,
            Kind::Sift => 128,
            Kind::Bits => 256,
            _ => 96,
        }
    }

    const fn default_dtype(self) -> Dtype {
        match self {
            Kind::GpUniform | Kind::GpNormal | Kind::GpGrid => Dtype::F64,
            Kind::Sift => Dtype::U8,
            Kind::Bits => Dtype::Bits,
            _ => Dtype::F32,
        }
    }

    /// The keys that this kind knows beside those that all know.
    const fn own_keys(self) -> &'static [&'static str] {
        match self {
            Kind::Clustered | Kind::Sift => &["clusters", "spread"],
            Kind::Bits => &["clusters", "flip"],
            Kind::Subspace => &["intrinsic", "noise"],
            _ => &[],
        }
    }
}

/// A generated set in full: the same specification gives the same set, everywhere.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// The kind of data.
    pub kind: Kind,
    /// Base vectors.
    pub n: usize,
    /// Dimensions (bits for bit strings).
    pub d: usize,
    /// Queries.
    pub q: usize,
    /// The seed.
    pub seed: u64,
    /// The metric.
    pub metric: Metric,
    /// The element type.
    pub dtype: Dtype,
    /// Clusters or prototypes.
    pub clusters: usize,
    /// Width of a cluster in relation to the distances between clusters.
    pub spread: f64,
    /// Share of a prototype's bits that are flipped.
    pub flip: f64,
    /// Dimension of the subspace.
    pub intrinsic: usize,
    /// Noise around the subspace.
    pub noise: f64,
}

/// The largest dimension that kernels accept.
const MAX_DIM: usize = 1 << 20;

const SHARED_KEYS: [&str; 6] = ["n", "d", "q", "seed", "metric", "dtype"];

impl Spec {
    /// The specification of a kind with nothing else said: 100,000 vectors, 1,000 queries, seed 42.
    pub fn of(kind: Kind) -> Self {
        Self {
            kind,
            n: 100_000,
            d: kind.default_dim(),
            q: 1_000,
            seed: 42,
            metric: if kind == Kind::Bits { Metric::Hamming } else { Metric::L2 },
            dtype: kind.default_dtype(),
            clusters: 1_000,
            spread: 0.5,
            flip: 0.1,
            intrinsic: 12,
            noise: 0.05,
        }
    }

    /// Whether `name` is meant as a specification: `synth`, or `synth:` and more.
    pub fn is_spec(name: &str) -> bool {
        name == "synth" || name.starts_with("synth:")
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), GenerateError> {
        let bad = || GenerateError::Value { key: key.to_owned(), value: value.to_owned() };
        let count = || value.parse::<usize>().map_err(|_| bad());
        let share = |max: f64| match value.parse::<f64>() {
            Ok(share) if (0.0..=max).contains(&share) => Ok(share),
            _ => Err(bad()),
        };
        match key {
            "n" => self.n = count()?,
            "d" => self.d = count()?,
            "q" => self.q = count()?,
            "seed" => self.seed = value.parse().map_err(|_| bad())?,
            "metric" => self.metric = value.parse().map_err(|_| bad())?,
            "dtype" => self.dtype = value.parse().map_err(|_| bad())?,
            "clusters" => self.clusters = count()?,
            "spread" => self.spread = share(1e6)?,
            "flip" => self.flip = share(1.0)?,
            "intrinsic" => self.intrinsic = count()?,
            "noise" => self.noise = share(1e6)?,
            _ => return Err(bad()),
        }
        Ok(())
    }

    /// Checks that the values go together.
    pub(super) fn check(&self) -> Result<(), GenerateError> {
        let bad = |key: &str, value: usize| {
            Err(GenerateError::Value { key: key.to_owned(), value: value.to_string() })
        };
        let own = self.kind.own_keys();
        if self.n == 0 || u32::try_from(self.n).is_err() {
            return bad("n", self.n);
        }
        if self.q == 0 || u32::try_from(self.q).is_err() {
            return bad("q", self.q);
        }
        if self.d == 0 || self.d > MAX_DIM || (self.kind == Kind::GpGrid && self.d > 8) {
            return bad("d", self.d);
        }
        if own.contains(&"clusters") && (self.clusters == 0 || u32::try_from(self.clusters).is_err()) {
            return bad("clusters", self.clusters);
        }
        if own.contains(&"intrinsic") && (self.intrinsic == 0 || self.intrinsic > self.d) {
            return bad("intrinsic", self.intrinsic);
        }
        if self.metric.is_on_bits() != (self.dtype == Dtype::Bits)
            || (self.kind == Kind::Bits) != (self.dtype == Dtype::Bits)
        {
            return Err(GenerateError::Combination {
                kind: self.kind.name(),
                metric: self.metric,
                dtype: self.dtype,
            });
        }
        Ok(())
    }
}

impl FromStr for Spec {
    type Err = GenerateError;

    fn from_str(text: &str) -> Result<Self, GenerateError> {
        if text == "synth" {
            return Ok(Spec::of(Kind::Clustered));
        }
        let unknown =
            || GenerateError::Kind { name: text.to_owned(), known: Kind::ALL.map(Kind::name).join(", ") };
        let rest = text.strip_prefix("synth:").ok_or_else(unknown)?;
        let (name, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(unknown)?;
        let mut spec = Spec::of(kind);
        for pair in parameters.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            if !SHARED_KEYS.contains(&key) && !kind.own_keys().contains(&key) {
                let known = [&SHARED_KEYS[..], kind.own_keys()].concat().join(", ");
                return Err(GenerateError::Key { key: key.to_owned(), kind: kind.name(), known });
            }
            spec.set(key, value)?;
        }
        spec.check()?;
        Ok(spec)
    }
}

impl fmt::Display for Spec {
    /// Every parameter that the kind knows, so that the text alone makes the set again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, n, d, q, seed, metric, dtype, .. } = self;
        write!(f, "synth:{}?n={n}&d={d}&q={q}&seed={seed}&metric={metric}&dtype={dtype}", kind.name())?;
        for &key in kind.own_keys() {
            match key {
                "clusters" => write!(f, "&clusters={}", self.clusters)?,
                "spread" => write!(f, "&spread={}", self.spread)?,
                "flip" => write!(f, "&flip={}", self.flip)?,
                "intrinsic" => write!(f, "&intrinsic={}", self.intrinsic)?,
                _ => write!(f, "&noise={}", self.noise)?,
            }
        }
        Ok(())
    }
}
