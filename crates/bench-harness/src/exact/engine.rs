//! The exact scan as an engine of the harness: the element type is chosen at run time.

use simd_kernels::{Distance, Element, Kernels, Ordered, Rows, bf16, f16};

use super::{Batched, ExactError, Scan, Scratch};
use crate::dataset::{Dataset, Metric};
use crate::dtype::Dtype;
use crate::engine::{Engine, EngineError, Index, Neighbor, Searcher};
use crate::progress::Progress;
use crate::vectors::{Matrix, Vectors};

/// The exact scan over vectors of one type.
#[derive(Clone, Copy, Debug)]
pub struct ExactEngine {
    kernels: &'static Kernels,
    dtype: Dtype,
}

impl ExactEngine {
    /// A scan with the kernels of one tier over vectors of `dtype`.
    pub fn new(kernels: &'static Kernels, dtype: Dtype) -> Self {
        Self { kernels, dtype }
    }
}

impl Engine for ExactEngine {
    fn name(&self) -> &str {
        "exact"
    }

    fn params(&self) -> String {
        "-".to_owned()
    }

    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn build(&self, dataset: &Dataset, _progress: &dyn Progress) -> Result<Box<dyn Index>, EngineError> {
        if dataset.base.dtype() != self.dtype {
            let (vectors, queries) = (self.dtype.name(), dataset.base.dtype().name());
            return Err(ExactError::Dtype { vectors, queries }.into());
        }
        Ok(Box::new(ExactIndex::new(self.kernels, &dataset.base, dataset.metric)?))
    }
}

/// A scan whose element type is known at run time.
#[derive(Debug)]
#[non_exhaustive]
pub enum ExactIndex {
    /// IEEE single precision.
    F32(Scan<f32, f32>),
    /// IEEE double precision.
    F64(Scan<f64, f64>),
    /// IEEE half precision.
    F16(Scan<f16, f32>),
    /// The upper half of an IEEE single.
    Bf16(Scan<bf16, f32>),
    /// Unsigned bytes.
    U8(Scan<u8, i32>),
    /// Signed bytes.
    I8(Scan<i8, i32>),
    /// Bit strings by their Hamming distance.
    Hamming(Scan<u8, i32>),
    /// Bit strings by their Jaccard distance.
    Jaccard(Scan<u8, f32>),
}

/// Calls `$body` with the scan of whichever type it is.
macro_rules! each_scan {
    ($index:expr, $scan:ident => $body:expr) => {
        match $index {
            ExactIndex::F32($scan) => $body,
            ExactIndex::F64($scan) => $body,
            ExactIndex::F16($scan) => $body,
            ExactIndex::Bf16($scan) => $body,
            ExactIndex::U8($scan) => $body,
            ExactIndex::I8($scan) => $body,
            ExactIndex::Hamming($scan) => $body,
            ExactIndex::Jaccard($scan) => $body,
        }
    };
}

impl ExactIndex {
    /// A scan of vectors of any type. The vectors are copied.
    ///
    /// # Errors
    /// [`ExactError`] if the metric does not compare vectors of this type, or an element is not finite.
    pub fn new(kernels: &'static Kernels, vectors: &Vectors, metric: Metric) -> Result<Self, ExactError> {
        fn scan<T: Element>(
            kernels: &'static Kernels,
            matrix: &Matrix<T>,
            metric: Metric,
        ) -> Result<Scan<T, T::Distance>, ExactError> {
            Scan::new(kernels, matrix.data(), matrix.dim(), metric)
        }
        Ok(match vectors {
            Vectors::F32(matrix) => Self::F32(scan(kernels, matrix, metric)?),
            Vectors::F64(matrix) => Self::F64(scan(kernels, matrix, metric)?),
            Vectors::F16(matrix) => Self::F16(scan(kernels, matrix, metric)?),
            Vectors::Bf16(matrix) => Self::Bf16(scan(kernels, matrix, metric)?),
            Vectors::U8(matrix) => Self::U8(scan(kernels, matrix, metric)?),
            Vectors::I8(matrix) => Self::I8(scan(kernels, matrix, metric)?),
            Vectors::Bits { data, bits } => match metric {
                Metric::Hamming => Self::Hamming(Scan::hamming(kernels, data.data(), *bits)?),
                Metric::Jaccard => Self::Jaccard(Scan::jaccard(kernels, data.data(), *bits)?),
                _ => return Err(ExactError::Metric { metric, dtype: vectors.dtype().name() }),
            },
        })
    }

    fn dtype(&self) -> Dtype {
        match self {
            Self::F32(_) => Dtype::F32,
            Self::F64(_) => Dtype::F64,
            Self::F16(_) => Dtype::F16,
            Self::Bf16(_) => Dtype::Bf16,
            Self::U8(_) => Dtype::U8,
            Self::I8(_) => Dtype::I8,
            Self::Hamming(_) | Self::Jaccard(_) => Dtype::Bits,
        }
    }
}

impl Index for ExactIndex {
    fn index_bytes(&self) -> u64 {
        each_scan!(self, scan => scan.bytes() as u64)
    }

    fn grid(&self) -> Vec<String> {
        vec!["-".to_owned()]
    }

    fn bytes_per_query(&self) -> Option<u64> {
        each_scan!(self, scan => Some((scan.len() * scan.row_bytes()) as u64))
    }

    fn prepare<'a>(
        &'a self,
        point: usize,
        queries: &'a Vectors,
        k: usize,
        threads: usize,
    ) -> Result<Box<dyn Searcher + 'a>, EngineError> {
        if point != 0 {
            return Err(EngineError::NoPoint { point, points: 1 });
        }
        let mismatch = || ExactError::Dtype { vectors: self.dtype().name(), queries: queries.dtype().name() };
        Ok(match (self, queries) {
            (Self::F32(scan), Vectors::F32(matrix)) => prepare(scan, matrix, k, threads)?,
            (Self::F64(scan), Vectors::F64(matrix)) => prepare(scan, matrix, k, threads)?,
            (Self::F16(scan), Vectors::F16(matrix)) => prepare(scan, matrix, k, threads)?,
            (Self::Bf16(scan), Vectors::Bf16(matrix)) => prepare(scan, matrix, k, threads)?,
            (Self::U8(scan), Vectors::U8(matrix)) => prepare(scan, matrix, k, threads)?,
            (Self::I8(scan), Vectors::I8(matrix)) => prepare(scan, matrix, k, threads)?,
            (Self::Hamming(scan), Vectors::Bits { data, .. }) => prepare(scan, data, k, threads)?,
            (Self::Jaccard(scan), Vectors::Bits { data, .. }) => prepare(scan, data, k, threads)?,
            _ => return Err(mismatch().into()),
        })
    }
}

/// A scan, queries and scratch.
struct Ready<'a, E: Element, O: Distance> {
    scan: &'a Scan<E, O>,
    queries: Rows<'a, E>,
    scratch: Scratch<O>,
    k: usize,
}

fn prepare<'a, E: Batched, O: Distance + Ordered>(
    scan: &'a Scan<E, O>,
    queries: &'a Matrix<E>,
    k: usize,
    threads: usize,
) -> Result<Box<dyn Searcher + 'a>, ExactError> {
    Ok(Box::new(Ready { scan, queries: queries.rows()?, scratch: Scratch::new(threads), k }))
}

impl<E: Batched, O: Distance + Ordered> Searcher for Ready<'_, E, O> {
    fn single(&mut self, query: usize, out: &mut Vec<Neighbor>) -> Result<(), EngineError> {
        let queries = self.queries.len();
        let query = self.queries.row(query).ok_or(ExactError::NoQuery { query, queries })?;
        Ok(self.scan.search(&mut self.scratch, query, self.k, out)?)
    }

    fn batch(&mut self, out: &mut Vec<Neighbor>) -> Result<(), EngineError> {
        Ok(self.scan.search_batch(&mut self.scratch, self.queries, self.k, out)?)
    }

    fn distances_per_query(&self) -> Option<f64> {
        Some(self.scan.len() as f64)
    }
}
