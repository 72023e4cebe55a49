//! Inner products of an `i8` query with 8-bit codes, exact: `usdot` takes both as they are.

use std::arch::aarch64::*;
use std::arch::asm;

use super::shells;
use crate::arm::load::Load;
use crate::arm::sums::Sums;
use crate::drive::Step;
use crate::table::CodeForms;

/// One code a byte.
struct CodesU8;

/// `acc` + Σ `codes` · `query`, four products a lane. Assembly, because the intrinsic is not stable yet.
#[inline]
#[target_feature(enable = "neon,i8mm")]
pub(super) fn usdot(mut acc: int32x4_t, codes: uint8x16_t, query: int8x16_t) -> int32x4_t {
    // SAFETY: the instruction belongs to `i8mm` and touches nothing but the three registers.
    unsafe {
        asm!("usdot {0:v}.4s, {1:v}.16b, {2:v}.16b", inout(vreg) acc, in(vreg) codes, in(vreg) query,
            options(pure, nomem, nostack, preserves_flags));
    }
    acc
}

// SAFETY: `Load` reads exactly the elements that it states.
unsafe impl Step for CodesU8 {
    type Query = i8;
    type Elem = u8;
    type Out = i32;
    type QueryVec = int8x16_t;
    type RowVec = uint8x16_t;
    type Acc = int32x4_t;
    type Context = ();
    const WIDTH: usize = 16;

    #[inline(always)]
    unsafe fn load_query(from: *const i8) -> int8x16_t {
        // SAFETY: the same contract, here and in the other loads.
        unsafe { Load::load(from) }
    }
    #[inline(always)]
    unsafe fn load_query_partial(from: *const i8, n: usize) -> int8x16_t {
        // SAFETY: as above.
        unsafe { Load::load_partial(from, n) }
    }
    #[inline(always)]
    unsafe fn load_row(from: *const u8) -> uint8x16_t {
        // SAFETY: as above.
        unsafe { Load::load(from) }
    }
    #[inline(always)]
    unsafe fn load_row_partial(from: *const u8, n: usize) -> uint8x16_t {
        // SAFETY: as above.
        unsafe { Load::load_partial(from, n) }
    }
    #[inline(always)]
    unsafe fn context(_: *const i8, _: usize) {}
    #[inline(always)]
    unsafe fn zero() -> int32x4_t {
        // SAFETY: the caller vouches for NEON and `i8mm`, here and below.
        unsafe { Sums::zero() }
    }
    #[inline(always)]
    unsafe fn step(acc: int32x4_t, query: int8x16_t, row: uint8x16_t) -> int32x4_t {
        // SAFETY: as above.
        unsafe { usdot(acc, row, query) }
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

pub(super) const U8_I8: CodeForms = shells!(CodesU8; pair: 4, rows: 8, tile: 4);
