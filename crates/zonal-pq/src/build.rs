//! Building: integer rows, zones, codes, postings. The same bytes for any number of threads and on every CPU.

use hnsw::pieces::check_row;
use hnsw::{Metric, Progress};
use layouts::{AlignedVec, Storage};
use simd_kernels::{Element, Kernels, Rows};

use crate::candidates::MOST_ROWS;
use crate::code::Code;
use crate::error::Error;
use crate::head::HeadCode;
use crate::index::ZonalPq;
use crate::parallel::{blocks, chunks};
use crate::params::{BuildParams, Refine, ScanCode};
use crate::posting::{Frozen, nothing};
use crate::progress::Stages;
use crate::quantiser::{Lvq, ProductParams, ProductQuantiser, Rabitq, RabitqParams};
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
    let keeps = Keeps { vectors: !params.lent, bytes };
    let postings = fill(vectors, integers, &entries, centroids, (&space, &code), keeps, kernels)?;
    let router = Router::new(centroids, space.shifts(centroids)?, params.graph_from)?;
    let places = postings.places(vectors.len());
    Ok(ZonalPq {
        kernels,
        space,
        router,
        code,
        postings,
        rows: vectors.len(),
        calibration: None,
        places,
        params: params.clone(),
        file: None,
    })
}

/// Bytes of a vector that is measured at once as fast as its integers (measured: 100 bytes 1.3 times as fast without
/// them, 512 as fast).
const SMALL_VECTOR: usize = 256;

/// Whether an index keeps integer rows beside its vectors.
pub(crate) fn keeps_bytes<T: Element>(params: &BuildParams, space: &Space) -> bool {
    let bytes = match params.refine {
        Refine::Auto => size_of::<T>() > 1 && space.intake.dim * size_of::<T>() > SMALL_VECTOR,
        given => given == Refine::Bytes,
    };
    bytes && !space.is_lossless::<T>()
}

/// Entries sorted by zone, zones without rows left out, and zones with too many cut in several that have the same
/// centroid. In a zone those come first that live there, the nearest to the centroid before others, so that where
/// only a part of it is read it is the best part.
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
    entries.sort_unstable_by_key(|entry| {
        let distance = first.get(entry.row as usize).map_or(0, |&(_, distance)| distance);
        let visiting = entry.home != NONE;
        (entry.zone, visiting, if visiting { 0 } else { distance }, entry.row)
    });
    // Where each row went: homes are renamed afterwards.
    let mut renamed = vec![NONE; if second.is_empty() { 0 } else { first.len() }];
    let mut kept = Vec::new();
    let (mut zone, mut next, mut size) = (NONE, 0u32, 0usize);
    for entry in &mut entries {
        if entry.zone != zone || size == CAP {
            let old = entry.zone as usize;
            kept.extend_from_slice(centroids.get(old * dim..(old + 1) * dim).unwrap_or_default());
            (zone, size, next) = (entry.zone, 0, next + 1);
        }
        size += 1;
        entry.zone = next - 1;
        if entry.home == NONE
            && let Some(renamed) = renamed.get_mut(entry.row as usize)
        {
            *renamed = entry.zone;
        }
    }
    for entry in &mut entries {
        if entry.home != NONE {
            entry.home = renamed.get(entry.row as usize).copied().unwrap_or(NONE);
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
    let floats = || residuals.iter().map(|&x| f32::from(x)).collect::<Vec<_>>();
    Ok(match params.code {
        ScanCode::Auto | ScanCode::Components { .. } => {
            let dims = if let ScanCode::Components { dims } = params.code { dims } else { 0 };
            Code::Head(HeadCode::train(Rows::new(&residuals, dim)?, &mean, dims, kernels)?)
        }
        ScanCode::Rabitq { bits } => {
            Code::Rabitq(Rabitq::new(dim, &RabitqParams { bits, ..RabitqParams::default() })?)
        }
        ScanCode::Lvq { bits } => Code::Lvq(Lvq::new(dim, bits)?),
        ScanCode::Product { subspaces, bits } => {
            let params = ProductParams { subspaces, bits, ..ProductParams::default() };
            Code::Product(ProductQuantiser::train(kernels, &floats(), dim, &params)?)
        }
    })
}

/// What a zone adds to the postings.
pub(crate) struct Part {
    /// In whole units.
    pub(crate) codes: AlignedVec<u8>,
    /// Columns of factors, unit by unit.
    pub(crate) factors: Vec<f32>,
    /// One a row, where the metric wants them.
    pub(crate) norms: Vec<f32>,
}

/// What of a row is kept beside its code.
#[derive(Clone, Copy)]
struct Keeps {
    vectors: bool,
    bytes: bool,
}

/// Makes all postings.
fn fill<T: Element>(
    vectors: Rows<'_, T>,
    integers: Rows<'_, i8>,
    entries: &[Entry],
    centroids: Rows<'_, i8>,
    (space, code): (&Space, &Code),
    keeps: Keeps,
    kernels: &'static Kernels,
) -> Result<Frozen<T>, Error> {
    let zones = centroids.len();
    let (mut starts, mut units) =
        (AlignedVec::with_capacity(zones + 1)?, AlignedVec::with_capacity(zones + 1)?);
    let (mut at, mut unit) = (0usize, 0usize);
    for zone in 0..=zones {
        starts.push(at as u32)?;
        units.push(unit as u32)?;
        let rest = entries.get(at..).unwrap_or_default();
        let rows = rest.partition_point(|entry| entry.zone as usize <= zone);
        at += rows;
        unit += rows.div_ceil(code.unit_rows());
    }
    let mut frozen = Frozen {
        starts: Storage::from(starts),
        units: Storage::from(units),
        unit_rows: code.unit_rows(),
        unit_bytes: code.unit_bytes(),
        columns: code.columns(),
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
            parts.push(part?);
        }
        Ok(parts)
    })?;
    let mut codes = AlignedVec::with_capacity(unit * code.unit_bytes())?;
    let mut factors = AlignedVec::with_capacity(unit * code.unit_rows() * code.columns())?;
    let mut norms = AlignedVec::new();
    for part in parts.iter().flatten() {
        codes.extend_from_slice(&part.codes)?;
        factors.extend_from_slice(&part.factors)?;
        norms.extend_from_slice(&part.norms)?;
    }
    drop(parts);
    let mut ids = AlignedVec::with_capacity(entries.len())?;
    let wide = |kept: bool, dim: usize| if kept { entries.len() * dim } else { 0 };
    let mut kept = AlignedVec::with_capacity(wide(keeps.vectors, vectors.dim()))?;
    let mut rows = AlignedVec::with_capacity(wide(keeps.bytes, space.dim()))?;
    let mut homes = AlignedVec::new();
    let twice = entries.iter().any(|entry| entry.home != NONE);
    for entry in entries {
        ids.push(entry.row)?;
        if keeps.vectors {
            kept.extend_from_slice(vectors.row(entry.row as usize).unwrap_or_default())?;
        }
        if keeps.bytes {
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
    rows: impl ExactSizeIterator<Item = (&'a [T], &'a [i8])> + Clone,
    centroid: &[i8],
    (space, code): (&Space, &Code),
    kernels: &'static Kernels,
) -> Result<Part, Error> {
    let vectors: Vec<&[T]> = rows.clone().map(|(vector, _)| vector).collect();
    let vector = |at: usize| vectors.get(at).copied().unwrap_or_default();
    let encoded = code.encode(rows.map(|(_, row)| row), centroid, |at| space.shift(vector(at)), kernels)?;
    let mut norms = Vec::new();
    for at in 0..vectors.len() {
        match space.metric {
            Metric::Cosine => norms.push(space.check(vector(at), "vectors")?),
            Metric::InnerProduct => norms.push(space.shift(vector(at))),
            _ => {}
        }
    }
    Ok(Part { codes: encoded.codes, factors: encoded.factors, norms })
}
