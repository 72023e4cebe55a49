//! The writer's own copy: changed step by step, put back if a step fails, and published whole.

use std::collections::HashMap;
use std::sync::Arc;

use layouts::{AlignedVec, Arena, Blocks, Storage as Memory};
use simd_kernels::{Element, Kernels, Measure, Rows};

use crate::beam::Beam;
use crate::build::Collect;
use crate::build::candidates::{id_of, key};
use crate::build::partition::Points;
use crate::build::prune::{PruneScratch, prune};
use crate::error::Error;
use crate::live::state::{DEAD, END, GRAPH_BLOCK, LABEL_BLOCK, NONE, State, Trained};
use crate::live::tree::Tree;
use crate::metric::Metric;
use crate::parallel::PerThread;
use crate::params::BuildParams;
use crate::seeds::{Seeds, draw};

/// Memory of one thread that links rows.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(crate) beam: Beam,
    pub(crate) scores: Vec<i32>,
    pub(crate) prune: PruneScratch,
    pub(crate) keys: Vec<u64>,
    pub(crate) chosen: Vec<u64>,
    pub(crate) ids: Vec<u32>,
    pub(crate) distances: Vec<i32>,
}

/// Made once per thread, kept by the writer.
pub(crate) type Workers = PerThread<Scratch, fn() -> Scratch>;

/// Everything of an index, as the writer sees it.
pub(crate) struct Draft<T: Element> {
    pub(crate) kernels: &'static Kernels,
    pub(crate) metric: Metric,
    pub(crate) dim: usize,
    pub(crate) build: BuildParams,
    pub(crate) ef: usize,
    pub(crate) trained: Option<Arc<Trained>>,
    pub(crate) graph: Blocks<u32>,
    pub(crate) labels: Blocks<u64>,
    pub(crate) extra: Blocks<u64>,
    pub(crate) codes: Arena<u8>,
    pub(crate) vectors: Arena<T>,
    pub(crate) inverse_norms: Arena<f32>,
    /// Integer rows, which edges are chosen by: the writer's alone.
    pub(crate) integers: AlignedVec<i8>,
    pub(crate) tree: Tree,
    pub(crate) alive: Vec<bool>,
    pub(crate) seeds: Arc<Seeds>,
    /// Rows when the seeds were drawn.
    pub(crate) drawn_at: usize,
    /// Rows that were removed.
    pub(crate) dead: usize,
    /// Elements of integer rows at the ends of their range, where rounding may have cut them off.
    pub(crate) clipped: usize,
    /// Entries of `extra` that nothing leads to any more.
    pub(crate) loose: usize,
    pub(crate) keys: usize,
    /// The row of every key.
    pub(crate) places: HashMap<u64, u32>,
    /// Keys that this change has brought, with their rows: `places` hears of them when nothing can fail any more.
    pub(crate) placed: Vec<(u64, u32)>,
    /// Whether scale and codes came from a sample, and so stay even when all rows go.
    pub(crate) sampled: bool,
    pub(crate) workers: Workers,
}

/// Elements at the ends of their range.
pub(crate) fn at_ends(integers: &[i8]) -> usize {
    integers.iter().filter(|&&x| x == i8::MIN || x == i8::MAX).count()
}

/// What it takes to go back.
pub(crate) struct Checkpoint {
    graph: Blocks<u32>,
    labels: Blocks<u64>,
    extra: Blocks<u64>,
    seeds: Arc<Seeds>,
    numbers: [usize; 5],
}

impl<T: Element> Draft<T> {
    /// No rows; with `trained`, a graph that is ready for some.
    pub(crate) fn new(
        kernels: &'static Kernels,
        metric: Metric,
        dim: usize,
        build: &BuildParams,
        ef: usize,
        trained: Option<Arc<Trained>>,
    ) -> Result<Self, Error> {
        Ok(Self {
            kernels,
            metric,
            dim,
            build: build.clone(),
            ef,
            trained,
            graph: Blocks::new(build.degree, GRAPH_BLOCK)?,
            labels: Blocks::new(2, LABEL_BLOCK)?,
            extra: Blocks::new(2, LABEL_BLOCK)?,
            codes: Arena::new()?,
            vectors: Arena::new()?,
            inverse_norms: Arena::new()?,
            integers: AlignedVec::new(),
            tree: Tree::default(),
            alive: Vec::new(),
            seeds: Arc::new(Seeds { ids: Memory::from(AlignedVec::new()) }),
            drawn_at: 0,
            dead: 0,
            clipped: 0,
            loose: 0,
            keys: 0,
            places: HashMap::new(),
            placed: Vec::new(),
            sampled: false,
            workers: PerThread::new(Scratch::default),
        })
    }

    /// Whether what the scale was learned from says too little of what is there now: one element in fifty is cut off,
    /// where training lets one in ten thousand be.
    pub(crate) fn is_outgrown(&self) -> bool {
        // Bytes and bits are taken as they are, to the ends of their range.
        let is_rounded = !matches!(T::NAME, "u8" | "i8") || self.metric != Metric::L2;
        let learns = is_rounded && !self.sampled && self.metric != Metric::Hamming;
        learns && self.clipped > self.integers.len() / 50
    }

    /// Rows, removed ones included.
    pub(crate) fn rows(&self) -> usize {
        self.labels.len()
    }

    /// Integer rows with what comparing them takes.
    pub(crate) fn points(&self) -> Result<Points<'_>, Error> {
        let dim = self.trained.as_ref().map_or(1, |trained| trained.intake.row_dim());
        Ok(Points { rows: Rows::new(&self.integers, dim)?, norms: &[], kernels: self.kernels })
    }

    pub(crate) fn root(&self) -> Option<u32> {
        self.seeds.ids.first().copied()
    }

    pub(crate) fn is_alive(&self, row: u32) -> bool {
        self.alive.get(row as usize).copied().unwrap_or(false)
    }

    /// The vector of a row.
    pub(crate) fn vector(&self, row: u32) -> &[T] {
        let start = row as usize * self.dim;
        self.vectors.get(start..start + self.dim).unwrap_or_default()
    }

    /// A version of what there is.
    pub(crate) fn state(&mut self) -> Result<State<T>, Error> {
        Ok(State {
            kernels: self.kernels,
            metric: self.metric,
            dim: self.dim,
            trained: self.trained.clone(),
            graph: self.graph.try_clone()?,
            labels: self.labels.try_clone()?,
            extra: self.extra.try_clone()?,
            codes: self.codes.view(),
            vectors: self.vectors.view(),
            inverse_norms: self.inverse_norms.view(),
            seeds: self.seeds.clone(),
            keys: self.keys,
        })
    }

    pub(crate) fn checkpoint(&self) -> Result<Checkpoint, Error> {
        Ok(Checkpoint {
            graph: self.graph.try_clone()?,
            labels: self.labels.try_clone()?,
            extra: self.extra.try_clone()?,
            seeds: self.seeds.clone(),
            numbers: [self.drawn_at, self.dead, self.loose, self.clipped, self.keys],
        })
    }

    /// Back to a checkpoint since which nothing was trained or compacted. Takes no memory.
    pub(crate) fn restore(&mut self, to: Checkpoint) {
        (self.graph, self.labels, self.extra, self.seeds) = (to.graph, to.labels, to.extra, to.seeds);
        [self.drawn_at, self.dead, self.loose, self.clipped, self.keys] = to.numbers;
        let rows = self.labels.len();
        let per_row = |len: usize| if rows == 0 { 0 } else { len * rows };
        let (row_dim, stride) =
            self.trained.as_ref().map_or((0, 0), |t| (t.intake.row_dim(), t.coding.stride()));
        self.codes.truncate(per_row(stride));
        self.vectors.truncate(per_row(self.dim));
        self.inverse_norms.truncate(if self.metric == Metric::Cosine { rows } else { 0 });
        self.integers.truncate(per_row(row_dim));
        self.tree.truncate(if self.trained.is_some() { rows } else { 0 });
        self.alive.truncate(rows);
        for (row, alive) in self.alive.iter_mut().enumerate() {
            *alive = self.labels.row(row).is_some_and(|label| label.get(1) != Some(&DEAD));
        }
    }

    /// Gives a live row one more key.
    pub(crate) fn add_key(&mut self, row: u32, key: u64) -> Result<(), Error> {
        let at = self.extra.len() as u64;
        let next = self.labels.row(row as usize).and_then(|label| label.get(1)).copied().unwrap_or(END);
        self.extra.push(&[key, next])?;
        if let Some(link) = self.labels.row_mut(row as usize)?.get_mut(1) {
            *link = at;
        }
        self.keys += 1;
        super::reserve(&mut self.placed, 1)?;
        self.placed.push((key, row));
        Ok(())
    }

    /// Takes a key from a row; says whether it was the last one, so that the row is removed.
    pub(crate) fn drop_key(&mut self, row: u32, key: u64) -> Result<bool, Error> {
        let Some(&[first, link]) = self.labels.row(row as usize) else { return Ok(false) };
        if first == key {
            let next = usize::try_from(link).ok().and_then(|at| self.extra.row(at)).map(<[u64]>::to_vec);
            let last = next.is_none();
            self.labels.row_mut(row as usize)?.copy_from_slice(&next.unwrap_or(vec![key, DEAD]));
            self.keys -= 1;
            if last {
                self.dead += 1;
                if let Some(alive) = self.alive.get_mut(row as usize) {
                    *alive = false;
                }
            } else {
                self.loose += 1;
            }
            return Ok(last);
        }
        let (mut before, mut at) = (None, link);
        while let Some(&[found, next]) = usize::try_from(at).ok().and_then(|at| self.extra.row(at)) {
            if found == key {
                let link = match before {
                    None => self.labels.row_mut(row as usize)?.get_mut(1),
                    Some(before) => self.extra.row_mut(before)?.get_mut(1),
                };
                if let Some(link) = link {
                    *link = next;
                }
                self.loose += 1;
                self.keys -= 1;
                return Ok(false);
            }
            (before, at) = (usize::try_from(at).ok(), next);
        }
        Ok(false)
    }

    /// Searches the graph for an integer row; what was met, nearest first, each once, is added to `scratch.keys`.
    pub(crate) fn near(&self, points: Points<'_>, query: &[i8], scratch: &mut Scratch) -> Result<(), Error> {
        let seeds: &[u32] = &self.seeds.ids;
        let Scratch { beam, scores, keys, .. } = scratch;
        keys.clear();
        scores.resize(seeds.len(), 0);
        points.kernels.forms::<i8>(Measure::L2Squared).ids(query, points.rows, seeds, scores)?;
        let Some((best, score)) = points.kernels.argmin(scores) else { return Ok(()) };
        beam.start(&self.graph, self.ef);
        beam.add(score, seeds.get(best).copied().unwrap_or(0));
        if let (Some(&score), Some(&root)) = (scores.first(), seeds.first()) {
            beam.add(score, root);
        }
        beam.run(&self.graph, &mut Collect { points, query, expanded: keys })?;
        keys.extend(beam.pool.iter().map(|(score, id)| key(score, id)));
        keys.sort_unstable();
        keys.dedup();
        Ok(())
    }

    /// Distances from `row` to `ids` as sorted keys, added to `out`.
    pub(crate) fn measure(
        &self,
        points: Points<'_>,
        row: u32,
        ids: &[u32],
        distances: &mut Vec<i32>,
        out: &mut Vec<u64>,
    ) -> Result<(), Error> {
        distances.resize(ids.len(), 0);
        let query = points.rows.row(row as usize).unwrap_or_default();
        points.kernels.forms::<i8>(Measure::L2Squared).ids(query, points.rows, ids, distances)?;
        out.extend(ids.iter().zip(&*distances).map(|(&id, &distance)| key(distance, id)));
        Ok(())
    }

    /// What `row` is to be linked to of the sorted candidates `scratch.keys`, in `scratch.chosen`, sorted: all if
    /// there is room, otherwise what pruning leaves; in any case those that depend on the edge.
    pub(crate) fn choose(&self, points: Points<'_>, row: u32, scratch: &mut Scratch) -> Result<(), Error> {
        let degree = self.build.degree;
        let Scratch { prune: pruning, keys, chosen, .. } = scratch;
        if keys.len() <= degree {
            chosen.clear();
            chosen.extend_from_slice(keys);
            return Ok(());
        }
        prune(points, keys, degree, &self.build.tune.alphas, pruning, chosen)?;
        for &candidate in keys.iter().filter(|&&candidate| self.tree.holds(row, id_of(candidate))) {
            if chosen.contains(&candidate) {
                continue;
            }
            if chosen.len() == degree {
                let spare = chosen.iter().rposition(|&other| !self.tree.holds(row, id_of(other)));
                let Some(spare) = spare else { continue };
                chosen.remove(spare);
            }
            chosen.push(candidate);
        }
        chosen.sort_unstable();
        Ok(())
    }

    /// What a new row is to be linked to of the sorted candidates `scratch.keys`: pruned even if there is room.
    pub(crate) fn choose_pruned(&self, points: Points<'_>, scratch: &mut Scratch) -> Result<(), Error> {
        let Scratch { prune: pruning, keys, chosen, .. } = scratch;
        prune(points, keys, self.build.degree, &self.build.tune.alphas, pruning, chosen)
    }

    /// Writes the edges of a row.
    pub(crate) fn link(&mut self, row: u32, ids: impl Iterator<Item = u32>) -> Result<(), Error> {
        let slots = self.graph.row_mut(row as usize)?;
        slots.fill(NONE);
        slots.iter_mut().zip(ids).for_each(|(slot, id)| *slot = id);
        Ok(())
    }

    /// Draws new seeds from the rows that are there; the root stays.
    pub(crate) fn draw_seeds(&mut self) -> Result<(), Error> {
        let Some(root) = self.root() else { return Ok(()) };
        let mut ids = AlignedVec::from_slice(&[root])?;
        // A few more, as some of those drawn were removed.
        let wanted = self.build.seeds + self.build.seeds * self.dead / self.rows().max(1);
        for id in draw(self.rows(), wanted) {
            if id != root && self.is_alive(id) && ids.len() < self.build.seeds {
                ids.push(id)?;
            }
        }
        self.seeds = Arc::new(Seeds { ids: Memory::from(ids) });
        self.drawn_at = self.rows();
        Ok(())
    }
}
