//! Inner products of an `i8` query with unsigned codes of 8 and 4 bits, exact.

use std::arch::x86_64::*;

use super::int8::{Byte, partial, sum, sum4};
use super::shells;
use crate::drive::Step;
use crate::table::CodeForms;

macro_rules! sums {
    () => {
        type Query = i8;
        type Elem = u8;
        type Out = i32;
        type QueryVec = [__m512i; 2];
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

/// One code a byte: `vpmaddubsw` would saturate, so both sides are widened.
struct CodesU8;

// SAFETY: a full load reads 64 bytes, `partial` exactly `n`.
unsafe impl Step for CodesU8 {
    const WIDTH: usize = 64;
    sums!();

    #[inline(always)]
    unsafe fn load_query(from: *const i8) -> [__m512i; 2] {
        // SAFETY: the caller vouches for 64 bytes.
        unsafe { i8::widen(_mm512_loadu_si512(from.cast())) }
    }
    #[inline(always)]
    unsafe fn load_query_partial(from: *const i8, n: usize) -> [__m512i; 2] {
        // SAFETY: the same contract.
        unsafe { i8::widen(partial(from.cast(), n)) }
    }
    #[inline(always)]
    unsafe fn load_row_partial(from: *const u8, n: usize) -> __m512i {
        // SAFETY: the same contract.
        unsafe { partial(from, n) }
    }
    #[inline(always)]
    unsafe fn step(acc: __m512i, query: [__m512i; 2], row: __m512i) -> __m512i {
        // SAFETY: the caller has AVX-512 BW.
        unsafe {
            let [even, odd] = u8::widen(row);
            let acc = _mm512_add_epi32(acc, _mm512_madd_epi16(query[0], even));
            _mm512_add_epi32(acc, _mm512_madd_epi16(query[1], odd))
        }
    }
}

/// Two codes a byte: 15 · 128 · 2 fits 16 bits, so `vpmaddubsw` is exact here.
struct CodesU4;

// SAFETY: a full load reads 128 dimensions; the dimension is a multiple of 32, so a partial one reads whole groups.
unsafe impl Step for CodesU4 {
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
            // Four products of at most 15 · 128: within ±7680, far inside 16 bits.
            let pairs =
                _mm512_add_epi16(_mm512_maddubs_epi16(low, query[0]), _mm512_maddubs_epi16(high, query[1]));
            _mm512_add_epi32(acc, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)))
        }
    }
}

/// 128 query elements in the order of packed codes: the low halves of four groups, then the high halves.
///
/// # Safety
/// `from` must be readable for 128 elements; AVX-512 F.
#[inline(always)]
pub(in crate::x86) unsafe fn u4_query(from: *const i8) -> [__m512i; 2] {
    // SAFETY: the caller vouches for 128 elements.
    unsafe { u4_order(_mm512_loadu_si512(from.cast()), _mm512_loadu_si512(from.add(64).cast())) }
}

/// `n < 128` query elements, followed by zeros, in the order of packed codes.
///
/// # Safety
/// `from` must be readable for `n` elements; AVX-512 BW.
#[inline(always)]
pub(in crate::x86) unsafe fn u4_query_partial(from: *const i8, n: usize) -> [__m512i; 2] {
    // SAFETY: both masked loads touch only elements below `n`.
    unsafe {
        let second = if n > 64 { partial(from.add(64).cast(), n - 64) } else { _mm512_setzero_si512() };
        let first = if n >= 64 { _mm512_loadu_si512(from.cast()) } else { partial(from.cast(), n) };
        u4_order(first, second)
    }
}

/// # Safety
/// AVX-512 F.
#[inline(always)]
unsafe fn u4_order(first: __m512i, second: __m512i) -> [__m512i; 2] {
    // SAFETY: the caller has AVX-512 F.
    unsafe {
        [
            _mm512_shuffle_i64x2::<0b10_00_10_00>(first, second),
            _mm512_shuffle_i64x2::<0b11_01_11_01>(first, second),
        ]
    }
}

pub(super) const U8_I8: CodeForms = shells!(CodesU8);
pub(super) const U4_I8: CodeForms = shells!(CodesU4);
