//! Kernels of many queries against interleaved rows, which arithmetic bounds: multiply-adds are what counts.

use std::hint::black_box;

use layouts::{AlignedVec, Interleaved};
use simd_kernels::{Distance, Measure, PANEL_ROWS, PanelElement, Panels, Rows, reference};

use super::KernelSuiteError;
use super::cases::{Case, PANEL, Visitor};

/// Queries of a call.
const QUERIES: usize = 48;
/// Rows of a call.
const ROWS: usize = 256;

/// Inner product and L2² of a type that lies in groups of `GROUP` dimensions.
pub(super) fn panels<T: PanelElement, const GROUP: usize>(
    dim: usize,
    visitor: &mut Visitor<'_>,
) -> Result<(), KernelSuiteError> {
    let mut values = AlignedVec::zeroed((QUERIES + ROWS) * dim)?;
    values.iter_mut().enumerate().for_each(|(at, place)| *place = T::from_f64((at * 7 % 13) as f64));
    let (queries, rows) = values.split_at(QUERIES * dim);
    let (queries, rows) = (Rows::new(queries, dim)?, Rows::new(rows, dim)?);
    let norm = |row| T::Distance::from_f64(reference::measure(Measure::InnerProduct, row, row));
    let query_norms: Vec<T::Distance> = queries.iter().map(norm).collect();
    let row_norms: Vec<T::Distance> = rows.iter().map(norm).collect();
    let mut packed = Interleaved::<T, PANEL_ROWS, GROUP>::new();
    packed.pack(rows)?;
    let panels = Panels::new(packed.as_slice(), dim)?;
    let mut out = vec![T::Distance::default(); QUERIES * ROWS];

    let row_bytes = dim * size_of::<T>();
    let case = |measure: Measure| Case {
        kernel: format!("panel_{}_{}", measure.name(), T::NAME),
        measure: measure.name(),
        dtype: T::NAME,
        form: PANEL,
        shape: format!("{QUERIES} queries, {ROWS} rows"),
        n: ROWS,
        dim,
        results: QUERIES * ROWS,
        block_bytes: ROWS * row_bytes,
        bytes_per_result: Some(row_bytes),
        // A value that was read serves several queries.
        read_bound: false,
    };
    visitor(&case(Measure::InnerProduct), &mut |kernels, times| {
        for _ in 0..times {
            kernels.panels::<T>().inner_product(black_box(queries), panels, &mut out)?;
            black_box(&mut *out);
        }
        Ok(())
    })?;
    visitor(&case(Measure::L2Squared), &mut |kernels, times| {
        for _ in 0..times {
            let queries = black_box(queries);
            kernels.panels::<T>().l2_squared(queries, &query_norms, panels, &row_norms, &mut out)?;
            black_box(&mut *out);
        }
        Ok(())
    })
}
