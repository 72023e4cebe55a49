//! Building: integer rows, zones, codes, postings. The same bytes for any number of threads and on every CPU.

use hnsw::pieces::{blocks, check_row, chunks};
use hnsw::{Metric, Progress};
use layouts::{AlignedVec, Storage};
use simd_kernels::{Element, Kernels, PANEL_ROWS, Rows};

use crate::candidates::MOST_ROWS;
use crate::code::Code;
use crate::error::Error;
use crate::head::{HeadCode, HeadScratch, pack};
use crate::index::ZonalPq;
use crate::params::{BuildParams, Refine};
use crate::posting::{Frozen, nothing};
use crate::progress::Stages;
use crate::route::Router;
use crate::space::Space;
use crate::zones::{Centroids, NONE, Plan, cluster, second_zones};

/// Rows that codes and means are learnt on.
const SAMPLE: usize = 16_384;
/// Most rows that a zone is built with: changes have room up to [`MOST_ROWS`].
pub(crate) const CAP: usize = MOST_ROWS / 2;

/// A row in a zone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) zone: u32,
    pub(crate) row: u32,
    /// Where the row lives, if it is here a second time.
    pub(crate) home: u32,
}

/// The number of zones for so many rows: a scan of a zone costs about as much as routing past a few of them.
pub(crate) fn zones_for(rows: usize) -> usize {
    let by_size = rows / 256;
    let by_root = (rows as f64).sqrt() as usize;
    by_size.clamp(by_root.min(1024), 1 << 20).max(1)
}

/// Builds an index of all rows.
pub(crate) fn build<T: Element>(
    vectors: Rows<'_, T>,
    metric: Metric,
    params: &BuildParams,
    progress: &dyn Progress,
) -> Result<ZonalPq<T>, Error> {
    params.check(metric)?;
    metric.expect::<T>()?;
    let kernels = Kernels::active()?;
    if vectors.len() > i32::MAX as usize {
        return Err(Error::TooMany { rows: vectors.len() });
    }
    let mut stages = Stages::new(progress, 7);
    stages.begin("checking vectors")?;
    blocks(vectors.len(), 4096, |range| {
        for row in range {
            check_row(vectors.row(row).unwrap_or_default(), metric, "vectors", row)?;
        }
        Ok(())
    })?;
    stages.begin("rounding vectors")?;
    let space = Space::train(vectors, metric);
    let dim = space.dim();
    let mut integers = AlignedVec::<i8>::zeroed(vectors.len() * dim)?;
    chunks(&mut integers, 1024 * dim, |block, out| {
        let mut flat = vec![0.0; dim];
        for (at, out) in out.chunks_exact_mut(dim).enumerate() {
            space.row(vectors.row(block * 1024 + at).unwrap_or_default(), &mut flat, out);
        }
        Ok(())
    })?;
    let integers = Rows::new(&integers, dim)?;

    let wanted = if params.zones == 0 { zones_for(vectors.len()) } else { params.zones };
    let plan = Plan { zones: wanted, sample: params.sample, iterations: params.iterations };
    let centroids = cluster(integers, &plan, kernels, &mut stages)?;
    stages.begin("assigning vectors")?;
    let packed = Centroids::new(Rows::new(&centroids, dim)?, |_| 0)?;
    let first = packed.nearest(integers, kernels)?;
    let second = if params.second > 0.0 && packed.len > 1 {
        let view = Rows::new(&centroids, dim)?;
        second_zones(integers, &first, view, &packed, params.second, params.lambda, kernels)?
    } else {
        Vec::new()
    };
    drop(packed);
    let (entries, centroids) = settle(&first, &second, &centroids, dim);
    let centroids = Rows::new(&centroids, dim)?;

    stages.begin("learning codes")?;
    let code = learn(integers, &entries, centroids, params, kernels)?;
    stages.begin("encoding")?;
    let bytes = keeps_bytes::<T>(params, &space);
    let postings = fill(vectors, integers, &entries, centroids, (&space, &code), bytes, kernels)?;
    let mut shifts = AlignedVec::new();
    if metric == Metric::InnerProduct {
        for centroid in centroids.iter() {
            shifts.push(space.shift_of(centroid))?;
        }
    }
    let router = Router::new(centroids, shifts, params.graph_from)?;
    let places = postings.places(vectors.len());
    Ok(ZonalPq { kernels, space, router, code, postings, rows: vectors.len(), calibration: None, places })
}

/// Whether an index keeps integer rows beside its vectors.
pub(crate) fn keeps_bytes<T: Element>(params: &BuildParams, space: &Space) -> bool {
    let bytes = match params.refine {
        Refine::Auto => size_of::<T>() > 1,
        given => given == Refine::Bytes,
    };
    bytes && !space.is_lossless::<T>()
}

/// Entries sorted by zone and row, zones without rows left out, and zones with too many cut in several that have
/// the same centroid.
fn settle(first: &[(u32, i32)], second: &[u32], centroids: &[i8], dim: usize) -> (Vec<Entry>, Vec<i8>) {
    let mut entries: Vec<Entry> = first
        .iter()
        .enumerate()
        .map(|(row, &(zone, _))| Entry { zone, row: row as u32, home: NONE })
        .collect();
    for (row, (&zone, &(home, _))) in second.iter().zip(first).enumerate() {
        if zone != NONE {
            entries.push(Entry { zone, row: row as u32, home });
        }
    }
    entries.sort_unstable_by_key(|entry| (entry.zone, entry.row));
    // Where each zone went: homes are renamed afterwards.
    let zones = centroids.len() / dim.max(1);
    let mut renamed = vec![NONE; zones];
    let mut kept = Vec::new();
    let (mut zone, mut next, mut size) = (NONE, 0u32, 0usize);
    for entry in &mut entries {
        if entry.zone != zone || size == CAP {
            let old = entry.zone as usize;
            if entry.zone != zone
                && let Some(renamed) = renamed.get_mut(old)
            {
                *renamed = next;
            }
            kept.extend_from_slice(centroids.get(old * dim..(old + 1) * dim).unwrap_or_default());
            (zone, size, next) = (entry.zone, 0, next + 1);
        }
        size += 1;
        entry.zone = next - 1;
    }
    for entry in &mut entries {
        if entry.home != NONE {
            entry.home = renamed.get(entry.home as usize).copied().unwrap_or(NONE);
        }
    }
    (entries, kept)
}

/// Learns the scan code from a sample of residuals.
pub(crate) fn learn(
    integers: Rows<'_, i8>,
    entries: &[Entry],
    centroids: Rows<'_, i8>,
    params: &BuildParams,
    kernels: &'static Kernels,
) -> Result<Code, Error> {
    let dim = integers.dim();
    let mut mean = vec![0.0f64; dim];
    let step = entries.len().div_ceil(SAMPLE).max(1);
    let mut residuals = Vec::new();
    let mut count = 0usize;
    for entry in entries.iter().step_by(step) {
        let row = integers.row(entry.row as usize).unwrap_or_default();
        let centroid = centroids.row(entry.zone as usize).unwrap_or_default();
        residuals.extend(row.iter().zip(centroid).map(|(&x, &c)| x.saturating_sub(c)));
        for (mean, &x) in mean.iter_mut().zip(row) {
            *mean += f64::from(x);
        }
        count += 1;
    }
    for mean in &mut mean {
        *mean /= count.max(1) as f64;
    }
    if residuals.is_empty() {
        // Nothing to learn from: codes of no spread.
        residuals.resize(dim, 0);
    }
    let dims = if params.code_dims == 0 {
        // Half of the dimensions, and not more than two lines of code.
        (dim / 2).clamp(32.min(dim), 256)
    } else {
        params.code_dims.min(dim)
    };
    Ok(Code::Head(HeadCode::train(Rows::new(&residuals, dim)?, &mean, dims.next_multiple_of(8), kernels)?))
}

/// What a zone adds to the postings.
pub(crate) struct Part {
    /// In whole panels.
    pub(crate) codes: AlignedVec<u8>,
    /// As many, infinite in the places of padding.
    pub(crate) factors: Vec<f32>,
    /// One a row, where the metric wants them.
    pub(crate) norms: Vec<f32>,
}

/// Makes all postings.
fn fill<T: Element>(
    vectors: Rows<'_, T>,
    integers: Rows<'_, i8>,
    entries: &[Entry],
    centroids: Rows<'_, i8>,
    (space, code): (&Space, &Code),
    bytes: bool,
    kernels: &'static Kernels,
) -> Result<Frozen<T>, Error> {
    let zones = centroids.len();
    let (mut starts, mut panels) =
        (AlignedVec::with_capacity(zones + 1)?, AlignedVec::with_capacity(zones + 1)?);
    let (mut at, mut panel) = (0usize, 0usize);
    for zone in 0..=zones {
        starts.push(at as u32)?;
        panels.push(panel as u32)?;
        let rest = entries.get(at..).unwrap_or_default();
        let rows = rest.partition_point(|entry| entry.zone as usize <= zone);
        at += rows;
        panel += rows.div_ceil(PANEL_ROWS);
    }
    let mut frozen = Frozen {
        starts: Storage::from(starts),
        panels: Storage::from(panels),
        panel_bytes: code.panel_bytes(),
        codes: nothing(),
        factors: nothing(),
        ids: nothing(),
        bytes: nothing(),
        vectors: nothing(),
        norms: nothing(),
        homes: nothing(),
        row_dim: space.dim(),
        dim: vectors.dim(),
    };
    let range = |zone: usize| {
        let at = |zone: usize| frozen.starts.get(zone).map_or(0, |&start| start as usize);
        at(zone)..at(zone + 1)
    };
    let parts = blocks(zones, 16, |zones| {
        let mut parts = Vec::with_capacity(zones.len());
        for zone in zones {
            let entries = entries.get(range(zone)).unwrap_or_default();
            let centroid = centroids.row(zone).unwrap_or_default();
            let rows = entries.iter().map(|entry| {
                let row = entry.row as usize;
                (vectors.row(row).unwrap_or_default(), integers.row(row).unwrap_or_default())
            });
            let part = encode(rows, centroid, (space, code), kernels);
            parts.push(part.map_err(crate::error::inner)?);
        }
        Ok(parts)
    })?;
    let mut codes = AlignedVec::with_capacity(panel * code.panel_bytes())?;
    let mut factors = AlignedVec::with_capacity(panel * PANEL_ROWS)?;
    let mut norms = AlignedVec::new();
    for part in parts.iter().flatten() {
        codes.extend_from_slice(&part.codes)?;
        factors.extend_from_slice(&part.factors)?;
        norms.extend_from_slice(&part.norms)?;
    }
    drop(parts);
    let mut ids = AlignedVec::with_capacity(entries.len())?;
    let mut kept = AlignedVec::with_capacity(entries.len() * vectors.dim())?;
    let mut rows = AlignedVec::with_capacity(if bytes { entries.len() * space.dim() } else { 0 })?;
    let mut homes = AlignedVec::new();
    let twice = entries.iter().any(|entry| entry.home != NONE);
    for entry in entries {
        ids.push(entry.row)?;
        kept.extend_from_slice(vectors.row(entry.row as usize).unwrap_or_default())?;
        if bytes {
            rows.extend_from_slice(integers.row(entry.row as usize).unwrap_or_default())?;
        }
        if twice {
            homes.push(entry.home)?;
        }
    }
    frozen.codes = Storage::from(codes);
    frozen.factors = Storage::from(factors);
    frozen.ids = Storage::from(ids);
    frozen.bytes = Storage::from(rows);
    frozen.vectors = Storage::from(kept);
    frozen.norms = Storage::from(norms);
    frozen.homes = Storage::from(homes);
    Ok(frozen)
}

/// Codes, factors and norms of rows of one zone, given as vectors and as integers.
pub(crate) fn encode<'a, T: Element>(
    rows: impl ExactSizeIterator<Item = (&'a [T], &'a [i8])>,
    centroid: &[i8],
    (space, code): (&Space, &Code),
    kernels: &'static Kernels,
) -> Result<Part, Error> {
    let Code::Head(head) = code;
    let mut scratch = HeadScratch::default();
    let mut flat = Vec::new();
    let mut codes = vec![0u8; rows.len() * head.dims];
    let padded = rows.len().next_multiple_of(PANEL_ROWS);
    let mut part = Part { codes: AlignedVec::new(), factors: Vec::with_capacity(padded), norms: Vec::new() };
    head.centre(centroid, kernels, &mut scratch)?;
    for ((vector, row), code) in rows.zip(codes.chunks_exact_mut(head.dims)) {
        let length: i32 = row.iter().zip(centroid).map(|(&x, &c)| (i32::from(x) - i32::from(c)).pow(2)).sum();
        let cross = head.encode(row, kernels, &mut scratch, &mut flat, code)?;
        part.factors.push(length as f32 + cross - space.shift(vector));
        match space.metric {
            Metric::Cosine => part.norms.push(space.check(vector, "vectors")?),
            Metric::InnerProduct => part.norms.push(space.shift(vector)),
            _ => {}
        }
    }
    part.factors.resize(padded, f32::INFINITY);
    pack(&codes, head.dims, &mut part.codes)?;
    Ok(part)
}
