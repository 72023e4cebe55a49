//! `f64` distances.

use std::arch::x86_64::*;
use std::marker::PhantomData;

use super::shells;
use crate::drive::Step;
use crate::table::Distances;

/// What one pair of registers adds to the sums.
trait Measure {
    /// # Safety
    /// AVX2 and FMA.
    unsafe fn combine(acc: __m256d, query: __m256d, row: __m256d) -> __m256d;
}

struct L2Squared;
struct InnerProduct;
struct L1;

impl Measure for L2Squared {
    #[inline(always)]
    unsafe fn combine(acc: __m256d, query: __m256d, row: __m256d) -> __m256d {
        // SAFETY: the caller has AVX2 and FMA.
        unsafe {
            let difference = _mm256_sub_pd(query, row);
            _mm256_fmadd_pd(difference, difference, acc)
        }
    }
}

impl Measure for InnerProduct {
    #[inline(always)]
    unsafe fn combine(acc: __m256d, query: __m256d, row: __m256d) -> __m256d {
        // SAFETY: the caller has AVX2 and FMA.
        unsafe { _mm256_fmadd_pd(query, row, acc) }
    }
}

impl Measure for L1 {
    #[inline(always)]
    unsafe fn combine(acc: __m256d, query: __m256d, row: __m256d) -> __m256d {
        // SAFETY: the caller has AVX2 and FMA.
        unsafe { _mm256_add_pd(acc, _mm256_andnot_pd(_mm256_set1_pd(-0.0), _mm256_sub_pd(query, row))) }
    }
}

struct Float<M>(PhantomData<M>);

// SAFETY: a full load reads 4 elements, a masked one only the lanes whose mask is set, which lie below `n`.
unsafe impl<M: Measure> Step for Float<M> {
    type Query = f64;
    type Elem = f64;
    type Out = f64;
    type QueryVec = __m256d;
    type RowVec = __m256d;
    type Acc = __m256d;
    type Context = ();
    const WIDTH: usize = 4;

    #[inline(always)]
    unsafe fn load_query(from: *const f64) -> __m256d {
        // SAFETY: the caller vouches for 4 elements.
        unsafe { _mm256_loadu_pd(from) }
    }
    #[inline(always)]
    unsafe fn load_query_partial(from: *const f64, n: usize) -> __m256d {
        // SAFETY: a masked load touches only the lanes whose mask is set, and those lie below `n`.
        unsafe {
            let lanes = _mm256_setr_epi64x(0, 1, 2, 3);
            _mm256_maskload_pd(from, _mm256_cmpgt_epi64(_mm256_set1_epi64x(n as i64), lanes))
        }
    }
    #[inline(always)]
    unsafe fn load_row(from: *const f64) -> __m256d {
        // SAFETY: the same contract.
        unsafe { Self::load_query(from) }
    }
    #[inline(always)]
    unsafe fn load_row_partial(from: *const f64, n: usize) -> __m256d {
        // SAFETY: the same contract.
        unsafe { Self::load_query_partial(from, n) }
    }
    #[inline(always)]
    unsafe fn context(_: *const f64, _: usize) {}
    #[inline(always)]
    unsafe fn zero() -> __m256d {
        // SAFETY: the caller has AVX2.
        unsafe { _mm256_setzero_pd() }
    }
    #[inline(always)]
    unsafe fn step(acc: __m256d, query: __m256d, row: __m256d) -> __m256d {
        // SAFETY: the same contract.
        unsafe { M::combine(acc, query, row) }
    }
    #[inline(always)]
    unsafe fn merge(a: __m256d, b: __m256d) -> __m256d {
        // SAFETY: the caller has AVX2.
        unsafe { _mm256_add_pd(a, b) }
    }
    #[inline(always)]
    unsafe fn finish(acc: __m256d, (): ()) -> f64 {
        // SAFETY: the caller has AVX2.
        unsafe {
            let lanes = _mm256_add_pd(acc, _mm256_permute_pd::<0b0101>(acc));
            _mm_cvtsd_f64(_mm_add_pd(_mm256_castpd256_pd128(lanes), _mm256_extractf128_pd::<1>(lanes)))
        }
    }
    #[inline(always)]
    unsafe fn finish4(acc: [__m256d; 4], (): ()) -> [f64; 4] {
        // SAFETY: the caller has AVX2; a register of four doubles is an array of four doubles.
        unsafe {
            let [a, b, c, d] = acc;
            let ab = _mm256_add_pd(_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b));
            let cd = _mm256_add_pd(_mm256_unpacklo_pd(c, d), _mm256_unpackhi_pd(c, d));
            let low = _mm256_permute2f128_pd::<0x20>(ab, cd);
            let high = _mm256_permute2f128_pd::<0x31>(ab, cd);
            std::mem::transmute::<__m256d, [f64; 4]>(_mm256_add_pd(low, high))
        }
    }
}

pub(super) const F64: Distances<f64> = Distances {
    l2_squared: shells!(Float<L2Squared>),
    inner_product: shells!(Float<InnerProduct>),
    l1: shells!(Float<L1>),
    cosine: shells!(cosine Float<InnerProduct>),
};
