//! `f64` distances.

use std::arch::x86_64::*;
use std::marker::PhantomData;

use super::{first8, shells};
use crate::drive::Step;
use crate::table::Distances;

/// What one pair of registers adds to the sums.
trait Measure {
    /// # Safety
    /// AVX-512 F.
    unsafe fn combine(acc: __m512d, query: __m512d, row: __m512d) -> __m512d;
}

struct L2Squared;
struct InnerProduct;
struct L1;

impl Measure for L2Squared {
    #[inline(always)]
    unsafe fn combine(acc: __m512d, query: __m512d, row: __m512d) -> __m512d {
        // SAFETY: the caller has AVX-512 F.
        unsafe {
            let difference = _mm512_sub_pd(query, row);
            _mm512_fmadd_pd(difference, difference, acc)
        }
    }
}

impl Measure for InnerProduct {
    #[inline(always)]
    unsafe fn combine(acc: __m512d, query: __m512d, row: __m512d) -> __m512d {
        // SAFETY: the caller has AVX-512 F.
        unsafe { _mm512_fmadd_pd(query, row, acc) }
    }
}

impl Measure for L1 {
    #[inline(always)]
    unsafe fn combine(acc: __m512d, query: __m512d, row: __m512d) -> __m512d {
        // SAFETY: the caller has AVX-512 F.
        unsafe { _mm512_add_pd(acc, _mm512_abs_pd(_mm512_sub_pd(query, row))) }
    }
}

struct Float<M>(PhantomData<M>);

// SAFETY: a full load reads 8 elements, a masked one only the lanes whose bit is set, which lie below `n`.
unsafe impl<M: Measure> Step for Float<M> {
    type Query = f64;
    type Elem = f64;
    type Out = f64;
    type QueryVec = __m512d;
    type RowVec = __m512d;
    type Acc = __m512d;
    type Context = ();
    const WIDTH: usize = 8;

    #[inline(always)]
    unsafe fn load_query(from: *const f64) -> __m512d {
        // SAFETY: the caller vouches for 8 elements.
        unsafe { _mm512_loadu_pd(from) }
    }
    #[inline(always)]
    unsafe fn load_query_partial(from: *const f64, n: usize) -> __m512d {
        // SAFETY: a masked load touches only the lanes whose bit is set, and those lie below `n`.
        unsafe { _mm512_maskz_loadu_pd(first8(n), from) }
    }
    #[inline(always)]
    unsafe fn load_row(from: *const f64) -> __m512d {
        // SAFETY: the same contract.
        unsafe { Self::load_query(from) }
    }
    #[inline(always)]
    unsafe fn load_row_partial(from: *const f64, n: usize) -> __m512d {
        // SAFETY: the same contract.
        unsafe { Self::load_query_partial(from, n) }
    }
    #[inline(always)]
    unsafe fn context(_: *const f64, _: usize) {}
    #[inline(always)]
    unsafe fn zero() -> __m512d {
        // SAFETY: the caller has AVX-512 F.
        unsafe { _mm512_setzero_pd() }
    }
    #[inline(always)]
    unsafe fn step(acc: __m512d, query: __m512d, row: __m512d) -> __m512d {
        // SAFETY: the same contract.
        unsafe { M::combine(acc, query, row) }
    }
    #[inline(always)]
    unsafe fn merge(a: __m512d, b: __m512d) -> __m512d {
        // SAFETY: the caller has AVX-512 F.
        unsafe { _mm512_add_pd(a, b) }
    }
    #[inline(always)]
    unsafe fn finish(acc: __m512d, (): ()) -> f64 {
        // SAFETY: the caller has AVX-512 F.
        unsafe {
            let half = fold(_mm512_add_pd(acc, _mm512_permute_pd::<0b0101_0101>(acc)));
            _mm_cvtsd_f64(_mm_add_pd(_mm256_castpd256_pd128(half), _mm256_extractf128_pd::<1>(half)))
        }
    }
    #[inline(always)]
    unsafe fn finish4(acc: [__m512d; 4], (): ()) -> [f64; 4] {
        // SAFETY: the caller has AVX-512 F; a register of four doubles is an array of four doubles.
        unsafe {
            let [a, b, c, d] = acc;
            let ab = fold(_mm512_add_pd(_mm512_unpacklo_pd(a, b), _mm512_unpackhi_pd(a, b)));
            let cd = fold(_mm512_add_pd(_mm512_unpacklo_pd(c, d), _mm512_unpackhi_pd(c, d)));
            let low = _mm256_permute2f128_pd::<0x20>(ab, cd);
            let high = _mm256_permute2f128_pd::<0x31>(ab, cd);
            std::mem::transmute::<__m256d, [f64; 4]>(_mm256_add_pd(low, high))
        }
    }
}

/// Lower half plus upper half.
///
/// # Safety
/// AVX-512 F.
#[inline(always)]
unsafe fn fold(lanes: __m512d) -> __m256d {
    // SAFETY: the caller has AVX-512 F.
    unsafe { _mm256_add_pd(_mm512_castpd512_pd256(lanes), _mm512_extractf64x4_pd::<1>(lanes)) }
}

pub(super) const F64: Distances<f64> = Distances {
    l2_squared: shells!(Float<L2Squared>),
    inner_product: shells!(Float<InnerProduct>),
    l1: shells!(Float<L1>),
    cosine: shells!(cosine Float<InnerProduct>),
};
