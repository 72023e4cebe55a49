//! How a tier sums products of bytes: the one thing in which the aarch64 tiers differ.

use std::arch::aarch64::*;

/// Sums of bytes and of products of bytes, exact, added to 32-bit lanes. Which lane a term goes to is the
/// tier's own affair.
pub(super) trait Bytes {
    /// `acc` + Σ `a` · `b`.
    ///
    /// # Safety
    /// The CPU must have the tier's features, here and below.
    unsafe fn dot_u8(acc: uint32x4_t, a: uint8x16_t, b: uint8x16_t) -> uint32x4_t;

    /// `acc` + Σ `a` · `b`.
    ///
    /// # Safety
    /// See `dot_u8`.
    unsafe fn dot_i8(acc: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t;

    /// `acc` + Σ `a` · `b` over both registers of each, where twice the largest product of the first ones and
    /// twice that of the second ones together fit 16 bits.
    ///
    /// # Safety
    /// See `dot_u8`.
    unsafe fn dot_small(acc: int32x4_t, a: [int8x16_t; 2], b: [int8x16_t; 2]) -> int32x4_t;

    /// Σ `a` · `b` over both registers of each, every four consecutive bytes in a lane of their own, where the
    /// largest product of the first ones and that of the second ones together fit 16 bits.
    ///
    /// # Safety
    /// See `dot_u8`.
    unsafe fn dot_groups(a: [int8x16_t; 2], b: [int8x16_t; 2]) -> int32x4_t;

    /// `acc` + Σ `a`.
    ///
    /// # Safety
    /// See `dot_u8`.
    unsafe fn sum(acc: uint32x4_t, a: uint8x16_t) -> uint32x4_t;
}
