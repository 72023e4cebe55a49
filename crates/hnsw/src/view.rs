//! What is searched: vectors, their codes and labels, wherever they lie.

use layouts::AlignedVec;
use simd_kernels::{Element, Kernels, Rows, prefetch_slice};

use crate::Error;
use crate::code::{CodeScratch, Coder, LINE, QUERY_LINE};
use crate::intake::Intake;
use crate::metric::{Exact, Query};

/// What distances a search walks by.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Walk<'a> {
    /// The vectors themselves.
    Exact,
    /// Codes of mixed width.
    Codes { coder: &'a Coder, codes: Rows<'a, u8> },
}

/// Everything that is known of the rows, borrowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a, T> {
    pub(crate) intake: &'a Intake,
    pub(crate) walk: Walk<'a>,
    pub(crate) exact: Exact<'a, T>,
    pub(crate) kernels: &'static Kernels,
}

/// A query made ready, in memory that is reused.
#[derive(Debug, Default)]
pub(crate) struct Prepared<D> {
    flat: Vec<f32>,
    row: Vec<i8>,
    code: CodeScratch,
    weights: AlignedVec<i8>,
    found: Vec<D>,
    inverse_norm: f32,
}

impl<D> Prepared<D> {
    /// Scores codes that lie one after another.
    pub(crate) fn score_rows(
        &self,
        kernels: &'static Kernels,
        codes: Rows<'_, u8>,
        out: &mut [i32],
    ) -> Result<(), Error> {
        Ok(kernels.codes_mixed().rows(&self.weights, codes, out)?)
    }
}

/// Lines of a row that are asked for ahead; the rest the hardware has seen coming by then.
const AHEAD: usize = 16 * LINE;

impl<T: Element> View<'_, T> {
    /// Checks `query` and makes it ready for [`score`](Self::score).
    pub(crate) fn prepare(&self, query: &[T], to: &mut Prepared<T::Distance>) -> Result<(), Error> {
        to.inverse_norm = self.intake.check(query, "query")?;
        if let Walk::Codes { coder, .. } = self.walk {
            to.flat.resize(self.intake.row_dim(), 0.0);
            to.row.resize(self.intake.row_dim(), 0);
            to.weights.resize(QUERY_LINE * coder.lines, 0)?;
            self.intake.query(query, &mut to.flat, &mut to.row);
            let row = Rows::new(&to.row, to.row.len())?;
            coder.prepare(row, self.kernels, &mut to.code, &mut to.weights)?;
        }
        Ok(())
    }

    /// Numbers that sort like the distances of rows `ids`, as exact as the codes are.
    #[inline]
    pub(crate) fn score(
        &self,
        query: &[T],
        prepared: &mut Prepared<T::Distance>,
        ids: &[u32],
        out: &mut [i32],
    ) -> Result<(), Error> {
        match self.walk {
            Walk::Codes { codes, .. } => {
                Ok(self.kernels.codes_mixed().ids(&prepared.weights, codes, ids, out)?)
            }
            Walk::Exact => {
                let query = Query { vector: query, inverse_norm: prepared.inverse_norm };
                self.exact.keys(&query, ids, &mut prepared.found, out)
            }
        }
    }

    /// Asks for what [`score`](Self::score) will read of row `id`.
    #[inline]
    pub(crate) fn prefetch(&self, id: u32) {
        match self.walk {
            Walk::Codes { codes, .. } => {
                prefetch_slice(codes.row(id as usize).unwrap_or_default(), AHEAD);
            }
            Walk::Exact => self.prefetch_exact(id),
        }
    }

    /// Asks for what [`distance`](Self::distance) will read of row `id`.
    #[inline]
    pub(crate) fn prefetch_exact(&self, id: u32) {
        prefetch_slice(self.exact.rows.row(id as usize).unwrap_or_default(), AHEAD);
    }

    /// The exact distance of row `id`.
    #[inline]
    pub(crate) fn distance(
        &self,
        query: &[T],
        prepared: &Prepared<T::Distance>,
        id: u32,
    ) -> Result<f32, Error> {
        self.exact.distance(&Query { vector: query, inverse_norm: prepared.inverse_norm }, id)
    }
}
