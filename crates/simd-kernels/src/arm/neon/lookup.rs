//! Scans by table: `tbl` looks up 16 or 64 entries.

use std::arch::aarch64::*;

use super::shell;
use crate::drive::LookupStep;
use crate::lookups::LookupTable;

macro_rules! step {
    ($(#[$text:meta])* $name:ident, $bits:literal, $unpack:ident, $look:ident) => {
        $(#[$text])*
        struct $name;

        // SAFETY: `unpack` reads sixteen bytes of each plane, `look` the entries of a table, stores write sixteen
        // results.
        unsafe impl LookupStep for $name {
            const BITS: usize = $bits;
            const ROWS: usize = 16;
            type Codes = uint8x16_t;
            type Index = uint8x16_t;
            type Bytes = uint8x16_t;
            type Acc = [uint16x8_t; 2];

            #[inline(always)]
            unsafe fn unpack(from: *const u8) -> [uint8x16_t; 4] {
                // SAFETY: the caller vouches for sixteen bytes in each plane.
                unsafe { $unpack(from) }
            }
            #[inline(always)]
            unsafe fn prepare(codes: uint8x16_t) -> uint8x16_t {
                codes
            }
            #[inline(always)]
            unsafe fn look(table: *const u8, index: uint8x16_t) -> uint8x16_t {
                // SAFETY: the caller vouches for the table.
                unsafe { $look(table, index) }
            }
            #[inline(always)]
            unsafe fn add(a: uint8x16_t, b: uint8x16_t) -> uint8x16_t {
                // SAFETY: the caller has NEON.
                unsafe { vaddq_u8(a, b) }
            }
            #[inline(always)]
            unsafe fn zero() -> [uint16x8_t; 2] {
                // SAFETY: the caller has NEON.
                unsafe { [vdupq_n_u16(0); 2] }
            }
            #[inline(always)]
            unsafe fn widen(acc: [uint16x8_t; 2], bytes: uint8x16_t) -> [uint16x8_t; 2] {
                // SAFETY: the caller has NEON.
                unsafe { [vaddw_u8(acc[0], vget_low_u8(bytes)), vaddw_high_u8(acc[1], bytes)] }
            }
            #[inline(always)]
            unsafe fn store(acc: [uint16x8_t; 2], to: *mut u16) {
                // SAFETY: the caller vouches for sixteen places.
                unsafe {
                    vst1q_u16(to, acc[0]);
                    vst1q_u16(to.add(8), acc[1]);
                }
            }
        }
    };
}
step! {
    /// Two codes a byte.
    U4, 4, u4, look_16
}
step! {
    /// Four codes in three bytes.
    U6, 6, u6, look_64
}
step! {
    /// One code a byte.
    U8, 8, u8, look_256
}

/// Low and high halves of two planes.
///
/// # Safety
/// `from` must be readable for sixteen bytes in each plane; NEON; here and below.
#[inline(always)]
unsafe fn u4(from: *const u8) -> [uint8x16_t; 4] {
    // SAFETY: the caller vouches for the planes.
    unsafe {
        let mask = vdupq_n_u8(15);
        let (first, second) = (vld1q_u8(from), vld1q_u8(from.add(64)));
        [vandq_u8(first, mask), vshrq_n_u8::<4>(first), vandq_u8(second, mask), vshrq_n_u8::<4>(second)]
    }
}

/// Three codes in the low six bits, a fourth in the others.
///
/// # Safety
/// See [`u4`].
#[inline(always)]
unsafe fn u6(from: *const u8) -> [uint8x16_t; 4] {
    // SAFETY: the caller vouches for the planes.
    unsafe {
        let (a, b, c) = (vld1q_u8(from), vld1q_u8(from.add(64)), vld1q_u8(from.add(128)));
        let mask = vdupq_n_u8(63);
        // Each insertion keeps the bits below: two of `a`, two of `b`, then those of `c`.
        let fourth = vsliq_n_u8::<2>(vshrq_n_u8::<6>(a), vshrq_n_u8::<6>(b));
        let fourth = vsliq_n_u8::<4>(fourth, vshrq_n_u8::<6>(c));
        [vandq_u8(a, mask), vandq_u8(b, mask), vandq_u8(c, mask), fourth]
    }
}

/// Whole bytes.
///
/// # Safety
/// See [`u4`].
#[inline(always)]
unsafe fn u8(from: *const u8) -> [uint8x16_t; 4] {
    // SAFETY: the caller vouches for the planes.
    unsafe { [vld1q_u8(from), vld1q_u8(from.add(64)), vld1q_u8(from.add(128)), vld1q_u8(from.add(192))] }
}

/// # Safety
/// `table` must be readable for 16 bytes; NEON.
#[inline(always)]
unsafe fn look_16(table: *const u8, index: uint8x16_t) -> uint8x16_t {
    // SAFETY: the caller vouches for the table.
    unsafe { vqtbl1q_u8(vld1q_u8(table), index) }
}

/// Four registers of entries.
///
/// # Safety
/// `table` must be readable for 64 bytes; NEON.
#[inline(always)]
unsafe fn entries(table: *const u8) -> uint8x16x4_t {
    // SAFETY: the caller vouches for the table.
    unsafe { vld1q_u8_x4(table) }
}

/// # Safety
/// `table` must be readable for 64 bytes; NEON.
#[inline(always)]
unsafe fn look_64(table: *const u8, index: uint8x16_t) -> uint8x16_t {
    // SAFETY: the caller vouches for the table.
    unsafe { vqtbl4q_u8(entries(table), index) }
}

/// `tbl` gives zero and `tbx` leaves what was there for an index beyond its 64 entries.
///
/// # Safety
/// `table` must be readable for 256 bytes; NEON.
#[inline(always)]
unsafe fn look_256(table: *const u8, index: uint8x16_t) -> uint8x16_t {
    // SAFETY: the caller vouches for the table.
    unsafe {
        let found = vqtbl4q_u8(entries(table), index);
        let found = vqtbx4q_u8(found, entries(table.add(64)), vsubq_u8(index, vdupq_n_u8(64)));
        let found = vqtbx4q_u8(found, entries(table.add(128)), vsubq_u8(index, vdupq_n_u8(128)));
        vqtbx4q_u8(found, entries(table.add(192)), vsubq_u8(index, vdupq_n_u8(192)))
    }
}

pub(super) const LOOKUP: LookupTable = LookupTable {
    u4: shell!(lookup_forms: U4; queries: 4, single: 4),
    u6: shell!(lookup_forms: U6; queries: 4, single: 4),
    u8: shell!(lookup_forms: U8; queries: 2, single: 2),
};
