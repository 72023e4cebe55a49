//! What `pulp` lacks on AVX2: powers of two by integer shifts, sign flips, lane swaps, masked loads and stores.

use std::arch::x86_64::{__m256, __m256d, __m256i};

use pulp::x86::V3;
use pulp::{cast, f32x8, f64x4};

use crate::lanes::Missing;

const F32_EXPONENT: i32 = 23;
const F32_ONE: i32 = 127 << F32_EXPONENT;
const F64_EXPONENT: i32 = 52;
const F64_ONE: i64 = 1023 << F64_EXPONENT;

/// 2ⁿ for the n in the low bits of each lane; n one below the normal exponents gives 0.
#[inline(always)]
fn power_of_two_f32(simd: V3, n: __m256i) -> f32x8 {
    let exponent = simd.avx2._mm256_slli_epi32::<F32_EXPONENT>(n);
    cast(simd.avx2._mm256_add_epi32(exponent, simd.avx._mm256_set1_epi32(F32_ONE)))
}

#[inline(always)]
fn power_of_two_f64(simd: V3, n: __m256i) -> f64x4 {
    let exponent = simd.avx2._mm256_slli_epi64::<F64_EXPONENT>(n);
    cast(simd.avx2._mm256_add_epi64(exponent, simd.avx._mm256_set1_epi64x(F64_ONE)))
}

/// All ones in the first `n` lanes, 32 bits each.
#[inline(always)]
fn first_f32(simd: V3, n: usize) -> __m256i {
    let lane = simd.avx._mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    simd.avx2._mm256_cmpgt_epi32(simd.avx._mm256_set1_epi32(n as i32), lane)
}

#[inline(always)]
fn first_f64(simd: V3, n: usize) -> __m256i {
    let lane = simd.avx._mm256_setr_epi64x(0, 1, 2, 3);
    simd.avx2._mm256_cmpgt_epi64(simd.avx._mm256_set1_epi64x(n as i64), lane)
}

impl Missing<f32> for V3 {
    type Vector = f32x8;

    #[inline(always)]
    fn ldexp(self, p: f32x8, t: f32x8) -> f32x8 {
        // In two steps, because the powers at both ends of the range are not normal numbers.
        let n: __m256i = cast(t);
        let half = self.avx2._mm256_srli_epi32::<1>(n);
        let rest = self.avx2._mm256_sub_epi32(n, half);
        let once = self.mul_f32x8(p, power_of_two_f32(self, half));
        self.mul_f32x8(once, power_of_two_f32(self, rest))
    }
    #[inline(always)]
    fn ldexp_flushing(self, p: f32x8, t: f32x8) -> f32x8 {
        self.mul_f32x8(p, power_of_two_f32(self, cast(t)))
    }
    #[inline(always)]
    fn flip(self, x: f32x8, bits: u32) -> f32x8 {
        let up = self.avx._mm256_setr_epi32(31, 30, 29, 28, 27, 26, 25, 24);
        let bits = self.avx2._mm256_sllv_epi32(self.avx._mm256_set1_epi32(bits as i32), up);
        let sign = self.avx2._mm256_and_si256(bits, self.avx._mm256_set1_epi32(i32::MIN));
        cast(self.avx2._mm256_xor_si256(cast(x), sign))
    }
    #[inline(always)]
    fn swap(self, x: f32x8, distance: usize) -> f32x8 {
        let x: __m256 = cast(x);
        cast(match distance {
            1 => self.avx._mm256_permute_ps::<0b10_11_00_01>(x),
            2 => self.avx._mm256_permute_ps::<0b01_00_11_10>(x),
            _ => self.avx._mm256_permute2f128_ps::<1>(x, x),
        })
    }
    #[inline(always)]
    unsafe fn load_part(self, from: *const f32, n: usize) -> f32x8 {
        // SAFETY: only the first `n` lanes are read, for which the caller vouches.
        cast(unsafe { self.avx._mm256_maskload_ps(from, first_f32(self, n)) })
    }
    #[inline(always)]
    unsafe fn store_part(self, to: *mut f32, n: usize, x: f32x8) {
        // SAFETY: only the first `n` lanes are written, for which the caller vouches.
        unsafe { self.avx._mm256_maskstore_ps(to, first_f32(self, n), cast(x)) }
    }
}

impl Missing<f64> for V3 {
    type Vector = f64x4;

    #[inline(always)]
    fn ldexp(self, p: f64x4, t: f64x4) -> f64x4 {
        let n: __m256i = cast(t);
        let half = self.avx2._mm256_srli_epi64::<1>(n);
        let rest = self.avx2._mm256_sub_epi64(n, half);
        let once = self.mul_f64x4(p, power_of_two_f64(self, half));
        self.mul_f64x4(once, power_of_two_f64(self, rest))
    }
    #[inline(always)]
    fn ldexp_flushing(self, p: f64x4, t: f64x4) -> f64x4 {
        self.mul_f64x4(p, power_of_two_f64(self, cast(t)))
    }
    #[inline(always)]
    fn flip(self, x: f64x4, bits: u32) -> f64x4 {
        let up = self.avx._mm256_setr_epi64x(63, 62, 61, 60);
        let bits = self.avx2._mm256_sllv_epi64(self.avx._mm256_set1_epi64x(i64::from(bits)), up);
        let sign = self.avx2._mm256_and_si256(bits, self.avx._mm256_set1_epi64x(i64::MIN));
        cast(self.avx2._mm256_xor_si256(cast(x), sign))
    }
    #[inline(always)]
    fn swap(self, x: f64x4, distance: usize) -> f64x4 {
        let x: __m256d = cast(x);
        cast(match distance {
            1 => self.avx._mm256_permute_pd::<0b0101>(x),
            _ => self.avx._mm256_permute2f128_pd::<1>(x, x),
        })
    }
    #[inline(always)]
    unsafe fn load_part(self, from: *const f64, n: usize) -> f64x4 {
        // SAFETY: only the first `n` lanes are read, for which the caller vouches.
        cast(unsafe { self.avx._mm256_maskload_pd(from, first_f64(self, n)) })
    }
    #[inline(always)]
    unsafe fn store_part(self, to: *mut f64, n: usize, x: f64x4) {
        // SAFETY: only the first `n` lanes are written, for which the caller vouches.
        unsafe { self.avx._mm256_maskstore_pd(to, first_f64(self, n), cast(x)) }
    }
}
