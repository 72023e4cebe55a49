//! `u8` and `i8` distances by `vpdpbusd`, which multiplies unsigned by signed bytes and adds four products into
//! 32 bits without saturating.
//!
//! Both operands of ours have the same sign, so one is shifted by 128 (one `xor`), and 128 · Σq, computed once
//! per query, puts the sum right: the correction costs nothing per row.

use std::arch::x86_64::*;
use std::marker::PhantomData;

use super::shells;
use crate::drive::Step;
use crate::table::Distances;
use crate::x86::avx512::int8::{Byte, partial, sum, sum4};

/// # Safety
/// AVX-512 F.
#[inline(always)]
unsafe fn flip_sign(bytes: __m512i) -> __m512i {
    // SAFETY: the caller has AVX-512 F.
    unsafe { _mm512_xor_si512(bytes, _mm512_set1_epi8(-128)) }
}

/// How a type's bytes take part in `vpdpbusd`.
pub(super) trait Operand: Byte {
    /// Sums of query · (shifted row), four bytes a lane.
    ///
    /// # Safety
    /// AVX-512 VNNI.
    unsafe fn products(acc: __m512i, query: __m512i, row: __m512i) -> __m512i;
    /// Sums of the bytes of a query, four a lane.
    ///
    /// # Safety
    /// AVX-512 VNNI.
    unsafe fn add_bytes(acc: __m512i, bytes: __m512i) -> __m512i;
    /// What 128 · Σq is multiplied by to undo the shift.
    const CORRECTION: i32;
}

impl Operand for u8 {
    /// q · (r − 128) = q · r − 128 q.
    const CORRECTION: i32 = 128;
    #[inline(always)]
    unsafe fn products(acc: __m512i, query: __m512i, row: __m512i) -> __m512i {
        // SAFETY: the caller has VNNI.
        unsafe { _mm512_dpbusd_epi32(acc, query, flip_sign(row)) }
    }
    #[inline(always)]
    unsafe fn add_bytes(acc: __m512i, bytes: __m512i) -> __m512i {
        // SAFETY: the caller has VNNI.
        unsafe { _mm512_dpbusd_epi32(acc, bytes, _mm512_set1_epi8(1)) }
    }
}

impl Operand for i8 {
    /// q · (r + 128) = q · r + 128 q.
    const CORRECTION: i32 = -128;
    #[inline(always)]
    unsafe fn products(acc: __m512i, query: __m512i, row: __m512i) -> __m512i {
        // SAFETY: the caller has VNNI.
        unsafe { _mm512_dpbusd_epi32(acc, flip_sign(row), query) }
    }
    #[inline(always)]
    unsafe fn add_bytes(acc: __m512i, bytes: __m512i) -> __m512i {
        // SAFETY: the caller has VNNI.
        unsafe { _mm512_dpbusd_epi32(acc, _mm512_set1_epi8(1), bytes) }
    }
}

macro_rules! loads {
    () => {
        type Query = E;
        type Elem = E;
        type Out = i32;
        type QueryVec = __m512i;
        type RowVec = __m512i;
        const WIDTH: usize = 64;

        #[inline(always)]
        unsafe fn load_query(from: *const E) -> __m512i {
            // SAFETY: the caller vouches for 64 bytes.
            unsafe { _mm512_loadu_si512(from.cast()) }
        }
        #[inline(always)]
        unsafe fn load_query_partial(from: *const E, n: usize) -> __m512i {
            // SAFETY: the same contract.
            unsafe { partial(from.cast(), n) }
        }
        #[inline(always)]
        unsafe fn load_row(from: *const E) -> __m512i {
            // SAFETY: the caller vouches for 64 bytes.
            unsafe { _mm512_loadu_si512(from.cast()) }
        }
        #[inline(always)]
        unsafe fn load_row_partial(from: *const E, n: usize) -> __m512i {
            // SAFETY: the same contract.
            unsafe { partial(from.cast(), n) }
        }
    };
}

/// Σ q · r. A missing element is a zero of the query, whatever the shift makes of the row's.
pub(super) struct InnerProduct<E>(PhantomData<E>);

// SAFETY: a full load reads 64 bytes, `partial` exactly `n`.
unsafe impl<E: Operand> Step for InnerProduct<E> {
    type Acc = __m512i;
    /// The correction of the shift.
    type Context = i32;
    loads!();

    #[inline(always)]
    unsafe fn context(query: *const E, dim: usize) -> i32 {
        // SAFETY: every offset stays below `dim`, which the caller vouches for.
        unsafe {
            let mut acc = _mm512_setzero_si512();
            let mut at = 0;
            while at + 64 <= dim {
                acc = E::add_bytes(acc, _mm512_loadu_si512(query.add(at).cast()));
                at += 64;
            }
            E::CORRECTION * sum(E::add_bytes(acc, partial(query.add(at).cast(), dim - at)))
        }
    }
    #[inline(always)]
    unsafe fn zero() -> __m512i {
        // SAFETY: the caller has AVX-512 F.
        unsafe { _mm512_setzero_si512() }
    }
    #[inline(always)]
    unsafe fn step(acc: __m512i, query: __m512i, row: __m512i) -> __m512i {
        // SAFETY: the same contract.
        unsafe { E::products(acc, query, row) }
    }
    #[inline(always)]
    unsafe fn merge(a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: the caller has AVX-512 F.
        unsafe { _mm512_add_epi32(a, b) }
    }
    #[inline(always)]
    unsafe fn finish(acc: __m512i, correction: i32) -> i32 {
        // SAFETY: the same contract.
        unsafe { sum(acc) + correction }
    }
    #[inline(always)]
    unsafe fn finish4(acc: [__m512i; 4], correction: i32) -> [i32; 4] {
        // SAFETY: the same contract.
        unsafe { sum4(acc).map(|sum| sum + correction) }
    }
}

/// Σ q · r of one pair: Σq is summed along the way, because a pass of its own pays only when many rows share it.
struct PairProduct<E>(PhantomData<E>);

// SAFETY: a full load reads 64 bytes, `partial` exactly `n`.
unsafe impl<E: Operand> Step for PairProduct<E> {
    /// Σ q · (shifted r), and Σ q.
    type Acc = [__m512i; 2];
    type Context = ();
    loads!();

    #[inline(always)]
    unsafe fn context(_: *const E, _: usize) {}
    #[inline(always)]
    unsafe fn zero() -> [__m512i; 2] {
        // SAFETY: the caller has AVX-512 F.
        unsafe { [_mm512_setzero_si512(); 2] }
    }
    #[inline(always)]
    unsafe fn step(acc: [__m512i; 2], query: __m512i, row: __m512i) -> [__m512i; 2] {
        // SAFETY: the same contract.
        unsafe { [E::products(acc[0], query, row), E::add_bytes(acc[1], query)] }
    }
    #[inline(always)]
    unsafe fn merge(a: [__m512i; 2], b: [__m512i; 2]) -> [__m512i; 2] {
        // SAFETY: the caller has AVX-512 F.
        unsafe { [_mm512_add_epi32(a[0], b[0]), _mm512_add_epi32(a[1], b[1])] }
    }
    #[inline(always)]
    unsafe fn finish(acc: [__m512i; 2], (): ()) -> i32 {
        // SAFETY: the caller has AVX-512 F. Σq is below 2²³, so its multiple by ±128 fits a lane.
        unsafe { sum(_mm512_add_epi32(acc[0], _mm512_mullo_epi32(acc[1], _mm512_set1_epi32(E::CORRECTION)))) }
    }
    #[inline(always)]
    unsafe fn finish4(acc: [[__m512i; 2]; 4], (): ()) -> [i32; 4] {
        // SAFETY: the same contract.
        unsafe { acc.map(|acc| Self::finish(acc, ())) }
    }
}

/// Σ (q − r)²: with d = |q − r|, Σ d · (d − 128) and 128 · Σ d, because `vpdpbusd` wants one signed operand.
struct L2Squared<E>(PhantomData<E>);

// SAFETY: a full load reads 64 bytes, `partial` exactly `n`.
unsafe impl<E: Operand> Step for L2Squared<E> {
    /// Σ d · (d − 128), and −128 · Σ d.
    type Acc = [__m512i; 2];
    type Context = ();
    loads!();

    #[inline(always)]
    unsafe fn context(_: *const E, _: usize) {}
    #[inline(always)]
    unsafe fn zero() -> [__m512i; 2] {
        // SAFETY: the caller has AVX-512 F.
        unsafe { [_mm512_setzero_si512(); 2] }
    }
    #[inline(always)]
    unsafe fn step(acc: [__m512i; 2], query: __m512i, row: __m512i) -> [__m512i; 2] {
        // SAFETY: the caller has AVX-512 BW and VNNI.
        unsafe {
            let (query, row) = (E::bias(query), E::bias(row));
            let difference = _mm512_or_si512(_mm512_subs_epu8(query, row), _mm512_subs_epu8(row, query));
            [
                _mm512_dpbusd_epi32(acc[0], difference, flip_sign(difference)),
                _mm512_dpbusd_epi32(acc[1], difference, _mm512_set1_epi8(-128)),
            ]
        }
    }
    #[inline(always)]
    unsafe fn merge(a: [__m512i; 2], b: [__m512i; 2]) -> [__m512i; 2] {
        // SAFETY: the caller has AVX-512 F.
        unsafe { [_mm512_add_epi32(a[0], b[0]), _mm512_add_epi32(a[1], b[1])] }
    }
    #[inline(always)]
    unsafe fn finish(acc: [__m512i; 2], (): ()) -> i32 {
        // SAFETY: the caller has AVX-512 F.
        unsafe { sum(_mm512_sub_epi32(acc[0], acc[1])) }
    }
    #[inline(always)]
    unsafe fn finish4(acc: [[__m512i; 2]; 4], (): ()) -> [i32; 4] {
        // SAFETY: the caller has AVX-512 F.
        unsafe { sum4(acc.map(|acc| _mm512_sub_epi32(acc[0], acc[1]))) }
    }
}

pub(super) const U8: Distances<u8> = Distances {
    l2_squared: shells!(double L2Squared<u8>),
    inner_product: crate::table::Forms { pair: shells!(PairProduct<u8>).pair, ..shells!(InnerProduct<u8>) },
    l1: crate::x86::avx512::KERNELS.u8.l1,
    cosine: shells!(cosine PairProduct<u8>),
};

pub(super) const I8: Distances<i8> = Distances {
    l2_squared: shells!(double L2Squared<i8>),
    inner_product: crate::table::Forms { pair: shells!(PairProduct<i8>).pair, ..shells!(InnerProduct<i8>) },
    l1: crate::x86::avx512::KERNELS.i8.l1,
    cosine: shells!(cosine PairProduct<i8>),
};
