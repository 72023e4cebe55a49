//! From memory into registers: whole vectors, and the last elements of a row.

use std::arch::aarch64::*;

use half::{bf16, f16};

use crate::drive::read_partial;

/// Registers full of elements of `T`, ready to be computed with.
///
/// # Safety
/// Both loads read exactly the elements that they state and nothing else.
pub(super) unsafe trait Load<T>: Copy {
    /// Elements held.
    const WIDTH: usize;

    /// # Safety
    /// `from` must be readable for `WIDTH` elements.
    unsafe fn load(from: *const T) -> Self;

    /// The `n` elements at `from`, then zeros.
    ///
    /// # Safety
    /// `from` must be readable for `n` elements, `0 < n < WIDTH`.
    unsafe fn load_partial(from: *const T, n: usize) -> Self;
}

/// The `len` bytes at `from`, then zeros.
///
/// # Safety
/// `from` must be readable for `len` bytes, `0 < len < 16`.
#[inline(always)]
unsafe fn partial_bytes(from: *const u8, len: usize) -> uint8x16_t {
    // SAFETY: the caller vouches for `len` and for that many bytes; sixteen bytes may be seen as a register.
    unsafe {
        std::hint::assert_unchecked(0 < len && len < 16);
        std::mem::transmute::<u128, uint8x16_t>(read_partial(from, len))
    }
}

// SAFETY: `load` reads one register, `load_partial` four bytes for each of the `n` elements.
unsafe impl Load<f32> for float32x4_t {
    const WIDTH: usize = 4;

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller vouches for `WIDTH` elements.
        unsafe { vld1q_f32(from) }
    }
    #[inline(always)]
    unsafe fn load_partial(from: *const f32, n: usize) -> Self {
        // SAFETY: the caller vouches for `0 < n < WIDTH` elements.
        unsafe { vreinterpretq_f32_u8(partial_bytes(from.cast(), 4 * n)) }
    }
}

/// Four `f64`.
pub(super) type Doubles = [float64x2_t; 2];

// SAFETY: `load` reads two registers, `load_partial` eight bytes for each of the `n` elements.
unsafe impl Load<f64> for Doubles {
    const WIDTH: usize = 4;

    #[inline(always)]
    unsafe fn load(from: *const f64) -> Self {
        // SAFETY: the caller vouches for `WIDTH` elements.
        unsafe { [vld1q_f64(from), vld1q_f64(from.add(2))] }
    }
    #[inline(always)]
    unsafe fn load_partial(from: *const f64, n: usize) -> Self {
        // SAFETY: the caller vouches for `0 < n < WIDTH` elements; each branch reads those.
        unsafe {
            let one = |at: usize| vcombine_f64(vld1_f64(from.add(at)), vdup_n_f64(0.0));
            match n {
                1 => [one(0), vdupq_n_f64(0.0)],
                2 => [vld1q_f64(from), vdupq_n_f64(0.0)],
                _ => [vld1q_f64(from), one(2)],
            }
        }
    }
}

// SAFETY: `load` reads one register, `load_partial` the `n` bytes.
unsafe impl Load<u8> for uint8x16_t {
    const WIDTH: usize = 16;

    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: the caller vouches for `WIDTH` elements.
        unsafe { vld1q_u8(from) }
    }
    #[inline(always)]
    unsafe fn load_partial(from: *const u8, n: usize) -> Self {
        // SAFETY: the caller vouches for `0 < n < WIDTH` elements.
        unsafe { partial_bytes(from, n) }
    }
}

// SAFETY: `load` reads one register, `load_partial` the `n` bytes.
unsafe impl Load<i8> for int8x16_t {
    const WIDTH: usize = 16;

    #[inline(always)]
    unsafe fn load(from: *const i8) -> Self {
        // SAFETY: the caller vouches for `WIDTH` elements.
        unsafe { vld1q_s8(from) }
    }
    #[inline(always)]
    unsafe fn load_partial(from: *const i8, n: usize) -> Self {
        // SAFETY: the caller vouches for `0 < n < WIDTH` elements.
        unsafe { vreinterpretq_s8_u8(partial_bytes(from.cast(), n)) }
    }
}

/// Eight 16-bit floats, widened to `f32`.
pub(super) type Widened = [float32x4_t; 2];

// SAFETY: `load` reads one register, `load_partial` two bytes for each of the `n` elements.
unsafe impl Load<f16> for Widened {
    const WIDTH: usize = 8;

    #[inline(always)]
    unsafe fn load(from: *const f16) -> Self {
        // SAFETY: the caller vouches for `WIDTH` elements, which are 16-bit patterns.
        unsafe { widen_f16(vld1q_u16(from.cast())) }
    }
    #[inline(always)]
    unsafe fn load_partial(from: *const f16, n: usize) -> Self {
        // SAFETY: the caller vouches for `0 < n < WIDTH` elements.
        unsafe { widen_f16(vreinterpretq_u16_u8(partial_bytes(from.cast(), 2 * n))) }
    }
}

// SAFETY: `load` reads one register, `load_partial` two bytes for each of the `n` elements.
unsafe impl Load<bf16> for Widened {
    const WIDTH: usize = 8;

    #[inline(always)]
    unsafe fn load(from: *const bf16) -> Self {
        // SAFETY: the caller vouches for `WIDTH` elements, which are 16-bit patterns.
        unsafe { widen_bf16(vld1q_u16(from.cast())) }
    }
    #[inline(always)]
    unsafe fn load_partial(from: *const bf16, n: usize) -> Self {
        // SAFETY: the caller vouches for `0 < n < WIDTH` elements.
        unsafe { widen_bf16(vreinterpretq_u16_u8(partial_bytes(from.cast(), 2 * n))) }
    }
}

/// # Safety
/// None beyond NEON, whose conversions from `f16` need no extension.
#[inline(always)]
unsafe fn widen_f16(bits: uint16x8_t) -> Widened {
    // SAFETY: NEON is there.
    unsafe {
        let halves = vreinterpretq_f16_u16(bits);
        [vcvt_f32_f16(vget_low_f16(halves)), vcvt_high_f32_f16(halves)]
    }
}

/// A `bf16` is the upper half of an `f32`.
///
/// # Safety
/// None beyond NEON.
#[inline(always)]
unsafe fn widen_bf16(bits: uint16x8_t) -> Widened {
    // SAFETY: NEON is there.
    unsafe {
        [
            vreinterpretq_f32_u32(vshll_n_u16::<16>(vget_low_u16(bits))),
            vreinterpretq_f32_u32(vshll_high_n_u16::<16>(bits)),
        ]
    }
}
