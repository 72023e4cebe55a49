//! Bytes are multiplied into 16 bits and added in pairs to 32 bits.

use std::arch::aarch64::*;

use crate::arm::bytes::Bytes;

/// [`crate::Tier::Neon`].
pub(in crate::arm) struct Neon;

impl Bytes for Neon {
    /// 255² fits 16 bits, a sum of two such products does not: each half is added to the wide lanes at once.
    #[inline(always)]
    unsafe fn dot_u8(acc: uint32x4_t, a: uint8x16_t, b: uint8x16_t) -> uint32x4_t {
        // SAFETY: the caller vouches for NEON, here and below.
        unsafe {
            let acc = vpadalq_u16(acc, vmull_u8(vget_low_u8(a), vget_low_u8(b)));
            vpadalq_u16(acc, vmull_high_u8(a, b))
        }
    }
    /// (−128)² fits 16 bits, twice that does not.
    #[inline(always)]
    unsafe fn dot_i8(acc: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
        // SAFETY: as above.
        unsafe {
            let acc = vpadalq_s16(acc, vmull_s8(vget_low_s8(a), vget_low_s8(b)));
            vpadalq_s16(acc, vmull_high_s8(a, b))
        }
    }
    /// Four products fit 16 bits: one widening addition serves 32 of them.
    #[inline(always)]
    unsafe fn dot_small(acc: int32x4_t, a: [int8x16_t; 2], b: [int8x16_t; 2]) -> int32x4_t {
        // SAFETY: as above.
        unsafe {
            let products = vmull_s8(vget_low_s8(a[0]), vget_low_s8(b[0]));
            let products = vmlal_high_s8(products, a[0], b[0]);
            let products = vmlal_s8(products, vget_low_s8(a[1]), vget_low_s8(b[1]));
            vpadalq_s16(acc, vmlal_high_s8(products, a[1], b[1]))
        }
    }
    /// Two products fit 16 bits, and four do not.
    #[inline(always)]
    unsafe fn dot_groups(a: [int8x16_t; 2], b: [int8x16_t; 2]) -> int32x4_t {
        // SAFETY: as above.
        unsafe {
            let first = vmull_s8(vget_low_s8(a[0]), vget_low_s8(b[0]));
            let first = vmlal_s8(first, vget_low_s8(a[1]), vget_low_s8(b[1]));
            let second = vmlal_high_s8(vmull_high_s8(a[0], b[0]), a[1], b[1]);
            vpaddq_s32(vpaddlq_s16(first), vpaddlq_s16(second))
        }
    }
    #[inline(always)]
    unsafe fn sum(acc: uint32x4_t, a: uint8x16_t) -> uint32x4_t {
        // SAFETY: as above.
        unsafe { vpadalq_u16(acc, vpaddlq_u8(a)) }
    }
}
