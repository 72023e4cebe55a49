//! A batch by panels: rows are interleaved once per chunk, and all queries go through them at the speed of the
//! multiply-add units.
//!
//! Panels give |q|² + |r|² − 2 q·r. For bytes that is the exact distance. For floats it carries a rounding error
//! that can exceed a small distance, so there it is only a filter: whatever lies below the threshold plus a
//! bound of that error is measured again by the kernel that a single query uses. Results are therefore the same
//! as without panels, bit for bit; only a handful of rows a query pays twice.

use half::slice::HalfFloatSliceExt;
use layouts::{AlignedVec, Interleaved};
use simd_kernels::{Distance, Element, Kernels, Measure, Ordered, PanelElement, Panels, Rows, bf16, f16};

use super::heap::Nearest;
use super::scan::{Scan, inverse_norm};
use super::{ExactError, Ranking};
use crate::engine::Neighbor;

/// Queries whose values of one chunk are computed before they are looked at.
const TILE_QUERIES: usize = 24;
/// Rows of a chunk at most: the values of a tile stay in the second-level cache.
const CHUNK_ROWS: usize = 512;
/// Bytes of packed rows at most: they stay in the second-level cache while all queries pass.
const CHUNK_BYTES: usize = 384 << 10;
/// Below so many queries, interleaving a chunk costs more than it saves.
const MIN_QUERIES: usize = 8;
/// Above this dimension twice an inner product of bytes can exceed an `i32`.
const MAX_DOUBLED_DIM: usize = 1 << 14;
/// Rows in a panel.
const LANES: usize = simd_kernels::PANEL_ROWS;
/// Rows that are measured again together.
const AGAIN: usize = 16;

/// An element type whose batches may go through panels.
pub trait Batched: Element {
    /// Whether a batch of `queries` was scanned by panels; `false` if it was left undone.
    #[doc(hidden)]
    fn scan_panels<O: Distance>(
        scan: &Scan<Self, O>,
        queries: Rows<'_, Self>,
        scratch: &mut PanelScratch,
        nearest: &mut [Nearest],
    ) -> Result<bool, ExactError>;
}

macro_rules! batched {
    ($($elem:ty => $panel:ty: $convert:expr;)+) => {$(
        impl Batched for $elem {
            fn scan_panels<O: Distance>(
                scan: &Scan<Self, O>,
                queries: Rows<'_, Self>,
                scratch: &mut PanelScratch,
                nearest: &mut [Nearest],
            ) -> Result<bool, ExactError> {
                if scan.ranking == Ranking::Plain || queries.len() < MIN_QUERIES {
                    return Ok(false);
                }
                scan_all::<$elem, $panel, O>(scan, queries, scratch, nearest, $convert)?;
                Ok(true)
            }
        }
    )+};
}
batched! {
    f32 => f32: copy;
    f64 => f64: copy;
    // A slice at a time: the conversion instruction, where the CPU has it, is looked for once a call.
    f16 => f32: |row, out| row.convert_to_f32_slice(out);
    bf16 => f32: |row, out| row.convert_to_f32_slice(out);
}

macro_rules! batched_bytes {
    ($($elem:ty),+) => {$(
        impl Batched for $elem {
            fn scan_panels<O: Distance>(
                scan: &Scan<Self, O>,
                queries: Rows<'_, Self>,
                scratch: &mut PanelScratch,
                nearest: &mut [Nearest],
            ) -> Result<bool, ExactError> {
                match scan.ranking {
                    _ if queries.len() < MIN_QUERIES => return Ok(false),
                    Ranking::Plain => return Ok(false),
                    Ranking::Negated if scan.dim > MAX_DOUBLED_DIM => return Ok(false),
                    Ranking::Root | Ranking::Negated => {
                        scan_all::<$elem, $elem, O>(scan, queries, scratch, nearest, copy)?;
                    }
                    // Normalised rows are not bytes any more.
                    Ranking::Cosine => {
                        scan_all::<$elem, f32, O>(scan, queries, scratch, nearest, |row, out| {
                            row.iter().zip(out).for_each(|(&byte, out)| *out = f32::from(byte));
                        })?;
                    }
                }
                Ok(true)
            }
        }
    )+};
}
batched_bytes!(u8, i8);

/// Working memory of panel scans, one set per panel type; it grows on first use.
#[derive(Debug, Default)]
pub struct PanelScratch {
    f32: Buffers<f32>,
    f64: Buffers<f64>,
    u8: Buffers<u8>,
    i8: Buffers<i8>,
}

/// Working memory for panels of `P`.
#[derive(Debug, Default)]
struct Buffers<P: Element> {
    /// All queries, and their squared norms.
    queries: AlignedVec<P>,
    query_norms: Vec<P::Distance>,
    /// One chunk of rows, the same interleaved, and their squared norms with those of the padding.
    rows: AlignedVec<P>,
    panels: AlignedVec<P>,
    row_norms: Vec<P::Distance>,
    largest_row_norm: f64,
    /// The least and the greatest inverse norm of the chunk's rows that are not zero, under the cosine.
    inverse_norms: (f64, f64),
    /// Stands for norms where products are wanted and not distances.
    zeros: Vec<P::Distance>,
    /// Values of one tile of queries.
    values: Vec<P::Distance>,
    /// What a selection finds in one chunk.
    ids: Vec<u32>,
    found: Vec<P::Distance>,
}

/// A type that panels are made of.
trait Panel: PanelElement<Distance: Ordered> {
    /// Half the distance from 1 to the next number; 0 where arithmetic is exact.
    const ROUNDING: f64;
    /// What a rounding loses where a product is too small to be a normal number.
    const UNDERFLOW: f64;
    /// Squared norms whose sum is below this cannot overflow on the way.
    const MAX_NORM: f64;
    /// The least value above `limit`.
    fn above(limit: f64) -> Self::Distance;
    fn buffers(scratch: &mut PanelScratch) -> &mut Buffers<Self>;
    fn interleave(rows: Rows<'_, Self>, out: &mut AlignedVec<Self>) -> Result<(), layouts::Error>;
}

macro_rules! panel {
    ($($type:ident: $group:literal, $rounding:expr, $underflow:expr, $max_norm:expr, $above:expr;)+) => {$(
        impl Panel for $type {
            const ROUNDING: f64 = $rounding;
            const UNDERFLOW: f64 = $underflow;
            const MAX_NORM: f64 = $max_norm;
            fn above(limit: f64) -> Self::Distance {
                let above: fn(f64) -> Self::Distance = $above;
                above(limit)
            }
            fn buffers(scratch: &mut PanelScratch) -> &mut Buffers<Self> {
                &mut scratch.$type
            }
            fn interleave(rows: Rows<'_, Self>, out: &mut AlignedVec<Self>) -> Result<(), layouts::Error> {
                type Layout = Interleaved<$type, LANES, $group>;
                out.resize_stale(Layout::packed_len(rows.len(), rows.dim())?)?;
                Layout::pack_into(rows, out)
            }
        }
    )+};
}
panel! {
    f32: 1, f32::EPSILON as f64 / 2.0, f32::MIN_POSITIVE as f64, f32::MAX as f64 / 8.0, |limit| (limit as f32).next_up();
    f64: 1, f64::EPSILON / 2.0, f64::MIN_POSITIVE, f64::MAX / 8.0, f64::next_up;
    u8: 4, 0.0, 0.0, f64::INFINITY, |limit| (limit as i32).saturating_add(1);
    i8: 4, 0.0, 0.0, f64::INFINITY, |limit| (limit as i32).saturating_add(1);
}

/// Scans every row for every query, chunk by chunk, and leaves what is near in `nearest`, one per query.
fn scan_all<E: Element, P: Panel, O: Distance>(
    scan: &Scan<E, O>,
    queries: Rows<'_, E>,
    scratch: &mut PanelScratch,
    nearest: &mut [Nearest],
    convert: fn(&[E], &mut [P]),
) -> Result<(), ExactError> {
    let buffers = P::buffers(scratch);
    buffers.take_queries(scan, queries, convert)?;
    let rows = scan.rows()?;
    let chunk_rows = chunk_rows(scan.dim * size_of::<P>());
    for start in (0..rows.len()).step_by(chunk_rows) {
        let Some(chunk) = rows.slice(start, (start + chunk_rows).min(rows.len())) else { break };
        buffers.take_chunk(scan, chunk, start, convert)?;
        for (tile, nearest) in nearest.chunks_mut(TILE_QUERIES).enumerate() {
            let first_query = tile * TILE_QUERIES;
            buffers.measure(scan, first_query, nearest.len())?;
            for (in_tile, nearest) in nearest.iter_mut().enumerate() {
                let Some(elements) = queries.row(first_query + in_tile) else { break };
                let query = Query { elements, index: first_query + in_tile, in_tile };
                buffers.offer(scan, &query, chunk, start, nearest)?;
            }
        }
    }
    Ok(())
}

/// Rows of a chunk: a pair of panels, which is what the widest kernels take at a time, or several.
fn chunk_rows(row_bytes: usize) -> usize {
    (CHUNK_BYTES / row_bytes / (2 * LANES) * (2 * LANES)).clamp(2 * LANES, CHUNK_ROWS)
}

/// A query that looks at a chunk.
struct Query<'a, E> {
    elements: &'a [E],
    /// Its place among all queries, and in its tile.
    index: usize,
    in_tile: usize,
}

impl<P: Panel> Buffers<P> {
    /// Converts all queries, to unit length under the cosine.
    fn take_queries<E: Element, O: Distance>(
        &mut self,
        scan: &Scan<E, O>,
        queries: Rows<'_, E>,
        convert: fn(&[E], &mut [P]),
    ) -> Result<(), ExactError> {
        self.queries.resize_stale(queries.len() * scan.dim)?;
        for (query, out) in queries.iter().zip(self.queries.chunks_exact_mut(scan.dim)) {
            let scale = (scan.ranking == Ranking::Cosine).then(|| inverse_norm(query));
            convert_row(query, scale, convert, out);
        }
        squared_norms(scan.kernels, Rows::new(&self.queries, scan.dim)?, &mut self.query_norms)
    }

    /// Converts a chunk, to unit length under the cosine, and interleaves it.
    fn take_chunk<E: Element, O: Distance>(
        &mut self,
        scan: &Scan<E, O>,
        chunk: Rows<'_, E>,
        first: usize,
        convert: fn(&[E], &mut [P]),
    ) -> Result<(), ExactError> {
        self.rows.resize_stale(chunk.len() * scan.dim)?;
        for (row, (elements, out)) in chunk.iter().zip(self.rows.chunks_exact_mut(scan.dim)).enumerate() {
            convert_row(elements, scan.inverse_norms.get(first + row).copied(), convert, out);
        }
        let inverse = scan.inverse_norms.iter().skip(first).take(chunk.len()).filter(|norm| **norm > 0.0);
        self.inverse_norms = inverse.fold((1.0, 1.0), |(low, high), &norm| (norm.min(low), norm.max(high)));
        let rows = Rows::new(&self.rows, scan.dim)?;
        squared_norms(scan.kernels, rows, &mut self.row_norms)?;
        self.largest_row_norm = self.row_norms.iter().map(|norm| norm.to_f64()).fold(0.0, f64::max);
        self.row_norms.resize(chunk.len().next_multiple_of(LANES), P::Distance::default());
        Ok(P::interleave(rows, &mut self.panels)?)
    }

    /// |q|² + |r|² − 2 q·r for a tile of queries; without norms that is −2 q·r, which orders products likewise.
    fn measure<E: Element, O: Distance>(
        &mut self,
        scan: &Scan<E, O>,
        first: usize,
        queries: usize,
    ) -> Result<(), ExactError> {
        let panels = Panels::new(&self.panels, scan.dim)?;
        self.values.resize(queries * panels.rows(), P::Distance::default());
        self.zeros.resize(queries.max(panels.rows()), P::Distance::default());
        let (query_norms, row_norms) = match scan.ranking {
            Ranking::Root => (self.query_norms.get(first..first + queries), self.row_norms.as_slice()),
            _ => (self.zeros.get(..queries), self.zeros.get(..panels.rows()).unwrap_or(&[])),
        };
        let all = Rows::new(&self.queries, scan.dim)?;
        if let (Some(rows), Some(query_norms)) = (all.slice(first, first + queries), query_norms) {
            let kernel = scan.kernels.panels::<P>();
            kernel.l2_squared(rows, query_norms, panels, row_norms, &mut self.values)?;
        }
        Ok(())
    }

    /// Offers what a query of the measured tile finds in a chunk whose first row has id `first`.
    fn offer<E: Element, O: Distance>(
        &mut self,
        scan: &Scan<E, O>,
        query: &Query<'_, E>,
        chunk: Rows<'_, E>,
        first: usize,
        nearest: &mut Nearest,
    ) -> Result<(), ExactError> {
        let (len, padded) = (chunk.len(), self.row_norms.len());
        let Some(values) = self.values.get(query.in_tile * padded..).and_then(|values| values.get(..len))
        else {
            return Ok(());
        };
        self.ids.resize(len.max(self.ids.len()), 0);
        self.found.resize(len.max(self.found.len()), P::Distance::default());
        let scale = scan.scale_of(query.elements);
        let norms =
            self.query_norms.get(query.index).map_or(0.0, |norm| norm.to_f64()) + self.largest_row_norm;
        // What the kernel of a single query sees: under the cosine its vectors are not of unit length, so that
        // it can overflow or underflow where the panels cannot.
        let (largest, tiny) = match scan.ranking {
            Ranking::Cosine => {
                let (low, high) = self.inverse_norms;
                (scale.powi(-2) + low.powi(-2), 1.0 + scale * high)
            }
            _ => (norms, 1.0),
        };
        // Either value carries at most n = dim + 16 roundings, each of a term that the norms bound:
        // Σ |qᵢ rᵢ| ≤ |q| |r| ≤ (|q|² + |r|²) / 2.
        let error = (scan.dim + 16) as f64 * (2.0 * P::ROUNDING * norms + P::UNDERFLOW * tiny);
        let count = if largest < P::MAX_NORM {
            let worst = match nearest.threshold() {
                // Nothing to compare with yet: the chunk's own k-th value is as good.
                worst if worst == f64::INFINITY && nearest.k() <= len => {
                    scan.kernels.top_k(values, 0, nearest.k(), &mut self.ids, &mut self.found)?;
                    let last = nearest.k().checked_sub(1).and_then(|last| self.found.get(last));
                    last.map_or(worst, |value| value.to_f64())
                }
                worst => scan.ranking.panel_value(worst),
            };
            scan.kernels.select_below(
                values,
                P::above(worst + 2.0 * error),
                0,
                &mut self.ids,
                &mut self.found,
            )?
        } else {
            self.ids.iter_mut().zip(0..).for_each(|(id, row)| *id = row);
            len
        };
        let ids = self.ids.get(..count).unwrap_or(&[]);
        if P::ROUNDING == 0.0 {
            for (&id, value) in ids.iter().zip(&self.found) {
                let distance = scan.ranking.of_panel_value(value.to_f64());
                nearest.offer(Neighbor { id: first as u32 + id, distance });
            }
            return Ok(());
        }
        // A few at a time, so that the distances need no memory of their own.
        for ids in ids.chunks(AGAIN) {
            let mut again = [O::default(); AGAIN];
            let Some(again) = again.get_mut(..ids.len()) else { break };
            scan.forms.ids(query.elements, chunk, ids, again)?;
            for (&id, value) in ids.iter().zip(again) {
                let row = first + id as usize;
                nearest
                    .offer(Neighbor { id: row as u32, distance: scan.compared(value.to_f64(), row, scale) });
            }
        }
        Ok(())
    }
}

fn copy<T: Copy>(row: &[T], out: &mut [T]) {
    row.iter().zip(out).for_each(|(&element, out)| *out = element);
}

/// Converts a row, times `scale` if there is one.
fn convert_row<E: Element, P: Element>(
    row: &[E],
    scale: Option<f64>,
    convert: fn(&[E], &mut [P]),
    out: &mut [P],
) {
    match scale {
        None => convert(row, out),
        Some(scale) => {
            row.iter().zip(out).for_each(|(element, out)| *out = P::from_f64(element.to_f64() * scale));
        }
    }
}

/// The squared norm of every row.
fn squared_norms<P: Panel>(
    kernels: &'static Kernels,
    rows: Rows<'_, P>,
    out: &mut Vec<P::Distance>,
) -> Result<(), ExactError> {
    let products = kernels.forms::<P>(Measure::InnerProduct);
    out.clear();
    for row in rows.iter() {
        out.push(products.pair(row, row)?);
    }
    Ok(())
}
