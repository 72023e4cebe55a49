//! Four products of bytes are summed into each 32-bit lane by one instruction.
//!
//! The features are stable in Rust, the intrinsics are not yet: the instructions are written as assembly.

use std::arch::aarch64::*;
use std::arch::asm;

use crate::arm::bytes::Bytes;

/// [`crate::Tier::NeonDot`].
pub(in crate::arm) struct NeonDot;

#[inline]
#[target_feature(enable = "neon,dotprod")]
fn udot(mut acc: uint32x4_t, a: uint8x16_t, b: uint8x16_t) -> uint32x4_t {
    // SAFETY: the instruction belongs to `dotprod` and touches nothing but the three registers.
    unsafe {
        asm!("udot {0:v}.4s, {1:v}.16b, {2:v}.16b", inout(vreg) acc, in(vreg) a, in(vreg) b,
            options(pure, nomem, nostack, preserves_flags));
    }
    acc
}

#[inline]
#[target_feature(enable = "neon,dotprod")]
fn sdot(mut acc: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    // SAFETY: the instruction belongs to `dotprod` and touches nothing but the three registers.
    unsafe {
        asm!("sdot {0:v}.4s, {1:v}.16b, {2:v}.16b", inout(vreg) acc, in(vreg) a, in(vreg) b,
            options(pure, nomem, nostack, preserves_flags));
    }
    acc
}

impl Bytes for NeonDot {
    #[inline(always)]
    unsafe fn dot_u8(acc: uint32x4_t, a: uint8x16_t, b: uint8x16_t) -> uint32x4_t {
        // SAFETY: the caller vouches for NEON and `dotprod`, here and below.
        unsafe { udot(acc, a, b) }
    }
    #[inline(always)]
    unsafe fn dot_i8(acc: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
        // SAFETY: as above.
        unsafe { sdot(acc, a, b) }
    }
    #[inline(always)]
    unsafe fn dot_small(acc: int32x4_t, a: [int8x16_t; 2], b: [int8x16_t; 2]) -> int32x4_t {
        // SAFETY: as above.
        unsafe { sdot(sdot(acc, a[0], b[0]), a[1], b[1]) }
    }
    #[inline(always)]
    unsafe fn dot_groups(a: [int8x16_t; 2], b: [int8x16_t; 2]) -> int32x4_t {
        // SAFETY: as above.
        unsafe { sdot(sdot(vdupq_n_s32(0), a[0], b[0]), a[1], b[1]) }
    }
    #[inline(always)]
    unsafe fn sum(acc: uint32x4_t, a: uint8x16_t) -> uint32x4_t {
        // SAFETY: as above.
        unsafe { udot(acc, a, vdupq_n_u8(1)) }
    }
}
