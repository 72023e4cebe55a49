//! Codes of many vectors around one centroid, with their factors: a quantiser used alone.

use layouts::AlignedVec;
use simd_kernels::Kernels;

use super::error::{expect_finite, expect_len};
use super::layout::{BLOCK_ROWS, Layout};
use super::{Error, FactorColumns, Factors, Metric, Prepared, Quantiser, Scratch, Zone, expect_dim};
use crate::parallel::map;

/// Blocks that a thread encodes at a time.
const TASK_BLOCKS: usize = 16;

/// The mean of `rows`, vectors of `dim` values one after the other: the centroid to use where there is only one.
/// Summed in `f64`. O(rows · dim).
///
/// # Errors
/// [`Error::Parameter`] for a `dim` of 0 or above 32,768; [`Error::Length`] if `rows` is no whole number of vectors;
/// [`Error::Empty`] if it holds none; [`Error::NotFinite`].
pub fn mean(rows: &[f32], dim: usize) -> Result<Vec<f32>, Error> {
    let count = count_of(rows, dim)?;
    if count == 0 {
        return Err(Error::Empty { argument: "rows" });
    }
    let mut sums = vec![0.0f64; dim];
    for (index, row) in rows.chunks_exact(dim).enumerate() {
        expect_finite("rows", index, row)?;
        for (sum, x) in sums.iter_mut().zip(row) {
            *sum += f64::from(*x);
        }
    }
    Ok(sums.iter().map(|sum| (sum / count as f64) as f32).collect())
}

fn count_of(rows: &[f32], dim: usize) -> Result<usize, Error> {
    expect_dim(dim)?;
    expect_len("rows", rows.len().next_multiple_of(dim), rows.len())?;
    Ok(rows.len() / dim)
}

/// Codes of many vectors around one centroid.
///
/// Memory: [`Layout::bytes`] and 12 bytes a vector (16 with slopes). See the [module](super) for an example.
#[derive(Debug)]
pub struct Codes {
    layout: Layout,
    metric: Metric,
    len: usize,
    /// Transformed.
    centroid: Option<Vec<f32>>,
    /// Whole blocks.
    bytes: AlignedVec<u8>,
    add: Vec<f32>,
    rescale: Vec<f32>,
    slope: Vec<f32>,
    error: Vec<f32>,
}

impl Codes {
    /// Encodes `rows`, vectors of `quantiser.dim()` values one after the other, around `centroid` (`None`: around
    /// the origin). Neither is transformed yet. On the caller's rayon pool; the result does not depend on it.
    ///
    /// # Errors
    /// [`Error::Length`] if `rows` is no whole number of vectors or `centroid` is not one; [`Error::NotFinite`];
    /// [`Error::TooLarge`]; [`Error::Memory`].
    pub fn encode<Q: Quantiser + ?Sized>(
        kernels: &'static Kernels,
        quantiser: &Q,
        rows: &[f32],
        centroid: Option<&[f32]>,
        metric: Metric,
    ) -> Result<Self, Error> {
        let (dim, layout) = (quantiser.dim(), quantiser.layout());
        let len = count_of(rows, dim)?;
        let centroid = match centroid {
            Some(given) => {
                expect_len("centroid", dim, given.len())?;
                expect_finite("centroid", 0, given)?;
                let mut centroid = vec![0.0; dim];
                quantiser.transform(kernels, given, &mut centroid)?;
                Some(centroid)
            }
            None => None,
        };
        let task_rows = TASK_BLOCKS * BLOCK_ROWS;
        let parts = map::<_, Error>(len.div_ceil(task_rows), |task| {
            let first = task * task_rows;
            let rows = &rows[first * dim..len.min(first + task_rows) * dim];
            let count = rows.len() / dim;
            let mut residuals = vec![0.0; rows.len()];
            for ((at, row), residual) in
                rows.chunks_exact(dim).enumerate().zip(residuals.chunks_exact_mut(dim))
            {
                expect_finite("rows", first + at, row)?;
                quantiser.transform(kernels, row, residual)?;
                for (r, c) in residual.iter_mut().zip(centroid.iter().flatten()) {
                    *r -= c;
                }
            }
            let mut factors = vec![Factors::default(); count];
            let mut codes = vec![0; count * layout.symbols()];
            let scratch = &mut Scratch::default();
            let centroid = centroid.as_deref();
            quantiser.encode_rows(
                kernels,
                &residuals,
                centroid,
                metric,
                scratch,
                &mut codes,
                &mut factors,
            )?;
            let mut bytes = vec![0u8; layout.bytes(count)];
            let blocks = bytes.chunks_exact_mut(layout.block_bytes());
            for (block, codes) in blocks.zip(codes.chunks(BLOCK_ROWS * layout.symbols())) {
                for (row, code) in codes.chunks_exact(layout.symbols()).enumerate() {
                    layout.write(block, row, code)?;
                }
            }
            Ok((bytes, factors))
        })?;
        let mut codes = Self {
            layout,
            metric,
            len,
            centroid,
            bytes: AlignedVec::with_capacity(layout.bytes(len))?,
            add: Vec::with_capacity(len),
            rescale: Vec::with_capacity(len),
            slope: Vec::new(),
            error: Vec::with_capacity(len),
        };
        for (bytes, factors) in &parts {
            codes.bytes.extend_from_slice(bytes)?;
            codes.add.extend(factors.iter().map(|factors| factors.add));
            codes.rescale.extend(factors.iter().map(|factors| factors.rescale));
            codes.slope.extend(factors.iter().map(|factors| factors.slope));
            codes.error.extend(factors.iter().map(|factors| factors.error));
        }
        if codes.slope.iter().all(|&slope| slope == 0.0) {
            codes.slope = Vec::new();
        }
        Ok(codes)
    }

    /// Number of codes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no code.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How the codes lie in [`as_bytes`](Self::as_bytes).
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// What is estimated.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// The codes, in whole blocks.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The factors of all codes.
    pub fn factors(&self) -> FactorColumns<'_> {
        FactorColumns { add: &self.add, rescale: &self.rescale, slope: &self.slope, error: &self.error }
    }

    /// Bytes of codes and factors.
    pub fn memory_bytes(&self) -> usize {
        self.bytes.memory_bytes()
            + 4 * (self.add.len() + self.rescale.len() + self.slope.len() + self.error.len())
    }

    /// What the code of a vector stands for, transformed, the centroid added; `None` if there is no such vector.
    /// O(dim).
    ///
    /// # Errors
    /// As for [`Quantiser::decode`]; [`Error::Layout`] if the codes are not this quantiser's.
    pub fn decode<Q: Quantiser + ?Sized>(
        &self,
        quantiser: &Q,
        index: usize,
    ) -> Result<Option<Vec<f32>>, Error> {
        if quantiser.layout() != self.layout {
            return Err(Error::Layout);
        }
        if index >= self.len {
            return Ok(None);
        }
        let start = index / BLOCK_ROWS * self.layout.block_bytes();
        let mut code = vec![0; self.layout.symbols()];
        let block = &self.bytes[start..start + self.layout.block_bytes()];
        self.layout.read(block, index % BLOCK_ROWS, &mut code)?;
        let factors = Factors {
            add: self.add[index],
            rescale: self.rescale[index],
            slope: self.slope.get(index).copied().unwrap_or(0.0),
            error: self.error[index],
        };
        let mut vector = vec![0.0; quantiser.dim()];
        quantiser.decode(&code, factors, self.metric, &mut vector)?;
        for (x, c) in vector.iter_mut().zip(self.centroid.iter().flatten()) {
            *x += c;
        }
        Ok(Some(vector))
    }

    /// Estimates the distances of all vectors from `query`, as it is, and leaves the query in `prepared`.
    /// Allocates what lies between: an index keeps that and calls the parts itself. O(codes · symbols).
    ///
    /// # Errors
    /// [`Error::Length`] unless `query` is one vector and `out` holds one place a code; [`Error::NotFinite`];
    /// [`Error::Layout`] if the codes are not this quantiser's.
    pub fn estimate<Q: Quantiser + ?Sized>(
        &self,
        kernels: &'static Kernels,
        quantiser: &Q,
        query: &[f32],
        prepared: &mut Prepared,
        out: &mut [f32],
    ) -> Result<Zone, Error> {
        if quantiser.layout() != self.layout {
            return Err(Error::Layout);
        }
        expect_len("query", quantiser.dim(), query.len())?;
        expect_len("out", self.len, out.len())?;
        expect_finite("query", 0, query)?;
        let mut transformed = vec![0.0; query.len()];
        quantiser.transform(kernels, query, &mut transformed)?;
        quantiser.prepare(&transformed, prepared)?;
        let zone = Zone::new(self.metric, &transformed, self.centroid.as_deref())?;
        let mut sums = vec![0; self.len.next_multiple_of(BLOCK_ROWS)];
        prepared.scan(kernels, &self.bytes, &mut sums)?;
        prepared.estimates(zone, self.factors(), &sums[..self.len], out)?;
        Ok(zone)
    }

    /// What the estimates for the query in `zone` may be off by, see [`Prepared::margins`].
    ///
    /// # Errors
    /// [`Error::Length`] unless `out` holds one place a code; [`Error::Layout`] if `prepared` is for other codes.
    pub fn margins(
        &self,
        prepared: &Prepared,
        zone: Zone,
        epsilon: f32,
        out: &mut [f32],
    ) -> Result<(), Error> {
        if prepared.layout() != self.layout {
            return Err(Error::Layout);
        }
        prepared.margins(zone, self.factors(), epsilon, out)
    }
}
