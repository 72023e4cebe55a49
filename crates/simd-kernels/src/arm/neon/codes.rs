//! Inner products of an `i8` query with unsigned codes of 8 and 4 bits, exact. The steps are shared with the
//! tiers above, which bring their own [`Bytes`].

use std::arch::aarch64::*;
use std::marker::PhantomData;

use super::bytes::Neon;
use super::shells;
use crate::arm::bytes::Bytes;
use crate::arm::load::Load;
use crate::arm::sums::Sums;
use crate::drive::Step;
use crate::table::CodeForms;

/// One code a byte.
///
/// There is no product of a signed and an unsigned byte below [`crate::Tier::NeonI8mm`], so a code `c` is held
/// as `c − 128`, which is signed, and 128 · Σ query is added at the end.
pub(in crate::arm) struct CodesU8<B>(PhantomData<B>);

/// Two codes a byte, in groups of 32 dimensions (see [`crate::Kernels::codes_u4`]). They are small enough to
/// count as signed.
pub(in crate::arm) struct CodesU4<B>(PhantomData<B>);

// SAFETY: `Load` reads exactly the elements that it states.
unsafe impl<B: Bytes> Step for CodesU8<B> {
    type Query = i8;
    type Elem = u8;
    type Out = i32;
    type QueryVec = int8x16_t;
    type RowVec = int8x16_t;
    type Acc = int32x4_t;
    /// 128 · Σ query.
    type Context = i32;
    const WIDTH: usize = 16;

    #[inline(always)]
    unsafe fn load_query(from: *const i8) -> int8x16_t {
        // SAFETY: the same contract.
        unsafe { Load::load(from) }
    }
    #[inline(always)]
    unsafe fn load_query_partial(from: *const i8, n: usize) -> int8x16_t {
        // SAFETY: the same contract.
        unsafe { Load::load_partial(from, n) }
    }
    #[inline(always)]
    unsafe fn load_row(from: *const u8) -> int8x16_t {
        // SAFETY: the same contract.
        unsafe { less_128(Load::load(from)) }
    }
    /// Missing codes become −128, and the query's missing elements are zero.
    #[inline(always)]
    unsafe fn load_row_partial(from: *const u8, n: usize) -> int8x16_t {
        // SAFETY: the same contract.
        unsafe { less_128(Load::load_partial(from, n)) }
    }
    #[inline(always)]
    unsafe fn context(query: *const i8, dim: usize) -> i32 {
        // SAFETY: every offset stays below `dim`, which the caller vouches for.
        unsafe {
            let ones = vdupq_n_s8(1);
            let mut sum = Sums::zero();
            let mut at = 0;
            while at + Self::WIDTH <= dim {
                sum = B::dot_i8(sum, Self::load_query(query.add(at)), ones);
                at += Self::WIDTH;
            }
            if at < dim {
                sum = B::dot_i8(sum, Self::load_query_partial(query.add(at), dim - at), ones);
            }
            128 * sum.total()
        }
    }
    #[inline(always)]
    unsafe fn zero() -> int32x4_t {
        // SAFETY: the caller vouches for the features of `B`, which include NEON, here and below.
        unsafe { Sums::zero() }
    }
    #[inline(always)]
    unsafe fn step(acc: int32x4_t, query: int8x16_t, row: int8x16_t) -> int32x4_t {
        // SAFETY: as above.
        unsafe { B::dot_i8(acc, query, row) }
    }
    #[inline(always)]
    unsafe fn merge(a: int32x4_t, b: int32x4_t) -> int32x4_t {
        // SAFETY: as above.
        unsafe { Sums::merge(a, b) }
    }
    #[inline(always)]
    unsafe fn finish(acc: int32x4_t, context: i32) -> i32 {
        // SAFETY: as above.
        unsafe { acc.total() + context }
    }
    #[inline(always)]
    unsafe fn finish4(acc: [int32x4_t; 4], context: i32) -> [i32; 4] {
        // SAFETY: as above.
        unsafe { Sums::totals(acc) }.map(|total| total + context)
    }
}

/// `codes − 128`, which flips the highest bit.
///
/// # Safety
/// The CPU must have NEON.
#[inline(always)]
pub(in crate::arm) unsafe fn less_128(codes: uint8x16_t) -> int8x16_t {
    // SAFETY: the caller vouches for NEON.
    unsafe { vreinterpretq_s8_u8(veorq_u8(codes, vdupq_n_u8(0x80))) }
}

// SAFETY: `load` reads one group: 32 bytes of the query, 16 of a row. There is no partial group, because the
// dimension of packed codes is a multiple of `WIDTH`.
unsafe impl<B: Bytes> Step for CodesU4<B> {
    type Query = i8;
    type Elem = u8;
    type Out = i32;
    type QueryVec = [int8x16_t; 2];
    type RowVec = [int8x16_t; 2];
    type Acc = int32x4_t;
    type Context = ();
    const WIDTH: usize = 32;
    const PACK: usize = 2;
    const GRANULE: usize = 32;

    #[inline(always)]
    unsafe fn load_query(from: *const i8) -> [int8x16_t; 2] {
        // SAFETY: the caller vouches for `WIDTH` elements.
        unsafe { [Load::load(from), Load::load(from.add(16))] }
    }
    #[inline(always)]
    unsafe fn load_query_partial(_: *const i8, _: usize) -> [int8x16_t; 2] {
        // SAFETY: the caller vouches for NEON.
        unsafe { [vdupq_n_s8(0); 2] }
    }
    #[inline(always)]
    unsafe fn load_row(from: *const u8) -> [int8x16_t; 2] {
        // SAFETY: the caller vouches for `WIDTH` dimensions, two a byte.
        unsafe {
            let bytes = vld1q_u8(from);
            [
                vreinterpretq_s8_u8(vandq_u8(bytes, vdupq_n_u8(15))),
                vreinterpretq_s8_u8(vshrq_n_u8::<4>(bytes)),
            ]
        }
    }
    #[inline(always)]
    unsafe fn load_row_partial(_: *const u8, _: usize) -> [int8x16_t; 2] {
        // SAFETY: the caller vouches for NEON.
        unsafe { [vdupq_n_s8(0); 2] }
    }
    #[inline(always)]
    unsafe fn context(_: *const i8, _: usize) {}
    #[inline(always)]
    unsafe fn zero() -> int32x4_t {
        // SAFETY: the caller vouches for the features of `B`, which include NEON, here and below.
        unsafe { Sums::zero() }
    }
    #[inline(always)]
    unsafe fn step(acc: int32x4_t, query: [int8x16_t; 2], row: [int8x16_t; 2]) -> int32x4_t {
        // SAFETY: as above.
        unsafe { B::dot_small(acc, query, row) }
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

pub(super) const U8_I8: CodeForms = shells!(CodesU8<Neon>; pair: 4, rows: 8, tile: 4);
pub(super) const U4_I8: CodeForms = shells!(CodesU4<Neon>; pair: 4, rows: 4, tile: 2);
