//! What `pulp` lacks on NEON: powers of two by integer shifts, sign flips, lane swaps.

use std::arch::aarch64::{float32x4_t, float64x2_t, uint32x4_t, uint64x2_t};

use pulp::aarch64::Neon;
use pulp::{cast, f32x4, f64x2};

use crate::lanes::Missing;

const F32_EXPONENT: i32 = 23;
const F32_ONE: u32 = 127 << F32_EXPONENT;
const F64_EXPONENT: i32 = 52;
const F64_ONE: u64 = 1023 << F64_EXPONENT;

/// 2ⁿ for the n in the low bits of each lane; n one below the normal exponents gives 0.
#[inline(always)]
fn power_of_two_f32(simd: Neon, n: uint32x4_t) -> f32x4 {
    let neon = simd.neon;
    cast(neon.vaddq_u32(neon.vshlq_n_u32::<F32_EXPONENT>(n), neon.vdupq_n_u32(F32_ONE)))
}

#[inline(always)]
fn power_of_two_f64(simd: Neon, n: uint64x2_t) -> f64x2 {
    let neon = simd.neon;
    cast(neon.vaddq_u64(neon.vshlq_n_u64::<F64_EXPONENT>(n), neon.vdupq_n_u64(F64_ONE)))
}

impl Missing<f32> for Neon {
    type Vector = f32x4;

    #[inline(always)]
    fn ldexp(self, p: f32x4, t: f32x4) -> f32x4 {
        // In two steps, because the powers at both ends of the range are not normal numbers.
        let n: uint32x4_t = cast(t);
        let half = self.neon.vshrq_n_u32::<1>(n);
        let rest = self.neon.vsubq_u32(n, half);
        let once = self.mul_f32x4(p, power_of_two_f32(self, half));
        self.mul_f32x4(once, power_of_two_f32(self, rest))
    }
    #[inline(always)]
    fn ldexp_flushing(self, p: f32x4, t: f32x4) -> f32x4 {
        self.mul_f32x4(p, power_of_two_f32(self, cast(t)))
    }
    #[inline(always)]
    fn flip(self, x: f32x4, bits: u32) -> f32x4 {
        let neon = self.neon;
        let bits = neon.vshlq_u32(neon.vdupq_n_u32(bits), cast([31i32, 30, 29, 28]));
        let sign = neon.vandq_u32(bits, neon.vdupq_n_u32(1 << 31));
        cast(neon.veorq_u32(cast(x), sign))
    }
    #[inline(always)]
    fn swap(self, x: f32x4, distance: usize) -> f32x4 {
        let x: float32x4_t = cast(x);
        cast(match distance {
            1 => self.neon.vrev64q_f32(x),
            _ => self.neon.vextq_f32::<2>(x, x),
        })
    }
}

impl Missing<f64> for Neon {
    type Vector = f64x2;

    #[inline(always)]
    fn ldexp(self, p: f64x2, t: f64x2) -> f64x2 {
        let n: uint64x2_t = cast(t);
        let half = self.neon.vshrq_n_u64::<1>(n);
        let rest = self.neon.vsubq_u64(n, half);
        let once = self.mul_f64x2(p, power_of_two_f64(self, half));
        self.mul_f64x2(once, power_of_two_f64(self, rest))
    }
    #[inline(always)]
    fn ldexp_flushing(self, p: f64x2, t: f64x2) -> f64x2 {
        self.mul_f64x2(p, power_of_two_f64(self, cast(t)))
    }
    #[inline(always)]
    fn flip(self, x: f64x2, bits: u32) -> f64x2 {
        let neon = self.neon;
        let bits = neon.vshlq_u64(neon.vdupq_n_u64(u64::from(bits)), cast([63i64, 62]));
        let sign = neon.vandq_u64(bits, neon.vdupq_n_u64(1 << 63));
        cast(neon.veorq_u64(cast(x), sign))
    }
    #[inline(always)]
    fn swap(self, x: f64x2, _distance: usize) -> f64x2 {
        let x: float64x2_t = cast(x);
        cast(self.neon.vextq_f64::<1>(x, x))
    }
}
