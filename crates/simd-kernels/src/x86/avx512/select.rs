//! Selection on AVX-512: registers are compacted by `vpcompress` *to a register* and stored whole. Compressing
//! to memory is microcoded on Zen 4 and 20 times slower.

use std::arch::x86_64::{
    __m256i, __m512, __m512d, __m512i, _CMP_EQ_OQ, _CMP_LT_OQ, _mm256_storeu_si256, _mm512_loadu_ps,
    _mm512_loadu_si512, _mm512_storeu_si512,
};

use pulp::cast;
use pulp::x86::V4;

use crate::select::{
    self, Affine, Band, BandRows, BandShell, Compare, Estimate, EstimateShell, LEAST_ESTIMATES, Ordered,
    SelectTable, Shell,
};

pub(super) const SELECT: SelectTable = SelectTable::of::<V4>();

/// Stores the chosen 32-bit lanes of `x`, and their ids.
///
/// # Safety
/// Both places must be writable for 16 values.
#[inline(always)]
unsafe fn keep_32(simd: V4, x: __m512i, bits: u32, id: u32, ids: *mut u32, values: *mut __m512i) {
    let lane = cast([0u32, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
    let id = simd.avx512f._mm512_add_epi32(simd.avx512f._mm512_set1_epi32(id as i32), lane);
    // SAFETY: the caller vouches for 16 values in both places; AVX-512F is part of the token.
    unsafe {
        _mm512_storeu_si512(ids.cast(), simd.avx512f._mm512_maskz_compress_epi32(bits as u16, id));
        _mm512_storeu_si512(values, simd.avx512f._mm512_maskz_compress_epi32(bits as u16, x));
    }
}

// SAFETY: a register is 16 values; the methods touch what they state.
unsafe impl Compare<f32> for V4 {
    type Vector = __m512;
    const WIDTH: usize = 16;

    #[inline(always)]
    fn splat(self, value: f32) -> __m512 {
        self.avx512f._mm512_set1_ps(value)
    }
    #[inline(always)]
    fn below(self, x: __m512, limit: __m512) -> u32 {
        self.avx512f._mm512_cmp_ps_mask::<_CMP_LT_OQ>(x, limit).into()
    }
    #[inline(always)]
    fn equal(self, x: __m512, y: __m512) -> u32 {
        self.avx512f._mm512_cmp_ps_mask::<_CMP_EQ_OQ>(x, y).into()
    }
    #[inline(always)]
    fn least(self, x: __m512, least: __m512) -> __m512 {
        // The second operand is the result if either is NaN.
        self.avx512f._mm512_min_ps(x, least)
    }
    #[inline(always)]
    unsafe fn keep(self, x: __m512, bits: u32, id: u32, ids: *mut u32, values: *mut f32) {
        // SAFETY: the same contract.
        unsafe { keep_32(self, cast(x), bits, id, ids, values.cast()) }
    }
}

// SAFETY: a register is 16 values; the methods touch what they state.
unsafe impl Compare<i32> for V4 {
    type Vector = __m512i;
    const WIDTH: usize = 16;

    #[inline(always)]
    fn splat(self, value: i32) -> __m512i {
        self.avx512f._mm512_set1_epi32(value)
    }
    #[inline(always)]
    fn below(self, x: __m512i, limit: __m512i) -> u32 {
        self.avx512f._mm512_cmplt_epi32_mask(x, limit).into()
    }
    #[inline(always)]
    fn equal(self, x: __m512i, y: __m512i) -> u32 {
        self.avx512f._mm512_cmpeq_epi32_mask(x, y).into()
    }
    #[inline(always)]
    fn least(self, x: __m512i, least: __m512i) -> __m512i {
        self.avx512f._mm512_min_epi32(x, least)
    }
    #[inline(always)]
    unsafe fn keep(self, x: __m512i, bits: u32, id: u32, ids: *mut u32, values: *mut i32) {
        // SAFETY: the same contract.
        unsafe { keep_32(self, x, bits, id, ids, values.cast()) }
    }
}

// SAFETY: a register is 8 values; the methods touch what they state.
unsafe impl Compare<f64> for V4 {
    type Vector = __m512d;
    const WIDTH: usize = 8;

    #[inline(always)]
    fn splat(self, value: f64) -> __m512d {
        self.avx512f._mm512_set1_pd(value)
    }
    #[inline(always)]
    fn below(self, x: __m512d, limit: __m512d) -> u32 {
        self.avx512f._mm512_cmp_pd_mask::<_CMP_LT_OQ>(x, limit).into()
    }
    #[inline(always)]
    fn equal(self, x: __m512d, y: __m512d) -> u32 {
        self.avx512f._mm512_cmp_pd_mask::<_CMP_EQ_OQ>(x, y).into()
    }
    #[inline(always)]
    fn least(self, x: __m512d, least: __m512d) -> __m512d {
        self.avx512f._mm512_min_pd(x, least)
    }
    #[inline(always)]
    unsafe fn keep(self, x: __m512d, bits: u32, id: u32, ids: *mut u32, values: *mut f64) {
        let lane: __m256i = cast([0u32, 1, 2, 3, 4, 5, 6, 7]);
        let id = self.avx2._mm256_add_epi32(self.avx._mm256_set1_epi32(id as i32), lane);
        let id = self.avx512f._mm256_maskz_compress_epi32(bits as u8, id);
        let kept = self.avx512f._mm512_maskz_compress_epi64(bits as u8, cast(x));
        // SAFETY: the caller vouches for 8 values in both places; AVX and AVX-512F are part of the token.
        unsafe {
            _mm256_storeu_si256(ids.cast(), id);
            _mm512_storeu_si512(values.cast(), kept);
        }
    }
}

impl<T: Ordered> Shell<T> for V4
where
    V4: Compare<T>,
{
    #[target_feature(
        enable = "avx2,fma,f16c,popcnt,bmi1,bmi2,lzcnt,avx512f,avx512bw,avx512cd,avx512dq,avx512vl"
    )]
    unsafe fn below(values: &[T], limit: T, base_id: u32, ids: &mut [u32], out: &mut [T]) -> usize {
        // SAFETY: this function has the token's features; the contract is the same.
        unsafe { select::below(V4::new_unchecked(), values, limit, base_id, ids, out) }
    }
    #[target_feature(
        enable = "avx2,fma,f16c,popcnt,bmi1,bmi2,lzcnt,avx512f,avx512bw,avx512cd,avx512dq,avx512vl"
    )]
    unsafe fn argmin(values: &[T]) -> Option<(usize, T)> {
        // SAFETY: this function has the token's features.
        select::argmin(unsafe { V4::new_unchecked() }, values)
    }
    #[target_feature(
        enable = "avx2,fma,f16c,popcnt,bmi1,bmi2,lzcnt,avx512f,avx512bw,avx512cd,avx512dq,avx512vl"
    )]
    unsafe fn top_k(values: &[T], base_id: u32, ids: &mut [u32], out: &mut [T]) -> usize {
        // SAFETY: this function has the token's features; the contract is the same.
        unsafe { select::top_k(V4::new_unchecked(), values, base_id, ids, out) }
    }
}

// SAFETY: what is read is what the method states.
unsafe impl Estimate for V4 {
    #[inline(always)]
    unsafe fn estimate(self, sums: *const i32, adds: *const f32, base: __m512, slope: __m512) -> __m512 {
        // SAFETY: the caller vouches for 16 values in both places; AVX-512F is part of the token.
        let (sums, adds) = unsafe { (_mm512_loadu_si512(sums.cast()), _mm512_loadu_ps(adds)) };
        let taken = self.avx512f._mm512_mul_ps(slope, self.avx512f._mm512_cvtepi32_ps(sums));
        self.avx512f._mm512_sub_ps(self.avx512f._mm512_add_ps(base, adds), taken)
    }
    #[inline(always)]
    unsafe fn to_floats(self, from: *const i32) -> __m512 {
        // SAFETY: the caller vouches for 16 values; AVX-512F is part of the token.
        let integers = unsafe { _mm512_loadu_si512(from.cast()) };
        self.avx512f._mm512_cvtepi32_ps(integers)
    }
}

impl EstimateShell for V4 {
    #[target_feature(
        enable = "avx2,fma,f16c,popcnt,bmi1,bmi2,lzcnt,avx512f,avx512bw,avx512cd,avx512dq,avx512vl"
    )]
    unsafe fn estimates_below(
        sums: &[i32],
        adds: &[f32],
        line: Affine,
        limit: f32,
        ids: &mut [u32],
        out: &mut [f32],
    ) -> usize {
        // SAFETY: this function has the token's features; the contract is the same.
        unsafe { select::estimates_below(V4::new_unchecked(), sums, adds, line, limit, ids, out) }
    }
    #[target_feature(
        enable = "avx2,fma,f16c,popcnt,bmi1,bmi2,lzcnt,avx512f,avx512bw,avx512cd,avx512dq,avx512vl"
    )]
    unsafe fn least_estimates(sums: &[i32], adds: &[f32], line: Affine, out: &mut [f32; LEAST_ESTIMATES]) {
        // SAFETY: this function has the token's features; the contract is the same.
        unsafe { select::least_estimates(V4::new_unchecked(), sums, adds, line, out) }
    }
}

impl BandShell for V4 {
    #[target_feature(
        enable = "avx2,fma,f16c,popcnt,bmi1,bmi2,lzcnt,avx512f,avx512bw,avx512cd,avx512dq,avx512vl"
    )]
    unsafe fn bands_reaching(
        rows: BandRows<'_>,
        band: Band,
        level: f32,
        ids: &mut [u32],
        out: &mut [f32],
    ) -> usize {
        // SAFETY: this function has the token's features; the contract is the same.
        unsafe { select::bands_reaching(V4::new_unchecked(), rows, band, level, ids, out) }
    }
}
