//! Squared distances of codes of mixed width, exact: both parts of a byte are squared and weighed by `vpdpbusd`.

use std::arch::x86_64::*;

use super::shells;
use crate::drive::Step;
use crate::table::CodeForms;
use crate::x86::avx512::int8::{sum, sum4};

/// One line a step. The squares and the products of a row are summed apart, because the products are shifted by
/// the width of their code; the shift is the same in every line that a group takes part in, or applied per line.
struct Mixed;

/// What a line asks of a query: weights of the low and of the high parts, masks, shifts.
#[derive(Clone, Copy)]
struct Line {
    weight_low: __m512i,
    weight_high: __m512i,
    mask_low: __m512i,
    mask_high: __m512i,
    shift: __m512i,
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
            let at = |part: usize| _mm512_loadu_si512(from.add(64 * part).cast());
            Line {
                weight_low: at(0),
                weight_high: at(1),
                mask_low: _mm512_and_si512(at(2), _mm512_set1_epi8(0x7f)),
                mask_high: _mm512_and_si512(at(3), _mm512_set1_epi8(0x0f)),
                shift: _mm512_and_si512(at(4), _mm512_set1_epi32(3)),
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
        // SAFETY: the caller has AVX-512 F.
        unsafe { _mm512_setzero_si512() }
    }
    #[inline(always)]
    unsafe fn merge(a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: the caller has AVX-512 F.
        unsafe { _mm512_add_epi32(a, b) }
    }
    #[inline(always)]
    unsafe fn step(acc: __m512i, query: Line, row: __m512i) -> __m512i {
        // SAFETY: the caller has VNNI.
        unsafe {
            let low = _mm512_and_si512(row, query.mask_low);
            let high = _mm512_and_si512(_mm512_srli_epi16::<4>(row), query.mask_high);
            let zero = _mm512_setzero_si512();
            let squares = _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(zero, low, low), high, high);
            let products = _mm512_dpbusd_epi32(zero, low, query.weight_low);
            let products = _mm512_dpbusd_epi32(products, high, query.weight_high);
            let acc = _mm512_add_epi32(acc, _mm512_slli_epi32::<1>(squares));
            _mm512_sub_epi32(acc, _mm512_sllv_epi32(products, query.shift))
        }
    }
    #[inline(always)]
    unsafe fn finish(acc: __m512i, (): ()) -> i32 {
        // SAFETY: the caller has AVX-512 F.
        unsafe { sum(acc) }
    }
    #[inline(always)]
    unsafe fn finish4(acc: [__m512i; 4], (): ()) -> [i32; 4] {
        // SAFETY: the caller has AVX-512 F.
        unsafe { sum4(acc) }
    }
}

pub(super) const MIXED: CodeForms = shells!(Mixed);
