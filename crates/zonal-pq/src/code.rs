//! The codes that a scan reads: which kind, how a zone's rows become codes, and what a query must become for them.
//!
//! Codes lie in units of 16 or 64 rows. Beside each unit lie columns of factors, one place a row: an estimate is
//! `zone + add − slope · sum` for head codes, which have one step for all, and
//! `zone + add + rescale · (scale · sum + offset) + slope · total` for the others (see [`crate::quantiser`]).

use layouts::{AlignedVec, InterleavedCodes};
use simd_kernels::{Affine, CodePanels, Kernels, PANEL_ROWS, Rows};

use crate::Error;
use crate::head::{HeadCode, HeadQuery, HeadScratch};
use crate::quantiser::{
    BLOCK_ROWS, Factors, Lvq, Metric as Estimated, Prepared, ProductQuantiser, Quantiser, Rabitq, Scratch,
};
use crate::unit::Unit;

/// How the rows of a zone are coded for the scan.
#[derive(Debug)]
pub(crate) enum Code {
    /// Leading principal components in 4 bits each.
    Head(HeadCode),
    /// RaBitQ.
    Rabitq(Rabitq),
    /// LVQ.
    Lvq(Lvq),
    /// Product codes.
    Product(ProductQuantiser),
}

/// A query made ready for one kind of code.
#[derive(Debug, Default)]
pub(crate) struct CodeQuery {
    head: HeadQuery,
    prepared: Prepared,
    turned: Vec<f32>,
}

/// What a zone's rows became.
#[derive(Debug, Default)]
pub(crate) struct Encoded {
    /// Whole units.
    pub(crate) codes: AlignedVec<u8>,
    /// Columns of factors, unit by unit.
    pub(crate) factors: Vec<f32>,
}

impl Code {
    /// The quantiser of all kinds but head codes.
    fn quantiser(&self) -> Option<&dyn Quantiser> {
        match self {
            Code::Head(_) => None,
            Code::Rabitq(rabitq) => Some(rabitq),
            Code::Lvq(lvq) => Some(lvq),
            Code::Product(product) => Some(product),
        }
    }

    /// Rows of a unit.
    pub(crate) fn unit_rows(&self) -> usize {
        if self.quantiser().is_some() { BLOCK_ROWS } else { PANEL_ROWS }
    }

    /// Bytes of a unit's codes.
    pub(crate) fn unit_bytes(&self) -> usize {
        match (self, self.quantiser()) {
            (Code::Head(head), _) => PANEL_ROWS * head.bytes(),
            (_, Some(quantiser)) => quantiser.layout().block_bytes(),
            _ => 0,
        }
    }

    /// Columns of factors.
    pub(crate) fn columns(&self) -> usize {
        match self {
            Code::Head(_) => 1,
            Code::Lvq(_) => 3,
            Code::Rabitq(_) | Code::Product(_) => 2,
        }
    }

    /// How rows lie in units.
    pub(crate) fn unit(&self) -> Unit {
        let width = match self.quantiser().map(|quantiser| quantiser.layout().row_bytes()) {
            None => 4,
            // Planes, a byte a row.
            Some(0) => 1,
            Some(bytes) => bytes,
        };
        Unit { rows: self.unit_rows(), bytes: self.unit_bytes(), width, columns: self.columns() }
    }

    /// Makes a query ready.
    pub(crate) fn prepare(
        &self,
        query: &[i8],
        kernels: &'static Kernels,
        ready: &mut CodeQuery,
    ) -> Result<(), Error> {
        match (self, self.quantiser()) {
            (Code::Head(head), _) => head.prepare(query, kernels, &mut ready.head),
            (_, Some(quantiser)) => {
                // The unturned query lies behind the place of the turned one.
                let dim = query.len();
                ready.turned.resize(2 * dim, 0.0);
                let (turned, flat) = ready.turned.split_at_mut(dim);
                for (flat, &x) in flat.iter_mut().zip(query) {
                    *flat = f32::from(x);
                }
                quantiser.transform(kernels, flat, turned)?;
                Ok(quantiser.prepare(turned, &mut ready.prepared)?)
            }
            _ => Ok(()),
        }
    }

    /// Integer sums of queries and the codes of a posting, in whole units: `out[i * places + j]`. `gathered` is
    /// scratch.
    #[inline]
    pub(crate) fn sums<'q>(
        &self,
        queries: impl Iterator<Item = &'q CodeQuery>,
        codes: &[u8],
        kernels: &'static Kernels,
        gathered: &mut Vec<i8>,
        out: &mut [i32],
    ) -> Result<(), Error> {
        let places = codes.len() / self.unit_bytes().max(1) * self.unit_rows();
        if places == 0 {
            return Ok(());
        }
        match self {
            Code::Head(head) => {
                gathered.clear();
                for query in queries {
                    gathered.extend_from_slice(&query.head.weights);
                }
                let queries = Rows::new(gathered, head.dims)?;
                let panels = CodePanels::new(codes, head.dims)?;
                Ok(kernels.code_panels_u4().inner_product(queries, panels, out)?)
            }
            _ => {
                for (query, out) in queries.zip(out.chunks_exact_mut(places)) {
                    query.prepared.scan(kernels, codes, out)?;
                }
                Ok(())
            }
        }
    }

    /// What makes an estimate of a sum and of what lies beside the code, if that is all it takes.
    #[inline]
    pub(crate) fn line(&self, query: &CodeQuery, zone: f32) -> Option<Affine> {
        let head = matches!(self, Code::Head(_)).then_some(&query.head)?;
        Some(Affine { base: zone + 2.0 * head.bias, slope: 2.0 * head.scale })
    }

    /// Estimates of a posting's rows from its sums where it takes more than a [`line`](Self::line), for the query's
    /// distance `zone` to its centroid.
    pub(crate) fn estimates(
        &self,
        query: &CodeQuery,
        zone: f32,
        sums: &[i32],
        factors: &[f32],
        out: &mut [f32],
    ) {
        let (scale, offset) = (query.prepared.scale(), query.prepared.offset());
        let total = query.prepared.total();
        let units = factors.chunks_exact(self.columns() * BLOCK_ROWS);
        let places = out.chunks_exact_mut(BLOCK_ROWS).zip(sums.chunks_exact(BLOCK_ROWS));
        for ((out, sums), unit) in places.zip(units) {
            let (add, rest) = unit.split_at(BLOCK_ROWS);
            let (rescale, slopes) = rest.split_at(BLOCK_ROWS);
            for (((out, &sum), add), rescale) in out.iter_mut().zip(sums).zip(add).zip(rescale) {
                *out = (zone + add) + rescale * (scale * sum as f32 + offset);
            }
            for (out, slope) in out.iter_mut().zip(slopes) {
                *out += slope * total;
            }
        }
    }

    /// Codes and factors of integer rows in the zone of `centroid`. `shift(row)` is subtracted from what every
    /// estimate adds.
    pub(crate) fn encode<'r>(
        &self,
        rows: impl ExactSizeIterator<Item = &'r [i8]> + Clone,
        centroid: &[i8],
        shift: impl Fn(usize) -> f32,
        kernels: &'static Kernels,
    ) -> Result<Encoded, Error> {
        let count = rows.len();
        let padded = count.next_multiple_of(self.unit_rows());
        let mut encoded = Encoded::default();
        match (self, self.quantiser()) {
            (Code::Head(head), _) => {
                let mut scratch = HeadScratch::default();
                let mut flat = Vec::new();
                let mut codes = vec![0u8; count * head.dims];
                head.centre(centroid, kernels, &mut scratch)?;
                for ((at, row), code) in rows.enumerate().zip(codes.chunks_exact_mut(head.dims)) {
                    let pairs = row.iter().zip(centroid);
                    let length: i32 = pairs.map(|(&x, &c)| (i32::from(x) - i32::from(c)).pow(2)).sum();
                    let cross = head.encode(row, kernels, &mut scratch, &mut flat, code)?;
                    encoded.factors.push(length as f32 + cross - shift(at));
                }
                encoded.factors.resize(padded, f32::INFINITY);
                encoded.codes.resize(InterleavedCodes::<4>::packed_len(count, head.dims)?, 0)?;
                InterleavedCodes::<4>::pack_into(Rows::new(&codes, head.dims)?, &mut encoded.codes)?;
            }
            (_, Some(quantiser)) => {
                self.encode_by(quantiser, rows, centroid, shift, kernels, &mut encoded)?
            }
            _ => {}
        }
        Ok(encoded)
    }

    fn encode_by<'r>(
        &self,
        quantiser: &dyn Quantiser,
        rows: impl ExactSizeIterator<Item = &'r [i8]>,
        centroid: &[i8],
        shift: impl Fn(usize) -> f32,
        kernels: &'static Kernels,
        encoded: &mut Encoded,
    ) -> Result<(), Error> {
        let (dim, layout, count) = (quantiser.dim(), quantiser.layout(), rows.len());
        let mut flat: Vec<f32> = centroid.iter().map(|&x| f32::from(x)).collect();
        let mut centre = vec![0.0; dim];
        quantiser.transform(kernels, &flat, &mut centre)?;
        let mut residuals = vec![0.0; count * dim];
        for (row, residual) in rows.zip(residuals.chunks_exact_mut(dim)) {
            for (flat, &x) in flat.iter_mut().zip(row) {
                *flat = f32::from(x);
            }
            quantiser.transform(kernels, &flat, residual)?;
            for (x, c) in residual.iter_mut().zip(&centre) {
                *x -= c;
            }
        }
        let mut factors = vec![Factors::default(); count];
        let mut codes = vec![0u8; count * layout.symbols()];
        let scratch = &mut Scratch::default();
        let around = Some(centre.as_slice());
        quantiser.encode_rows(
            kernels,
            &residuals,
            around,
            Estimated::L2Squared,
            scratch,
            &mut codes,
            &mut factors,
        )?;
        encoded.codes.resize(layout.bytes(count), 0)?;
        let blocks = encoded.codes.chunks_exact_mut(layout.block_bytes());
        let parts = codes.chunks(BLOCK_ROWS * layout.symbols()).zip(factors.chunks(BLOCK_ROWS));
        for ((unit, block), (codes, factors)) in blocks.enumerate().zip(parts) {
            for (row, code) in codes.chunks_exact(layout.symbols()).enumerate() {
                layout.write(block, row, code)?;
            }
            let columns = encoded.factors.len();
            encoded.factors.resize(columns + self.columns() * BLOCK_ROWS, 0.0);
            let columns = encoded.factors.get_mut(columns..).unwrap_or_default();
            columns[..BLOCK_ROWS].fill(f32::INFINITY);
            for (row, factors) in factors.iter().enumerate() {
                columns[row] = factors.add - shift(unit * BLOCK_ROWS + row);
                columns[BLOCK_ROWS + row] = factors.rescale;
                if let Some(slope) = columns.get_mut(2 * BLOCK_ROWS + row) {
                    *slope = factors.slope;
                }
            }
        }
        Ok(())
    }
}
