//! `f32` distances, and those of the half types, which are widened to `f32` on the way in.

use std::arch::x86_64::*;
use std::marker::PhantomData;

use half::{bf16, f16};

use super::{first16, first32, shells};
use crate::drive::Step;
use crate::element::Element;
use crate::table::Distances;

/// Elements that come into registers as `f32`: 16 at a time, or 32 as two registers.
trait Load: Element {
    type Vec: Copy;
    const WIDTH: usize;

    /// # Safety
    /// `from` must be readable for `WIDTH` elements.
    unsafe fn load(from: *const Self) -> Self::Vec;
    /// # Safety
    /// `from` must be readable for `n < WIDTH` elements; the others become zero.
    unsafe fn load_partial(from: *const Self, n: usize) -> Self::Vec;
    /// # Safety
    /// AVX-512 F and BW.
    unsafe fn combine<M: Measure>(acc: __m512, query: Self::Vec, row: Self::Vec) -> __m512;
}

impl Load for f32 {
    type Vec = __m512;
    const WIDTH: usize = 16;

    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m512 {
        // SAFETY: the caller vouches for 16 elements.
        unsafe { _mm512_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn load_partial(from: *const f32, n: usize) -> __m512 {
        // SAFETY: a masked load touches only the lanes whose bit is set, and those lie below `n`.
        unsafe { _mm512_maskz_loadu_ps(first16(n), from) }
    }
    #[inline(always)]
    unsafe fn combine<M: Measure>(acc: __m512, query: __m512, row: __m512) -> __m512 {
        // SAFETY: the same contract.
        unsafe { M::combine(acc, query, row) }
    }
}

impl Load for f16 {
    type Vec = __m512;
    const WIDTH: usize = 16;

    #[inline(always)]
    unsafe fn load(from: *const f16) -> __m512 {
        // SAFETY: the caller vouches for 16 elements, 32 bytes.
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.cast())) }
    }
    #[inline(always)]
    unsafe fn load_partial(from: *const f16, n: usize) -> __m512 {
        // SAFETY: a masked load touches only the lanes whose bit is set, and those lie below `n`.
        unsafe { _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(first16(n), from.cast())) }
    }
    #[inline(always)]
    unsafe fn combine<M: Measure>(acc: __m512, query: __m512, row: __m512) -> __m512 {
        // SAFETY: the same contract.
        unsafe { M::combine(acc, query, row) }
    }
}

impl Load for bf16 {
    /// Even and odd elements: a `bf16` is the upper half of an `f32`, so a shift and a mask widen 32 of them
    /// without a shuffle.
    type Vec = [__m512; 2];
    const WIDTH: usize = 32;

    #[inline(always)]
    unsafe fn load(from: *const bf16) -> [__m512; 2] {
        // SAFETY: the caller vouches for 32 elements, 64 bytes.
        unsafe { widen_bf16(_mm512_loadu_si512(from.cast())) }
    }
    #[inline(always)]
    unsafe fn load_partial(from: *const bf16, n: usize) -> [__m512; 2] {
        // SAFETY: a masked load touches only the lanes whose bit is set, and those lie below `n`.
        unsafe { widen_bf16(_mm512_maskz_loadu_epi16(first32(n), from.cast())) }
    }
    #[inline(always)]
    unsafe fn combine<M: Measure>(acc: __m512, query: [__m512; 2], row: [__m512; 2]) -> __m512 {
        // SAFETY: the same contract.
        unsafe { M::combine(M::combine(acc, query[0], row[0]), query[1], row[1]) }
    }
}

/// # Safety
/// AVX-512 F.
#[inline(always)]
unsafe fn widen_bf16(bits: __m512i) -> [__m512; 2] {
    // SAFETY: the caller has AVX-512 F.
    unsafe {
        let odd = _mm512_and_si512(bits, _mm512_set1_epi32(0xffff_0000_u32 as i32));
        [_mm512_castsi512_ps(_mm512_slli_epi32::<16>(bits)), _mm512_castsi512_ps(odd)]
    }
}

/// What one pair of registers adds to the sums.
trait Measure {
    /// # Safety
    /// AVX-512 F and BW.
    unsafe fn combine(acc: __m512, query: __m512, row: __m512) -> __m512;
}

struct L2Squared;
struct InnerProduct;
struct L1;

impl Measure for L2Squared {
    #[inline(always)]
    unsafe fn combine(acc: __m512, query: __m512, row: __m512) -> __m512 {
        // SAFETY: the caller has AVX-512 F and BW.
        unsafe {
            let difference = _mm512_sub_ps(query, row);
            _mm512_fmadd_ps(difference, difference, acc)
        }
    }
}

impl Measure for InnerProduct {
    #[inline(always)]
    unsafe fn combine(acc: __m512, query: __m512, row: __m512) -> __m512 {
        // SAFETY: the caller has AVX-512 F and BW.
        unsafe { _mm512_fmadd_ps(query, row, acc) }
    }
}

impl Measure for L1 {
    #[inline(always)]
    unsafe fn combine(acc: __m512, query: __m512, row: __m512) -> __m512 {
        // SAFETY: the caller has AVX-512 F and BW.
        unsafe { _mm512_add_ps(acc, _mm512_abs_ps(_mm512_sub_ps(query, row))) }
    }
}

/// Sum of the four 128-bit lanes.
///
/// # Safety
/// AVX-512 F.
#[inline(always)]
unsafe fn sum_lanes(lanes: __m512) -> __m128 {
    // SAFETY: the caller has AVX-512 F.
    unsafe {
        let high = _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(lanes)));
        let half = _mm256_add_ps(_mm512_castps512_ps256(lanes), high);
        _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps::<1>(half))
    }
}

/// Sum of the sixteen lanes, in the order of [`sum4`].
///
/// # Safety
/// AVX-512 F.
#[inline(always)]
pub(in crate::x86) unsafe fn sum(acc: __m512) -> f32 {
    // SAFETY: the caller has AVX-512 F.
    unsafe {
        let pairs = _mm512_add_ps(acc, _mm512_permute_ps::<0b01_00_11_10>(acc));
        _mm_cvtss_f32(sum_lanes(_mm512_add_ps(pairs, _mm512_permute_ps::<0b10_11_00_01>(pairs))))
    }
}

/// Sums of the lanes of four registers.
///
/// # Safety
/// AVX-512 F.
#[inline(always)]
pub(in crate::x86) unsafe fn sum4([a, b, c, d]: [__m512; 4]) -> [f32; 4] {
    // SAFETY: the caller has AVX-512 F; a register of four floats is an array of four floats.
    unsafe {
        let ab = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
        let cd = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
        let (ab, cd) = (_mm512_castps_pd(ab), _mm512_castps_pd(cd));
        let low = _mm512_castpd_ps(_mm512_unpacklo_pd(ab, cd));
        let high = _mm512_castpd_ps(_mm512_unpackhi_pd(ab, cd));
        std::mem::transmute::<__m128, [f32; 4]>(sum_lanes(_mm512_add_ps(low, high)))
    }
}

/// Measure `M` of elements `E`.
struct Float<M, E>(PhantomData<(M, E)>);

// SAFETY: the loads are those of `Load`, which reads exactly what it states.
unsafe impl<M: Measure, E: Load<Distance = f32>> Step for Float<M, E> {
    type Query = E;
    type Elem = E;
    type Out = f32;
    type QueryVec = E::Vec;
    type RowVec = E::Vec;
    type Acc = __m512;
    type Context = ();
    const WIDTH: usize = E::WIDTH;

    #[inline(always)]
    unsafe fn load_query(from: *const E) -> E::Vec {
        // SAFETY: the same contract.
        unsafe { E::load(from) }
    }
    #[inline(always)]
    unsafe fn load_query_partial(from: *const E, n: usize) -> E::Vec {
        // SAFETY: the same contract.
        unsafe { E::load_partial(from, n) }
    }
    #[inline(always)]
    unsafe fn load_row(from: *const E) -> E::Vec {
        // SAFETY: the same contract.
        unsafe { E::load(from) }
    }
    #[inline(always)]
    unsafe fn load_row_partial(from: *const E, n: usize) -> E::Vec {
        // SAFETY: the same contract.
        unsafe { E::load_partial(from, n) }
    }
    #[inline(always)]
    unsafe fn context(_: *const E, _: usize) {}
    #[inline(always)]
    unsafe fn zero() -> __m512 {
        // SAFETY: the caller has AVX-512.
        unsafe { _mm512_setzero_ps() }
    }
    #[inline(always)]
    unsafe fn step(acc: __m512, query: E::Vec, row: E::Vec) -> __m512 {
        // SAFETY: the same contract.
        unsafe { E::combine::<M>(acc, query, row) }
    }
    #[inline(always)]
    unsafe fn merge(a: __m512, b: __m512) -> __m512 {
        // SAFETY: the caller has AVX-512.
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn finish(acc: __m512, (): ()) -> f32 {
        // SAFETY: the same contract.
        unsafe { sum(acc) }
    }
    #[inline(always)]
    unsafe fn finish4(acc: [__m512; 4], (): ()) -> [f32; 4] {
        // SAFETY: the same contract.
        unsafe { sum4(acc) }
    }
}

pub(super) const F32: Distances<f32> = Distances {
    l2_squared: shells!(Float<L2Squared, f32>),
    inner_product: shells!(Float<InnerProduct, f32>),
    l1: shells!(Float<L1, f32>),
    cosine: shells!(cosine Float<InnerProduct, f32>),
};

pub(super) const F16: Distances<f16> = Distances {
    l2_squared: shells!(Float<L2Squared, f16>),
    inner_product: shells!(Float<InnerProduct, f16>),
    l1: shells!(Float<L1, f16>),
    cosine: shells!(cosine Float<InnerProduct, f16>),
};

pub(super) const BF16: Distances<bf16> = Distances {
    l2_squared: shells!(Float<L2Squared, bf16>),
    inner_product: shells!(Float<InnerProduct, bf16>),
    l1: shells!(Float<L1, bf16>),
    cosine: shells!(cosine Float<InnerProduct, bf16>),
};
