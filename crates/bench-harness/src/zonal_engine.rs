//! The `zonal-pq` crate as an engine of the harness: build parameters from text, element type at run time.

use ::zonal_pq::quantiser::SymbolBits;
use ::zonal_pq::{
    BatchSearcher, BuildParams, Metric as ZonalMetric, NO_NEIGHBOR, Refine, ScanCode, SearchParams, ZonalPq,
};
use simd_kernels::{Element, Rows};

use crate::dataset::{Dataset, Metric};
use crate::dtype::Dtype;
use crate::engine::{Engine, EngineError, Index, Neighbor, Searcher};
use crate::graph_engine::{Searched, Stages, told};
use crate::progress::Progress;
use crate::vectors::{Matrix, Vectors};

/// Zones that are visited, in order of rising effort.
const PROBES: [usize; 21] =
    [1, 2, 3, 4, 6, 8, 11, 15, 20, 27, 36, 48, 64, 85, 113, 151, 201, 268, 357, 512, 768];
/// Candidates that are measured, for each neighbour wanted.
const RERANKS: [usize; 4] = [2, 4, 8, 20];

/// Build parameters as `zones=1024,second=0.3,code=components:64,refine=bytes`; what is left out is the crate's
/// default.
#[derive(Clone, Debug, PartialEq)]
pub struct ZonalSpec {
    text: String,
    params: BuildParams,
}

/// Why a specification is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown build parameter {part:?}: expected zones=N, second=SHARE, refine=auto|bytes|vectors or code=auto|components:D|rabitq:B|lvq:B|pq4:M|pq6:M|pq8:M, separated by commas"
)]
pub struct UnknownZonalSpec {
    /// The part that is not understood.
    pub part: String,
}

impl Default for ZonalSpec {
    fn default() -> Self {
        Self { text: "-".to_owned(), params: BuildParams::new() }
    }
}

/// A code by its name and number.
fn code(value: &str) -> Option<ScanCode> {
    if value == "auto" {
        return Some(ScanCode::Auto);
    }
    let (name, number) = value.split_once(':')?;
    let product = |bits| Some(ScanCode::Product { subspaces: number.parse().ok()?, bits });
    match name {
        "components" => Some(ScanCode::Components { dims: number.parse().ok()? }),
        "rabitq" => Some(ScanCode::Rabitq { bits: number.parse().ok()? }),
        "lvq" => Some(ScanCode::Lvq { bits: number.parse().ok()? }),
        "pq4" => product(SymbolBits::Four),
        "pq6" => product(SymbolBits::Six),
        "pq8" => product(SymbolBits::Eight),
        _ => None,
    }
}

impl std::str::FromStr for ZonalSpec {
    type Err = UnknownZonalSpec;

    fn from_str(text: &str) -> Result<Self, UnknownZonalSpec> {
        let mut params = BuildParams::new();
        for part in text.split(',').filter(|part| !part.is_empty() && *part != "-") {
            let unknown = || UnknownZonalSpec { part: part.to_owned() };
            let (name, value) = part.split_once('=').ok_or_else(unknown)?;
            params = match (name, value) {
                ("zones", _) => params.zones(value.parse().map_err(|_| unknown())?),
                ("second", _) => params.second(value.parse().map_err(|_| unknown())?),
                ("refine", "auto") => params.refine(Refine::Auto),
                ("refine", "bytes") => params.refine(Refine::Bytes),
                ("refine", "vectors") => params.refine(Refine::Vectors),
                ("code", _) => params.code(code(value).ok_or_else(unknown)?),
                _ => return Err(unknown()),
            };
        }
        Ok(Self { text: text.to_owned(), params })
    }
}

/// Zones over vectors of one type.
#[derive(Clone, Debug)]
pub struct ZonalEngine {
    dtype: Dtype,
    spec: ZonalSpec,
}

impl ZonalEngine {
    /// An index of these build parameters.
    pub fn new(dtype: Dtype, spec: ZonalSpec) -> Self {
        Self { dtype, spec }
    }
}

impl Engine for ZonalEngine {
    fn name(&self) -> &str {
        "zonal-pq"
    }

    fn params(&self) -> String {
        self.spec.text.clone()
    }

    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn build(&self, dataset: &Dataset, progress: &dyn Progress) -> Result<Box<dyn Index>, EngineError> {
        let metric = match dataset.metric {
            Metric::L2 => ZonalMetric::L2,
            Metric::InnerProduct => ZonalMetric::InnerProduct,
            Metric::Cosine => ZonalMetric::Cosine,
            metric => return Err(EngineError::Metric { engine: "zonal-pq", metric }),
        };
        let built: Box<dyn Index> = match &dataset.base {
            Vectors::F32(matrix) => Box::new(self.of(matrix, metric, progress)?),
            Vectors::F16(matrix) => Box::new(self.of(matrix, metric, progress)?),
            Vectors::Bf16(matrix) => Box::new(self.of(matrix, metric, progress)?),
            Vectors::U8(matrix) => Box::new(self.of(matrix, metric, progress)?),
            Vectors::I8(matrix) => Box::new(self.of(matrix, metric, progress)?),
            other => return Err(EngineError::Dtype { engine: "zonal-pq", dtype: other.dtype().name() }),
        };
        progress.finish();
        Ok(built)
    }
}

impl ZonalEngine {
    fn of<T: Searched>(
        &self,
        matrix: &Matrix<T>,
        metric: ZonalMetric,
        progress: &dyn Progress,
    ) -> Result<ZonalIndex<T>, EngineError> {
        let rows = matrix.rows().map_err(|error| EngineError::Zonal(error.to_string()))?;
        let index =
            ZonalPq::build_with(rows, metric, &self.spec.params, &Stages(progress)).map_err(refused)?;
        Ok(ZonalIndex { index })
    }
}

fn refused(error: ::zonal_pq::Error) -> EngineError {
    EngineError::Zonal(error.to_string())
}

#[derive(Debug)]
struct ZonalIndex<T: Element> {
    index: ZonalPq<T>,
}

impl<T: Element> ZonalIndex<T> {
    /// `nprobe` and candidates for each neighbour, point by point.
    fn points(&self) -> Vec<(usize, usize)> {
        let zones = self.index.zones();
        let probes = PROBES.into_iter().filter(|&nprobe| nprobe <= zones.max(1));
        RERANKS.into_iter().flat_map(|rerank| probes.clone().map(move |nprobe| (nprobe, rerank))).collect()
    }
}

impl<T: Searched> Index for ZonalIndex<T> {
    fn index_bytes(&self) -> u64 {
        self.index.memory_bytes() as u64
    }

    fn grid(&self) -> Vec<String> {
        let zones = self.index.zones();
        let name = |(nprobe, rerank)| format!("zones={zones} rerank={rerank}k nprobe={nprobe}");
        self.points().into_iter().map(name).collect()
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
        let points = self.points();
        let &(nprobe, rerank) =
            points.get(point).ok_or(EngineError::NoPoint { point, points: points.len() })?;
        let wrong = || EngineError::Dtype { engine: "zonal-pq", dtype: queries.dtype().name() };
        let matrix = T::queries(queries).ok_or_else(wrong)?;
        Ok(Box::new(Ready {
            index: &self.index,
            queries: matrix.rows().map_err(|error| EngineError::Zonal(error.to_string()))?,
            searcher: ::zonal_pq::Searcher::new().map_err(refused)?,
            scratch: BatchSearcher::new(),
            answers: Vec::new(),
            params: SearchParams::new(k, nprobe).rerank(rerank * k),
            root: self.index.metric() == ZonalMetric::L2,
            searched: 0,
        }))
    }
}

struct Ready<'a, T: Element> {
    index: &'a ZonalPq<T>,
    queries: Rows<'a, T>,
    searcher: ::zonal_pq::Searcher,
    scratch: BatchSearcher,
    answers: Vec<::zonal_pq::Neighbor>,
    params: SearchParams,
    /// Whether distances are squared.
    root: bool,
    searched: u64,
}

impl<T: Element> Searcher for Ready<'_, T> {
    fn single(&mut self, query: usize, out: &mut Vec<Neighbor>) -> Result<(), EngineError> {
        out.clear();
        let queries = self.queries.len();
        let vector = self.queries.row(query).ok_or(EngineError::NoPoint { point: query, points: queries })?;
        let found = self.index.search(&mut self.searcher, vector, &self.params).map_err(refused)?;
        self.searched += 1;
        let root = self.root;
        out.extend(found.iter().map(|&found| told(found, root)));
        Ok(())
    }

    fn batch(&mut self, out: &mut Vec<Neighbor>) -> Result<(), EngineError> {
        self.answers.resize(self.queries.len() * self.params.k, NO_NEIGHBOR);
        self.index
            .search_batch(&self.scratch, self.queries, &self.params, &mut self.answers)
            .map_err(refused)?;
        out.clear();
        out.extend(self.answers.iter().map(|&found| told(found, self.root)));
        Ok(())
    }

    fn distances_per_query(&self) -> Option<f64> {
        let (scanned, _) = self.searcher.work();
        (self.searched > 0).then(|| scanned as f64 / self.searched as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_parameters_are_read_from_text() {
        let spec: ZonalSpec = "zones=99,second=0.25,code=pq4:16,refine=bytes".parse().unwrap();
        let code = ScanCode::Product { subspaces: 16, bits: SymbolBits::Four };
        let expected = BuildParams::new().zones(99).second(0.25).code(code).refine(Refine::Bytes);
        assert_eq!(spec.params, expected);
        assert_eq!("-".parse::<ZonalSpec>().unwrap().params, BuildParams::new());
        for wrong in ["zones", "zones=x", "code=pq5:3", "code=rabitq", "refine=no", "nprobe=3"] {
            assert!(wrong.parse::<ZonalSpec>().unwrap_err().to_string().contains(wrong), "{wrong}");
        }
    }
}
