//! Scans of packed codes and words for several queries: inner products of their panels, and sums of looked-up entries.

use std::hint::black_box;

use layouts::{BlockedCodes, InterleavedCodes};
use simd_kernels::{
    CodeBlocks, CodePanelForms, CodePanels, Kernels, LookupForms, LookupTables, PANEL_ROWS, Rows, WordPanels,
};

use super::KernelSuiteError;
use super::cases::{Case, PANEL, Visitor};

/// Queries of a call: what a batch has for one list of an index.
const QUERIES: usize = 8;
/// Rows of a call; with queries they stay in the second-level cache.
const ROWS: usize = 256;
/// Dimensions of one code that looks up a table: 16 entries for so many, and for more bits as many.
const DIMENSIONS_PER_CODE: usize = 4;

fn case(kernel: String, names: (&'static str, &'static str), dim: usize, bytes: usize) -> Case {
    Case {
        kernel,
        measure: names.0,
        dtype: names.1,
        form: PANEL,
        shape: format!("{QUERIES} queries, {ROWS} rows"),
        n: ROWS,
        dim,
        results: QUERIES * ROWS,
        block_bytes: bytes,
        bytes_per_result: Some(bytes / ROWS),
        read_bound: false,
    }
}

/// Code panels of all widths at `dim`, word panels, and look-ups of `dim` / 4 codes.
pub(super) fn scans(dim: usize, visitor: &mut Visitor<'_>) -> Result<(), KernelSuiteError> {
    panels::<2>(dim, "u2", Kernels::code_panels_u2, visitor)?;
    panels::<4>(dim, "u4", Kernels::code_panels_u4, visitor)?;
    panels::<8>(dim, "u8", Kernels::code_panels_u8, visitor)?;
    words(dim, visitor)?;
    lookups::<4>(dim, "u4", Kernels::lookup_u4, visitor)?;
    lookups::<6>(dim, "u6", Kernels::lookup_u6, visitor)?;
    lookups::<8>(dim, "u8", Kernels::lookup_u8, visitor)
}

fn panels<const BITS: usize>(
    dim: usize,
    width: &'static str,
    forms: fn(&'static Kernels) -> &'static CodePanelForms<BITS>,
    visitor: &mut Visitor<'_>,
) -> Result<(), KernelSuiteError> {
    let padded = InterleavedCodes::<BITS>::padded(dim);
    let codes: Vec<u8> = (0..ROWS * dim).map(|at| (at * 7 % 251) as u8).collect();
    let mut packed = InterleavedCodes::<BITS>::new();
    packed.pack(Rows::new(&codes, dim)?)?;
    let panels = CodePanels::<BITS>::new(packed.as_slice(), padded)?;
    let queries: Vec<i8> = (0..QUERIES * padded).map(|at| (at * 11 % 127) as i8).collect();
    let queries = Rows::new(&queries, padded)?;
    let mut out = vec![0; QUERIES * panels.rows()];
    let case = case(format!("code_panels_{width}"), ("code_panels", width), dim, packed.as_slice().len());
    visitor(&case, &mut |kernels, times| {
        for _ in 0..times {
            forms(kernels).inner_product(black_box(queries), black_box(panels), &mut out)?;
            black_box(&mut *out);
        }
        Ok(())
    })
}

fn words(dim: usize, visitor: &mut Visitor<'_>) -> Result<(), KernelSuiteError> {
    let padded = dim.next_multiple_of(WordPanels::GROUP);
    let word = |at: usize| (at * 7_919 % 20_001) as i16 - 10_000;
    let data: Vec<i16> = (0..ROWS.next_multiple_of(PANEL_ROWS) * padded).map(word).collect();
    let queries: Vec<i16> = (0..QUERIES * padded).map(word).collect();
    let panels = WordPanels::new(&data, padded)?;
    let mut out = vec![0; QUERIES * panels.rows()];
    let case = case("word_panels".to_owned(), ("word_panels", "i16"), dim, size_of_val(&data[..]));
    visitor(&case, &mut |kernels, times| {
        for _ in 0..times {
            kernels.word_panels().inner_product(black_box(&queries), black_box(panels), &mut out)?;
            black_box(&mut *out);
        }
        Ok(())
    })
}

fn lookups<const BITS: usize>(
    dim: usize,
    width: &'static str,
    forms: fn(&'static Kernels) -> &'static LookupForms<BITS>,
    visitor: &mut Visitor<'_>,
) -> Result<(), KernelSuiteError> {
    let groups = dim.div_ceil(DIMENSIONS_PER_CODE);
    let padded = BlockedCodes::<BITS>::padded(groups);
    let codes: Vec<u8> = (0..ROWS * groups).map(|at| (at * 7 % 251) as u8).collect();
    let mut packed = BlockedCodes::<BITS>::new();
    packed.pack(Rows::new(&codes, groups)?)?;
    let blocks = CodeBlocks::<BITS>::new(packed.as_slice(), padded)?;
    let mut out = vec![0; QUERIES * blocks.rows()];
    for (form, measure, limit) in [("small", "lookup_small", 64), ("any", "lookup", 256)] {
        let tables: Vec<u8> = (0..(QUERIES * padded) << BITS).map(|at| (at * 11 % limit) as u8).collect();
        let tables = LookupTables::<BITS>::new(&tables, padded)?;
        let bytes = packed.as_slice().len();
        let case = case(format!("lookup_{width}_{form}"), (measure, width), groups, bytes);
        visitor(&case, &mut |kernels, times| {
            for _ in 0..times {
                forms(kernels).sums(black_box(tables), black_box(blocks), &mut out)?;
                black_box(&mut *out);
            }
            Ok(())
        })?;
    }
    Ok(())
}
