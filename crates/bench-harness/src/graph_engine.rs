//! The `hnsw` crate as an engine of the harness: build parameters from text, element type at run time.

use std::ops::ControlFlow;

use ::hnsw::{
    BatchSearcher, BuildParams, Hnsw, IdSet, Metric as GraphMetric, NO_NEIGHBOR, Quality, SearchParams,
    Storage,
};
use simd_kernels::{Element, Rows, bf16, f16};

use crate::dataset::{Dataset, Metric};
use crate::dtype::Dtype;
use crate::engine::{Engine, EngineError, Index, Neighbor, Searcher};
use crate::progress::Progress;
use crate::vectors::{Matrix, Vectors};

/// Beams that are measured, in order of rising effort.
const LADDER: [usize; 22] =
    [10, 12, 14, 17, 20, 24, 28, 34, 40, 48, 56, 68, 80, 96, 112, 136, 160, 224, 320, 448, 640, 896];

/// Build parameters as `degree=48,quality=max,storage=lines:2`; what is left out is the crate's default.
#[derive(Clone, Debug, PartialEq)]
pub struct GraphSpec {
    text: String,
    params: BuildParams,
}

/// Why a specification is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown build parameter {part:?}: expected degree=N, seeds=N, quality=fast|balanced|max, storage=auto|full|bytes|bits|lines:N, reorder=off or scan=off, separated by commas"
)]
pub struct UnknownGraphSpec {
    /// The part that is not understood.
    pub part: String,
}

impl Default for GraphSpec {
    fn default() -> Self {
        Self { text: "-".to_owned(), params: BuildParams::new() }
    }
}

impl std::str::FromStr for GraphSpec {
    type Err = UnknownGraphSpec;

    fn from_str(text: &str) -> Result<Self, UnknownGraphSpec> {
        let mut params = BuildParams::new();
        for part in text.split(',').filter(|part| !part.is_empty() && *part != "-") {
            let unknown = || UnknownGraphSpec { part: part.to_owned() };
            let (name, value) = part.split_once('=').ok_or_else(unknown)?;
            let number = || value.parse::<usize>().map_err(|_| unknown());
            params = match (name, value) {
                ("degree", _) => params.degree(number()?),
                ("seeds", _) => params.seeds(number()?),
                ("quality", "fast") => params.quality(Quality::Fast),
                ("quality", "balanced") => params.quality(Quality::Balanced),
                ("quality", "max") => params.quality(Quality::Max),
                ("reorder", "off") => params.experiment("reorder", 0.0),
                ("scan", "off") => params.experiment("scan_bytes", 0.0),
                ("storage", "auto") => params.storage(Storage::Auto),
                ("storage", "full") => params.storage(Storage::Full),
                ("storage", "bytes") => params.storage(Storage::Bytes),
                ("storage", "bits") => params.storage(Storage::Bits),
                ("storage", lines) => {
                    let lines = lines.strip_prefix("lines:").and_then(|lines| lines.parse().ok());
                    params.storage(Storage::Lines(lines.ok_or_else(unknown)?))
                }
                _ => return Err(unknown()),
            };
        }
        Ok(Self { text: text.to_owned(), params })
    }
}

/// A graph index over vectors of one type.
#[derive(Clone, Debug)]
pub struct GraphEngine {
    dtype: Dtype,
    spec: GraphSpec,
}

impl GraphEngine {
    /// An index of these build parameters.
    pub fn new(dtype: Dtype, spec: GraphSpec) -> Self {
        Self { dtype, spec }
    }
}

/// Hands the stages of an index on.
pub(crate) struct Stages<'a>(pub(crate) &'a dyn Progress);

impl ::hnsw::Progress for Stages<'_> {
    fn stage(&self, name: &'static str, _: usize, _: usize) -> ControlFlow<()> {
        self.0.start(name, 0);
        if self.0.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

impl Engine for GraphEngine {
    fn name(&self) -> &str {
        "hnsw"
    }

    fn params(&self) -> String {
        self.spec.text.clone()
    }

    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn build(&self, dataset: &Dataset, progress: &dyn Progress) -> Result<Box<dyn Index>, EngineError> {
        let metric = match dataset.metric {
            Metric::L2 => GraphMetric::L2,
            Metric::InnerProduct => GraphMetric::InnerProduct,
            Metric::Cosine => GraphMetric::Cosine,
            Metric::Hamming => GraphMetric::Hamming,
            metric => return Err(EngineError::Metric { engine: "hnsw", metric }),
        };
        let built: Box<dyn Index> = match &dataset.base {
            Vectors::F32(matrix) => Box::new(self.of(matrix, metric, progress)?),
            Vectors::F16(matrix) => Box::new(self.of(matrix, metric, progress)?),
            Vectors::Bf16(matrix) => Box::new(self.of(matrix, metric, progress)?),
            Vectors::U8(matrix) => Box::new(self.of(matrix, metric, progress)?),
            Vectors::I8(matrix) => Box::new(self.of(matrix, metric, progress)?),
            Vectors::Bits { data, .. } => Box::new(self.of(data, metric, progress)?),
            Vectors::F64(_) => return Err(EngineError::Dtype { engine: "hnsw", dtype: Dtype::F64.name() }),
        };
        progress.finish();
        Ok(built)
    }
}

impl GraphEngine {
    fn of<T: Searched>(
        &self,
        matrix: &Matrix<T>,
        metric: GraphMetric,
        progress: &dyn Progress,
    ) -> Result<GraphIndex<T>, EngineError> {
        let rows = matrix.rows().map_err(|error| EngineError::Graph(error.to_string()))?;
        let index = Hnsw::build_with(rows, metric, &self.spec.params, &Stages(progress)).map_err(refused)?;
        Ok(GraphIndex { index, allowed: None })
    }
}

fn refused(error: ::hnsw::Error) -> EngineError {
    EngineError::Graph(error.to_string())
}

/// An element type that graphs are searched in, and how its queries are held.
pub(crate) trait Searched: Element {
    /// The vectors, if they are of this type.
    fn queries(vectors: &Vectors) -> Option<&Matrix<Self>>;
}

macro_rules! searched {
    ($($type:ty: $($pattern:pat => $matrix:ident),+;)+) => {$(
        impl Searched for $type {
            fn queries(vectors: &Vectors) -> Option<&Matrix<Self>> {
                match vectors {
                    $($pattern => Some($matrix),)+
                    _ => None,
                }
            }
        }
    )+};
}
searched! {
    f32: Vectors::F32(matrix) => matrix;
    f16: Vectors::F16(matrix) => matrix;
    bf16: Vectors::Bf16(matrix) => matrix;
    i8: Vectors::I8(matrix) => matrix;
    u8: Vectors::U8(matrix) => matrix, Vectors::Bits { data: matrix, .. } => matrix;
}

#[derive(Debug)]
struct GraphIndex<T: Element> {
    index: Hnsw<T>,
    allowed: Option<IdSet>,
}

impl<T: Searched> Index for GraphIndex<T> {
    fn restrict(&mut self, allowed: Option<&[u32]>) -> Result<(), EngineError> {
        let set = |ids: &[u32]| IdSet::from_ids(ids.iter().copied()).map_err(refused);
        self.allowed = allowed.map(set).transpose()?;
        Ok(())
    }

    fn index_bytes(&self) -> u64 {
        self.index.memory_bytes() as u64
    }

    fn grid(&self) -> Vec<String> {
        let storage = match self.index.storage() {
            Storage::Lines(lines) => format!("lines:{lines}"),
            storage => format!("{storage:?}").to_lowercase(),
        };
        LADDER.iter().map(|ef| format!("{storage} ef={ef}")).collect()
    }

    fn bytes_per_query(&self) -> Option<u64> {
        None
    }

    fn prepare<'a>(
        &'a self,
        point: usize,
        queries: &'a Vectors,
        k: usize,
        _threads: usize,
    ) -> Result<Box<dyn Searcher + 'a>, EngineError> {
        let &ef = LADDER.get(point).ok_or(EngineError::NoPoint { point, points: LADDER.len() })?;
        let wrong = || EngineError::Dtype { engine: "hnsw", dtype: queries.dtype().name() };
        let matrix = T::queries(queries).ok_or_else(wrong)?;
        Ok(Box::new(Ready {
            index: &self.index,
            allowed: self.allowed.as_ref(),
            queries: matrix.rows().map_err(|error| EngineError::Graph(error.to_string()))?,
            searcher: ::hnsw::Searcher::new().map_err(refused)?,
            scratch: BatchSearcher::new(),
            answers: Vec::new(),
            params: SearchParams::new(k, ef),
            root: self.index.metric() == GraphMetric::L2,
            searched: 0,
        }))
    }
}

struct Ready<'a, T: Element> {
    index: &'a Hnsw<T>,
    allowed: Option<&'a IdSet>,
    queries: Rows<'a, T>,
    searcher: ::hnsw::Searcher<T>,
    scratch: BatchSearcher<T>,
    answers: Vec<::hnsw::Neighbor>,
    params: SearchParams,
    /// Whether distances are squared.
    root: bool,
    searched: u64,
}

/// A result as the harness has them: of squared distances the root.
pub(crate) fn told(found: ::hnsw::Neighbor, root: bool) -> Neighbor {
    let distance = if root { found.distance.sqrt() } else { found.distance };
    Neighbor { id: found.id, distance: f64::from(distance) }
}

impl<T: Element> Ready<'_, T> {
    fn append(&mut self, query: usize, out: &mut Vec<Neighbor>) -> Result<(), EngineError> {
        let queries = self.queries.len();
        let vector = self.queries.row(query).ok_or(EngineError::NoPoint { point: query, points: queries })?;
        let found = match self.allowed {
            None => self.index.search(&mut self.searcher, vector, &self.params),
            Some(allowed) => self.index.search_filtered(&mut self.searcher, vector, &self.params, allowed),
        }
        .map_err(refused)?;
        self.searched += 1;
        let root = self.root;
        out.extend(found.iter().map(|&found| told(found, root)));
        Ok(())
    }
}

impl<T: Element> Searcher for Ready<'_, T> {
    fn single(&mut self, query: usize, out: &mut Vec<Neighbor>) -> Result<(), EngineError> {
        out.clear();
        self.append(query, out)
    }

    fn batch(&mut self, out: &mut Vec<Neighbor>) -> Result<(), EngineError> {
        if self.allowed.is_some() {
            return Err(EngineError::NoFilter { engine: "a batch of hnsw" });
        }
        self.answers.resize(self.queries.len() * self.params.k, NO_NEIGHBOR);
        self.index
            .search_batch(&self.scratch, self.queries, &self.params, &mut self.answers)
            .map_err(refused)?;
        out.clear();
        out.extend(self.answers.iter().map(|&found| told(found, self.root)));
        Ok(())
    }

    fn distances_per_query(&self) -> Option<f64> {
        let (scored, _) = self.searcher.work();
        (self.searched > 0).then(|| scored as f64 / self.searched as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_parameters_are_read_from_text() {
        let spec: GraphSpec = "degree=48,quality=max,storage=lines:2".parse().unwrap();
        let expected = BuildParams::new().degree(48).quality(Quality::Max).storage(Storage::Lines(2));
        assert_eq!(spec.params, expected);
        assert_eq!("-".parse::<GraphSpec>().unwrap().params, BuildParams::new());
        for wrong in ["degree", "degree=x", "storage=lines", "quality=best", "ef=3"] {
            assert!(wrong.parse::<GraphSpec>().unwrap_err().to_string().contains(wrong), "{wrong}");
        }
    }
}
