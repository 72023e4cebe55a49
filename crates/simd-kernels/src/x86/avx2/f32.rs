//! `f32` distances, and those of the half types, which are widened to `f32` on the way in.

use std::arch::x86_64::*;
use std::marker::PhantomData;

use half::{bf16, f16};

use super::shells;
use crate::drive::{Step, read_partial};
use crate::element::Element;
use crate::table::Distances;

/// Elements that come into registers as `f32`: 8 at a time, or 16 as two registers.
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
    /// AVX2 and FMA.
    unsafe fn combine<M: Measure>(acc: __m256, query: Self::Vec, row: Self::Vec) -> __m256;
}

impl Load for f32 {
    type Vec = __m256;
    const WIDTH: usize = 8;

    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m256 {
        // SAFETY: the caller vouches for 8 elements.
        unsafe { _mm256_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn load_partial(from: *const f32, n: usize) -> __m256 {
        // SAFETY: a masked load touches only the lanes whose mask is set, and those lie below `n`.
        unsafe {
            let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            _mm256_maskload_ps(from, _mm256_cmpgt_epi32(_mm256_set1_epi32(n as i32), lanes))
        }
    }
    #[inline(always)]
    unsafe fn combine<M: Measure>(acc: __m256, query: __m256, row: __m256) -> __m256 {
        // SAFETY: the same contract.
        unsafe { M::combine(acc, query, row) }
    }
}

impl Load for f16 {
    type Vec = __m256;
    const WIDTH: usize = 8;

    #[inline(always)]
    unsafe fn load(from: *const f16) -> __m256 {
        // SAFETY: the caller vouches for 8 elements, 16 bytes.
        unsafe { _mm256_cvtph_ps(_mm_loadu_si128(from.cast())) }
    }
    #[inline(always)]
    unsafe fn load_partial(from: *const f16, n: usize) -> __m256 {
        // SAFETY: the caller vouches for `n` elements of two bytes.
        unsafe { _mm256_cvtph_ps(bits128(read_partial(from.cast(), 2 * n))) }
    }
    #[inline(always)]
    unsafe fn combine<M: Measure>(acc: __m256, query: __m256, row: __m256) -> __m256 {
        // SAFETY: the same contract.
        unsafe { M::combine(acc, query, row) }
    }
}

impl Load for bf16 {
    /// Even and odd elements: a `bf16` is the upper half of an `f32`, so a shift and a mask widen 16 of them
    /// without a shuffle.
    type Vec = [__m256; 2];
    const WIDTH: usize = 16;

    #[inline(always)]
    unsafe fn load(from: *const bf16) -> [__m256; 2] {
        // SAFETY: the caller vouches for 16 elements, 32 bytes.
        unsafe { widen_bf16(_mm256_loadu_si256(from.cast())) }
    }
    #[inline(always)]
    unsafe fn load_partial(from: *const bf16, n: usize) -> [__m256; 2] {
        // SAFETY: the caller vouches for `n` elements of two bytes.
        unsafe { widen_bf16(super::int8::partial(from.cast(), 2 * n)) }
    }
    #[inline(always)]
    unsafe fn combine<M: Measure>(acc: __m256, query: [__m256; 2], row: [__m256; 2]) -> __m256 {
        // SAFETY: the same contract.
        unsafe { M::combine(M::combine(acc, query[0], row[0]), query[1], row[1]) }
    }
}

/// # Safety
/// AVX2.
#[inline(always)]
unsafe fn widen_bf16(bits: __m256i) -> [__m256; 2] {
    // SAFETY: the caller has AVX2.
    unsafe {
        let odd = _mm256_and_si256(bits, _mm256_set1_epi32(0xffff_0000_u32 as i32));
        [_mm256_castsi256_ps(_mm256_slli_epi32::<16>(bits)), _mm256_castsi256_ps(odd)]
    }
}

/// # Safety
/// SSE2.
#[inline(always)]
unsafe fn bits128(bits: u128) -> __m128i {
    // SAFETY: two 64-bit moves.
    unsafe { _mm_set_epi64x((bits >> 64) as i64, bits as i64) }
}

/// What one pair of registers adds to the sums.
trait Measure {
    /// # Safety
    /// AVX2 and FMA.
    unsafe fn combine(acc: __m256, query: __m256, row: __m256) -> __m256;
}

struct L2Squared;
struct InnerProduct;
struct L1;

impl Measure for L2Squared {
    #[inline(always)]
    unsafe fn combine(acc: __m256, query: __m256, row: __m256) -> __m256 {
        // SAFETY: the caller has AVX2 and FMA.
        unsafe {
            let difference = _mm256_sub_ps(query, row);
            _mm256_fmadd_ps(difference, difference, acc)
        }
    }
}

impl Measure for InnerProduct {
    #[inline(always)]
    unsafe fn combine(acc: __m256, query: __m256, row: __m256) -> __m256 {
        // SAFETY: the caller has AVX2 and FMA.
        unsafe { _mm256_fmadd_ps(query, row, acc) }
    }
}

impl Measure for L1 {
    #[inline(always)]
    unsafe fn combine(acc: __m256, query: __m256, row: __m256) -> __m256 {
        // SAFETY: the caller has AVX2 and FMA.
        unsafe { _mm256_add_ps(acc, _mm256_andnot_ps(_mm256_set1_ps(-0.0), _mm256_sub_ps(query, row))) }
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
    type Acc = __m256;
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
    unsafe fn zero() -> __m256 {
        // SAFETY: the caller has AVX2.
        unsafe { _mm256_setzero_ps() }
    }
    #[inline(always)]
    unsafe fn step(acc: __m256, query: E::Vec, row: E::Vec) -> __m256 {
        // SAFETY: the same contract.
        unsafe { E::combine::<M>(acc, query, row) }
    }
    #[inline(always)]
    unsafe fn merge(a: __m256, b: __m256) -> __m256 {
        // SAFETY: the caller has AVX2.
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn finish(acc: __m256, (): ()) -> f32 {
        // SAFETY: the caller has AVX2.
        unsafe {
            let pairs = _mm256_add_ps(acc, _mm256_permute_ps::<0b01_00_11_10>(acc));
            let lanes = _mm256_add_ps(pairs, _mm256_permute_ps::<0b10_11_00_01>(pairs));
            _mm_cvtss_f32(_mm_add_ps(_mm256_castps256_ps128(lanes), _mm256_extractf128_ps::<1>(lanes)))
        }
    }
    #[inline(always)]
    unsafe fn finish4(acc: [__m256; 4], (): ()) -> [f32; 4] {
        // SAFETY: the caller has AVX2; a register of four floats is an array of four floats.
        unsafe {
            let [a, b, c, d] = acc;
            let ab = _mm256_add_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
            let cd = _mm256_add_ps(_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
            let (ab, cd) = (_mm256_castps_pd(ab), _mm256_castps_pd(cd));
            let low = _mm256_castpd_ps(_mm256_unpacklo_pd(ab, cd));
            let high = _mm256_castpd_ps(_mm256_unpackhi_pd(ab, cd));
            let lanes = _mm256_add_ps(low, high);
            let sums = _mm_add_ps(_mm256_castps256_ps128(lanes), _mm256_extractf128_ps::<1>(lanes));
            std::mem::transmute::<__m128, [f32; 4]>(sums)
        }
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
