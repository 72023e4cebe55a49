//! What is searched: vectors, their codes and labels, wherever they lie.

use simd_kernels::{Element, Kernels, Rows, prefetch_slice};

use crate::Error;
use crate::codes::{CodeQuery, Coding};
use crate::intake::Intake;
use crate::metric::{Exact, Query};

/// Everything that is known of the rows, borrowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a, T> {
    pub(crate) intake: &'a Intake,
    pub(crate) coding: &'a Coding,
    /// What a search walks by; `None` where that is the vectors themselves.
    pub(crate) codes: Option<Rows<'a, u8>>,
    pub(crate) exact: Exact<'a, T>,
    pub(crate) kernels: &'static Kernels,
}

/// A query made ready, in memory that is reused.
#[derive(Debug, Default)]
pub(crate) struct Prepared<D> {
    flat: Vec<f32>,
    pub(crate) integers: Vec<i8>,
    code: CodeQuery,
    found: Vec<D>,
    inverse_norm: f32,
}

/// Queries that are made ready together, as far as that is cheaper than one by one: products with a matrix, which is
/// then read once.
#[derive(Debug, Default)]
pub(crate) struct Together {
    flat: Vec<f32>,
    inverse_norms: Vec<f32>,
    integers: Vec<i8>,
    coordinates: Vec<i32>,
    /// Coordinates of a query; 0 where each is made ready by itself.
    width: usize,
}

/// Bytes of a row that are asked for ahead; the rest the hardware has seen coming by then.
const AHEAD: usize = 1024;

impl<T: Element> View<'_, T> {
    /// Checks `query` and makes it ready for [`score`](Self::score).
    pub(crate) fn prepare(&self, query: &[T], to: &mut Prepared<T::Distance>) -> Result<(), Error> {
        to.inverse_norm = self.intake.check(query, "query")?;
        if self.codes.is_some() {
            self.integers(query, to);
            to.code.set(self.coding, self.intake.metric, (&to.integers, &to.flat), self.kernels)?;
        }
        Ok(())
    }

    /// Does of `count` queries what [`prepare_of`](Self::prepare_of) need not do any more.
    pub(crate) fn together<'q>(
        &self,
        count: usize,
        query: impl Fn(usize) -> &'q [T],
        to: &mut Together,
    ) -> Result<(), Error>
    where
        T: 'q,
    {
        to.width = 0;
        let Coding::Mixed(coder) = self.coding else { return Ok(()) };
        let Some(rotation) = coder.rotation() else { return Ok(()) };
        let dim = self.intake.row_dim();
        to.flat.resize(dim, 0.0);
        to.integers.resize(count * dim, 0);
        to.inverse_norms.clear();
        for (at, integers) in to.integers.chunks_exact_mut(dim).enumerate() {
            let query = query(at);
            let inverse_norm = self.intake.check(query, "query")?;
            to.inverse_norms.push(inverse_norm);
            self.intake.query(query, inverse_norm, &mut to.flat, integers);
        }
        let rows = Rows::new(&to.integers, dim)?;
        to.coordinates.resize(count * rotation.width(), 0);
        rotation.apply(rows, self.kernels, &mut to.coordinates)?;
        to.width = rotation.width();
        Ok(())
    }

    /// [`prepare`](Self::prepare) for query number `at` of those that were made ready [together](Self::together).
    pub(crate) fn prepare_of(
        &self,
        query: &[T],
        (together, at): (&Together, usize),
        to: &mut Prepared<T::Distance>,
    ) -> Result<(), Error> {
        let dim = self.intake.row_dim();
        let width = together.width;
        let integers = together.integers.get(at * dim..(at + 1) * dim);
        match (self.coding, integers, together.inverse_norms.get(at)) {
            (Coding::Mixed(coder), Some(integers), Some(&inverse_norm)) if width > 0 => {
                to.inverse_norm = inverse_norm;
                to.integers.clear();
                to.integers.extend_from_slice(integers);
                let coordinates = together.coordinates.get(at * width..(at + 1) * width);
                to.code.set_mixed(coder, coordinates.unwrap_or_default())
            }
            _ => self.prepare(query, to),
        }
    }

    /// Checks `query` and makes only its integers.
    pub(crate) fn prepare_scan(&self, query: &[T], to: &mut Prepared<T::Distance>) -> Result<(), Error> {
        to.inverse_norm = self.intake.check(query, "query")?;
        self.integers(query, to);
        Ok(())
    }

    fn integers(&self, query: &[T], to: &mut Prepared<T::Distance>) {
        to.flat.resize(self.intake.row_dim(), 0.0);
        to.integers.resize(self.intake.row_dim(), 0);
        self.intake.query(query, to.inverse_norm, &mut to.flat, &mut to.integers);
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
        match self.codes {
            Some(codes) => prepared.code.score(self.coding, codes, ids, self.kernels, out),
            None => self.exact_keys(query, prepared, ids, out),
        }
    }

    /// Numbers that sort like the distances of rows `ids`, exact whatever the walk.
    pub(crate) fn exact_keys(
        &self,
        query: &[T],
        prepared: &mut Prepared<T::Distance>,
        ids: &[u32],
        out: &mut [i32],
    ) -> Result<(), Error> {
        let query = Query { vector: query, inverse_norm: prepared.inverse_norm };
        self.exact.keys(&query, ids, &mut prepared.found, out)
    }

    /// Asks for what [`score`](Self::score) will read of row `id`.
    #[inline]
    pub(crate) fn prefetch(&self, id: u32) {
        match self.codes {
            Some(codes) => prefetch_slice(codes.row(id as usize).unwrap_or_default(), AHEAD),
            None => self.prefetch_exact(id),
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
