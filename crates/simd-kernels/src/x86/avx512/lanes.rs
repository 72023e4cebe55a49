//! What `pulp` lacks on AVX-512: `vscalef` for powers of two, sign flips and partial loads by mask register,
//! lane swaps.

use std::arch::x86_64::{__m512, __m512d, _CMP_NLT_UQ};

use pulp::x86::V4;
use pulp::{cast, f32x16, f64x8};

use crate::lanes::Missing;
use crate::math::Real;

impl Missing<f32> for V4 {
    type Vector = f32x16;

    #[inline(always)]
    fn ldexp(self, p: f32x16, t: f32x16) -> f32x16 {
        let n = self.sub_f32x16(t, self.splat_f32x16(f32::EXP.round));
        cast(self.avx512f._mm512_scalef_ps(cast(p), cast(n)))
    }
    #[inline(always)]
    fn ldexp_flushing(self, p: f32x16, t: f32x16) -> f32x16 {
        let n = self.sub_f32x16(t, self.splat_f32x16(f32::EXP.round));
        let least = self.splat_f32x16(f32::MIN_EXP as f32 - 1.0);
        let kept = self.avx512f._mm512_cmp_ps_mask::<_CMP_NLT_UQ>(cast(n), cast(least));
        cast(self.avx512f._mm512_maskz_scalef_ps(kept, cast(p), cast(n)))
    }
    #[inline(always)]
    fn flip(self, x: f32x16, bits: u32) -> f32x16 {
        let sign = self.avx512f._mm512_set1_epi32(i32::MIN);
        cast(self.avx512f._mm512_mask_xor_epi32(cast(x), bits as u16, cast(x), sign))
    }
    #[inline(always)]
    fn swap(self, x: f32x16, distance: usize) -> f32x16 {
        let x: __m512 = cast(x);
        cast(match distance {
            1 => self.avx512f._mm512_permute_ps::<0b10_11_00_01>(x),
            2 => self.avx512f._mm512_permute_ps::<0b01_00_11_10>(x),
            4 => self.avx512f._mm512_shuffle_f32x4::<0b10_11_00_01>(x, x),
            _ => self.avx512f._mm512_shuffle_f32x4::<0b01_00_11_10>(x, x),
        })
    }
    #[inline(always)]
    unsafe fn load_part(self, from: *const f32, n: usize) -> f32x16 {
        // SAFETY: only the first `n` lanes are read, for which the caller vouches.
        cast(unsafe { self.avx512f._mm512_maskz_loadu_ps((1 << n) - 1, from) })
    }
    #[inline(always)]
    unsafe fn store_part(self, to: *mut f32, n: usize, x: f32x16) {
        // SAFETY: only the first `n` lanes are written, for which the caller vouches.
        unsafe { self.avx512f._mm512_mask_storeu_ps(to, (1 << n) - 1, cast(x)) }
    }
}

impl Missing<f64> for V4 {
    type Vector = f64x8;

    #[inline(always)]
    fn ldexp(self, p: f64x8, t: f64x8) -> f64x8 {
        let n = self.sub_f64x8(t, self.splat_f64x8(f64::EXP.round));
        cast(self.avx512f._mm512_scalef_pd(cast(p), cast(n)))
    }
    #[inline(always)]
    fn ldexp_flushing(self, p: f64x8, t: f64x8) -> f64x8 {
        let n = self.sub_f64x8(t, self.splat_f64x8(f64::EXP.round));
        let least = self.splat_f64x8(f64::from(f64::MIN_EXP) - 1.0);
        let kept = self.avx512f._mm512_cmp_pd_mask::<_CMP_NLT_UQ>(cast(n), cast(least));
        cast(self.avx512f._mm512_maskz_scalef_pd(kept, cast(p), cast(n)))
    }
    #[inline(always)]
    fn flip(self, x: f64x8, bits: u32) -> f64x8 {
        let sign = self.avx512f._mm512_set1_epi64(i64::MIN);
        cast(self.avx512f._mm512_mask_xor_epi64(cast(x), bits as u8, cast(x), sign))
    }
    #[inline(always)]
    fn swap(self, x: f64x8, distance: usize) -> f64x8 {
        let x: __m512d = cast(x);
        cast(match distance {
            1 => self.avx512f._mm512_permute_pd::<0b0101_0101>(x),
            2 => self.avx512f._mm512_shuffle_f64x2::<0b10_11_00_01>(x, x),
            _ => self.avx512f._mm512_shuffle_f64x2::<0b01_00_11_10>(x, x),
        })
    }
    #[inline(always)]
    unsafe fn load_part(self, from: *const f64, n: usize) -> f64x8 {
        // SAFETY: only the first `n` lanes are read, for which the caller vouches.
        cast(unsafe { self.avx512f._mm512_maskz_loadu_pd((1 << n) - 1, from) })
    }
    #[inline(always)]
    unsafe fn store_part(self, to: *mut f64, n: usize, x: f64x8) {
        // SAFETY: only the first `n` lanes are written, for which the caller vouches.
        unsafe { self.avx512f._mm512_mask_storeu_pd(to, (1 << n) - 1, cast(x)) }
    }
}
