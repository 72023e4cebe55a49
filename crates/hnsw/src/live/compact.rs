//! Removed rows dropped, the rest laid out anew: for the next version, or for a frozen index.

use std::sync::Arc;

use layouts::{Adjacency, AlignedVec, Arena, Matrix, RowPadding, Storage as Memory};
use simd_kernels::{Element, Kernels, Rows};

use crate::build::candidates::id_of;
use crate::build::partition::{Points, carve, norms};
use crate::build::reach;
use crate::code::{Coder, Source};
use crate::codes::{Codes, Coding};
use crate::error::Error;
use crate::index::Hnsw;
use crate::labels::Labels;
use crate::live::draft::{Draft, Scratch, at_ends};
use crate::live::params::LiveParams;
use crate::live::state::{END, NONE, Trained, for_keys};
use crate::live::tree::Tree;
use crate::metric::Metric;
use crate::parallel;
use crate::rotation::Rotation;
use crate::scan::Scan;
use crate::seeds::{Seeds, draw};

/// Rows whose order decides which others lie near in memory.
const ORDER_LEAF: usize = 64;

/// The rows that are there, in an order in which near ones follow one another, with edges among themselves alone.
struct Gathered {
    order: Vec<u32>,
    graph: Adjacency,
    integers: AlignedVec<i8>,
    seeds: Vec<u32>,
}

fn gather<T: Element>(draft: &Draft<T>) -> Result<Gathered, Error> {
    let points = draft.points()?;
    let norms = norms(points.rows)?;
    let live = (0..draft.rows() as u32).filter(|&row| draft.is_alive(row)).collect();
    let order = carve(Points { norms: &norms, ..points }, live, ORDER_LEAF, 1)?.concat();
    let mut place = vec![NONE; draft.rows()];
    for (at, &row) in order.iter().enumerate() {
        place[row as usize] = at as u32;
    }
    let edges = parallel::blocks(order.len(), 64, |task| {
        draft.workers.with(|scratch| {
            let rows = order.get(task).unwrap_or_default();
            rows.iter()
                .map(|&row| among_living(draft, points, row, &place, scratch))
                .collect::<Result<Vec<_>, _>>()
        })
    })?;
    let mut graph = Adjacency::new(order.len(), draft.build.degree)?;
    for (row, edges) in edges.into_iter().flatten().enumerate() {
        graph.set(row as u32, &edges)?;
    }
    let mut integers = AlignedVec::new();
    points.gather(&order, &mut integers)?;
    let seeds = draw(order.len(), draft.build.seeds);
    if let Some(&root) = seeds.first() {
        let points = Points { rows: Rows::new(&integers, points.rows.dim())?, ..points };
        reach::connect(points, &mut graph, root)?;
    }
    Ok(Gathered { order, graph, integers, seeds })
}

/// The edges of a row, with those to removed rows replaced by where these lead, as places in the new order.
fn among_living<T: Element>(
    draft: &Draft<T>,
    points: Points<'_>,
    row: u32,
    place: &[u32],
    scratch: &mut Scratch,
) -> Result<Vec<u32>, Error> {
    let edges = |row: u32| {
        let edges = draft.graph.row(row as usize).unwrap_or_default();
        edges.iter().copied().take_while(|&id| id != NONE)
    };
    let Scratch { keys, ids, distances, .. } = scratch;
    ids.clear();
    ids.extend(edges(row).filter(|&id| draft.is_alive(id)));
    for lost in edges(row).filter(|&id| !draft.is_alive(id)) {
        ids.extend(edges(lost).filter(|&id| id != row && draft.is_alive(id)));
    }
    ids.sort_unstable();
    ids.dedup();
    keys.clear();
    draft.measure(points, row, ids, distances, keys)?;
    keys.sort_unstable();
    if keys.len() <= draft.build.degree {
        scratch.chosen.clear();
        scratch.chosen.extend_from_slice(&scratch.keys);
    } else {
        draft.choose_pruned(points, scratch)?;
    }
    Ok(scratch.chosen.iter().filter_map(|&key| place.get(id_of(key) as usize).copied()).collect())
}

/// A draft of the rows that are there and no others.
pub(crate) fn compacted<T: Element>(draft: &Draft<T>) -> Result<Draft<T>, Error> {
    let trained = draft.trained.clone().filter(|_| draft.keys > 0 || draft.sampled);
    let mut next = Draft::new(draft.kernels, draft.metric, draft.dim, &draft.build, draft.ef, trained)?;
    next.sampled = draft.sampled;
    if draft.keys == 0 {
        return Ok(next);
    }
    let Some(trained) = next.trained.clone() else {
        let live: Vec<u32> = (0..draft.rows() as u32).filter(|&row| draft.is_alive(row)).collect();
        copy_rows(draft, &live, &mut next)?;
        return Ok(next);
    };
    let Gathered { order, graph, integers, seeds } = gather(draft)?;
    copy_rows(draft, &order, &mut next)?;
    let stride = trained.coding.stride();
    for &row in &order {
        let code = draft.codes.get(row as usize * stride..).and_then(|codes| codes.get(..stride));
        next.codes.extend_from_slice(code.unwrap_or_default())?;
    }
    next.clipped = at_ends(&integers);
    next.integers = integers;
    settle(&mut next, &graph, Memory::from(AlignedVec::from_slice(&seeds)?))?;
    Ok(next)
}

/// Takes up a finished graph and its seeds, the first of which reaches everything.
fn settle<T: Element, S: std::ops::Deref<Target = [u32]>>(
    draft: &mut Draft<T>,
    graph: &Adjacency<S>,
    seeds: Memory<u32>,
) -> Result<(), Error> {
    let mut slots = vec![NONE; draft.build.degree];
    for row in 0..graph.len() as u32 {
        slots.fill(NONE);
        slots.iter_mut().zip(graph.neighbors(row)).for_each(|(slot, &id)| *slot = id);
        draft.graph.push(&slots)?;
    }
    draft.seeds = Arc::new(Seeds { ids: seeds });
    draft.drawn_at = draft.rows();
    draft.tree = Tree::of(&draft.graph, draft.root())?;
    Ok(())
}

/// Copies vectors and keys of `rows`, in that order, into an empty draft.
fn copy_rows<T: Element>(from: &Draft<T>, rows: &[u32], to: &mut Draft<T>) -> Result<(), Error> {
    super::reserve(&mut to.alive, rows.len())?;
    let places = &mut to.places;
    places.try_reserve(from.keys).map_err(|_| super::no_memory::<(u64, u32)>(from.keys))?;
    to.vectors.reserve(rows.len() * from.dim)?;
    let mut keys = Vec::new();
    for (at, &row) in rows.iter().enumerate() {
        to.vectors.extend_from_slice(from.vector(row))?;
        if let Some(&inverse) = from.inverse_norms.get(row as usize) {
            to.inverse_norms.extend_from_slice(&[inverse])?;
        }
        keys.clear();
        for_keys(&from.labels, &from.extra, row, |key| keys.push(key));
        add_labels(to, at as u32, &keys)?;
    }
    Ok(())
}

/// Appends a row of the keys, for which there is room.
fn add_labels<T: Element>(to: &mut Draft<T>, row: u32, keys: &[u64]) -> Result<(), Error> {
    let Some((&first, others)) = keys.split_first() else { return Ok(()) };
    to.labels.push(&[first, END])?;
    to.alive.push(true);
    to.keys += 1;
    others.iter().try_for_each(|&key| to.add_key(row, key))?;
    to.placed.clear();
    to.places.extend(keys.iter().map(|&key| (key, row)));
    Ok(())
}

/// A draft of a frozen index, whose vector `id` becomes that of `keys[id]`.
pub(crate) fn thaw<T: Element>(index: Hnsw<T>, keys: &[u64], params: &LiveParams) -> Result<Draft<T>, Error> {
    if keys.len() != index.len() {
        let (expected, actual) = (index.len(), keys.len());
        return Err(layouts::Error::Length { argument: "keys", expected, actual }.into());
    }
    super::expect_unique(keys)?;
    let Hnsw { kernels, intake, codes, graph, vectors, inverse_norms, labels, seeds, .. } = index;
    let build = params.build.clone().degree(graph.degree());
    let (metric, dim, row_dim) = (intake.metric, intake.dim, intake.row_dim());
    let trained = Arc::new(Trained { intake, coding: codes.coding });
    let mut draft = Draft::new(kernels, metric, dim, &build, params.ef_insert, Some(trained.clone()))?;
    let rows = graph.len();
    draft.codes = Arena::from_slice(&codes.data)?;
    draft.inverse_norms = Arena::from_slice(&inverse_norms)?;
    draft.vectors.reserve(rows * dim)?;
    super::reserve(&mut draft.alive, rows)?;
    draft.places.try_reserve(keys.len()).map_err(|_| super::no_memory::<(u64, u32)>(keys.len()))?;
    let mut own = Vec::new();
    for row in 0..rows as u32 {
        draft.vectors.extend_from_slice(vectors.row(row as usize).unwrap_or_default())?;
        own.clear();
        own.extend(labels.of(row).iter().filter_map(|&id| keys.get(id as usize)));
        add_labels(&mut draft, row, &own)?;
    }
    let mut integers = AlignedVec::<i8>::zeroed(rows * row_dim)?;
    parallel::chunks(&mut integers, 1024 * row_dim, |block, out| {
        let mut flat = vec![0.0; row_dim];
        for (at, out) in out.chunks_exact_mut(row_dim).enumerate() {
            trained.intake.row(vectors.row(block * 1024 + at).unwrap_or_default(), &mut flat, out);
        }
        Ok(())
    })?;
    draft.clipped = at_ends(&integers);
    draft.integers = integers;
    settle(&mut draft, &graph, seeds.ids)?;
    Ok(draft)
}

/// All keys, ascending.
fn sorted_keys<T: Element>(draft: &Draft<T>) -> Vec<u64> {
    let mut keys: Vec<u64> = draft.places.keys().copied().collect();
    keys.sort_unstable();
    keys
}

/// A bulk build of what is there, with everything learned anew; ids are places in the sorted keys.
pub(crate) fn rebuilt<T: Element>(draft: &Draft<T>) -> Result<(Hnsw<T>, Vec<u64>), Error> {
    let keys = sorted_keys(draft);
    let mut vectors = AlignedVec::with_capacity(keys.len() * draft.dim)?;
    for key in &keys {
        vectors.extend_from_slice(draft.places.get(key).map_or(&[], |&row| draft.vector(row)))?;
    }
    let index = Hnsw::build(Rows::new(&vectors, draft.dim)?, draft.metric, &draft.build)?;
    Ok((index, keys))
}

/// A frozen index of what is there, with this graph; ids are places in the sorted keys.
pub(crate) fn frozen<T: Element>(draft: &Draft<T>) -> Result<(Hnsw<T>, Vec<u64>), Error> {
    let Some(trained) = draft.trained.as_ref().filter(|_| draft.keys > 0) else { return rebuilt(draft) };
    let Gathered { order, graph, integers, seeds } = gather(draft)?;
    let keys = sorted_keys(draft);
    let (rows, degree, stride) = (order.len(), graph.degree(), trained.coding.stride());
    let mut codes = AlignedVec::with_capacity(rows * stride)?;
    let mut vectors = AlignedVec::with_capacity(rows * draft.dim)?;
    let mut inverse_norms = AlignedVec::new();
    let (mut starts, mut ids) = (AlignedVec::from_slice(&[0u32])?, AlignedVec::with_capacity(keys.len())?);
    let mut own: Vec<u32> = Vec::new();
    for &row in &order {
        let code = draft.codes.get(row as usize * stride..).and_then(|codes| codes.get(..stride));
        codes.extend_from_slice(code.unwrap_or_default())?;
        vectors.extend_from_slice(draft.vector(row))?;
        if let Some(&inverse) = draft.inverse_norms.get(row as usize) {
            inverse_norms.push(inverse)?;
        }
        own.clear();
        for_keys(&draft.labels, &draft.extra, row, |key| {
            own.extend(keys.binary_search(&key).map(|at| at as u32))
        });
        own.sort_unstable();
        ids.extend_from_slice(&own)?;
        starts.push(ids.len() as u32)?;
    }
    let starts = (ids.len() > rows).then(|| Memory::from(starts));
    let integers = Rows::new(&integers, trained.intake.row_dim())?;
    let scan = Scan::where_faster(integers, &norms(integers)?, &trained.intake, draft.build.tune.scan_bytes)?;
    let index = Hnsw {
        kernels: draft.kernels,
        intake: trained.intake.clone(),
        codes: Codes { coding: copy(&trained.coding)?, data: Memory::from(codes) },
        scan,
        graph: Adjacency::from_storage(Memory::from(graph.into_slots()), rows, degree)?,
        vectors: Matrix::from_storage(Memory::from(vectors), rows, draft.dim, RowPadding::None)?,
        inverse_norms: Memory::from(inverse_norms),
        labels: Labels::new(starts, Memory::from(ids), rows)?,
        seeds: Seeds { ids: Memory::from(AlignedVec::from_slice(&seeds)?) },
        quality: draft.build.quality,
        calibration: None,
        file: None,
    };
    Ok((index, keys))
}

fn copy(coding: &Coding) -> Result<Coding, Error> {
    Ok(match coding {
        Coding::Full => Coding::Full,
        Coding::Bytes { dim } => Coding::Bytes { dim: *dim },
        Coding::Signs { means } => Coding::Signs { means: means.clone() },
        Coding::Mixed(coder) => Coding::Mixed(Coder {
            source: match &coder.source {
                Source::Dimensions(order) => Source::Dimensions(order.clone()),
                Source::Components(rotation) => Source::Components(Rotation {
                    panels: Memory::from(AlignedVec::from_slice(&rotation.panels)?),
                    dim: rotation.dim,
                    directions: rotation.directions,
                }),
            },
            offsets: coder.offsets.clone(),
            factors: coder.factors.clone(),
            ..*coder
        }),
    })
}

/// What a sample teaches.
pub(crate) fn learn<T: Element>(
    sample: Rows<'_, T>,
    metric: Metric,
    params: &LiveParams,
) -> Result<(&'static Kernels, Arc<Trained>), Error> {
    let index = Hnsw::build(sample, metric, &params.build)?;
    Ok((index.kernels, Arc::new(Trained { intake: index.intake, coding: index.codes.coding })))
}
