//! The codes that a scan reads: which kind, and what a query must be turned into for them.

use simd_kernels::{CodePanels, Kernels, Rows};

use crate::Error;
use crate::head::{HeadCode, HeadQuery};

/// How the rows of a zone are coded for the scan.
#[derive(Debug)]
pub(crate) enum Code {
    /// Leading principal components in 4 bits each.
    Head(HeadCode),
}

/// A query made ready for one kind of code.
///
/// An estimate is `base(zone) + factor(row) − 2 · scale · sum(row, query)`, where `base` holds 2 · `bias`.
#[derive(Debug, Default)]
pub(crate) struct CodeQuery {
    head: HeadQuery,
}

impl CodeQuery {
    /// Twice what a unit of an integer sum is worth.
    pub(crate) fn slope(&self) -> f32 {
        2.0 * self.head.scale
    }

    /// What is added to the squared distance of a zone's centroid.
    pub(crate) fn bias(&self) -> f32 {
        2.0 * self.head.bias
    }

    /// What the kernel multiplies codes with.
    pub(crate) fn weights(&self) -> &[i8] {
        &self.head.weights
    }
}

impl Code {
    /// Bytes of a panel of sixteen codes.
    pub(crate) fn panel_bytes(&self) -> usize {
        match self {
            Code::Head(head) => 16 * head.bytes(),
        }
    }

    /// Weights of a query.
    pub(crate) fn weights(&self) -> usize {
        match self {
            Code::Head(head) => head.dims,
        }
    }

    /// Makes a query ready.
    pub(crate) fn prepare(
        &self,
        query: &[i8],
        kernels: &'static Kernels,
        ready: &mut CodeQuery,
    ) -> Result<(), Error> {
        match self {
            Code::Head(head) => head.prepare(query, kernels, &mut ready.head),
        }
    }

    /// Integer sums of queries (their weights one after another) and the codes of a posting, in whole panels:
    /// `out[i * 16 * panels + j]`.
    #[inline]
    pub(crate) fn sums(
        &self,
        weights: &[i8],
        codes: &[u8],
        kernels: &'static Kernels,
        out: &mut [i32],
    ) -> Result<(), Error> {
        match self {
            Code::Head(head) => {
                let queries = Rows::new(weights, head.dims)?;
                let panels = CodePanels::new(codes, head.dims)?;
                Ok(kernels.code_panels_u4().inner_product(queries, panels, out)?)
            }
        }
    }
}
