//! Word panels: 16-bit integers of sixteen rows side by side, against many queries of the same kind.
//!
//! What [`Panels`](crate::Panels) are for floats and bytes, for vectors rounded to 16 bits: half the bytes of `f32` and
//! twice the products of an instruction, at an error of 2⁻¹⁶ of the largest element. Element (row `r`, dimension `j`)
//! of a panel lies at [`WordPanels::place`], because one instruction multiplies two dimensions of a row. Panels
//! follow one another. The layout is the same on every tier.

use crate::panels::PANEL_ROWS;
use crate::table::Kernels;
use crate::view::{ShapeError, expect_len};

/// Dimensions that the published use of memory and time is meant for, and no limit of the sums.
const MAX_DIM: usize = 1 << 20;

/// A checked view of word panels.
///
/// Invariants: `dim` is even, at least 2 and at most 2²⁰, and `data` holds a whole number of panels of `16 * dim` words.
#[derive(Clone, Copy, Debug)]
pub struct WordPanels<'a> {
    data: &'a [i16],
    dim: usize,
    len: usize,
}

impl<'a> WordPanels<'a> {
    /// Dimensions of a row that lie side by side: what dimensions are padded to, with zeros.
    pub const GROUP: usize = 2;

    /// A view of whole panels of rows of `dim` words.
    ///
    /// # Errors
    /// [`ShapeError::Dimension`] if `dim` is 0 or above 2²⁰, [`ShapeError::Granule`] if it is odd, [`ShapeError::Data`] if
    /// `data` is not a whole number of panels.
    pub fn new(data: &'a [i16], dim: usize) -> Result<Self, ShapeError> {
        if dim == 0 || dim > MAX_DIM {
            return Err(ShapeError::Dimension { dim, max: MAX_DIM });
        }
        if !dim.is_multiple_of(Self::GROUP) {
            return Err(ShapeError::Granule { dim, granule: Self::GROUP });
        }
        let panel = PANEL_ROWS * dim;
        if !data.len().is_multiple_of(panel) {
            return Err(ShapeError::Data {
                expected: data.len().next_multiple_of(panel),
                actual: data.len(),
            });
        }
        Ok(Self { data, dim, len: data.len() / panel })
    }

    /// Where dimension `at` of row `row` lies in panels of `dim` dimensions.
    pub const fn place(dim: usize, row: usize, at: usize) -> usize {
        let in_panel = (at / Self::GROUP * PANEL_ROWS + row % PANEL_ROWS) * Self::GROUP + at % Self::GROUP;
        row / PANEL_ROWS * PANEL_ROWS * dim + in_panel
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

    /// Dimensions of a row, with the padding.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The address of panel 0. Panel `i < len` starts `16 * dim * i` words further on.
    pub(crate) fn as_ptr(&self) -> *const i16 {
        self.data.as_ptr()
    }
}

/// Queries, how many they are, panels, and the places of the sums. Counting them in the kernel would need a division.
type InnerProduct = unsafe fn(&[i16], usize, WordPanels<'_>, &mut [i32]);

/// Queries against word panels, exact modulo 2³².
#[derive(Clone, Copy, Debug)]
pub struct WordPanelForms {
    pub(crate) inner_product: InnerProduct,
}

impl WordPanelForms {
    /// Σ query · row of query `i` and row `j` in `out[i * panels.rows() + j]`, modulo 2³²: exact where the lengths of
    /// query and row multiply to less than 2³¹, as they do when both are scaled to at most 32,767. `queries` holds one after the other,
    /// each of the panels' padded dimension. Complexity O(queries · rows · dim); no allocation.
    ///
    /// # Errors
    /// [`ShapeError`] if `queries` is not whole queries or `out` does not hold one place a pair.
    pub fn inner_product(
        &self,
        queries: &[i16],
        panels: WordPanels<'_>,
        out: &mut [i32],
    ) -> Result<(), ShapeError> {
        expect_len("queries", queries.len().next_multiple_of(panels.dim()), queries.len())?;
        let count = queries.len() / panels.dim();
        expect_len("out", count.saturating_mul(panels.rows()), out.len())?;
        // SAFETY: the table that this came from is only handed out when the CPU has the tier's features, and
        // the shapes were just checked.
        unsafe { (self.inner_product)(queries, count, panels, out) };
        Ok(())
    }
}

impl Kernels {
    /// Inner products of queries and panels of 16-bit integers.
    ///
    /// ```
    /// use simd_kernels::{Kernels, WordPanels};
    /// let mut panel = [0i16; 32];
    /// panel[WordPanels::place(2, 3, 0)] = 300; // row 3 is (300, -2)
    /// panel[WordPanels::place(2, 3, 1)] = -2;
    /// let mut out = [0; 16];
    /// Kernels::active()?.word_panels().inner_product(&[100, 5], WordPanels::new(&panel, 2)?, &mut out)?;
    /// assert_eq!((out[3], out[4]), (29_990, 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn word_panels(&'static self) -> &'static WordPanelForms {
        &self.word_panels
    }
}

/// Compiles the word panel kernel of one [`crate::drive::WordPanelStep`] as a shell of one tier: `panels` by `queries`
/// is the tile whose sums stay in registers.
macro_rules! word_panel_forms {
    ($(#[$attribute:meta])? $step:ty; panels: $panels:literal, queries: $queries:literal) => {{
        $(#[$attribute])?
        unsafe fn inner_product(
            queries: &[i16],
            count: usize,
            panels: $crate::WordPanels<'_>,
            out: &mut [i32],
        ) {
            // SAFETY: the shell has the step's features, and its own caller keeps the driver's contract.
            unsafe { $crate::drive::word_panel::<$step, $panels, $queries>(queries, count, panels, out) }
        }
        $crate::word_panels::WordPanelForms { inner_product }
    }};
}
pub(crate) use word_panel_forms;
