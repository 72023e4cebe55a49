//! Every kernel on the shapes that it is measured on: one list, which the suite and the criterion bench walk.

use simd_kernels::{Kernels, bf16, f16};

use super::{KernelSuiteError, forms, functions, panels, scans};
use crate::dtype::Dtype;

/// A kernel on one shape.
#[derive(Clone, Debug)]
pub struct Case {
    /// What `cargo xtask dispatch-check` calls it, such as `l2_squared_f32_rows`. What is put together from
    /// kernels has a name of the same form, such as `cosine_f32_rows`.
    pub kernel: String,
    /// The measure or function.
    pub measure: &'static str,
    /// Element type of the rows or values.
    pub dtype: &'static str,
    /// `pair`, `rows`, `ids`, `tile`; [`PANEL`] or [`VALUES`].
    pub form: &'static str,
    /// How much a call works on.
    pub shape: String,
    /// Rows or values of a call.
    pub n: usize,
    /// Dimensions of a row, bits of a bit string; 1 where there are only values.
    pub dim: usize,
    /// Distances or values that a call computes.
    pub results: usize,
    /// Bytes of the rows or values: where they fit is what bounds a scan of them.
    pub block_bytes: usize,
    /// Bytes that are passed over for one result, if reading them is a part of the work worth naming.
    pub bytes_per_result: Option<usize>,
    /// Whether reading is what a perfect kernel would be bound by.
    pub read_bound: bool,
}

/// The form of many queries against interleaved rows.
pub const PANEL: &str = "panel";
/// The form of what works on a slice of values.
pub const VALUES: &str = "values";

/// Calls a kernel of a table so many times on the block of its case.
pub type Call<'a> = dyn FnMut(&'static Kernels, usize) -> Result<(), KernelSuiteError> + 'a;
/// What is done with every case.
pub type Visitor<'a> = dyn FnMut(&Case, &mut Call<'_>) -> Result<(), KernelSuiteError> + 'a;

/// Number of [`visit_group`]s of so many types and dimensions.
pub(super) fn groups(dtypes: &[Dtype], dimensions: &[usize]) -> usize {
    dtypes.len() * (dimensions.len() + 1)
}

/// Walks over the kernels of the types, on each of the dimensions where they have one.
///
/// # Errors
/// [`KernelSuiteError`] if a dimension does not suit a kernel, and whatever `visitor` gives.
pub fn visit(
    dtypes: &[Dtype],
    dimensions: &[usize],
    visitor: &mut Visitor<'_>,
) -> Result<(), KernelSuiteError> {
    for group in 0..groups(dtypes, dimensions) {
        visit_group(dtypes, dimensions, group, visitor)?;
    }
    Ok(())
}

/// The kernels of one type on one dimension, or those of one type that have no dimension.
pub(super) fn visit_group(
    dtypes: &[Dtype],
    dimensions: &[usize],
    group: usize,
    visitor: &mut Visitor<'_>,
) -> Result<(), KernelSuiteError> {
    let places = dimensions.len() + 1;
    let Some(&dtype) = dtypes.get(group / places) else { return Ok(()) };
    match (dtype, dimensions.get(group % places)) {
        (Dtype::F32, Some(&dim)) => {
            forms::distances::<f32>(dim, visitor)?;
            panels::panels::<f32, 1>(dim, visitor)
        }
        (Dtype::F64, Some(&dim)) => {
            forms::distances::<f64>(dim, visitor)?;
            panels::panels::<f64, 1>(dim, visitor)
        }
        (Dtype::F16, Some(&dim)) => forms::distances::<f16>(dim, visitor),
        (Dtype::Bf16, Some(&dim)) => forms::distances::<bf16>(dim, visitor),
        (Dtype::U8, Some(&dim)) => {
            forms::distances::<u8>(dim, visitor)?;
            forms::codes(dim, visitor)?;
            scans::scans(dim, visitor)?;
            panels::panels::<u8, 4>(dim, visitor)
        }
        (Dtype::I8, Some(&dim)) => {
            forms::distances::<i8>(dim, visitor)?;
            panels::panels::<i8, 4>(dim, visitor)
        }
        (Dtype::Bits, Some(&bytes)) => forms::bits(bytes, visitor),
        (Dtype::F32, None) => {
            functions::maps::<f32>(visitor)?;
            functions::selections::<f32>("f32", visitor)?;
            functions::estimates(visitor)?;
            functions::bands(visitor)?;
            functions::near::<f32>(visitor)
        }
        (Dtype::F64, None) => {
            functions::maps::<f64>(visitor)?;
            functions::selections::<f64>("f64", visitor)?;
            functions::near::<f64>(visitor)
        }
        // The type of the distances of bytes and bits: measured with the first of them.
        (Dtype::U8 | Dtype::I8 | Dtype::Bits, None) => {
            let integers = |dtype: &&Dtype| matches!(dtype, Dtype::U8 | Dtype::I8 | Dtype::Bits);
            if dtypes.iter().find(integers) == Some(&dtype) {
                functions::selections::<i32>("i32", visitor)?;
            }
            Ok(())
        }
        (Dtype::F16 | Dtype::Bf16, None) => Ok(()),
    }
}
