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
        type QueryVec = [__m256i; 2];
        type RowVec = __m256i;
        type Acc = __m256i;
        type Context = ();

        #[inline(always)]
        unsafe fn load_row(from: *const u8) -> __m256i {
            // SAFETY: the caller vouches for 32 bytes.
            unsafe { _mm256_loadu_si256(from.cast()) }
        }
        #[inline(always)]
        unsafe fn context(_: *const i8, _: usize) {}
        #[inline(always)]
        unsafe fn zero() -> __m256i {
            // SAFETY: the caller has AVX2.
            unsafe { _mm256_setzero_si256() }
        }
        #[inline(always)]
        unsafe fn merge(a: __m256i, b: __m256i) -> __m256i {
            // SAFETY: the caller has AVX2.
            unsafe { _mm256_add_epi32(a, b) }
        }
        #[inline(always)]
        unsafe fn finish(acc: __m256i, (): ()) -> i32 {
            // SAFETY: the same contract.
            unsafe { sum(acc) }
        }
        #[inline(always)]
        unsafe fn finish4(acc: [__m256i; 4], (): ()) -> [i32; 4] {
            // SAFETY: the same contract.
            unsafe { sum4(acc) }
        }
    };
}

/// One code a byte: `vpmaddubsw` would saturate, so both sides are widened.
struct CodesU8;

// SAFETY: a full load reads 32 bytes, `partial` exactly `n`.
unsafe impl Step for CodesU8 {
    const WIDTH: usize = 32;
    sums!();

    #[inline(always)]
    unsafe fn load_query(from: *const i8) -> [__m256i; 2] {
        // SAFETY: the caller vouches for 32 bytes.
        unsafe { i8::widen(_mm256_loadu_si256(from.cast())) }
    }
    #[inline(always)]
    unsafe fn load_query_partial(from: *const i8, n: usize) -> [__m256i; 2] {
        // SAFETY: the same contract.
        unsafe { i8::widen(partial(from.cast(), n)) }
    }
    #[inline(always)]
    unsafe fn load_row_partial(from: *const u8, n: usize) -> __m256i {
        // SAFETY: the same contract.
        unsafe { partial(from, n) }
    }
    #[inline(always)]
    unsafe fn step(acc: __m256i, query: [__m256i; 2], row: __m256i) -> __m256i {
        // SAFETY: the caller has AVX2.
        unsafe {
            let [even, odd] = u8::widen(row);
            let acc = _mm256_add_epi32(acc, _mm256_madd_epi16(query[0], even));
            _mm256_add_epi32(acc, _mm256_madd_epi16(query[1], odd))
        }
    }
}

/// Two codes a byte: 15 · 128 · 2 fits 16 bits, so `vpmaddubsw` is exact here.
struct CodesU4;

// SAFETY: a full load reads 64 dimensions; the dimension is a multiple of 32, so a partial one reads 32.
unsafe impl Step for CodesU4 {
    const WIDTH: usize = 64;
    const PACK: usize = 2;
    const GRANULE: usize = 32;
    sums!();

    #[inline(always)]
    unsafe fn load_query(from: *const i8) -> [__m256i; 2] {
        // SAFETY: the caller vouches for 64 bytes. Low halves of both groups, then high halves.
        unsafe {
            let first = _mm256_loadu_si256(from.cast());
            let second = _mm256_loadu_si256(from.add(32).cast());
            [
                _mm256_permute2x128_si256::<0x20>(first, second),
                _mm256_permute2x128_si256::<0x31>(first, second),
            ]
        }
    }
    #[inline(always)]
    unsafe fn load_query_partial(from: *const i8, _: usize) -> [__m256i; 2] {
        // SAFETY: the caller vouches for one group of 32 bytes.
        unsafe {
            let (first, second) = (_mm256_loadu_si256(from.cast()), _mm256_setzero_si256());
            [
                _mm256_permute2x128_si256::<0x20>(first, second),
                _mm256_permute2x128_si256::<0x31>(first, second),
            ]
        }
    }
    #[inline(always)]
    unsafe fn load_row_partial(from: *const u8, _: usize) -> __m256i {
        // SAFETY: the caller vouches for one group of 16 bytes.
        unsafe { _mm256_zextsi128_si256(_mm_loadu_si128(from.cast())) }
    }
    #[inline(always)]
    unsafe fn step(acc: __m256i, query: [__m256i; 2], row: __m256i) -> __m256i {
        // SAFETY: the caller has AVX2.
        unsafe {
            let low = _mm256_and_si256(row, _mm256_set1_epi8(15));
            let high = _mm256_and_si256(_mm256_srli_epi16::<4>(row), _mm256_set1_epi8(15));
            // Four products of at most 15 · 128: within ±7680, far inside 16 bits.
            let pairs =
                _mm256_add_epi16(_mm256_maddubs_epi16(low, query[0]), _mm256_maddubs_epi16(high, query[1]));
            _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
        }
    }
}

pub(super) const U8_I8: CodeForms = shells!(CodesU8);
pub(super) const U4_I8: CodeForms = shells!(CodesU4);
