//! Inner products of an `i8` query with unsigned codes of 8 and 4 bits, exact.

use std::arch::x86_64::*;

use super::shells;
use crate::drive::Step;
use crate::table::CodeForms;
use crate::x86::avx512::codes::{u4_query, u4_query_partial};
use crate::x86::avx512::int8::{partial, sum, sum4};

macro_rules! sums {
    () => {
        type Query = i8;
        type Elem = u8;
        type Out = i32;
        type RowVec = __m512i;
        type Acc = __m512i;
        type Context = ();

        #[inline(always)]
        unsafe fn load_row(from: *const u8) -> __m512i {
            // SAFETY: the caller vouches for 64 bytes.
            unsafe { _mm512_loadu_si512(from.cast()) }
        }
        #[inline(always)]
        unsafe fn context(_: *const i8, _: usize) {}
        #[inline(always)]
        unsafe fn zero() -> __m512i {
            // SAFETY: the caller has AVX-512 BW.
            unsafe { _mm512_setzero_si512() }
        }
        #[inline(always)]
        unsafe fn merge(a: __m512i, b: __m512i) -> __m512i {
            // SAFETY: the caller has AVX-512 BW.
            unsafe { _mm512_add_epi32(a, b) }
        }
        #[inline(always)]
        unsafe fn finish(acc: __m512i, (): ()) -> i32 {
            // SAFETY: the same contract.
            unsafe { sum(acc) }
        }
        #[inline(always)]
        unsafe fn finish4(acc: [__m512i; 4], (): ()) -> [i32; 4] {
            // SAFETY: the same contract.
            unsafe { sum4(acc) }
        }
    };
}

/// One code a byte: exactly what `vpdpbusd` multiplies.
struct CodesU8;

// SAFETY: a full load reads 64 bytes, `partial` exactly `n`.
unsafe impl Step for CodesU8 {
    type QueryVec = __m512i;
    const WIDTH: usize = 64;
    sums!();

    #[inline(always)]
    unsafe fn load_query(from: *const i8) -> __m512i {
        // SAFETY: the caller vouches for 64 bytes.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }
    #[inline(always)]
    unsafe fn load_query_partial(from: *const i8, n: usize) -> __m512i {
        // SAFETY: the same contract.
        unsafe { partial(from.cast(), n) }
    }
    #[inline(always)]
    unsafe fn load_row_partial(from: *const u8, n: usize) -> __m512i {
        // SAFETY: the same contract.
        unsafe { partial(from, n) }
    }
    #[inline(always)]
    unsafe fn step(acc: __m512i, query: __m512i, row: __m512i) -> __m512i {
        // SAFETY: the caller has VNNI.
        unsafe { _mm512_dpbusd_epi32(acc, row, query) }
    }
}

/// Two codes a byte: low halves and high halves are each one `vpdpbusd`.
struct CodesU4;

// SAFETY: a full load reads 128 dimensions; the dimension is a multiple of 32, so a partial one reads whole groups.
unsafe impl Step for CodesU4 {
    type QueryVec = [__m512i; 2];
    const WIDTH: usize = 128;
    const PACK: usize = 2;
    const GRANULE: usize = 32;
    sums!();

    #[inline(always)]
    unsafe fn load_query(from: *const i8) -> [__m512i; 2] {
        // SAFETY: the same contract.
        unsafe { u4_query(from) }
    }
    #[inline(always)]
    unsafe fn load_query_partial(from: *const i8, n: usize) -> [__m512i; 2] {
        // SAFETY: the same contract.
        unsafe { u4_query_partial(from, n) }
    }
    #[inline(always)]
    unsafe fn load_row_partial(from: *const u8, n: usize) -> __m512i {
        // SAFETY: the caller vouches for `n` dimensions, two a byte.
        unsafe { partial(from, n / 2) }
    }
    #[inline(always)]
    unsafe fn step(acc: __m512i, query: [__m512i; 2], row: __m512i) -> __m512i {
        // SAFETY: the caller has AVX-512 BW.
        unsafe {
            let low = _mm512_and_si512(row, _mm512_set1_epi8(15));
            let high = _mm512_and_si512(_mm512_srli_epi16::<4>(row), _mm512_set1_epi8(15));
            _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(acc, low, query[0]), high, query[1])
        }
    }
}

pub(super) const U8_I8: CodeForms = shells!(CodesU8);
pub(super) const U4_I8: CodeForms = shells!(CodesU4);
