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
    norms: Vec<i32>,
    many: Vec<i32>,
    ids: Vec<u32>,
    least: Vec<i32>,
    /// What was picked: distance above, zone below, so that they sort as they should.
    keys: Vec<i64>,
    sample: Vec<i32>,
    graph: GraphSearcher<i8>,
}

impl RouteScratch {
    pub(crate) fn new() -> Result<Self, Error> {
        Ok(Self {
            distances: Vec::new(),
            norms: Vec::new(),
            many: Vec::new(),
            ids: Vec::new(),
            least: Vec::new(),
            keys: Vec::new(),
            sample: Vec::new(),
            graph: GraphSearcher::new()?,
        })
    }
}

/// Every so many distances one is looked at to guess a limit.
const SAMPLED: usize = 16;

impl RouteScratch {
    fn resize(&mut self, len: usize) {
        if self.ids.len() < len {
            self.ids.resize(len, 0);
            self.least.resize(len, 0);
        }
    }

    fn take(&mut self, count: usize) {
        self.keys.clear();
        let found = self.ids.iter().zip(&self.least).take(count);
        self.keys.extend(found.map(|(&zone, &distance)| i64::from(distance) << 32 | i64::from(zone)));
    }

    /// The least `count` by a limit that a sample suggests; `false` where too few are below it, or too few are
    /// asked for that it pays.
    fn below_sampled(&mut self, count: usize, kernels: &'static Kernels) -> Result<bool, Error> {
        let len = self.distances.len();
        if len < 512 || 4 * count > len {
            return Ok(false);
        }
        self.sample.clear();
        self.sample.extend(self.distances.iter().step_by(SAMPLED));
        let rank = (count / SAMPLED * 3 / 2 + 4).min(self.sample.len() - 1);
        let (_, &mut limit, _) = self.sample.select_nth_unstable(rank);
        self.resize(len);
        let below = kernels.select_below(&self.distances, limit, 0, &mut self.ids, &mut self.least)?;
        if below < count || count == 0 {
            return Ok(false);
        }
        self.take(below);
        self.keys.select_nth_unstable(count - 1);
        self.keys.truncate(count);
        self.keys.sort_unstable();
        Ok(true)
    }

    /// The least `count` of all.
    fn all(&mut self, count: usize, kernels: &'static Kernels) -> Result<(), Error> {
        self.resize(count);
        let found = kernels.top_k(&self.distances, 0, count, &mut self.ids, &mut self.least)?;
        self.take(found);
        Ok(())
    }
}

impl Router {
    /// Over integer centroids; `shifts` is empty but under inner product. From `graph_from` zones on a graph leads.
    pub(crate) fn new(
        centroids: Rows<'_, i8>,
        shifts: layouts::AlignedVec<f32>,
        graph_from: usize,
    ) -> Result<Self, Error> {
        // A graph knows distances only; under inner product something is subtracted from them.
        let graph = if centroids.len() >= graph_from && shifts.is_empty() {
            Some(Hnsw::build(centroids, Metric::L2, &GraphParams::new())?)
        } else {
            None
        };
        Self::with_graph(centroids, shifts, graph)
    }

    /// With a graph over the same centroids that is there already, or none.
    pub(crate) fn with_graph(
        centroids: Rows<'_, i8>,
        shifts: layouts::AlignedVec<f32>,
        graph: Option<Hnsw<i8>>,
    ) -> Result<Self, Error> {
        let packed = Centroids::new(centroids, |zone| shifts.get(zone).map_or(0, |&shift| -(shift as i32)))?;
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
        if !scratch.below_sampled(nprobe, kernels)? {
            scratch.all(nprobe, kernels)?;
        }
        out.extend(scratch.keys.iter().map(|&key| self.probe(key as u32, (key >> 32) as f32)));
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
            self.centroids.distances_of_many(part, kernels, &mut scratch.norms, &mut all)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_from_a_sample_changes_nothing() {
        let kernels = Kernels::active().unwrap();
        let mut scratch = RouteScratch::new().unwrap();
        let mut sampled = 0;
        for (len, spread) in [(600usize, 50u32), (4096, 1 << 20), (5000, 3)] {
            scratch.distances =
                (0..len as u32).map(|i| (i.wrapping_mul(2_654_435_761) % spread) as i32 - 7).collect();
            for count in [1, 10, 64, 149] {
                scratch.all(count, kernels).unwrap();
                let expected = scratch.keys.clone();
                if scratch.below_sampled(count, kernels).unwrap() {
                    assert_eq!(scratch.keys, expected, "{len} {spread} {count}");
                    sampled += 1;
                }
            }
        }
        assert!(sampled >= 4, "{sampled}");
    }
}
