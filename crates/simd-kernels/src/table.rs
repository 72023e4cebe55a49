//! The kernel table: one plain struct of function pointers per tier, filled at compile time, chosen once.
//!
//! A kernel works on a *block*, so one indirect call (under 0.3 ns) is spread over many distances, and what it
//! calls is compiled whole for its tier. The function pointers are private: a table is only handed out after
//! its tier was detected, and the checked methods below are the only way to call through it.

use half::{bf16, f16};

use crate::code_panels::CodePanelTable;
pub(crate) use crate::code_panels::code_panel_forms;
use crate::element::{Element, Measure};
use crate::lookups::LookupTable;
pub(crate) use crate::lookups::lookup_forms;
use crate::math::MathTable;
use crate::near::NearTable;
use crate::panels::{PanelElement, PanelForms};
use crate::select::SelectTable;
use crate::tier::{Tier, TierError, capabilities};
use crate::view::{Rows, ShapeError, expect_len};
use crate::wht::WalshHadamardTable;
use crate::word_panels::WordPanelForms;
pub(crate) use crate::word_panels::word_panel_forms;

/// Measures a query against rows picked by id; `false`, with nothing written, if an id names no row.
type IdsKernel<Q, E, O> = unsafe fn(&[Q], Rows<'_, E>, &[u32], &mut [O]) -> bool;

/// One measure in its four forms, for queries of `Q`, rows of `E` and results of `O`.
///
/// All four compute the same value; `rows`, `ids` and `tile` agree bit for bit on one tier, `pair` and other
/// tiers within the bound of the crate documentation (integers: exactly).
#[derive(Clone, Copy, Debug)]
pub struct Forms<Q: Element, E: Element, O: 'static> {
    pub(crate) pair: unsafe fn(&[Q], &[E]) -> O,
    pub(crate) rows: unsafe fn(&[Q], Rows<'_, E>, &mut [O]),
    pub(crate) ids: IdsKernel<Q, E, O>,
    pub(crate) tile: unsafe fn(Rows<'_, Q>, Rows<'_, E>, &mut [O], usize),
    /// Dimensions per stored row element.
    pub(crate) pack: usize,
    /// What the dimension must be a multiple of.
    pub(crate) granule: usize,
}

/// [`Forms`] of a distance between vectors of one type.
pub type DistanceForms<T> = Forms<T, T, <T as Element>::Distance>;
/// [`Forms`] of the inner product of an `i8` query and rows of unsigned codes, exact.
pub type CodeForms = Forms<i8, u8, i32>;
/// [`Forms`] of a measure of bit strings, given as bytes.
pub type BitForms<O> = Forms<u8, u8, O>;

impl<Q: Element, E: Element, O> Forms<Q, E, O> {
    #[inline]
    fn expect_granule(&self, dim: usize) -> Result<(), ShapeError> {
        if self.granule == 1 {
            return Ok(());
        }
        if !dim.is_multiple_of(self.granule) {
            return Err(ShapeError::Granule { dim, granule: self.granule });
        }
        // A packed row may be within its own limit and stand for more dimensions than a sum can hold.
        if dim > Q::MAX_DIM {
            return Err(ShapeError::Dimension { dim, max: Q::MAX_DIM });
        }
        Ok(())
    }

    /// The measure of one pair. Complexity O(dim). A call per pair costs several times what [`Forms::rows`]
    /// costs per row: use that where there are several rows.
    ///
    /// # Errors
    /// [`ShapeError`] if the lengths differ, or the dimension is 0 or above the element's limit.
    #[inline]
    pub fn pair(&self, query: &[Q], row: &[E]) -> Result<O, ShapeError> {
        if query.is_empty() || query.len() > Q::MAX_DIM {
            return Err(ShapeError::Dimension { dim: query.len(), max: Q::MAX_DIM });
        }
        self.expect_granule(query.len())?;
        if query.len() != row.len() * self.pack {
            return Err(ShapeError::Length {
                argument: "row",
                expected: query.len() / self.pack,
                actual: row.len(),
            });
        }
        // SAFETY: the table that this came from is only handed out when the CPU has the tier's features, and
        // both slices hold the same number of dimensions.
        Ok(unsafe { (self.pair)(query, row) })
    }

    /// The measure of `query` to every row, in row order. Complexity O(rows · dim); no allocation.
    ///
    /// # Errors
    /// [`ShapeError`] if `query` is not one row long or above the element's limit, or `out` does not hold one
    /// place a row.
    #[inline]
    pub fn rows(&self, query: &[Q], rows: Rows<'_, E>, out: &mut [O]) -> Result<(), ShapeError> {
        self.expect_granule(query.len())?;
        expect_len("query", rows.dim() * self.pack, query.len())?;
        expect_len("out", rows.len(), out.len())?;
        // SAFETY: the CPU has the features (see `pair`), and the lengths were just checked.
        unsafe { (self.rows)(query, rows, out) };
        Ok(())
    }

    /// The measure of `query` to row `ids[i]` in `out[i]`, fetching rows ahead of their use.
    /// Complexity O(ids · dim); no allocation.
    ///
    /// # Errors
    /// [`ShapeError`] if `query` is not one row long or above the element's limit, `out` does not hold one place
    /// an id, or an id names no row; `out` is then as it was.
    #[inline]
    pub fn ids(&self, query: &[Q], rows: Rows<'_, E>, ids: &[u32], out: &mut [O]) -> Result<(), ShapeError> {
        self.expect_granule(query.len())?;
        expect_len("query", rows.dim() * self.pack, query.len())?;
        expect_len("out", ids.len(), out.len())?;
        // SAFETY: the CPU has the features (see `pair`), the lengths were just checked, and the kernel itself
        // refuses ids that name no row before it reads anything.
        if unsafe { (self.ids)(query, rows, ids, out) } {
            Ok(())
        } else {
            Err(ShapeError::Id { rows: rows.len() })
        }
    }

    /// The measure of query `i` to row `j` in `out[i * rows.len() + j]`.
    /// Complexity O(queries · rows · dim); no allocation.
    ///
    /// # Errors
    /// [`ShapeError`] if the dimensions differ or `out` does not hold one place a pair.
    #[inline]
    pub fn tile(&self, queries: Rows<'_, Q>, rows: Rows<'_, E>, out: &mut [O]) -> Result<(), ShapeError> {
        self.expect_granule(queries.dim())?;
        expect_len("queries", rows.dim() * self.pack, queries.dim())?;
        expect_len("out", queries.len().saturating_mul(rows.len()), out.len())?;
        // SAFETY: the CPU has the features (see `pair`), and the lengths were just checked.
        unsafe { (self.tile)(queries, rows, out, rows.len()) };
        Ok(())
    }
}

/// The distance kernels of one element type on one tier.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Distances<T: Element> {
    pub(crate) l2_squared: DistanceForms<T>,
    pub(crate) inner_product: DistanceForms<T>,
    pub(crate) l1: DistanceForms<T>,
    pub(crate) cosine: unsafe fn(&[T], &[T]) -> T::Real,
}

/// Every kernel of one tier.
///
/// ```
/// use simd_kernels::{Kernels, Measure, Rows};
/// let kernels = Kernels::active()?;
/// let rows = Rows::new(&[0.0f32, 0.0, 3.0, 4.0], 2)?;
/// let mut distances = [0.0; 2];
/// kernels.forms::<f32>(Measure::L2Squared).rows(&[0.0, 0.0], rows, &mut distances)?;
/// assert_eq!(distances, [0.0, 25.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Kernels {
    pub(crate) tier: Tier,
    pub(crate) f32: Distances<f32>,
    pub(crate) f64: Distances<f64>,
    pub(crate) f16: Distances<f16>,
    pub(crate) bf16: Distances<bf16>,
    pub(crate) u8: Distances<u8>,
    pub(crate) i8: Distances<i8>,
    pub(crate) hamming: BitForms<i32>,
    pub(crate) jaccard: BitForms<f32>,
    pub(crate) u8_i8: CodeForms,
    pub(crate) u4_i8: CodeForms,
    pub(crate) mixed: CodeForms,
    pub(crate) panel_f32: PanelForms<f32>,
    pub(crate) panel_f64: PanelForms<f64>,
    pub(crate) panel_u8: PanelForms<u8>,
    pub(crate) panel_i8: PanelForms<i8>,
    pub(crate) code_panels: CodePanelTable,
    pub(crate) word_panels: WordPanelForms,
    pub(crate) lookup: LookupTable,
    pub(crate) math: MathTable,
    pub(crate) walsh_hadamard: WalshHadamardTable,
    pub(crate) select: SelectTable,
    pub(crate) near: NearTable,
}

impl Kernels {
    /// The table of the active tier: the best one that the CPU has, or the one that `NIGH_SIMD` names.
    /// After the first call this is a load and a compare; hold the result where it is used in a loop.
    ///
    /// # Errors
    /// [`TierError`] if `NIGH_SIMD` holds an unknown name or a tier that this CPU cannot run.
    pub fn active() -> Result<&'static Kernels, TierError> {
        Ok(table_of(capabilities()?.active))
    }

    /// The table of one tier, or `None` if this CPU cannot run it. For tests, benches and comparisons.
    pub fn for_tier(tier: Tier) -> Option<&'static Kernels> {
        tier.is_available().then(|| table_of(tier))
    }

    /// The tier of this table.
    pub fn tier(&self) -> Tier {
        self.tier
    }

    /// The kernels of one measure for vectors of `T`.
    pub fn forms<T: Element>(&'static self, measure: Measure) -> &'static DistanceForms<T> {
        let distances = T::distances(self);
        match measure {
            Measure::L2Squared => &distances.l2_squared,
            Measure::InnerProduct => &distances.inner_product,
            Measure::L1 => &distances.l1,
        }
    }

    /// The cosine of the angle between two vectors, norms computed on the way; 0 if either vector is all
    /// zeros. Complexity O(dim). For one query against many rows use [`Kernels::cosine_rows`].
    ///
    /// Squared norms are summed in `T::Distance`. A norm whose square leaves its range (for `f32` about 1e-30 to
    /// 1e38) loses precision, becomes 0 or makes the result NaN: scale such vectors first.
    ///
    /// # Errors
    /// [`ShapeError`] if the lengths differ, or the dimension is 0 or above the element's limit.
    pub fn cosine<T: Element>(&'static self, a: &[T], b: &[T]) -> Result<T::Real, ShapeError> {
        if a.is_empty() || a.len() > T::MAX_DIM {
            return Err(ShapeError::Dimension { dim: a.len(), max: T::MAX_DIM });
        }
        expect_len("b", a.len(), b.len())?;
        // SAFETY: the table is only handed out when the CPU has the tier's features; the lengths are equal.
        Ok(unsafe { (T::distances(self).cosine)(a, b) })
    }

    /// The kernels of many queries against interleaved rows.
    pub fn panels<T: PanelElement>(&'static self) -> &'static PanelForms<T> {
        T::panel_forms(self)
    }

    /// Number of differing bits of two bit strings (Hamming distance), exact. Strings are bytes; pad the last
    /// byte with zeros.
    pub fn hamming(&'static self) -> &'static BitForms<i32> {
        &self.hamming
    }

    /// Jaccard distance 1 − |a ∧ b| / |a ∨ b| of two bit strings; 0 for two empty sets.
    pub fn jaccard(&'static self) -> &'static BitForms<f32> {
        &self.jaccard
    }

    /// Inner product of an `i8` query and `u8` codes, exact.
    pub fn codes_u8(&'static self) -> &'static CodeForms {
        &self.u8_i8
    }

    /// Inner product of an `i8` query and packed 4-bit codes, exact.
    ///
    /// Codes are stored in groups of 32 dimensions and 16 bytes: byte `j` of group `g` holds dimension
    /// `32 g + j` in its low half and dimension `32 g + 16 + j` in its high half. Pad the dimension to a
    /// multiple of 32 with zeros in the query.
    pub fn codes_u4(&'static self) -> &'static CodeForms {
        &self.u4_i8
    }

    /// Squared distance of a query to codes of mixed width, up to a constant of the query, exact.
    ///
    /// A row is whole lines of 64 bytes. Each byte holds one wide code (up to 7 bits) or two of 4 bits, and the
    /// query says which: for every line it brings 320 bytes, `[i8; 64]` weights of the low parts, the same for
    /// the high parts, two masks `[u8; 64]` (of which the low 7 and the low 4 bits count), and one shift
    /// (0 to 3) for each four bytes, as `[u32; 16]`, little-endian. With `low = byte & mask_low`,
    /// `high = (byte >> 4) & mask_high`, the result is the sum over groups of four bytes of
    ///
    /// `2 Σ (low² + high²) − ((Σ weight_low · low + weight_high · high) << shift)`.
    ///
    /// With weights of 4 q for 4-bit parts (shift 0) and of q for wide ones (shift 2), where codes and query
    /// share one step, that is `2 Σ (code − q)² − 2 Σ q²`. Reverse water-filling over principal components
    /// (Cover and Thomas, *Elements of Information Theory*, 10.3.3) asks for just that: a common step, and bits
    /// where the variance is.
    pub fn codes_mixed(&'static self) -> &'static CodeForms {
        &self.mixed
    }
}

/// The table of a tier, whether or not this CPU can run it.
pub(crate) fn table_of(tier: Tier) -> &'static Kernels {
    static BASELINE: Kernels = crate::portable::KERNELS;
    #[cfg(target_arch = "x86_64")]
    {
        use crate::x86;
        static AVX2: Kernels = x86::avx2::KERNELS;
        static AVX512: Kernels = x86::avx512::KERNELS;
        static AVX512_ICL: Kernels = x86::icl::KERNELS;
        static AVX512_BF16: Kernels = x86::bf16::KERNELS;
        match tier {
            Tier::Avx2 => &AVX2,
            Tier::Avx512 => &AVX512,
            Tier::Avx512Icl => &AVX512_ICL,
            Tier::Avx512Bf16 => &AVX512_BF16,
            _ => &BASELINE,
        }
    }
    #[cfg(target_arch = "aarch64")]
    {
        use crate::arm;
        static NEON: Kernels = arm::neon::KERNELS;
        static NEON_DOT: Kernels = arm::neondot::KERNELS;
        static NEON_I8MM: Kernels = arm::neoni8mm::KERNELS;
        match tier {
            Tier::Neon => &NEON,
            Tier::NeonDot => &NEON_DOT,
            Tier::NeonI8mm => &NEON_I8MM,
            _ => &BASELINE,
        }
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        let _ = tier;
        &BASELINE
    }
}

/// Compiles the four forms of one [`crate::drive::Step`] as shells of one tier: `forms!("avx2,fma"; Step; ...)`.
/// `pair` accumulators, rows side by side, and queries of a tile follow from the tier's register count.
macro_rules! forms {
    ($(#[$attribute:meta])? $step:ty; pair: $pair:literal, rows: $rows:literal, tile: $tile:literal) => {{
        use $crate::drive::{self, Step};
        type Query = <$step as Step>::Query;
        type Elem = <$step as Step>::Elem;
        type Out = <$step as Step>::Out;
        $(#[$attribute])?
        unsafe fn pair(query: &[Query], row: &[Elem]) -> Out {
            // SAFETY: the shell has the step's features, and its own caller keeps the driver's contract.
            unsafe { drive::pair::<$step, $pair>(query, row) }
        }
        $(#[$attribute])?
        unsafe fn rows(query: &[Query], rows: $crate::Rows<'_, Elem>, out: &mut [Out]) {
            // SAFETY: as above.
            unsafe { drive::rows::<$step, $rows>(query, rows, out) }
        }
        $(#[$attribute])?
        unsafe fn ids(query: &[Query], rows: $crate::Rows<'_, Elem>, ids: &[u32], out: &mut [Out]) -> bool {
            // SAFETY: as above.
            unsafe { drive::ids::<$step, $rows>(query, rows, ids, out) }
        }
        $(#[$attribute])?
        unsafe fn tile(
            queries: $crate::Rows<'_, Query>,
            rows: $crate::Rows<'_, Elem>,
            out: &mut [Out],
            out_stride: usize,
        ) {
            // SAFETY: as above.
            unsafe { drive::tile::<$step, $tile>(queries, rows, out, out_stride) }
        }
        $crate::table::Forms { pair, rows, ids, tile, pack: <$step as Step>::PACK, granule: <$step as Step>::GRANULE }
    }};
}
pub(crate) use forms;

/// Compiles the cosine of one inner-product step as a shell of one tier.
macro_rules! cosine {
    ($(#[$attribute:meta])? $step:ty) => {{
        type Elem = <$step as $crate::drive::Step>::Elem;
        $(#[$attribute])?
        unsafe fn cosine(a: &[Elem], b: &[Elem]) -> <Elem as $crate::Element>::Real {
            // SAFETY: the shell has the step's features, and its own caller keeps the driver's contract.
            unsafe { $crate::drive::cosine::<$step, Elem>(a, b) }
        }
        cosine
    }};
}
pub(crate) use cosine;

/// Compiles the panel kernels of one [`crate::drive::PanelStep`] as shells of one tier: `panels` by `queries`
/// is the tile whose sums stay in registers.
macro_rules! panel_forms {
    ($(#[$attribute:meta])? $step:ty; panels: $panels:literal, queries: $queries:literal) => {{
        use $crate::drive::{PanelStep, panel};
        type Elem = <$step as PanelStep>::Elem;
        type Out = <$step as PanelStep>::Out;
        $(#[$attribute])?
        unsafe fn inner_product(
            queries: $crate::Rows<'_, Elem>,
            panels: $crate::Panels<'_, Elem>,
            out: &mut [Out],
        ) {
            // SAFETY: the shell has the step's features, and its own caller keeps the driver's contract.
            unsafe { panel::<$step, $panels, $queries>(queries, panels, None, out) }
        }
        $(#[$attribute])?
        unsafe fn l2_squared(
            queries: $crate::Rows<'_, Elem>,
            query_norms: &[Out],
            panels: $crate::Panels<'_, Elem>,
            row_norms: &[Out],
            out: &mut [Out],
        ) {
            // SAFETY: as above.
            unsafe { panel::<$step, $panels, $queries>(queries, panels, Some((query_norms, row_norms)), out) }
        }
        $crate::panels::PanelForms { inner_product, l2_squared }
    }};
}
pub(crate) use panel_forms;
