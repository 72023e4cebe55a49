//! Code panels: unsigned codes of 2, 4 or 8 bits of sixteen rows side by side, against many `i8` queries.
//!
//! A *group* is 64 bytes: four bytes of each of the sixteen rows, row after row, since that is what one lane of
//! a byte multiplication takes. It holds `32 / BITS` dimensions of every row. Byte `4 r + j` of group `g` holds,
//! from its lowest bits up, the dimensions `G g + j`, `G g + 4 + j`, ... of row `r`, where `G = 32 / BITS`: two
//! codes of 4 bits, four of 2 bits, or one of 8. The groups of a panel follow one another, and so do panels.
//! `layouts` makes them. The layout is the same on every tier.

use crate::panels::PANEL_ROWS;
use crate::table::Kernels;
use crate::view::{Rows, ShapeError, expect_len};

/// Bytes of one group.
pub(crate) const GROUP_BYTES: usize = 64;

/// Dimensions beyond which the exact products would leave an `i32`: what `i8` queries are limited to.
const MAX_DIM: usize = <i8 as crate::Element>::MAX_DIM;

/// A checked view of code panels.
///
/// Invariants: `dim` is a multiple of [`CodePanels::GROUP`], at least one group and at most 32,768, and `data`
/// holds a whole number of panels of `2 * BITS * dim` bytes.
#[derive(Clone, Copy, Debug)]
pub struct CodePanels<'a, const BITS: usize> {
    data: &'a [u8],
    dim: usize,
    len: usize,
}

impl<'a, const BITS: usize> CodePanels<'a, BITS> {
    /// Dimensions of one row in a group of 64 bytes: 16, 8 or 4 for codes of 2, 4 or 8 bits. What the dimension
    /// of rows and queries is padded to, with zeros in the query.
    pub const GROUP: usize = {
        assert!(matches!(BITS, 2 | 4 | 8), "codes have 2, 4 or 8 bits");
        32 / BITS
    };

    /// A view of whole panels of rows of `dim` codes.
    ///
    /// # Errors
    /// [`ShapeError::Dimension`] if `dim` is 0 or above 32,768, [`ShapeError::Granule`] if it is no multiple of
    /// [`CodePanels::GROUP`], [`ShapeError::Data`] if `data` is not a whole number of panels.
    pub fn new(data: &'a [u8], dim: usize) -> Result<Self, ShapeError> {
        if dim == 0 || dim > MAX_DIM {
            return Err(ShapeError::Dimension { dim, max: MAX_DIM });
        }
        if !dim.is_multiple_of(Self::GROUP) {
            return Err(ShapeError::Granule { dim, granule: Self::GROUP });
        }
        let panel = dim / Self::GROUP * GROUP_BYTES;
        if !data.len().is_multiple_of(panel) {
            return Err(ShapeError::Data {
                expected: data.len().next_multiple_of(panel),
                actual: data.len(),
            });
        }
        Ok(Self { data, dim, len: data.len() / panel })
    }

    /// Number of panels.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no panel.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Number of rows, those of the padding included: 16 a panel.
    pub fn rows(&self) -> usize {
        self.len * PANEL_ROWS
    }

    /// Dimensions of a row, with the padding to whole groups.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The panels `start..end`, or `None` when they do not all exist.
    pub fn slice(&self, start: usize, end: usize) -> Option<Self> {
        let len = end.checked_sub(start)?;
        let panel = self.panel_bytes();
        let data = self.data.get(start.checked_mul(panel)?..end.checked_mul(panel)?)?;
        Some(Self { data, dim: self.dim, len })
    }

    /// The address of panel 0. Panel `i < len` starts `i * panel_bytes()` bytes further on.
    pub(crate) fn as_ptr(&self) -> *const u8 {
        self.data.as_ptr()
    }

    /// Bytes of one panel.
    pub(crate) fn panel_bytes(&self) -> usize {
        self.dim / Self::GROUP * GROUP_BYTES
    }
}

type InnerProduct<const BITS: usize> = unsafe fn(Rows<'_, i8>, CodePanels<'_, BITS>, &mut [i32]);

/// Queries of `i8` against panels of `BITS`-bit codes, exact.
#[derive(Clone, Copy, Debug)]
pub struct CodePanelForms<const BITS: usize> {
    pub(crate) inner_product: InnerProduct<BITS>,
}

impl<const BITS: usize> CodePanelForms<BITS> {
    /// Σ query · code of query `i` and row `j` in `out[i * panels.rows() + j]`, exact. Queries have the padded
    /// dimension of the panels, with zeros for the padding. One query is served as well as many; up to eight
    /// share each unpacked code. Complexity O(queries · rows · dim); no allocation.
    ///
    /// # Errors
    /// [`ShapeError`] if the dimensions differ or `out` does not hold one place a pair.
    #[inline]
    pub fn inner_product(
        &self,
        queries: Rows<'_, i8>,
        panels: CodePanels<'_, BITS>,
        out: &mut [i32],
    ) -> Result<(), ShapeError> {
        expect_len("queries", panels.dim(), queries.dim())?;
        expect_len("out", queries.len().saturating_mul(panels.rows()), out.len())?;
        // SAFETY: the table that this came from is only handed out when the CPU has the tier's features, and
        // the shapes were just checked.
        unsafe { (self.inner_product)(queries, panels, out) };
        Ok(())
    }
}

/// The code panels of one tier.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CodePanelTable {
    pub(crate) u2: CodePanelForms<2>,
    pub(crate) u4: CodePanelForms<4>,
    pub(crate) u8: CodePanelForms<8>,
}

impl Kernels {
    /// Inner products of `i8` queries and panels of 4-bit codes, exact.
    ///
    /// ```
    /// use simd_kernels::{CodePanels, Kernels, Rows};
    /// // One panel of one group: byte 4 r + j holds dimension j of row r below and dimension 4 + j above.
    /// let mut panel = [0u8; 64];
    /// panel[4 * 3] = 2 | 5 << 4; // row 3 is (2, 0, 0, 0, 5, 0, 0, 0)
    /// let mut out = [0; 16];
    /// let query = [10i8, 0, 0, 0, -1, 0, 0, 0];
    /// let forms = Kernels::active()?.code_panels_u4();
    /// forms.inner_product(Rows::new(&query, 8)?, CodePanels::new(&panel, 8)?, &mut out)?;
    /// assert_eq!((out[3], out[4]), (15, 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn code_panels_u4(&'static self) -> &'static CodePanelForms<4> {
        &self.code_panels.u4
    }

    /// The same for 2-bit codes.
    pub fn code_panels_u2(&'static self) -> &'static CodePanelForms<2> {
        &self.code_panels.u2
    }

    /// The same for 8-bit codes.
    pub fn code_panels_u8(&'static self) -> &'static CodePanelForms<8> {
        &self.code_panels.u8
    }
}

/// Compiles the code panel kernel of one [`crate::drive::CodePanelStep`] as a shell of one tier: `panels` by
/// `queries` is the tile whose sums stay in registers, `single` the panels that one query meets together, and
/// `chains` the sums among which one query and one panel are spread.
macro_rules! code_panel_forms {
    ($(#[$attribute:meta])? $step:ty; panels: $panels:literal, queries: $queries:literal, single: $single:literal, chains: $chains:literal) => {{
        use $crate::drive::CodePanelStep;
        const BITS: usize = <$step as CodePanelStep>::BITS;
        $(#[$attribute])?
        unsafe fn inner_product(
            queries: $crate::Rows<'_, i8>,
            panels: $crate::CodePanels<'_, BITS>,
            out: &mut [i32],
        ) {
            // SAFETY: the shell has the step's features, and its own caller keeps the driver's contract.
            unsafe {
                $crate::drive::code_panel::<$step, BITS, $panels, $queries, $single, $chains>(queries, panels, out)
            }
        }
        $crate::code_panels::CodePanelForms { inner_product }
    }};
}
pub(crate) use code_panel_forms;
