//! Squared distances of codes of mixed width, exact: parts are at most 127, so `vpmaddubsw` never saturates.

use std::arch::x86_64::*;

use super::int8::{sum, sum4};
use super::shells;
use crate::drive::Step;
use crate::table::CodeForms;

/// One line a step, in two halves.
struct Mixed;

/// What half a line asks of a query: weights of the low and of the high parts, masks, and −2^shift in 16 bits.
#[derive(Clone, Copy)]
struct Half {
    weight_low: __m256i,
    weight_high: __m256i,
    mask_low: __m256i,
    mask_high: __m256i,
    factor: __m256i,
}

/// The half that starts at byte `at` of a line.
///
/// # Safety
/// `line` must be readable for 320 bytes, `at` must be 0 or 32; AVX2.
#[inline(always)]
unsafe fn half(line: *const i8, at: usize) -> Half {
    // SAFETY: the caller vouches for the bytes.
    unsafe {
        let part = |part: usize| _mm256_loadu_si256(line.add(64 * part + at).cast());
        let shift = _mm256_and_si256(part(4), _mm256_set1_epi32(3));
        // −2^shift in the upper half of each lane, then in both.
        let upper = _mm256_sllv_epi32(_mm256_set1_epi32(-1 << 16), shift);
        Half {
            weight_low: part(0),
            weight_high: part(1),
            mask_low: _mm256_and_si256(part(2), _mm256_set1_epi8(0x7f)),
            mask_high: _mm256_and_si256(part(3), _mm256_set1_epi8(0x0f)),
            factor: _mm256_or_si256(upper, _mm256_srli_epi32::<16>(upper)),
        }
    }
}

/// `acc` and what half a line of a row adds.
///
/// # Safety
/// AVX2.
#[inline(always)]
unsafe fn add_half(acc: __m256i, query: Half, row: __m256i) -> __m256i {
    // SAFETY: the caller has AVX2.
    unsafe {
        let low = _mm256_and_si256(row, query.mask_low);
        let high = _mm256_and_si256(_mm256_srli_epi16::<4>(row), query.mask_high);
        // 2 · (127² + 15²) fits 16 bits; 2 · (127 + 15) · 128 does not, so products of the two parts stay apart.
        let squares = _mm256_add_epi16(_mm256_maddubs_epi16(low, low), _mm256_maddubs_epi16(high, high));
        let of_low = _mm256_maddubs_epi16(low, query.weight_low);
        let of_high = _mm256_maddubs_epi16(high, query.weight_high);
        let squares = _mm256_madd_epi16(squares, _mm256_set1_epi16(2));
        let products = _mm256_add_epi32(
            _mm256_madd_epi16(of_low, query.factor),
            _mm256_madd_epi16(of_high, query.factor),
        );
        _mm256_add_epi32(acc, _mm256_add_epi32(squares, products))
    }
}

// SAFETY: a load reads 64 bytes of a row and 320 of a query; there is no partial line, because the dimension is a
// multiple of `WIDTH`.
unsafe impl Step for Mixed {
    type Query = i8;
    type Elem = u8;
    type Out = i32;
    type QueryVec = [Half; 2];
    type RowVec = [__m256i; 2];
    type Acc = __m256i;
    type Context = ();
    const WIDTH: usize = 320;
    const PACK: usize = 5;
    const GRANULE: usize = 320;

    #[inline(always)]
    unsafe fn load_query(from: *const i8) -> [Half; 2] {
        // SAFETY: the caller vouches for 320 bytes.
        unsafe { [half(from, 0), half(from, 32)] }
    }
    #[inline(always)]
    unsafe fn load_query_partial(from: *const i8, _: usize) -> [Half; 2] {
        // SAFETY: never reached: the dimension is a multiple of `WIDTH`.
        unsafe { Self::load_query(from) }
    }
    #[inline(always)]
    unsafe fn load_row(from: *const u8) -> [__m256i; 2] {
        // SAFETY: the caller vouches for 64 bytes.
        unsafe { [_mm256_loadu_si256(from.cast()), _mm256_loadu_si256(from.add(32).cast())] }
    }
    #[inline(always)]
    unsafe fn load_row_partial(from: *const u8, _: usize) -> [__m256i; 2] {
        // SAFETY: never reached: the dimension is a multiple of `WIDTH`.
        unsafe { Self::load_row(from) }
    }
    #[inline(always)]
    unsafe fn context(_: *const i8, _: usize) {}
    #[inline(always)]
    unsafe fn zero() -> __m256i {
        // SAFETY: the caller has AVX2, here and below.
        unsafe { _mm256_setzero_si256() }
    }
    #[inline(always)]
    unsafe fn merge(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_add_epi32(a, b) }
    }
    #[inline(always)]
    unsafe fn step(acc: __m256i, query: [Half; 2], row: [__m256i; 2]) -> __m256i {
        // SAFETY: as above.
        unsafe { add_half(add_half(acc, query[0], row[0]), query[1], row[1]) }
    }
    #[inline(always)]
    unsafe fn finish(acc: __m256i, (): ()) -> i32 {
        // SAFETY: as above.
        unsafe { sum(acc) }
    }
    #[inline(always)]
    unsafe fn finish4(acc: [__m256i; 4], (): ()) -> [i32; 4] {
        // SAFETY: as above.
        unsafe { sum4(acc) }
    }
}

pub(super) const MIXED: CodeForms = shells!(Mixed);
