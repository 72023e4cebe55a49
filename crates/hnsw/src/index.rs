//! The index.

use layouts::{Adjacency, AlignedVec, Matrix, Neighbor, Permutation, RowPadding, TopK};
use simd_kernels::{Distance, Element, Kernels, Measure, Rows, prefetch_slice};

use crate::Error;
use crate::beam::{Beam, CodeScorer};
use crate::build::partition::{Points, carve, mix, norms};
use crate::code::{CodeScratch, Coder, QUERY_LINE, encode_all};
use crate::intake::Intake;
use crate::parallel;
use crate::rotation::Moments;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    L2,
    InnerProduct,
    Cosine,
}

#[derive(Clone, Debug)]
pub struct BuildParams {
    pub degree: usize,
    pub candidates: usize,
    pub leaf_keep: usize,
    pub leaf: usize,
    pub rounds: usize,
    pub passes: usize,
    pub ef_construction: usize,
    pub prune_width: usize,
    pub alphas: Vec<f32>,
    pub lines: usize,
    pub seeds: usize,
}

impl Default for BuildParams {
    fn default() -> Self {
        Self {
            degree: 32,
            candidates: 64,
            leaf_keep: 48,
            leaf: 1024,
            rounds: 4,
            passes: 1,
            ef_construction: 64,
            prune_width: 96,
            alphas: vec![1.0, 1.2],
            lines: 1,
            seeds: 256,
        }
    }
}

pub struct Hnsw<T: Element> {
    kernels: &'static Kernels,
    intake: Intake,
    pub(crate) coder: Coder,
    codes: AlignedVec<u8>,
    graph: Adjacency,
    vectors: Matrix<T>,
    inverse_norms: Vec<f32>,
    labels: Vec<u32>,
    seeds: Vec<u32>,
    seed_codes: AlignedVec<u8>,
}

impl<T: Element> Hnsw<T> {
    pub fn build(rows: Rows<'_, T>, metric: Metric, params: &BuildParams) -> Result<Self, Error> {
        let kernels = Kernels::active()?;
        let t = std::time::Instant::now();
        let log = |what: &str| {
            if std::env::var("LOG").is_ok() {
                eprintln!("{:8.2} s {what}", t.elapsed().as_secs_f64());
            }
        };
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
        let moments = Moments::of(view, kernels)?;
        log("moments");
        let coder = Coder::train(view, &moments, params.lines, kernels)?;
        log(&format!("coder: loss {} wide {} rotated {}", coder.loss, coder.wide, matches!(coder.source, crate::code::Source::Components(_))));
        let codes = encode_all(&coder, view, kernels)?;
        log("encoded");
        let mut drawn: Vec<(u64, u32)> = (0..rows.len() as u32).map(|id| (mix(99, u64::from(id)), id)).collect();
        drawn.sort_unstable();
        drawn.truncate(params.seeds);
        let mut seeds: Vec<u32> = drawn.into_iter().map(|(_, id)| id).collect();
        seeds.sort_unstable();
        let mut seed_codes = AlignedVec::new();
        for &seed in &seeds {
            seed_codes.extend_from_slice(&codes[seed as usize * coder.bytes()..][..coder.bytes()])?;
        }
        let graph = crate::build::graph(points, &seeds, params)?;
        log("graph");
        let mut vectors = Matrix::new(rows.dim(), RowPadding::None)?;
        vectors.reserve(rows.len())?;
        let mut inverse_norms = Vec::new();
        for &label in &labels {
            let row = rows.row(label as usize).unwrap_or_default();
            vectors.push(row)?;
            if metric == Metric::Cosine {
                inverse_norms.push((1.0 / crate::intake::norm_squared(row).sqrt()) as f32);
            }
        }
        log("done");
        Ok(Self { kernels, intake, coder, codes, graph, vectors, inverse_norms, labels, seeds, seed_codes })
    }

    pub fn bytes(&self) -> usize {
        self.codes.len() + self.graph.as_slice().len() * 4 + size_of_val(self.vectors.as_slice())
    }

    pub fn searcher(&self) -> Result<Searcher<T>, Error> {
        Ok(Searcher {
            beam: Beam::default(),
            code: CodeScratch::default(),
            flat: vec![0.0; self.intake.row_dim()],
            row: vec![0; self.intake.row_dim()],
            query: AlignedVec::zeroed(QUERY_LINE * self.coder.lines)?,
            scores: vec![0; self.seeds.len()],
            starts: Vec::new(),
            results: TopK::new(1)?,
            _element: std::marker::PhantomData,
        })
    }

    pub fn search<'s>(
        &self,
        s: &'s mut Searcher<T>,
        query: &[T],
        k: usize,
        ef: usize,
    ) -> Result<&'s [Neighbor<f32>], Error> {
        self.intake.query(query, &mut s.flat, &mut s.row);
        let one = Rows::new(&s.row, s.row.len())?;
        self.coder.prepare(one, self.kernels, &mut s.code, &mut s.query)?;
        let bytes = self.coder.bytes();
        let codes = Rows::new(&self.codes, bytes)?;
        let seeds = Rows::new(&self.seed_codes, bytes)?;
        self.kernels.codes_mixed().rows(&s.query, seeds, &mut s.scores)?;
        let mut at = [0u32; 4];
        let mut least = [0i32; 4];
        let n = self.kernels.top_k(&s.scores, 0, 4.min(s.scores.len()), &mut at, &mut least)?;
        s.starts.clear();
        s.starts.extend(at[..n].iter().zip(&least).map(|(&at, &score)| (score, self.seeds[at as usize])));
        s.results.reset(k)?;
        let scorer = CodeScorer { query: &s.query, codes, data: &self.codes, kernels: self.kernels };
        let results = &mut s.results;
        let mut pending: Option<u32> = None;
        s.beam.search(&self.graph, &scorer, &s.starts, ef.max(k), |_, node| {
            if let Some(row) = self.vectors.row(node as usize) {
                prefetch_slice(row, 1024);
            }
            if let Some(id) = pending.replace(node) {
                let distance = self.exact(query, id)?;
                results.push(Neighbor::new(id, distance));
            }
            Ok(())
        })?;
        if let Some(id) = pending {
            results.push(Neighbor::new(id, self.exact(query, id)?));
        }
        Ok(s.results.sorted())
    }

    #[inline]
    fn exact(&self, query: &[T], id: u32) -> Result<f32, Error> {
        let row = self.vectors.row(id as usize).unwrap_or_default();
        Ok(match self.intake.metric {
            Metric::L2 => self.kernels.forms::<T>(Measure::L2Squared).pair(query, row)?.to_f32(),
            Metric::InnerProduct => -self.kernels.forms::<T>(Measure::InnerProduct).pair(query, row)?.to_f32(),
            Metric::Cosine => {
                let dot = self.kernels.forms::<T>(Measure::InnerProduct).pair(query, row)?.to_f32();
                -dot * self.inverse_norms[id as usize]
            }
        })
    }

    pub fn label(&self, id: u32) -> u32 {
        self.labels[id as usize]
    }
}

pub struct Searcher<T> {
    pub beam: BeamAlias,
    code: CodeScratch,
    flat: Vec<f32>,
    row: Vec<i8>,
    query: AlignedVec<i8>,
    scores: Vec<i32>,
    starts: Vec<(i32, u32)>,
    results: TopK<f32>,
    _element: std::marker::PhantomData<T>,
}
type BeamAlias = Beam;
impl<T> Searcher<T> {
    pub fn counts(&mut self) -> (u64, u64) {
        let c = (self.beam.scored, self.beam.expanded);
        self.beam.scored = 0;
        self.beam.expanded = 0;
        c
    }
}
