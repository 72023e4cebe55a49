//! Panels: rows interleaved sixteen at a time, the layout in which a lane is a row and no sum is horizontal.
//!
//! Element (row `r`, dimension `j`) of a panel lies at
//! `((j / GROUP) * 16 + r % 16) * GROUP + j % GROUP`, where `GROUP` consecutive dimensions of one row stay
//! together because the tier's instruction multiplies them together: 1 for floats, 4 for bytes. Panels follow
//! one another; dimensions are padded with zeros to a multiple of `GROUP`, rows to a multiple of 16.
//! `layouts` makes them. The layout is the same on every tier, so a file or a cache of panels fits every CPU.

use crate::element::Element;
use crate::table::Kernels;
use crate::view::{Rows, ShapeError, expect_len};

/// Rows in one panel.
pub const PANEL_ROWS: usize = 16;

/// Element types that have panel kernels: `f32`, `f64`, `u8`, `i8`. Half types are widened to `f32` when they
/// are packed.
pub trait PanelElement: Element {
    /// Consecutive dimensions of one row that lie side by side.
    const GROUP: usize;

    /// The panel kernels of this type in a table.
    #[doc(hidden)]
    fn panel_forms(kernels: &'static Kernels) -> &'static PanelForms<Self>;
}

macro_rules! panel_element {
    ($($type:ty, $group:literal, $field:ident;)+) => {$(
        impl PanelElement for $type {
            const GROUP: usize = $group;
            fn panel_forms(kernels: &'static Kernels) -> &'static PanelForms<Self> {
                &kernels.$field
            }
        }
    )+};
}
panel_element! { f32, 1, panel_f32; f64, 1, panel_f64; u8, 4, panel_u8; i8, 4, panel_i8; }

/// A checked view of panels.
///
/// Invariants: `1 <= dim <= T::MAX_DIM`, and `data` holds a whole number of panels of
/// `16 * dim.next_multiple_of(T::GROUP)` elements.
#[derive(Clone, Copy, Debug)]
pub struct Panels<'a, T> {
    data: &'a [T],
    dim: usize,
    len: usize,
}

impl<'a, T: PanelElement> Panels<'a, T> {
    /// A view of whole panels of `dim`-dimensional rows.
    ///
    /// # Errors
    /// [`ShapeError`] if `dim` is out of range or `data` is not a whole number of panels.
    pub fn new(data: &'a [T], dim: usize) -> Result<Self, ShapeError> {
        if dim == 0 || dim > T::MAX_DIM {
            return Err(ShapeError::Dimension { dim, max: T::MAX_DIM });
        }
        let panel = PANEL_ROWS * dim.next_multiple_of(T::GROUP);
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

    /// Dimensions of a row, without the padding.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The address of panel 0. Panel `i < len` starts `i * panel_elements()` elements further on.
    pub(crate) fn as_ptr(&self) -> *const T {
        self.data.as_ptr()
    }

    /// Elements of one panel.
    pub(crate) fn panel_elements(&self) -> usize {
        PANEL_ROWS * self.dim.next_multiple_of(T::GROUP)
    }
}

type InnerProduct<T> = unsafe fn(Rows<'_, T>, Panels<'_, T>, &mut [<T as Element>::Distance]);
type L2Squared<T> = unsafe fn(
    Rows<'_, T>,
    &[<T as Element>::Distance],
    Panels<'_, T>,
    &[<T as Element>::Distance],
    &mut [<T as Element>::Distance],
);

/// Many queries against panels: the multiply-add-bound form of an exact scan.
#[derive(Clone, Copy, Debug)]
pub struct PanelForms<T: Element> {
    pub(crate) inner_product: InnerProduct<T>,
    pub(crate) l2_squared: L2Squared<T>,
}

impl<T: PanelElement> PanelForms<T> {
    /// The inner product of query `i` and row `j` in `out[i * panels.rows() + j]`.
    /// Complexity O(queries · rows · dim); no allocation. The rows of the padding give 0.
    ///
    /// # Errors
    /// [`ShapeError`] if the dimensions differ or `out` does not hold one place a pair.
    pub fn inner_product(
        &self,
        queries: Rows<'_, T>,
        panels: Panels<'_, T>,
        out: &mut [T::Distance],
    ) -> Result<(), ShapeError> {
        expect_len("queries", panels.dim(), queries.dim())?;
        expect_len("out", queries.len().saturating_mul(panels.rows()), out.len())?;
        // SAFETY: the table that this came from is only handed out when the CPU has the tier's features, and
        // the shapes were just checked.
        unsafe { (self.inner_product)(queries, panels, out) };
        Ok(())
    }

    /// The squared Euclidean distance of query `i` and row `j` in `out[i * panels.rows() + j]`, as
    /// |q|² + |r|² − 2 q·r from norms that the caller stored.
    ///
    /// Exact for `u8` and `i8`, norms being kept modulo 2³² (which a sum in `i32` with wrapping does). For floats
    /// the terms cancel: the error is within (dim + 16) ε (|q|² + |r|²), which can exceed a small distance, so
    /// candidates must be measured again by [`crate::Forms`]; a distance can come out slightly negative.
    /// Complexity O(queries · rows · dim); no allocation.
    ///
    /// # Errors
    /// [`ShapeError`] if the dimensions differ, or `query_norms`, `row_norms` or `out` do not fit.
    pub fn l2_squared(
        &self,
        queries: Rows<'_, T>,
        query_norms: &[T::Distance],
        panels: Panels<'_, T>,
        row_norms: &[T::Distance],
        out: &mut [T::Distance],
    ) -> Result<(), ShapeError> {
        expect_len("queries", panels.dim(), queries.dim())?;
        expect_len("query_norms", queries.len(), query_norms.len())?;
        expect_len("row_norms", panels.rows(), row_norms.len())?;
        expect_len("out", queries.len().saturating_mul(panels.rows()), out.len())?;
        // SAFETY: as above.
        unsafe { (self.l2_squared)(queries, query_norms, panels, row_norms, out) };
        Ok(())
    }
}
