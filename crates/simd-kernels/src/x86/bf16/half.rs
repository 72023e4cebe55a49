//! The `bf16` inner product by `vdpbf16ps`, which multiplies pairs and adds them into an `f32`.
//!
//! The instruction treats denormals as zero and rounds each pair's sum once; differences (L2², L1) do not fit
//! it and stay with the widening kernels of the tier below.

use std::arch::x86_64::*;

use half::bf16;

use super::shells;
use crate::drive::Step;
use crate::table::Distances;
use crate::x86::avx512::f32::{sum, sum4};
use crate::x86::avx512::int8::partial;

struct InnerProduct;

// SAFETY: a full load reads 32 elements, `partial` exactly `n` of two bytes.
unsafe impl Step for InnerProduct {
    type Query = bf16;
    type Elem = bf16;
    type Out = f32;
    type QueryVec = __m512i;
    type RowVec = __m512i;
    type Acc = __m512;
    type Context = ();
    const WIDTH: usize = 32;

    #[inline(always)]
    unsafe fn load_query(from: *const bf16) -> __m512i {
        // SAFETY: the caller vouches for 64 bytes.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }
    #[inline(always)]
    unsafe fn load_query_partial(from: *const bf16, n: usize) -> __m512i {
        // SAFETY: the caller vouches for `n` elements of two bytes.
        unsafe { partial(from.cast(), 2 * n) }
    }
    #[inline(always)]
    unsafe fn load_row(from: *const bf16) -> __m512i {
        // SAFETY: the same contract.
        unsafe { Self::load_query(from) }
    }
    #[inline(always)]
    unsafe fn load_row_partial(from: *const bf16, n: usize) -> __m512i {
        // SAFETY: the same contract.
        unsafe { Self::load_query_partial(from, n) }
    }
    #[inline(always)]
    unsafe fn context(_: *const bf16, _: usize) {}
    #[inline(always)]
    unsafe fn zero() -> __m512 {
        // SAFETY: the caller has AVX-512 F.
        unsafe { _mm512_setzero_ps() }
    }
    #[inline(always)]
    unsafe fn step(acc: __m512, query: __m512i, row: __m512i) -> __m512 {
        // SAFETY: the caller has BF16; `__m512bh` holds the same 64 bytes as `__m512i`.
        unsafe {
            let as_bf16 = |bits| std::mem::transmute::<__m512i, __m512bh>(bits);
            _mm512_dpbf16_ps(acc, as_bf16(query), as_bf16(row))
        }
    }
    #[inline(always)]
    unsafe fn merge(a: __m512, b: __m512) -> __m512 {
        // SAFETY: the caller has AVX-512 F.
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

pub(super) const BF16: Distances<bf16> = Distances {
    inner_product: shells!(InnerProduct),
    cosine: shells!(cosine InnerProduct),
    ..crate::x86::icl::KERNELS.bf16
};
