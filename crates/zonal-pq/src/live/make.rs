//! The first version of an index: from a frozen one, from parts, or from one that is built anew.

use std::sync::Arc;

use hnsw::Metric;
use layouts::Heap;
use simd_kernels::{Element, Rows};

use super::draft::{Draft, no_memory};
use super::params::LiveParams;
use super::state::{Learnt, Pace, State};
use super::table::Table;
use super::zone::{Shape, Zone};
use crate::Error;
use crate::build::{self, Part, zones_for};
use crate::index::ZonalPq;
use crate::parallel::blocks;
use crate::posting::Postings;
use crate::zones::NONE;

/// How the zones of an index of so many rows compare to what suits them.
fn density(zones: usize, rows: usize) -> f64 {
    if rows == 0 { 1.0 } else { zones as f64 / zones_for(rows) as f64 }
}

impl<T: Element> State<T> {
    /// The vectors of a frozen index, `keys[id]` for each id; second places are left out.
    pub(crate) fn from_frozen(index: ZonalPq<T>, keys: &[u64]) -> Result<Self, Error> {
        index.expect_vectors()?;
        let dim = index.space.dim();
        let frozen = &index.postings;
        let zones = Postings::<T>::zones(frozen);
        let shape = Shape {
            dim: index.space.intake.dim,
            bytes: if Postings::<T>::has_bytes(frozen) { dim } else { 0 },
            unit: index.code.unit(),
            norms: index.space.metric != Metric::L2,
        };
        let mut centroids = Vec::with_capacity(zones * dim);
        unpack(&index.router.centroids.panels, dim, zones, &mut centroids);
        let heap = Heap::new();
        let made = blocks(zones, 16, |range| {
            let mut made = Vec::with_capacity(range.len());
            for zone in range {
                made.push(thawed(frozen, zone as u32, shape, &heap)?);
            }
            Ok(made)
        })?;
        let table = Table::new(heap, made.into_iter().flatten());
        Ok(Self {
            kernels: index.kernels,
            zones: table,
            shape,
            keys: Draft::<T>::key_blocks(keys)?,
            rows: index.rows,
            pace: Pace { learnt_from: index.rows, density: density(zones, index.rows), floor: 1 },
            centroids: Arc::new(centroids),
            router: Arc::new(index.router),
            learnt: Arc::new(Learnt { space: index.space, code: index.code }),
        })
    }

    /// The zones, scale and codes of this version, without its vectors. The zones are kept until there are vectors
    /// for them.
    pub(crate) fn emptied(self) -> Result<Self, Error> {
        let zones = Table::new(Heap::new(), (0..self.zones.len()).map(|_| Zone::empty()));
        let floor = zones.len().max(1);
        let pace = Pace { floor, ..self.pace };
        Ok(Self { zones, keys: Draft::<T>::key_blocks(&[])?, rows: 0, pace, ..self })
    }

    /// A version built from the vectors of this one and some more: scale, zones and codes are learnt anew.
    pub(crate) fn grown(
        &self,
        more: &[u64],
        more_vectors: Rows<'_, T>,
        params: &LiveParams,
    ) -> Result<Self, Error> {
        let rows = self.rows + more.len();
        let mut order: Vec<(u32, u32, u32)> = Vec::with_capacity(self.rows);
        for (zone, rows) in self.zones.iter().enumerate() {
            order.extend(rows.slots().iter().zip(0u32..).map(|(&slot, row)| (slot, zone as u32, row)));
        }
        order.sort_unstable();
        let mut vectors = layouts::AlignedVec::with_capacity(rows * self.shape.dim)?;
        let mut keys = Vec::new();
        keys.try_reserve(rows).map_err(|_| no_memory::<u64>(rows))?;
        for &(slot, zone, row) in &order {
            vectors.extend_from_slice(self.vector(zone, row as usize))?;
            keys.push(self.key(slot));
        }
        keys.extend_from_slice(more);
        for vector in more_vectors.iter() {
            vectors.extend_from_slice(vector)?;
        }
        let metric = self.learnt.space.metric;
        let index = build::build(Rows::new(&vectors, self.shape.dim)?, metric, &params.build, &())?;
        drop(vectors);
        Self::from_frozen(index, &keys)
    }
}

/// A zone of a frozen index.
fn thawed<T: Element>(
    frozen: &impl Postings<T>,
    zone: u32,
    shape: Shape,
    heap: &Heap,
) -> Result<Zone<T>, Error> {
    let scanned = frozen.scanned(zone);
    let len = scanned.len;
    let norms = if shape.norms { (0..len).map(|row| frozen.norm(zone, row)).collect() } else { Vec::new() };
    let mut codes = layouts::AlignedVec::with_capacity(scanned.codes.len())?;
    codes.extend_from_slice(scanned.codes)?;
    let part = Part { codes, factors: scanned.factors.to_vec(), norms };
    let mut made = Zone::with_room(heap, shape, len)?;
    made.append(
        shape,
        &part,
        frozen.ids(zone).iter().copied(),
        (0..len).map(|row| frozen.vector(zone, row)),
        (0..len).map(|row| frozen.bytes(zone, row)),
    );
    if frozen.has_homes() {
        for row in (0..len).rev().filter(|&row| frozen.home(zone, row) != NONE) {
            made.swap_remove(shape, row);
        }
    }
    Ok(made)
}

/// Centroids out of their panels.
fn unpack(panels: &[i8], dim: usize, count: usize, out: &mut Vec<i8>) {
    let width = dim.next_multiple_of(4);
    for at in 0..count {
        let panel = panels.get(at / 16 * 16 * width..).unwrap_or_default();
        let groups = panel.chunks_exact(64).take(width / 4);
        out.extend(groups.flat_map(|group| &group[at % 16 * 4..][..4]).take(dim));
    }
}
