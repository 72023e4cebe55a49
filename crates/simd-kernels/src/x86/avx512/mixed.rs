//! Squared distances of codes of mixed width, exact: parts are at most 127, so `vpmaddubsw` never saturates.

use std::arch::x86_64::*;

use super::int8::{sum, sum4};
use super::shells;
use crate::drive::Step;
use crate::table::CodeForms;

/// One line a step.
struct Mixed;

/// What a line asks of a query: weights of the low and of the high parts, masks, and −2^shift in 16 bits.
#[derive(Clone, Copy)]
struct Line {
    weight_low: __m512i,
    weight_high: __m512i,
    mask_low: __m512i,
    mask_high: __m512i,
    factor: __m512i,
}

// SAFETY: a load reads 64 bytes of a row and 320 of a query; there is no partial line, because the dimension is a
// multiple of `WIDTH`.
unsafe impl Step for Mixed {
    type Query = i8;
    type Elem = u8;
    type Out = i32;
    type QueryVec = Line;
    type RowVec = __m512i;
    type Acc = __m512i;
    type Context = ();
    const WIDTH: usize = 320;
    const PACK: usize = 5;
    const GRANULE: usize = 320;

    #[inline(always)]
    unsafe fn load_query(from: *const i8) -> Line {
        // SAFETY: the caller vouches for 320 bytes.
        unsafe {
            let part = |part: usize| _mm512_loadu_si512(from.add(64 * part).cast());
            let shift = _mm512_and_si512(part(4), _mm512_set1_epi32(3));
            // −2^shift in the upper half of each lane, then in both.
            let upper = _mm512_sllv_epi32(_mm512_set1_epi32(-1 << 16), shift);
            Line {
                weight_low: part(0),
                weight_high: part(1),
                mask_low: _mm512_and_si512(part(2), _mm512_set1_epi8(0x7f)),
                mask_high: _mm512_and_si512(part(3), _mm512_set1_epi8(0x0f)),
                factor: _mm512_or_si512(upper, _mm512_srli_epi32::<16>(upper)),
            }
        }
    }
    #[inline(always)]
    unsafe fn load_query_partial(from: *const i8, _: usize) -> Line {
        // SAFETY: never reached: the dimension is a multiple of `WIDTH`.
        unsafe { Self::load_query(from) }
    }
    #[inline(always)]
    unsafe fn load_row(from: *const u8) -> __m512i {
        // SAFETY: the caller vouches for 64 bytes.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }
    #[inline(always)]
    unsafe fn load_row_partial(from: *const u8, _: usize) -> __m512i {
        // SAFETY: never reached: the dimension is a multiple of `WIDTH`.
        unsafe { Self::load_row(from) }
    }
    #[inline(always)]
    unsafe fn context(_: *const i8, _: usize) {}
    #[inline(always)]
    unsafe fn zero() -> __m512i {
        // SAFETY: the caller has AVX-512 BW, here and below.
        unsafe { _mm512_setzero_si512() }
    }
    #[inline(always)]
    unsafe fn merge(a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_add_epi32(a, b) }
    }
    #[inline(always)]
    unsafe fn step(acc: __m512i, query: Line, row: __m512i) -> __m512i {
        // SAFETY: as above.
        unsafe {
            let low = _mm512_and_si512(row, query.mask_low);
            let high = _mm512_and_si512(_mm512_srli_epi16::<4>(row), query.mask_high);
            // 2 · (127² + 15²) fits 16 bits; 2 · (127 + 15) · 128 does not, so products of the two parts stay apart.
            let squares = _mm512_add_epi16(_mm512_maddubs_epi16(low, low), _mm512_maddubs_epi16(high, high));
            let of_low = _mm512_maddubs_epi16(low, query.weight_low);
            let of_high = _mm512_maddubs_epi16(high, query.weight_high);
            let squares = _mm512_madd_epi16(squares, _mm512_set1_epi16(2));
            let products = _mm512_add_epi32(
                _mm512_madd_epi16(of_low, query.factor),
                _mm512_madd_epi16(of_high, query.factor),
            );
            _mm512_add_epi32(acc, _mm512_add_epi32(squares, products))
        }
    }
    #[inline(always)]
    unsafe fn finish(acc: __m512i, (): ()) -> i32 {
        // SAFETY: as above.
        unsafe { sum(acc) }
    }
    #[inline(always)]
    unsafe fn finish4(acc: [__m512i; 4], (): ()) -> [i32; 4] {
        // SAFETY: as above.
        unsafe { sum4(acc) }
    }
}

pub(super) const MIXED: CodeForms = shells!(Mixed);
