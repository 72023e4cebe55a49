//! Routing: the zones nearest to a query, by a scan of integer centroids or by a graph over them.
//!
//! A scan of a few thousand centroids is a few microseconds of byte products. Beyond that a graph visits a few
//! hundred of them and finds nearly the same; see `docs/benchmarks-zonal.md` for where the two cross.

use hnsw::{
    BuildParams as GraphParams, Hnsw, Metric, SearchParams as GraphSearch, Searcher as GraphSearcher,
};
use simd_kernels::{Kernels, Rows};

use crate::Error;
use crate::zones::Centroids;

/// Queries that are compared with all centroids in one go.
const TOGETHER: usize = 24;

/// A zone on the way of a query.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Probe {
    pub(crate) zone: u32,
    /// What zones are sorted by: squared distance, less |c|² under inner product.
    pub(crate) key: f32,
    /// |q − c|².
    pub(crate) distance: f32,
}

/// Finds zones.
#[derive(Debug)]
pub(crate) struct Router {
    pub(crate) centroids: Centroids,
    /// Under inner product |c|², else empty.
    pub(crate) shifts: layouts::Storage<f32>,
    pub(crate) graph: Option<Hnsw<i8>>,
}

/// Scratch of routing.
#[derive(Debug)]
pub(crate) struct RouteScratch {
    distances: Vec<i32>,
    many: Vec<i32>,
    ids: Vec<u32>,
    least: Vec<i32>,
    graph: GraphSearcher<i8>,
}

impl RouteScratch {
    pub(crate) fn new() -> Result<Self, Error> {
        Ok(Self {
            distances: Vec::new(),
            many: Vec::new(),
            ids: Vec::new(),
            least: Vec::new(),
            graph: GraphSearcher::new()?,
        })
    }
}

impl Router {
    /// Over integer centroids; `shifts` is empty but under inner product. From `graph_from` zones on a graph leads.
    pub(crate) fn new(
        centroids: Rows<'_, i8>,
        shifts: layouts::AlignedVec<f32>,
        graph_from: usize,
    ) -> Result<Self, Error> {
        let packed = Centroids::new(centroids, |zone| shifts.get(zone).map_or(0, |&shift| -(shift as i32)))?;
        // A graph knows distances only; under inner product something is subtracted from them.
        let graph = if centroids.len() >= graph_from && shifts.is_empty() {
            Some(Hnsw::build(centroids, Metric::L2, &GraphParams::new())?)
        } else {
            None
        };
        Ok(Self { centroids: packed, shifts: layouts::Storage::from(shifts), graph })
    }

    fn probe(&self, zone: u32, key: f32) -> Probe {
        let shift = self.shifts.get(zone as usize).copied().unwrap_or(0.0);
        Probe { zone, key, distance: key + shift }
    }

    /// The `nprobe` nearest zones, nearest first, ties to the lower.
    pub(crate) fn nearest(
        &self,
        query: &[i8],
        nprobe: usize,
        kernels: &'static Kernels,
        scratch: &mut RouteScratch,
        out: &mut Vec<Probe>,
    ) -> Result<(), Error> {
        out.clear();
        let nprobe = nprobe.min(self.centroids.len);
        if let Some(graph) = self.graph.as_ref().filter(|_| 8 * nprobe <= self.centroids.len) {
            let params = GraphSearch::new(nprobe, nprobe + nprobe / 4 + 8);
            let found = graph.search(&mut scratch.graph, query, &params)?;
            out.extend(found.iter().map(|found| self.probe(found.id, found.distance)));
            return Ok(());
        }
        self.centroids.distances(query, kernels, &mut scratch.distances)?;
        self.pick(nprobe, kernels, scratch, out)
    }

    /// Picks the nearest by distances that lie in the scratch.
    fn pick(
        &self,
        nprobe: usize,
        kernels: &'static Kernels,
        scratch: &mut RouteScratch,
        out: &mut Vec<Probe>,
    ) -> Result<(), Error> {
        if scratch.ids.len() < nprobe {
            scratch.ids.resize(nprobe, 0);
            scratch.least.resize(nprobe, 0);
        }
        let count = kernels.top_k(&scratch.distances, 0, nprobe, &mut scratch.ids, &mut scratch.least)?;
        let found = scratch.ids.iter().zip(&scratch.least).take(count);
        out.extend(found.map(|(&zone, &key)| self.probe(zone, key as f32)));
        Ok(())
    }

    /// The same for many queries: `out` gives each its place for the answer.
    pub(crate) fn nearest_of_many<'o>(
        &self,
        queries: Rows<'_, i8>,
        nprobe: usize,
        kernels: &'static Kernels,
        scratch: &mut RouteScratch,
        mut out: impl Iterator<Item = &'o mut Vec<Probe>>,
    ) -> Result<(), Error> {
        if self.graph.is_some() && 8 * nprobe <= self.centroids.len {
            for (query, out) in queries.iter().zip(out) {
                self.nearest(query, nprobe, kernels, scratch, out)?;
            }
            return Ok(());
        }
        let nprobe = nprobe.min(self.centroids.len);
        let width = self.centroids.norms.len();
        let mut all = std::mem::take(&mut scratch.many);
        for start in (0..queries.len()).step_by(TOGETHER) {
            let end = (start + TOGETHER).min(queries.len());
            let Some(part) = queries.slice(start, end) else { continue };
            self.centroids.distances_of_many(part, kernels, &mut all)?;
            for distances in all.chunks_exact(width) {
                let Some(out) = out.next() else { break };
                out.clear();
                scratch.distances.clear();
                scratch.distances.extend(distances.iter().take(self.centroids.len));
                self.pick(nprobe, kernels, scratch, out)?;
            }
        }
        scratch.many = all;
        Ok(())
    }
}
