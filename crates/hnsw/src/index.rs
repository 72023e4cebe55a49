//! The frozen index: built in bulk, searched by any number of threads, saved and mapped.

use layouts::{Adjacency, AlignedVec, Matrix, Neighbor, Permutation, RowPadding, Storage as Memory};
use simd_kernels::{Element, Kernels, Rows};

use crate::Error;
use crate::build::partition::{Points, carve, norms};
use crate::code::{Coder, encode_all};
use crate::intake::{Intake, check_row};
use crate::labels::Labels;
use crate::metric::{Exact, Metric};
use crate::parallel;
use crate::params::{BuildParams, SearchParams, Storage};
use crate::rotation::Moments;
use crate::search::{Searcher, knn};
use crate::seeds::{Seeds, draw};
use crate::view::{View, Walk};

/// A graph index over vectors of `T`.
#[derive(Debug)]
pub struct Hnsw<T: Element> {
    pub(crate) kernels: &'static Kernels,
    pub(crate) intake: Intake,
    pub(crate) coder: Option<Coder>,
    pub(crate) codes: Memory<u8>,
    pub(crate) graph: Adjacency<Memory<u32>>,
    pub(crate) vectors: Matrix<T, Memory<T>>,
    pub(crate) inverse_norms: Memory<f32>,
    pub(crate) labels: Labels,
    pub(crate) seeds: Seeds,
}

impl<T: Element> Hnsw<T> {
    pub fn build(rows: Rows<'_, T>, metric: Metric, params: &BuildParams) -> Result<Self, Error> {
        params.check()?;
        let kernels = Kernels::active()?;
        let t = std::time::Instant::now();
        let log = |what: &str| {
            if std::env::var("LOG").is_ok() {
                eprintln!("{:8.2} s {what}", t.elapsed().as_secs_f64());
            }
        };
        parallel::blocks(rows.len(), 4096, |range| {
            for index in range {
                check_row(rows.row(index).unwrap_or_default(), metric, "vectors", index)?;
            }
            Ok(())
        })?;
        let intake = Intake::train(rows, metric);
        let dim = intake.row_dim();
        log("intake trained");
        let mut integers = AlignedVec::<i8>::zeroed(rows.len() * dim)?;
        parallel::chunks(&mut integers, 1024 * dim, |block, out| {
            let mut flat = vec![0.0; dim];
            for (at, out) in out.chunks_exact_mut(dim).enumerate() {
                intake.row(rows.row(block * 1024 + at).unwrap_or_default(), &mut flat, out);
            }
            Ok(())
        })?;
        log("integers");
        let view = Rows::new(&integers, dim)?;
        let norm = norms(view)?;
        let points = Points { rows: view, norms: &norm, kernels };
        let labels = carve(points, (0..rows.len() as u32).collect(), 64, 1)?.concat();
        log("ordered");
        let order = Permutation::new(labels.clone())?;
        let mut sorted = AlignedVec::new();
        points.gather(order.order(), &mut sorted)?;
        drop(integers);
        let view = Rows::new(&sorted, dim)?;
        let norm = norms(view)?;
        let points = Points { rows: view, norms: &norm, kernels };
        let lines = match params.storage {
            Storage::Lines(lines) => Some(lines),
            Storage::Full => None,
            Storage::Auto => Some(1),
        };
        let coder = match lines {
            Some(lines) => {
                let moments = Moments::of(view, kernels)?;
                log("moments");
                Some(Coder::train(view, &moments, lines, kernels)?)
            }
            None => None,
        };
        let codes = match &coder {
            Some(coder) => encode_all(coder, view, kernels)?,
            None => AlignedVec::new(),
        };
        log("encoded");
        let seeds = draw(view.len(), params.seeds);
        let graph = crate::build::graph(points, &seeds, params.degree, &params.tune)?;
        log("graph");
        let seeds = Seeds::new(Memory::from(AlignedVec::from_slice(&seeds)?), coder.as_ref(), &codes)?;
        let mut vectors = Matrix::new(rows.dim(), RowPadding::None)?;
        vectors.reserve(rows.len())?;
        let mut inverse_norms = AlignedVec::new();
        for &label in &labels {
            let row = rows.row(label as usize).unwrap_or_default();
            vectors.push(row)?;
            if metric == Metric::Cosine {
                inverse_norms.push(check_row(row, metric, "vectors", label as usize)?)?;
            }
        }
        log("done");
        let degree = graph.degree();
        let rows_count = labels.len();
        let graph_memory = Memory::from(AlignedVec::from_slice(graph.as_slice())?);
        Ok(Self {
            kernels,
            intake,
            coder,
            codes: Memory::from(codes),
            graph: Adjacency::from_storage(graph_memory, rows_count, degree)?,
            vectors: Matrix::from_storage(
                Memory::from(AlignedVec::from_slice(vectors.as_slice())?),
                rows_count,
                rows.dim(),
                RowPadding::None,
            )?,
            inverse_norms: Memory::from(inverse_norms),
            labels: Labels::new(None, Memory::from(AlignedVec::from_slice(&labels)?), rows_count)?,
            seeds,
        })
    }

    pub(crate) fn view(&self) -> Result<View<'_, T>, Error> {
        let walk = match &self.coder {
            Some(coder) => Walk::Codes { coder, codes: Rows::new(&self.codes, coder.bytes())? },
            None => Walk::Exact,
        };
        let exact = Exact {
            metric: self.intake.metric,
            rows: self.vectors.rows(),
            inverse_norms: &self.inverse_norms,
            kernels: self.kernels,
        };
        Ok(View { intake: &self.intake, walk, exact, kernels: self.kernels })
    }

    pub fn memory_bytes(&self) -> usize {
        self.codes.len() + size_of_val(self.graph.as_slice()) + size_of_val(self.vectors.as_slice())
    }

    pub fn search<'s>(
        &self,
        searcher: &'s mut Searcher<T>,
        query: &[T],
        params: &SearchParams,
    ) -> Result<&'s [Neighbor], Error> {
        knn(self.view()?, &self.graph, &self.seeds, &self.labels, searcher, query, params)
    }
}
