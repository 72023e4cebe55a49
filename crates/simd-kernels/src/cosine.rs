//! Cosines of one query, or many, to many rows whose norms are stored.
//!
//! A norm depends on one vector alone, so it is computed once and kept, and a cosine costs one inner product and
//! a multiplication. Blocks of products go through a small buffer on the stack; nothing is allocated. What is
//! computed is the cosine, a similarity: larger is nearer, and the cosine distance is one minus it.

use crate::element::{Distance, Element, Measure};
use crate::reference;
use crate::table::Kernels;
use crate::view::{Rows, ShapeError, expect_len};

/// Products that wait in the buffer for their norms.
const BUFFERED: usize = 64;

impl Kernels {
    /// One over the Euclidean norm of every row, and 0 for a row of zeros. Complexity O(rows · dim).
    ///
    /// # Errors
    /// [`ShapeError::Length`] if `out` does not hold one place a row.
    pub fn inverse_norms<T: Element>(
        &'static self,
        rows: Rows<'_, T>,
        out: &mut [T::Real],
    ) -> Result<(), ShapeError> {
        expect_len("out", rows.len(), out.len())?;
        for (row, out) in rows.iter().zip(out) {
            *out = T::Real::from_f64(self.inverse_norm(row)?);
        }
        Ok(())
    }

    fn inverse_norm<T: Element>(&'static self, row: &[T]) -> Result<f64, ShapeError> {
        let squared = self.forms::<T>(Measure::InnerProduct).pair(row, row)?.to_f64();
        // A sum that overflowed or vanished in single precision has a place in double precision.
        let squared = if squared > 1e-30 && squared < 1e38 {
            squared
        } else {
            reference::measure(Measure::InnerProduct, row, row)
        };
        Ok(if squared > 0.0 { 1.0 / squared.sqrt() } else { 0.0 })
    }

    /// The cosine of `query` and every row, in row order, from the rows' [`Kernels::inverse_norms`]; 0 where
    /// either vector is all zeros. Complexity O(rows · dim); no allocation.
    ///
    /// # Errors
    /// [`ShapeError`] if `query` is not one row long, or `inverse_norms` or `out` does not hold one place a row.
    ///
    /// ```
    /// use simd_kernels::{Kernels, Rows};
    /// let kernels = Kernels::active()?;
    /// let rows = Rows::new(&[3.0f32, 4.0, -8.0, 6.0], 2)?;
    /// let (mut inverse_norms, mut cosines) = ([0.0; 2], [0.0; 2]);
    /// kernels.inverse_norms(rows, &mut inverse_norms)?;
    /// kernels.cosine_rows(&[6.0, 8.0], rows, &inverse_norms, &mut cosines)?;
    /// assert_eq!(cosines, [1.0, 0.0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cosine_rows<T: Element>(
        &'static self,
        query: &[T],
        rows: Rows<'_, T>,
        inverse_norms: &[T::Real],
        out: &mut [T::Real],
    ) -> Result<(), ShapeError> {
        expect_len("query", rows.dim(), query.len())?;
        expect_len("inverse_norms", rows.len(), inverse_norms.len())?;
        expect_len("out", rows.len(), out.len())?;
        let products = self.forms::<T>(Measure::InnerProduct);
        let scale = self.inverse_norm(query)?;
        let mut buffer = [T::Distance::default(); BUFFERED];
        let blocks = inverse_norms.chunks(BUFFERED).zip(out.chunks_mut(BUFFERED));
        for (block, (inverse_norms, out)) in blocks.enumerate() {
            let start = block * BUFFERED;
            let (Some(rows), Some(buffer)) =
                (rows.slice(start, start + out.len()), buffer.get_mut(..out.len()))
            else {
                break;
            };
            products.rows(query, rows, buffer)?;
            for ((out, product), norm) in out.iter_mut().zip(&*buffer).zip(inverse_norms) {
                *out = cosine::<T>(*product, scale, *norm);
            }
        }
        Ok(())
    }

    /// The cosine of `query` and row `ids[i]` in `out[i]`, fetching rows ahead of their use; otherwise as
    /// [`Kernels::cosine_rows`], with which it agrees bit for bit.
    ///
    /// # Errors
    /// [`ShapeError`] if a length does not fit or an id names no row; `out` is then as it was.
    pub fn cosine_ids<T: Element>(
        &'static self,
        query: &[T],
        rows: Rows<'_, T>,
        inverse_norms: &[T::Real],
        ids: &[u32],
        out: &mut [T::Real],
    ) -> Result<(), ShapeError> {
        expect_len("query", rows.dim(), query.len())?;
        expect_len("inverse_norms", rows.len(), inverse_norms.len())?;
        expect_len("out", ids.len(), out.len())?;
        if ids.iter().any(|&id| id as usize >= rows.len()) {
            return Err(ShapeError::Id { rows: rows.len() });
        }
        let products = self.forms::<T>(Measure::InnerProduct);
        let scale = self.inverse_norm(query)?;
        let mut buffer = [T::Distance::default(); BUFFERED];
        for (ids, out) in ids.chunks(BUFFERED).zip(out.chunks_mut(BUFFERED)) {
            let Some(buffer) = buffer.get_mut(..ids.len()) else { break };
            products.ids(query, rows, ids, buffer)?;
            for ((out, product), &id) in out.iter_mut().zip(&*buffer).zip(ids) {
                let norm = inverse_norms.get(id as usize).copied().unwrap_or_default();
                *out = cosine::<T>(*product, scale, norm);
            }
        }
        Ok(())
    }

    /// The cosine of query `i` and row `j` in `out[i * rows.len() + j]`; otherwise as [`Kernels::cosine_rows`],
    /// with which it agrees bit for bit. For large batches normalise once and use [`Kernels::panels`].
    ///
    /// # Errors
    /// [`ShapeError`] if the dimensions differ, or `inverse_norms` or `out` does not fit.
    pub fn cosine_tile<T: Element>(
        &'static self,
        queries: Rows<'_, T>,
        rows: Rows<'_, T>,
        inverse_norms: &[T::Real],
        out: &mut [T::Real],
    ) -> Result<(), ShapeError> {
        expect_len("queries", rows.dim(), queries.dim())?;
        expect_len("inverse_norms", rows.len(), inverse_norms.len())?;
        expect_len("out", queries.len().saturating_mul(rows.len()), out.len())?;
        if rows.is_empty() {
            return Ok(());
        }
        // A few queries to a few rows at a time, so that the buffer holds their products.
        const QUERIES: usize = 4;
        const ROWS: usize = BUFFERED / QUERIES;
        let products = self.forms::<T>(Measure::InnerProduct);
        let mut buffer = [T::Distance::default(); BUFFERED];
        for (tile, out) in out.chunks_mut(QUERIES * rows.len()).enumerate() {
            let count = out.len() / rows.len();
            let Some(queries) = queries.slice(tile * QUERIES, tile * QUERIES + count) else { break };
            let mut scales = [0.0; QUERIES];
            for (scale, query) in scales.iter_mut().zip(queries.iter()) {
                *scale = self.inverse_norm(query)?;
            }
            for start in (0..rows.len()).step_by(ROWS) {
                let end = (start + ROWS).min(rows.len());
                let (Some(some), Some(norms), Some(buffer)) = (
                    rows.slice(start, end),
                    inverse_norms.get(start..end),
                    buffer.get_mut(..count * (end - start)),
                ) else {
                    break;
                };
                products.tile(queries, some, buffer)?;
                let of_queries = buffer.chunks(end - start).zip(out.chunks_mut(rows.len()));
                for ((products, out), scale) in of_queries.zip(scales) {
                    for ((out, product), norm) in out.iter_mut().skip(start).zip(products).zip(norms) {
                        *out = cosine::<T>(*product, scale, *norm);
                    }
                }
            }
        }
        Ok(())
    }
}

/// A cosine from a product and both inverse norms, rounded once.
#[inline(always)]
fn cosine<T: Element>(product: T::Distance, query: f64, row: T::Real) -> T::Real {
    T::Real::from_f64(product.to_f64() * query * row.to_f64())
}
