//! Squared distances of codes of mixed width, exact. The step is shared with the tiers above, which bring their own
//! [`Bytes`].

use std::arch::aarch64::*;
use std::marker::PhantomData;

use super::bytes::Neon;
use super::shells;
use crate::arm::bytes::Bytes;
use crate::arm::sums::Sums;
use crate::drive::Step;
use crate::table::CodeForms;

/// One line a step, in four quarters. Both parts of a byte are small enough to count as signed.
pub(in crate::arm) struct Mixed<B>(PhantomData<B>);

/// What a quarter of a line asks of a query: weights of the low and of the high parts, masks, and 2^shift.
#[derive(Clone, Copy, Debug)]
pub(in crate::arm) struct Quarter {
    weights: [int8x16_t; 2],
    mask_low: uint8x16_t,
    mask_high: uint8x16_t,
    factor: int32x4_t,
}

/// # Safety
/// `from` must be readable for 272 bytes; the CPU must have NEON.
#[inline(always)]
unsafe fn quarter(from: *const i8) -> Quarter {
    // SAFETY: the caller vouches for the bytes, which lie a line apart.
    unsafe {
        let bytes = |part: usize| vld1q_u8(from.add(64 * part).cast());
        let shift = vandq_s32(vreinterpretq_s32_u8(bytes(4)), vdupq_n_s32(3));
        Quarter {
            weights: [vreinterpretq_s8_u8(bytes(0)), vreinterpretq_s8_u8(bytes(1))],
            mask_low: vandq_u8(bytes(2), vdupq_n_u8(0x7f)),
            mask_high: vandq_u8(bytes(3), vdupq_n_u8(0x0f)),
            factor: vshlq_s32(vdupq_n_s32(1), shift),
        }
    }
}

// SAFETY: a load reads 64 bytes of a row and 320 of a query; there is no partial line, because the dimension is a
// multiple of `WIDTH`.
unsafe impl<B: Bytes> Step for Mixed<B> {
    type Query = i8;
    type Elem = u8;
    type Out = i32;
    type QueryVec = [Quarter; 4];
    type RowVec = [uint8x16_t; 4];
    type Acc = int32x4_t;
    type Context = ();
    const WIDTH: usize = 320;
    const PACK: usize = 5;
    const GRANULE: usize = 320;

    #[inline(always)]
    unsafe fn load_query(from: *const i8) -> [Quarter; 4] {
        // SAFETY: the caller vouches for 320 bytes: the last quarter begins at byte 48.
        unsafe { [quarter(from), quarter(from.add(16)), quarter(from.add(32)), quarter(from.add(48))] }
    }
    #[inline(always)]
    unsafe fn load_query_partial(from: *const i8, _: usize) -> [Quarter; 4] {
        // SAFETY: never reached: the dimension is a multiple of `WIDTH`.
        unsafe { Self::load_query(from) }
    }
    #[inline(always)]
    unsafe fn load_row(from: *const u8) -> [uint8x16_t; 4] {
        // SAFETY: the caller vouches for 64 bytes.
        unsafe { [vld1q_u8(from), vld1q_u8(from.add(16)), vld1q_u8(from.add(32)), vld1q_u8(from.add(48))] }
    }
    #[inline(always)]
    unsafe fn load_row_partial(from: *const u8, _: usize) -> [uint8x16_t; 4] {
        // SAFETY: never reached: the dimension is a multiple of `WIDTH`.
        unsafe { Self::load_row(from) }
    }
    #[inline(always)]
    unsafe fn context(_: *const i8, _: usize) {}
    #[inline(always)]
    unsafe fn zero() -> int32x4_t {
        // SAFETY: the caller vouches for the features of `B`, which include NEON, here and below.
        unsafe { Sums::zero() }
    }
    #[inline(always)]
    unsafe fn step(acc: int32x4_t, query: [Quarter; 4], row: [uint8x16_t; 4]) -> int32x4_t {
        let mut acc = acc;
        for (query, row) in query.iter().zip(row) {
            // SAFETY: as above. 2 · 127² + 2 · 15² and 128 · (127 + 15) fit 16 bits.
            unsafe {
                let low = vreinterpretq_s8_u8(vandq_u8(row, query.mask_low));
                let high = vreinterpretq_s8_u8(vandq_u8(vshrq_n_u8::<4>(row), query.mask_high));
                let squares = B::dot_small(Sums::zero(), [low, high], [low, high]);
                let products = B::dot_groups(query.weights, [low, high]);
                acc = vmlsq_s32(vaddq_s32(acc, vaddq_s32(squares, squares)), products, query.factor);
            }
        }
        acc
    }
    #[inline(always)]
    unsafe fn merge(a: int32x4_t, b: int32x4_t) -> int32x4_t {
        // SAFETY: as above.
        unsafe { Sums::merge(a, b) }
    }
    #[inline(always)]
    unsafe fn finish(acc: int32x4_t, (): ()) -> i32 {
        // SAFETY: as above.
        unsafe { acc.total() }
    }
    #[inline(always)]
    unsafe fn finish4(acc: [int32x4_t; 4], (): ()) -> [i32; 4] {
        // SAFETY: as above.
        unsafe { Sums::totals(acc) }
    }
}

pub(super) const MIXED: CodeForms = shells!(Mixed<Neon>; pair: 1, rows: 4, tile: 1);
