//! Code panels: bytes are multiplied into 16 bits and added in pairs to 32.

use std::arch::aarch64::*;

use super::bytes::Neon;
use super::codes::{CodesU8, less_128};
use super::shell;
use crate::code_panels::CodePanelTable;
use crate::drive::{CodePanelStep, Step};

/// Four registers of four rows each, in the parts of their bytes: what sixteen rows of a group are.
///
/// # Safety
/// `from` must be readable for 64 bytes, and the CPU must have the features that `unpack` uses.
#[inline(always)]
pub(in crate::arm) unsafe fn load<const PARTS: usize>(
    from: *const u8,
    unpack: unsafe fn(uint8x16_t) -> [int8x16_t; PARTS],
) -> [[int8x16_t; PARTS]; 4] {
    // SAFETY: the caller vouches for 64 bytes and the features.
    unsafe {
        [
            unpack(vld1q_u8(from)),
            unpack(vld1q_u8(from.add(16))),
            unpack(vld1q_u8(from.add(32))),
            unpack(vld1q_u8(from.add(48))),
        ]
    }
}

/// Four bytes of a query for each part, four times.
///
/// # Safety
/// `from` must be readable for `4 * PARTS` bytes; NEON.
#[inline(always)]
pub(in crate::arm) unsafe fn broadcast<const PARTS: usize>(from: *const i8) -> [int8x16_t; PARTS] {
    // SAFETY: the caller vouches for the bytes.
    unsafe {
        let mut parts = [vdupq_n_s8(0); PARTS];
        for (part, four) in parts.iter_mut().enumerate() {
            *four = vreinterpretq_s8_s32(vdupq_n_s32(from.add(4 * part).cast::<i32>().read_unaligned()));
        }
        parts
    }
}

/// The low and the high codes of bytes that hold two. They are small enough to count as signed.
///
/// # Safety
/// NEON, here and below.
#[inline(always)]
pub(in crate::arm) unsafe fn u4(bytes: uint8x16_t) -> [int8x16_t; 2] {
    // SAFETY: the caller has NEON.
    unsafe {
        [vreinterpretq_s8_u8(vandq_u8(bytes, vdupq_n_u8(15))), vreinterpretq_s8_u8(vshrq_n_u8::<4>(bytes))]
    }
}

/// The codes of bytes that hold four, the lowest first.
///
/// # Safety
/// See [`u4`].
#[inline(always)]
pub(in crate::arm) unsafe fn u2(bytes: uint8x16_t) -> [int8x16_t; 4] {
    // SAFETY: the caller has NEON.
    unsafe {
        let mask = vdupq_n_u8(3);
        [
            vreinterpretq_s8_u8(vandq_u8(bytes, mask)),
            vreinterpretq_s8_u8(vandq_u8(vshrq_n_u8::<2>(bytes), mask)),
            vreinterpretq_s8_u8(vandq_u8(vshrq_n_u8::<4>(bytes), mask)),
            vreinterpretq_s8_u8(vshrq_n_u8::<6>(bytes)),
        ]
    }
}

/// Codes of 8 bits less 128, which makes them signed: 128 · Σ query is added at the end.
///
/// # Safety
/// See [`u4`].
#[inline(always)]
pub(in crate::arm) unsafe fn u8_less_128(bytes: uint8x16_t) -> [int8x16_t; 1] {
    // SAFETY: the caller has NEON.
    unsafe { [less_128(bytes)] }
}

macro_rules! small {
    ($(#[$text:meta])* $name:ident, $bits:literal, $parts:literal, $chunk:literal, $unpack:ident) => {
        $(#[$text])*
        struct $name;

        // SAFETY: loads read 64 bytes of a panel and one group of a query, stores write sixteen results.
        unsafe impl CodePanelStep for $name {
            const BITS: usize = $bits;
            const CHUNK: usize = $chunk;
            type Lanes = [[int8x16_t; $parts]; 4];
            type Broadcast = [int8x16_t; $parts];
            /// Sums of products in 16 bits, four lanes a row.
            type Partial = [[int16x8_t; 2]; 4];
            /// Two lanes a row.
            type Acc = [[int32x4_t; 2]; 4];
            type Context = ();

            #[inline(always)]
            unsafe fn load(from: *const u8) -> Self::Lanes {
                // SAFETY: the same contract.
                unsafe { load(from, $unpack) }
            }
            #[inline(always)]
            unsafe fn broadcast(from: *const i8) -> Self::Broadcast {
                // SAFETY: the same contract.
                unsafe { broadcast(from) }
            }
            #[inline(always)]
            unsafe fn context(_: *const i8, _: usize) {}
            #[inline(always)]
            unsafe fn zero() -> Self::Acc {
                // SAFETY: the caller has NEON.
                unsafe { [[vdupq_n_s32(0); 2]; 4] }
            }
            #[inline(always)]
            unsafe fn start() -> Self::Partial {
                // SAFETY: the caller has NEON.
                unsafe { [[vdupq_n_s16(0); 2]; 4] }
            }
            #[inline(always)]
            unsafe fn step(mut sum: Self::Partial, query: Self::Broadcast, rows: Self::Lanes) -> Self::Partial {
                for (sum, rows) in sum.iter_mut().zip(rows) {
                    for (query, rows) in query.into_iter().zip(rows) {
                        // SAFETY: the caller has NEON.
                        unsafe {
                            sum[0] = vmlal_s8(sum[0], vget_low_s8(query), vget_low_s8(rows));
                            sum[1] = vmlal_high_s8(sum[1], query, rows);
                        }
                    }
                }
                sum
            }
            #[inline(always)]
            unsafe fn flush(mut acc: Self::Acc, partial: Self::Partial) -> Self::Acc {
                for (acc, partial) in acc.iter_mut().zip(partial) {
                    // SAFETY: the caller has NEON.
                    unsafe { *acc = [vpadalq_s16(acc[0], partial[0]), vpadalq_s16(acc[1], partial[1])] };
                }
                acc
            }
            #[inline(always)]
            unsafe fn store(acc: Self::Acc, (): (), to: *mut i32) {
                for (part, [low, high]) in acc.into_iter().enumerate() {
                    // SAFETY: the caller vouches for sixteen places.
                    unsafe { vst1q_s32(to.add(4 * part), vpaddq_s32(low, high)) };
                }
            }
        }
    };
}
small! {
    /// Two codes a byte. A group adds two products of at most 15 · 128 to a lane: eight groups fit 16 bits.
    U4, 4, 2, 8, u4
}
small! {
    /// Four codes a byte. A group adds four products of at most 3 · 128 to a lane: 21 groups fit 16 bits.
    U2, 2, 4, 21, u2
}

/// One code a byte: a product of two bytes fits 16 bits, the sum of two does not.
struct U8;

// SAFETY: loads read 64 bytes of a panel and four of a query, stores write sixteen results.
unsafe impl CodePanelStep for U8 {
    const BITS: usize = 8;
    const CHUNK: usize = usize::MAX;
    type Lanes = [[int8x16_t; 1]; 4];
    type Broadcast = [int8x16_t; 1];
    /// Two lanes a row.
    type Partial = [[int32x4_t; 2]; 4];
    type Acc = [[int32x4_t; 2]; 4];
    /// 128 · Σ query.
    type Context = i32;

    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self::Lanes {
        // SAFETY: the same contract.
        unsafe { load(from, u8_less_128) }
    }
    #[inline(always)]
    unsafe fn broadcast(from: *const i8) -> Self::Broadcast {
        // SAFETY: the same contract.
        unsafe { broadcast(from) }
    }
    #[inline(always)]
    unsafe fn context(query: *const i8, dim: usize) -> i32 {
        // SAFETY: the same contract.
        unsafe { CodesU8::<Neon>::context(query, dim) }
    }
    #[inline(always)]
    unsafe fn zero() -> Self::Acc {
        // SAFETY: the caller has NEON.
        unsafe { [[vdupq_n_s32(0); 2]; 4] }
    }
    #[inline(always)]
    unsafe fn start() -> Self::Partial {
        // SAFETY: the caller has NEON.
        unsafe { [[vdupq_n_s32(0); 2]; 4] }
    }
    #[inline(always)]
    unsafe fn step(mut sum: Self::Partial, [query]: Self::Broadcast, rows: Self::Lanes) -> Self::Partial {
        for (sum, [rows]) in sum.iter_mut().zip(rows) {
            // SAFETY: the caller has NEON.
            unsafe {
                sum[0] = vpadalq_s16(sum[0], vmull_s8(vget_low_s8(query), vget_low_s8(rows)));
                sum[1] = vpadalq_s16(sum[1], vmull_high_s8(query, rows));
            }
        }
        sum
    }
    #[inline(always)]
    unsafe fn flush(mut acc: Self::Acc, partial: Self::Partial) -> Self::Acc {
        for (acc, partial) in acc.iter_mut().zip(partial) {
            // SAFETY: the caller has NEON.
            unsafe { *acc = [vaddq_s32(acc[0], partial[0]), vaddq_s32(acc[1], partial[1])] };
        }
        acc
    }
    #[inline(always)]
    unsafe fn store(acc: Self::Acc, context: i32, to: *mut i32) {
        for (part, [low, high]) in acc.into_iter().enumerate() {
            // SAFETY: the caller vouches for sixteen places.
            unsafe { vst1q_s32(to.add(4 * part), vaddq_s32(vpaddq_s32(low, high), vdupq_n_s32(context))) };
        }
    }
}

pub(super) const CODE_PANELS: CodePanelTable = CodePanelTable {
    u2: shell!(code_panel_forms: U2; panels: 1, queries: 1, single: 1, chains: 1),
    u4: shell!(code_panel_forms: U4; panels: 1, queries: 2, single: 1, chains: 1),
    u8: shell!(code_panel_forms: U8; panels: 1, queries: 2, single: 1, chains: 1),
};
