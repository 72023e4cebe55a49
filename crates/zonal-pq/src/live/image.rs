//! A version as a file: vectors, keys, centroids and scale. Codes are made anew when it is opened, from the vectors
//! that there are then, which is quicker than reading them from most disks.

use std::path::Path;
use std::sync::Arc;

use bytemuck::{Pod, Zeroable};
use hnsw::Metric;
use hnsw::pieces::{Intake, check_row};
use layouts::container::{Container, Placement, Writer};
use layouts::{AlignedVec, Heap};
use simd_kernels::{Element, Kernels, Rows};

use super::draft::{Draft, no_memory};
use super::params::LiveParams;
use super::state::{Learnt, Pace, State};
use super::table::Table;
use super::zone::{Shape, Zone};
use crate::Error;
use crate::build::{CAP, Entry, encode, keeps_bytes, learn};
use crate::parallel::{blocks, chunks};
use crate::route::Router;
use crate::space::Space;
use crate::zones::NONE;

/// The container's kind and layout.
const KIND: &str = "zonal-live";
const LAYOUT: u32 = 1;

/// Everything that is one number.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
struct Header {
    rows: u64,
    zones: u64,
    dim: u64,
    generation: u64,
    learnt_from: u64,
    floor: u64,
    density: f64,
    unit: f64,
    length: f64,
    largest_norm: f64,
    scale: f32,
    metric: u32,
    element: [u8; 8],
}

const METRICS: [Metric; 3] = [Metric::L2, Metric::InnerProduct, Metric::Cosine];

fn element_name<T: Element>() -> [u8; 8] {
    let mut name = [0; 8];
    for (to, from) in name.iter_mut().zip(T::NAME.bytes()) {
        *to = from;
    }
    name
}

/// Writes a version in place of any file of this name: the old one or the new one is there at every moment.
pub(crate) fn save<T: Element>(state: &State<T>, path: &Path, generation: u64) -> Result<(), Error> {
    let space = &state.learnt.space;
    let (mut keys, mut vectors) =
        (AlignedVec::with_capacity(state.rows)?, AlignedVec::with_capacity(state.rows * state.shape.dim)?);
    let mut starts = AlignedVec::with_capacity(state.zones.len() + 1)?;
    for zone in state.zones.iter() {
        starts.push(keys.len() as u64)?;
        for &slot in zone.slots() {
            keys.push(state.key(slot))?;
        }
        vectors.extend_from_slice(zone.vectors(state.shape))?;
    }
    starts.push(keys.len() as u64)?;
    let header = Header {
        rows: state.rows as u64,
        zones: state.zones.len() as u64,
        dim: state.shape.dim as u64,
        generation,
        learnt_from: state.pace.learnt_from as u64,
        floor: state.pace.floor as u64,
        density: state.pace.density,
        unit: space.intake.unit,
        length: space.length,
        largest_norm: space.intake.largest_norm,
        scale: space.intake.scale,
        metric: METRICS.iter().position(|&metric| metric == space.metric).unwrap_or(0) as u32,
        element: element_name::<T>(),
    };
    Writer::new(KIND, LAYOUT)
        .section("header", Placement::Plain, &[header])
        .section("offsets", Placement::Plain, &space.intake.offset)
        .section("centroids", Placement::Plain, &state.centroids)
        .section("starts", Placement::Plain, &starts)
        .section("keys", Placement::Plain, &keys)
        .section("vectors", Placement::Plain, &vectors)
        .save(path)?;
    Ok(())
}

/// Reads a version, and the generation that it was saved with.
pub(crate) fn open<T: Element>(path: &Path, params: &LiveParams) -> Result<(State<T>, u64), Error> {
    let file = Container::open(path, KIND)?;
    file.expect_layout(&[LAYOUT])?;
    let header: Header = file.value("header")?;
    let refuse = |section, reason| Err(Error::Damaged { section, reason });
    if header.element != element_name::<T>() {
        let found = String::from_utf8_lossy(&header.element).trim_end_matches('\0').to_owned();
        return Err(Error::Element { expected: T::NAME, found });
    }
    let Some(&metric) = METRICS.get(header.metric as usize) else {
        return refuse("header", "there is no such metric");
    };
    params.check(metric)?;
    metric.expect::<T>()?;
    let (rows, zones, dim) = (header.rows as usize, header.zones as usize, header.dim as usize);
    let (offsets, centroids) = (file.section::<f32>("offsets")?, file.section::<i8>("centroids")?);
    let (starts, keys) = (file.section::<u64>("starts")?, file.section::<u64>("keys")?);
    let vectors = file.section::<T>("vectors")?;
    let vectors = Rows::new(&vectors, dim)?;
    let row_dim = offsets.len();
    if rows > i32::MAX as usize || vectors.len() != rows || keys.len() != rows {
        return refuse("vectors", "not one for each key");
    }
    if row_dim != dim || zones.checked_mul(row_dim) != Some(centroids.len()) {
        return refuse("centroids", "not one for each zone");
    }
    let are_starts = starts.len() == zones + 1
        && starts.first() == Some(&0)
        && starts.last() == Some(&header.rows)
        && starts.windows(2).all(|pair| pair[0] <= pair[1] && pair[1] - pair[0] <= CAP as u64);
    if !are_starts {
        return refuse("starts", "they do not ascend to the number of keys");
    }
    let is_scale = |x: f64| x.is_finite() && x > 0.0;
    let scales = [header.density, header.unit, f64::from(header.scale)];
    let lengths = [header.length, header.largest_norm];
    if !scales.into_iter().all(is_scale)
        || !lengths.into_iter().all(|x| x.is_finite() && x >= 0.0)
        || !offsets.iter().all(|x| x.is_finite())
    {
        return refuse("header", "a scale is none");
    }
    let mut sorted = Vec::new();
    sorted.try_reserve(rows).map_err(|_| no_memory::<u64>(rows))?;
    sorted.extend_from_slice(&keys);
    sorted.sort_unstable();
    if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(Error::DuplicateKey { key: pair[0] });
    }
    drop(sorted);
    blocks(rows, 4096, |range| {
        for row in range {
            check_row(vectors.row(row).unwrap_or_default(), metric, "vectors", row)?;
        }
        Ok(())
    })?;

    let kernels = Kernels::active()?;
    let intake = Intake {
        metric: if metric == Metric::InnerProduct { Metric::L2 } else { metric },
        dim,
        offset: offsets.to_vec(),
        scale: header.scale,
        unit: header.unit,
        largest_norm: header.largest_norm,
    };
    let space = Space { metric, intake, length: header.length };
    let mut integers = AlignedVec::<i8>::zeroed(rows * row_dim)?;
    chunks(&mut integers, 1024 * row_dim, |block, out| {
        let mut flat = vec![0.0; row_dim];
        for (at, out) in out.chunks_exact_mut(row_dim).enumerate() {
            space.row(vectors.row(block * 1024 + at).unwrap_or_default(), &mut flat, out);
        }
        Ok(())
    })?;
    let integers = Rows::new(&integers, row_dim)?;
    let centroid_rows = Rows::new(&centroids, row_dim)?;
    let mut entries = Vec::new();
    entries.try_reserve(rows).map_err(|_| no_memory::<Entry>(rows))?;
    for (zone, pair) in starts.windows(2).enumerate() {
        entries.extend((pair[0]..pair[1]).map(|row| Entry {
            zone: zone as u32,
            row: row as u32,
            home: NONE,
        }));
    }
    let code = learn(integers, &entries, centroid_rows, &params.build, kernels)?;
    drop(entries);
    let shape = Shape {
        dim,
        bytes: if keeps_bytes::<T>(&params.build, &space) { row_dim } else { 0 },
        unit: code.unit(),
        norms: metric != Metric::L2,
    };
    let heap = Heap::new();
    let made = blocks(zones, 16, |range| {
        let mut made = Vec::with_capacity(range.len());
        for zone in range {
            let at = |zone: usize| starts.get(zone).map_or(0, |&start| start as usize);
            let range = at(zone)..at(zone + 1);
            let row =
                |row: usize| (vectors.row(row).unwrap_or_default(), integers.row(row).unwrap_or_default());
            let centroid = centroid_rows.row(zone).unwrap_or_default();
            let part = encode(range.clone().map(row), centroid, (&space, &code), kernels)?;
            let mut zone = Zone::with_room(&heap, shape, range.len())?;
            let (vectors, bytes) = (range.clone().map(|at| row(at).0), range.clone().map(|at| row(at).1));
            zone.append(shape, &part, range.map(|row| row as u32), vectors, bytes);
            made.push(zone);
        }
        Ok(made)
    })?;
    let table = Table::new(heap, made.into_iter().flatten());
    let mut shifts = AlignedVec::new();
    if metric == Metric::InnerProduct {
        for centroid in centroid_rows.iter() {
            shifts.push(space.shift_of(centroid))?;
        }
    }
    let state = State {
        kernels,
        router: Arc::new(Router::new(centroid_rows, shifts, params.build.graph_from)?),
        centroids: Arc::new(centroids.to_vec()),
        zones: table,
        shape,
        keys: Draft::<T>::key_blocks(&keys)?,
        rows,
        pace: Pace {
            learnt_from: header.learnt_from as usize,
            density: header.density,
            floor: (header.floor as usize).clamp(1, zones.max(1)),
        },
        learnt: Arc::new(Learnt { space, code }),
    };
    Ok((state, header.generation))
}
