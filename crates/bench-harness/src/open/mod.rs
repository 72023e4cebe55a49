//! Opening a data set by name: a generator's specification, a folder, or an HDF5 file, with exact truth.

mod folder;

use std::path::{Path, PathBuf};

use crate::dataset::{Dataset, DatasetError, Metric, Truth, UnknownMetric};
use crate::dtype::Dtype;
use crate::format::Format;
use crate::generate::{GenerateError, Spec, generate};
use crate::progress::{Progress, Quiet};
use crate::read::{self, ReadError};
use crate::truth::{self, Cache, TruthError};
use crate::vectors::{Matrix, Vectors, VectorsError};

/// What to open, and how.
#[derive(Clone)]
pub struct OpenOptions<'a> {
    /// Neighbours that the truth must know. Computed truth knows at least 100 where there are as many.
    pub k: usize,
    /// Only the first base vectors. A set with more is then called `NAME-first-N`.
    pub limit_base: Option<usize>,
    /// Only the first queries.
    pub limit_queries: Option<usize>,
    /// The metric, where the set does not say, or another one than it says.
    pub metric: Option<Metric>,
    /// Convert to this element type.
    pub dtype: Option<Dtype>,
    /// Where names are looked for, in this order.
    pub folders: Vec<PathBuf>,
    /// Where computed truth is kept; `None` computes it every time.
    pub cache: Option<Cache>,
    /// Who hears of long work.
    pub progress: &'a dyn Progress,
}

impl std::fmt::Debug for OpenOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { k, limit_base, limit_queries, metric, dtype, folders, cache, .. } = self;
        f.debug_struct("OpenOptions")
            .field("k", k)
            .field("limit_base", limit_base)
            .field("limit_queries", limit_queries)
            .field("metric", metric)
            .field("dtype", dtype)
            .field("folders", folders)
            .field("cache", cache)
            .finish_non_exhaustive()
    }
}

impl Default for OpenOptions<'_> {
    /// k = 10, the whole set as it is; no folders, no cache, no progress.
    fn default() -> Self {
        Self {
            k: 10,
            limit_base: None,
            limit_queries: None,
            metric: None,
            dtype: None,
            folders: Vec::new(),
            cache: None,
            progress: &Quiet,
        }
    }
}

impl OpenOptions<'_> {
    /// As the default, with the user's folders: data in `$NIGH_DATA` and `~/.cache/nigh/data`, truth in
    /// `$NIGH_CACHE` or else `~/.cache/nigh/truth`.
    pub fn from_env() -> Self {
        let variable =
            |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let own = variable("HOME").map(|home| home.join(".cache").join("nigh"));
        let data = variable("NIGH_DATA").into_iter().chain(own.as_ref().map(|own| own.join("data")));
        let truth = variable("NIGH_CACHE").or_else(|| own.as_ref().map(|own| own.join("truth")));
        Self { folders: data.collect(), cache: truth.map(Cache::new), ..Self::default() }
    }
}

/// An opened set, and what its user should know.
#[derive(Clone, Debug, PartialEq)]
pub struct Opened {
    /// The set, valid, with truth of at least `k` neighbours (or of all base vectors).
    pub set: Dataset,
    /// What was done that nobody asked for in so many words: a lossy conversion, a damaged cache.
    pub notices: Vec<String>,
}

/// Why a set could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Nothing of this name.
    #[error("no data set {name:?}: looked for {looked}")]
    NotFound {
        /// What was given.
        name: String,
        /// Where it was looked for.
        looked: String,
    },
    /// A folder without a set in it.
    #[error("{}: {reason}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What is missing or too many.
        reason: String,
    },
    /// A file was refused.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The specification was refused.
    #[error(transparent)]
    Generate(#[from] GenerateError),
    /// Nothing says how vectors are compared.
    #[error("{name}: the metric is not known (its name does not end in -euclidean, -angular, ...): state it")]
    MetricNeeded {
        /// The set.
        name: String,
    },
    /// The set is not fit for use.
    #[error("{name}: {error}")]
    Dataset {
        /// The set.
        name: String,
        /// What is wrong.
        error: DatasetError,
    },
    /// The conversion was refused.
    #[error("{name}: {error}")]
    Convert {
        /// The set.
        name: String,
        /// What does not fit.
        error: VectorsError,
    },
    /// The truth is wrong or could not be computed.
    #[error("{name}: {error}")]
    Truth {
        /// The set.
        name: String,
        /// What is wrong.
        error: TruthError,
    },
}

/// A set as it was found, before limits, conversion and truth.
struct Found {
    name: String,
    metric: Option<Metric>,
    base: Vectors,
    queries: Vectors,
    /// The ids of the truth that came with it, if that is the truth for these base vectors.
    truth: Option<Matrix<u32>>,
    source: String,
}

/// Neighbours of computed truth: all k up to it then share one cached file.
const DEPTH: usize = 100;

/// Opens a data set.
///
/// `name` is a specification (`synth`, `synth:clustered?n=1000`, see [`Spec`]), a path, or a name in one of
/// `options.folders`. A path or name is a folder (`base.*` or `train.*`, `query.*` or `test.*`, perhaps
/// `groundtruth.*`; or `xyz.npy` or `coords.npy` with `gt_base_rows.npy` and `gt_query_rows.npy`) or an
/// HDF5 file.
///
/// # Errors
/// [`OpenError`], naming the file, the set or the parameter.
///
/// ```
/// use bench_harness::open::{OpenOptions, open};
/// let opened = open("synth:clustered?n=500&q=5&d=8&clusters=9", &OpenOptions::default())?;
/// assert_eq!(opened.set.truth.map(|truth| truth.len()), Some(5));
/// # Ok::<(), bench_harness::open::OpenError>(())
/// ```
pub fn open(name: &str, options: &OpenOptions<'_>) -> Result<Opened, OpenError> {
    let mut notices = Vec::new();
    let mut found = find(name, options)?;
    limit(&mut found, options);
    let metric = options.metric.or(found.metric);
    let metric = metric.ok_or_else(|| OpenError::MetricNeeded { name: found.name.clone() })?;
    if found.metric.is_some_and(|stored| stored != metric) && found.truth.take().is_some() {
        notices.push(format!("{}: its truth is for another metric, computed anew", found.name));
    }
    if let Some(dtype) = options.dtype {
        convert(&mut found, dtype, &mut notices)?;
    }
    let Found { name, base, queries, truth, source, .. } = found;
    let mut set = Dataset { name, metric, base, queries, truth: None, source };
    set.validate().map_err(|error| OpenError::Dataset { name: set.name.clone(), error })?;
    let truth = truth_of(&set, truth, options, &mut notices)
        .map_err(|error| OpenError::Truth { name: set.name.clone(), error })?;
    set.truth = Some(truth);
    Ok(Opened { set, notices })
}

fn truth_of(
    set: &Dataset,
    ids: Option<Matrix<u32>>,
    options: &OpenOptions<'_>,
    notices: &mut Vec<String>,
) -> Result<Truth, TruthError> {
    let wanted = options.k.min(set.base.len());
    if let Some(ids) = ids {
        if ids.dim() >= wanted {
            return truth::check_shipped(set, &ids, options.progress);
        }
        notices.push(format!("{}: its truth knows {} neighbours, computed anew", set.name, ids.dim()));
    }
    let k = options.k.max(DEPTH);
    let Some(cache) = &options.cache else { return truth::exact(set, k, options.progress) };
    let (truth, troubles) = cache.exact(set, k, options.progress)?;
    notices.extend(troubles.into_iter().map(|trouble| trouble.to_string()));
    Ok(truth)
}

/// What a set is called of which only the first rows are taken.
fn first_rows(name: &str, rows: usize) -> String {
    format!("{name}-first-{rows}")
}

fn limit(found: &mut Found, options: &OpenOptions<'_>) {
    if let Some(limit) = options.limit_base.filter(|&limit| limit < found.base.len()) {
        found.base.truncate(limit);
        found.truth = None;
        found.name = first_rows(&found.name, limit);
    }
    if let Some(limit) = options.limit_queries {
        found.queries.truncate(limit);
        if let Some(truth) = &mut found.truth {
            truth.truncate(limit);
        }
    }
}

fn convert(found: &mut Found, dtype: Dtype, notices: &mut Vec<String>) -> Result<(), OpenError> {
    let (mut changed, mut largest) = (0, 0.0f64);
    for vectors in [&mut found.base, &mut found.queries] {
        if vectors.dtype() == dtype {
            continue;
        }
        let converted =
            vectors.convert(dtype).map_err(|error| OpenError::Convert { name: found.name.clone(), error })?;
        *vectors = converted.vectors;
        changed += converted.changed;
        largest = largest.max(converted.largest_change);
    }
    if changed > 0 {
        // Other vectors have other neighbours.
        found.truth = None;
        notices.push(format!(
            "{}: {changed} values were rounded to {dtype}, by at most {largest:.3e}; the truth is that of the rounded vectors",
            found.name
        ));
    }
    Ok(())
}

fn find(name: &str, options: &OpenOptions<'_>) -> Result<Found, OpenError> {
    if Spec::is_spec(name) {
        let Dataset { name, metric, base, queries, source, .. } = generate(&name.parse()?)?;
        return Ok(Found { name, metric: Some(metric), base, queries, truth: None, source });
    }
    let mut looked = Vec::new();
    let places = std::iter::once(PathBuf::from(name)).chain(
        options
            .folders
            .iter()
            .flat_map(|folder| ["", ".hdf5", ".h5"].map(|ending| folder.join(format!("{name}{ending}")))),
    );
    for place in places {
        if place.is_dir() {
            return folder::find(&place, options);
        }
        if place.exists() {
            return stored(&place);
        }
        looked.push(place.display().to_string());
    }
    looked.push("a specification synth:...".to_owned());
    Err(OpenError::NotFound { name: name.to_owned(), looked: looked.join(", ") })
}

/// The set of one HDF5 file.
fn stored(path: &Path) -> Result<Found, OpenError> {
    let name = stem(path);
    if Format::of(&path.to_string_lossy()) != Some(Format::Hdf5) {
        return Err(OpenError::NotFound {
            name: path.display().to_string(),
            looked: "a folder, or a file that ends in .hdf5 or .h5".to_owned(),
        });
    }
    let stored = read::hdf5(path)?;
    let truth = match stored.truth {
        Some(truth) => Some(
            Matrix::new(truth.ids().to_vec(), truth.k())
                .map_err(|error| OpenError::Convert { name: name.clone(), error })?,
        ),
        None => None,
    };
    Ok(Found {
        metric: stored.metric.or_else(|| metric_of(&name)),
        base: stored.base,
        queries: stored.queries,
        truth,
        source: format!("HDF5 file {}", path.display()),
        name,
    })
}

/// The metric that the end of a set's name states.
fn metric_of(name: &str) -> Option<Metric> {
    let (_, suffix) = name.rsplit_once('-')?;
    let metric: Result<Metric, UnknownMetric> = suffix.parse();
    metric.ok()
}

/// The last part of a path, without the ending of an HDF5 file.
fn stem(path: &Path) -> String {
    // A path like `..` has a last part only when it is resolved.
    let resolved = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let name = resolved.file_name().unwrap_or(resolved.as_os_str()).to_string_lossy().into_owned();
    let ending = Format::Hdf5.endings().iter().find_map(|ending| name.strip_suffix(ending));
    ending.unwrap_or(&name).to_owned()
}
