//! Kernels in four forms: distances, cosines, bit strings and codes, on blocks in the first-level cache.

use std::hint::black_box;

use layouts::AlignedVec;
use simd_kernels::{Distance, Element, Forms, Kernels, Measure, Rows, ShapeError, reference};

use super::KernelSuiteError;
use super::cases::{Case, Visitor};

/// Bytes of the block of rows: with queries and results it stays inside the smallest first-level cache in use.
const BLOCK_BYTES: usize = 16 << 10;
/// Queries of a tile.
const TILE_QUERIES: usize = 8;
/// What the dimension of 4-bit codes has to be a multiple of.
const CODES_GROUP: usize = 32;
/// Bytes of a line of codes of mixed width, what a query brings for it, and how many dimensions it holds when every
/// other byte is one code and the rest are two.
const LINE: (usize, usize, usize) = (64, 320, 96);

/// What is called, and how many distances a call computes.
#[derive(Clone, Copy)]
enum Form {
    Pair,
    Rows,
    Ids,
    Tile,
}

impl Form {
    const ALL: [Form; 4] = [Form::Pair, Form::Rows, Form::Ids, Form::Tile];

    const fn name(self) -> &'static str {
        match self {
            Form::Pair => "pair",
            Form::Rows => "rows",
            Form::Ids => "ids",
            Form::Tile => "tile",
        }
    }
}

/// Queries and rows of small values that every type holds, different enough that nothing can be folded.
struct Block<Q: Element, E: Element> {
    queries: AlignedVec<Q>,
    rows: AlignedVec<E>,
    /// Every row once, in an order that no stride predicts.
    ids: Vec<u32>,
    dim: usize,
    row_len: usize,
}

/// The checked views of a [`Block`], made once: a check is not what is measured.
#[derive(Clone, Copy)]
struct View<'a, Q, E> {
    query: &'a [Q],
    queries: Rows<'a, Q>,
    rows: Rows<'a, E>,
    ids: &'a [u32],
    /// Dimensions by which the case is known.
    dim: usize,
}

impl<Q: Element, E: Element> Block<Q, E> {
    fn new(dim: usize, row_len: usize) -> Result<Self, KernelSuiteError> {
        // Kernels read up to eight rows side by side: with fewer, what is measured would be what handles the rest.
        let len = (BLOCK_BYTES / (row_len * size_of::<E>()).max(1) / 8 * 8).clamp(8, 256);
        let value = |at: usize| (at * 7 % 13) as f64;
        let mut rows = AlignedVec::zeroed(len * row_len)?;
        rows.iter_mut().enumerate().for_each(|(at, place)| *place = E::from_f64(value(at)));
        let mut queries = AlignedVec::zeroed(TILE_QUERIES * dim)?;
        queries.iter_mut().enumerate().for_each(|(at, place)| *place = Q::from_f64(value(at + 5)));
        let step = if len.is_multiple_of(5) { 13 } else { 5 };
        let ids = (0..len).map(|at| (at * step % len) as u32).collect();
        Ok(Self { queries, rows, ids, dim, row_len })
    }

    fn view(&self) -> Result<View<'_, Q, E>, ShapeError> {
        let queries = Rows::new(&self.queries, self.dim)?;
        let rows = Rows::new(&self.rows, self.row_len)?;
        Ok(View { query: queries.row(0).unwrap_or_default(), queries, rows, ids: &self.ids, dim: self.dim })
    }
}

/// Presents the four forms of one measure; `call` computes one form of a view once.
fn visit_forms<Q: Element, E: Element, O: Distance>(
    (measure, dtype): (&'static str, &'static str),
    view: View<'_, Q, E>,
    visitor: &mut Visitor<'_>,
    call: impl Fn(&'static Kernels, Form, View<'_, Q, E>, &mut [O]) -> Result<(), ShapeError>,
) -> Result<(), KernelSuiteError> {
    let (len, row_bytes) = (view.rows.len(), view.rows.dim() * size_of::<E>());
    for form in Form::ALL {
        let (kernel, results) = match form {
            // A kernel of its own; the other forms are made of inner products.
            Form::Pair if measure == "cosine" => (format!("{measure}_{dtype}"), len),
            Form::Tile => (format!("{measure}_{dtype}_tile"), len * TILE_QUERIES),
            _ => (format!("{measure}_{dtype}_{}", form.name()), len),
        };
        let case = Case {
            kernel,
            measure,
            dtype,
            form: form.name(),
            shape: format!("{len} rows"),
            n: len,
            dim: view.dim,
            results,
            block_bytes: len * row_bytes,
            bytes_per_result: Some(row_bytes),
            read_bound: true,
        };
        let mut out = vec![O::default(); results];
        visitor(&case, &mut |kernels, times| {
            for _ in 0..times {
                call(kernels, form, black_box(view), &mut out)?;
                black_box(&mut *out);
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn call<Q: Element, E: Element, O>(
    forms: &Forms<Q, E, O>,
    form: Form,
    view: View<'_, Q, E>,
    out: &mut [O],
) -> Result<(), ShapeError> {
    match form {
        Form::Pair => {
            for (row, out) in view.rows.iter().zip(out) {
                *out = forms.pair(black_box(view.query), row)?;
            }
            Ok(())
        }
        Form::Rows => forms.rows(view.query, view.rows, out),
        Form::Ids => forms.ids(view.query, view.rows, view.ids, out),
        Form::Tile => forms.tile(view.queries, view.rows, out),
    }
}

/// L2², inner product, L1 and cosine.
pub(super) fn distances<T: Element>(dim: usize, visitor: &mut Visitor<'_>) -> Result<(), KernelSuiteError> {
    let block = Block::<T, T>::new(dim, dim)?;
    let view = block.view()?;
    for measure in Measure::ALL {
        visit_forms((measure.name(), T::NAME), view, visitor, |kernels, form, view, out| {
            call(kernels.forms::<T>(measure), form, view, out)
        })?;
    }
    let inverse_norm =
        |row| T::Real::from_f64(1.0 / reference::measure(Measure::InnerProduct, row, row).sqrt());
    let norms: Vec<T::Real> = view.rows.iter().map(inverse_norm).collect();
    visit_forms(("cosine", T::NAME), view, visitor, |kernels, form, view, out: &mut [T::Real]| match form {
        Form::Pair => {
            for (row, out) in view.rows.iter().zip(out) {
                *out = kernels.cosine(black_box(view.query), row)?;
            }
            Ok(())
        }
        Form::Rows => kernels.cosine_rows(view.query, view.rows, &norms, out),
        Form::Ids => kernels.cosine_ids(view.query, view.rows, &norms, view.ids, out),
        Form::Tile => kernels.cosine_tile(view.queries, view.rows, &norms, out),
    })
}

/// Hamming and Jaccard distance of strings of so many bytes.
pub(super) fn bits(bytes: usize, visitor: &mut Visitor<'_>) -> Result<(), KernelSuiteError> {
    let block = Block::<u8, u8>::new(bytes, bytes)?;
    let view = View { dim: bytes * 8, ..block.view()? };
    visit_forms(("hamming", "bits"), view, visitor, |kernels, form, view, out| {
        call(kernels.hamming(), form, view, out)
    })?;
    visit_forms(("jaccard", "bits"), view, visitor, |kernels, form, view, out| {
        call(kernels.jaccard(), form, view, out)
    })
}

/// A query of `i8` and codes of 8, of 4 and of mixed bits.
pub(super) fn codes(dim: usize, visitor: &mut Visitor<'_>) -> Result<(), KernelSuiteError> {
    let block = Block::<i8, u8>::new(dim, dim)?;
    visit_forms(("codes", "u8"), block.view()?, visitor, |kernels, form, view, out| {
        call(kernels.codes_u8(), form, view, out)
    })?;
    let padded = dim.next_multiple_of(CODES_GROUP);
    let block = Block::<i8, u8>::new(padded, padded / 2)?;
    visit_forms(("codes", "u4"), block.view()?, visitor, |kernels, form, view, out| {
        call(kernels.codes_u4(), form, view, out)
    })?;
    let (bytes, query, dimensions) = LINE;
    let lines = dim.div_ceil(dimensions);
    let block = Block::<i8, u8>::new(lines * query, lines * bytes)?;
    visit_forms(("codes", "mixed"), View { dim, ..block.view()? }, visitor, |kernels, form, view, out| {
        call(kernels.codes_mixed(), form, view, out)
    })
}
