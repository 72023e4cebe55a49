//! A query in the form that codes are scanned with, and what becomes of the sums.

use layouts::AlignedVec;
use simd_kernels::Kernels;

use super::error::{expect_finite, expect_len};
use super::factors::sum_of;
use super::layout::{Layout, symbols_of_a_group};
use super::scan;
use super::{Error, Zone};

/// The factors of many codes, a column each; all of the same length.
#[derive(Clone, Copy, Debug, Default)]
pub struct FactorColumns<'a> {
    /// [`Factors::add`](super::Factors::add).
    pub add: &'a [f32],
    /// [`Factors::rescale`](super::Factors::rescale).
    pub rescale: &'a [f32],
    /// [`Factors::slope`](super::Factors::slope); empty if all are 0.
    pub slope: &'a [f32],
    /// [`Factors::error`](super::Factors::error); may be empty if no bounds are asked for.
    pub error: &'a [f32],
}

/// A query made ready once, for the codes of all zones. Reusable: preparing another allocates nothing.
///
/// With `sum` from [`scan`](Self::scan), `product = scale · sum + offset` is ⟨x̂, q⟩ up to rounding, and the distance
/// is estimated as `zone.add + add + rescale · product + slope · total`. Which bytes the scan reads depends on the
/// layout: tables of unsigned bytes with one step for all tables, the least value of each table gone into
/// `offset`; or the query itself as signed bytes.
#[derive(Debug)]
pub struct Prepared {
    layout: Layout,
    tables: AlignedVec<u8>,
    query: AlignedVec<i8>,
    /// Tables before rounding, or the weights of bits that they are made of.
    values: Vec<f32>,
    scale: f32,
    offset: f32,
    total: f32,
    rounding: f32,
}

impl Default for Prepared {
    fn default() -> Self {
        Self {
            layout: Layout::Rows8 { symbols: 0 },
            tables: AlignedVec::new(),
            query: AlignedVec::new(),
            values: Vec::new(),
            scale: 0.0,
            offset: 0.0,
            total: 0.0,
            rounding: 0.0,
        }
    }
}

/// Adding and subtracting it rounds an `f32` of moderate size to the nearest integer, ties to even, with no
/// instruction beyond the floor tier.
const MAGIC: f32 = 12_582_912.0;

/// The nearest integer of a value within ±4 million.
#[inline(always)]
pub(super) fn nearest(x: f32) -> i32 {
    (x + MAGIC).to_bits() as i32 - MAGIC.to_bits() as i32
}

/// The variance of what rounding to whole steps takes away is step² / 12.
const ROUNDING_VARIANCE: f32 = 1.0 / 12.0;

impl Prepared {
    /// The layout that this was prepared for.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The look-up tables, one after the other, as [`simd_kernels::LookupTables`] takes them, alone or behind those of
    /// other queries; empty for rows.
    pub fn tables(&self) -> &[u8] {
        &self.tables
    }

    /// The query as signed bytes, zeros behind it up to what a row holds; empty for planes.
    pub fn query(&self) -> &[i8] {
        &self.query
    }

    /// What a unit of a sum is worth.
    pub fn scale(&self) -> f32 {
        self.scale
    }

    /// What a sum of 0 is worth.
    pub fn offset(&self) -> f32 {
        self.offset
    }

    /// Sum of the query's values; 0 for tables, whose codes have no slope.
    pub fn total(&self) -> f32 {
        self.total
    }

    /// Standard deviation of a product because the query or its tables were rounded, taken as independent errors
    /// within half a step.
    pub fn rounding(&self) -> f32 {
        self.rounding
    }

    /// Sums over the codes of whole blocks, exact and equal on every tier. O(codes · symbols), no allocation.
    ///
    /// # Errors
    /// [`Error::Length`] unless `blocks` is a whole number of blocks of this layout and `sums` holds one a row.
    pub fn scan(&self, kernels: &'static Kernels, blocks: &[u8], sums: &mut [i32]) -> Result<(), Error> {
        scan::scan(kernels, self.layout, &self.tables, &self.query, blocks, sums)
    }

    /// Sums over codes picked by number, for codes in rows. O(ids · symbols), no allocation.
    ///
    /// # Errors
    /// [`Error::Layout`] for codes in planes; [`Error::Shape`] if an id names no row or a length does not fit.
    pub fn scan_ids(
        &self,
        kernels: &'static Kernels,
        blocks: &[u8],
        ids: &[u32],
        sums: &mut [i32],
    ) -> Result<(), Error> {
        scan::scan_ids(kernels, self.layout, &self.query, blocks, ids, sums)
    }

    /// The estimated distances of codes in one zone. Not clamped: a squared distance may come out negative. O(codes).
    ///
    /// # Errors
    /// [`Error::Length`] unless `sums`, `out` and the columns are equally long.
    pub fn estimates(
        &self,
        zone: Zone,
        factors: FactorColumns<'_>,
        sums: &[i32],
        out: &mut [f32],
    ) -> Result<(), Error> {
        expect_len("sums", out.len(), sums.len())?;
        expect_len("factors.add", out.len(), factors.add.len())?;
        expect_len("factors.rescale", out.len(), factors.rescale.len())?;
        let (scale, offset) = (self.scale, self.offset);
        let columns = factors.add.iter().zip(factors.rescale);
        for ((out, sum), (add, rescale)) in out.iter_mut().zip(sums).zip(columns) {
            *out = zone.add + add + rescale * (scale * *sum as f32 + offset);
        }
        if !factors.slope.is_empty() {
            expect_len("factors.slope", out.len(), factors.slope.len())?;
            for (out, slope) in out.iter_mut().zip(factors.slope) {
                *out += slope * self.total;
            }
        }
        Ok(())
    }

    /// What estimates may be too large by: `epsilon` standard deviations, `epsilon · (error · zone.distance +
    /// |rescale| · rounding)`. Subtract it for a lower bound, add it for an upper one. O(codes).
    ///
    /// One bound is violated by a share of the codes that falls as a normal tail: 2.9 % at 1.9 (the default of the
    /// RaBitQ library), 0.14 % at 3; less in fact, the two parts being added here and independent there. That holds
    /// where a random rotation was applied. At √(D − 1) the first part alone is a certain bound, rotation or not.
    ///
    /// # Errors
    /// [`Error::Length`] unless `out` and the columns `rescale` and `error` are equally long.
    pub fn margins(
        &self,
        zone: Zone,
        factors: FactorColumns<'_>,
        epsilon: f32,
        out: &mut [f32],
    ) -> Result<(), Error> {
        expect_len("factors.rescale", out.len(), factors.rescale.len())?;
        expect_len("factors.error", out.len(), factors.error.len())?;
        for ((out, error), rescale) in out.iter_mut().zip(factors.error).zip(factors.rescale) {
            *out = epsilon * (error * zone.distance + rescale.abs() * self.rounding);
        }
        Ok(())
    }

    /// Makes tables for codes in `Sixes` of which symbol u at dimension i stands for u − `middle`.
    pub(super) fn set_sixes(&mut self, query: &[f32], bits: u8, middle: f32) -> Result<(), Error> {
        let layout = Layout::Sixes { symbols: query.len(), bits };
        expect_finite("query", 0, query)?;
        // Weights of the six bits of every group.
        self.values.clear();
        self.values.resize(6 * layout.tables(), 0.0);
        let per_group = symbols_of_a_group(bits);
        for (weights, values) in self.values.chunks_exact_mut(6).zip(query.chunks(per_group)) {
            for (weights, value) in weights.chunks_exact_mut(usize::from(bits)).zip(values) {
                let mut weight = *value;
                for place in weights {
                    *place = weight;
                    weight *= 2.0;
                }
            }
        }
        let (mut range, mut bias) = (0.0f32, 0.0f32);
        for weights in self.values.chunks_exact(6) {
            let mut own = 0.0;
            for weight in weights {
                own += weight.abs();
                bias += weight.min(0.0);
            }
            range = range.max(own);
        }
        let levels = f32::from(layout.greatest_entry());
        let inverse = self.set_step(layout, range, levels, "query")?;
        self.tables.resize_stale(layout.tables() * 64)?;
        for (table, weights) in self.tables.chunks_exact_mut(64).zip(self.values.chunks_exact(6)) {
            let mut entries = [0.0f32; 64];
            entries[0] = -weights.iter().fold(0.0, |least, weight| least + weight.min(0.0)) * inverse;
            for (bit, weight) in weights.iter().enumerate() {
                let (known, new) = entries.split_at_mut(1 << bit);
                for (new, known) in new.iter_mut().zip(known) {
                    *new = *known + weight * inverse;
                }
            }
            for (byte, entry) in table.iter_mut().zip(entries) {
                *byte = nearest(entry.clamp(0.0, levels)) as u8;
            }
        }
        self.offset = bias - middle * sum_of(query);
        self.total = 0.0;
        Ok(())
    }

    /// Makes byte tables from those that `fill` writes: the values of each sub-space's symbols.
    pub(super) fn set_tables(
        &mut self,
        layout: Layout,
        fill: impl FnOnce(&mut [f32]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let entries = layout.entries();
        self.values.clear();
        self.values.resize(layout.tables() * entries, 0.0);
        fill(&mut self.values)?;
        expect_finite("query", 0, &self.values).map_err(|_| Error::TooLarge { argument: "query" })?;
        let (mut range, mut bias) = (0.0f32, 0.0f32);
        for table in self.values.chunks_exact_mut(entries) {
            let least = table.iter().copied().fold(f32::INFINITY, f32::min);
            for value in table.iter_mut() {
                *value -= least;
                range = range.max(*value);
            }
            bias += least;
        }
        let levels = f32::from(layout.greatest_entry());
        let inverse = self.set_step(layout, range, levels, "query")?;
        self.tables.resize_stale(self.values.len())?;
        for (byte, value) in self.tables.iter_mut().zip(&self.values) {
            *byte = nearest((value * inverse).clamp(0.0, levels)) as u8;
        }
        self.offset = bias;
        self.total = 0.0;
        Ok(())
    }

    /// Takes the tables' layout and step; returns steps per unit.
    fn set_step(
        &mut self,
        layout: Layout,
        range: f32,
        levels: f32,
        argument: &'static str,
    ) -> Result<f32, Error> {
        if !range.is_finite() {
            return Err(Error::TooLarge { argument });
        }
        let inverse = levels / range;
        // A range whose inverse overflows is as good as none.
        let inverse = if inverse.is_finite() { inverse } else { 0.0 };
        self.scale = if inverse > 0.0 { range / levels } else { 0.0 };
        self.rounding = self.scale * (layout.tables() as f32 * ROUNDING_VARIANCE).sqrt();
        self.query.clear();
        self.layout = layout;
        Ok(inverse)
    }

    /// Rounds the query to signed bytes for codes in rows, of which symbol u stands for u − `middle`, with `spread`
    /// as the usual size of that.
    pub(super) fn set_rows(
        &mut self,
        layout: Layout,
        query: &[f32],
        middle: f32,
        spread: f32,
    ) -> Result<(), Error> {
        expect_finite("query", 0, query)?;
        let held = match layout {
            Layout::Rows1 { .. } => 8 * layout.row_bytes(),
            Layout::Rows4 { .. } => 2 * layout.row_bytes(),
            _ => layout.row_bytes(),
        };
        let largest = query.iter().fold(0.0f32, |largest, x| largest.max(x.abs()));
        let inverse = 127.0 / largest;
        let inverse = if inverse.is_finite() { inverse } else { 0.0 };
        self.scale = if inverse > 0.0 { largest / 127.0 } else { 0.0 };
        self.query.resize_stale(held)?;
        let (values, rest) = self.query.split_at_mut(query.len());
        let mut sum = 0;
        for (value, x) in values.iter_mut().zip(query) {
            let rounded = nearest(x * inverse);
            *value = rounded as i8;
            sum += rounded;
        }
        rest.fill(0);
        self.total = sum_of(query);
        self.offset = -middle * self.scale * sum as f32;
        self.rounding = self.scale * spread * (query.len() as f32 * ROUNDING_VARIANCE).sqrt();
        self.tables.clear();
        self.layout = layout;
        Ok(())
    }
}
