//! Selection on AVX2: registers are compacted by a permutation looked up for their comparison bits.

use std::arch::x86_64::{
    __m128i, __m256, __m256d, __m256i, _CMP_EQ_OQ, _CMP_LT_OQ, _mm_loadl_epi64, _mm_storeu_si128,
    _mm256_loadu_ps, _mm256_loadu_si256, _mm256_storeu_si256,
};

use pulp::cast;
use pulp::x86::V3;

use crate::select::{
    self, Affine, Band, BandRows, BandShell, Compare, Estimate, EstimateShell, LEAST_ESTIMATES, Ordered,
    SelectTable, Shell,
};

pub(super) const SELECT: SelectTable = SelectTable::of::<V3>();

/// For each set of 8 bits, the numbers of the set bits from the lowest, one a byte: 2 KiB, half of what 32-bit
/// permutation indices would need of the first-level cache.
static SET_BITS: [u64; 256] = {
    let mut table = [0; 256];
    let mut bits = 0;
    while bits < 256 {
        let (mut lane, mut found) = (0, 0);
        while lane < 8 {
            if bits >> lane & 1 == 1 {
                table[bits] |= lane << (8 * found);
                found += 1;
            }
            lane += 1;
        }
        bits += 1;
    }
    table
};

/// For each set of 4 bits, [`SET_BITS`] for pairs of 32-bit lanes.
static SET_PAIRS: [u64; 16] = {
    let mut table = [0; 16];
    let mut bits = 0;
    while bits < 16 {
        let (mut lane, mut found) = (0, 0);
        while lane < 4 {
            if bits >> lane & 1 == 1 {
                table[bits] |= ((2 * lane) | ((2 * lane + 1) << 8)) << (16 * found);
                found += 1;
            }
            lane += 1;
        }
        bits += 1;
    }
    table
};

/// The entry of a table, widened to 32-bit lane numbers.
#[inline(always)]
fn lane_numbers<const N: usize>(simd: V3, table: &'static [u64; N], bits: u32) -> __m256i {
    let entry = &raw const table[bits as usize % N];
    // SAFETY: 8 bytes are read, which the entry has; SSE2 is part of the token.
    let bytes = unsafe { _mm_loadl_epi64(entry.cast()) };
    simd.avx2._mm256_cvtepu8_epi32(bytes)
}

/// Stores the chosen 32-bit lanes of `x`, and their ids.
///
/// # Safety
/// Both places must be writable for 8 values.
#[inline(always)]
unsafe fn keep_32(simd: V3, x: __m256i, bits: u32, id: u32, ids: *mut u32, values: *mut __m256i) {
    let lanes = lane_numbers(simd, &SET_BITS, bits);
    let first = simd.avx._mm256_set1_epi32(id as i32);
    // SAFETY: the caller vouches for 8 values in both places; AVX is part of the token.
    unsafe {
        _mm256_storeu_si256(ids.cast(), simd.avx2._mm256_add_epi32(first, lanes));
        _mm256_storeu_si256(values, simd.avx2._mm256_permutevar8x32_epi32(x, lanes));
    }
}

// SAFETY: a register is 8 values; the methods touch what they state.
unsafe impl Compare<f32> for V3 {
    type Vector = __m256;
    const WIDTH: usize = 8;

    #[inline(always)]
    fn splat(self, value: f32) -> __m256 {
        self.avx._mm256_set1_ps(value)
    }
    #[inline(always)]
    fn below(self, x: __m256, limit: __m256) -> u32 {
        self.avx._mm256_movemask_ps(self.avx._mm256_cmp_ps::<_CMP_LT_OQ>(x, limit)) as u32
    }
    #[inline(always)]
    fn equal(self, x: __m256, y: __m256) -> u32 {
        self.avx._mm256_movemask_ps(self.avx._mm256_cmp_ps::<_CMP_EQ_OQ>(x, y)) as u32
    }
    #[inline(always)]
    fn least(self, x: __m256, least: __m256) -> __m256 {
        // The second operand is the result if either is NaN.
        self.avx._mm256_min_ps(x, least)
    }
    #[inline(always)]
    unsafe fn keep(self, x: __m256, bits: u32, id: u32, ids: *mut u32, values: *mut f32) {
        // SAFETY: the same contract.
        unsafe { keep_32(self, cast(x), bits, id, ids, values.cast()) }
    }
}

// SAFETY: a register is 8 values; the methods touch what they state.
unsafe impl Compare<i32> for V3 {
    type Vector = __m256i;
    const WIDTH: usize = 8;

    #[inline(always)]
    fn splat(self, value: i32) -> __m256i {
        self.avx._mm256_set1_epi32(value)
    }
    #[inline(always)]
    fn below(self, x: __m256i, limit: __m256i) -> u32 {
        self.avx._mm256_movemask_ps(cast(self.avx2._mm256_cmpgt_epi32(limit, x))) as u32
    }
    #[inline(always)]
    fn equal(self, x: __m256i, y: __m256i) -> u32 {
        self.avx._mm256_movemask_ps(cast(self.avx2._mm256_cmpeq_epi32(x, y))) as u32
    }
    #[inline(always)]
    fn least(self, x: __m256i, least: __m256i) -> __m256i {
        self.avx2._mm256_min_epi32(x, least)
    }
    #[inline(always)]
    unsafe fn keep(self, x: __m256i, bits: u32, id: u32, ids: *mut u32, values: *mut i32) {
        // SAFETY: the same contract.
        unsafe { keep_32(self, x, bits, id, ids, values.cast()) }
    }
}

// SAFETY: a register is 4 values; the methods touch what they state.
unsafe impl Compare<f64> for V3 {
    type Vector = __m256d;
    const WIDTH: usize = 4;

    #[inline(always)]
    fn splat(self, value: f64) -> __m256d {
        self.avx._mm256_set1_pd(value)
    }
    #[inline(always)]
    fn below(self, x: __m256d, limit: __m256d) -> u32 {
        self.avx._mm256_movemask_pd(self.avx._mm256_cmp_pd::<_CMP_LT_OQ>(x, limit)) as u32
    }
    #[inline(always)]
    fn equal(self, x: __m256d, y: __m256d) -> u32 {
        self.avx._mm256_movemask_pd(self.avx._mm256_cmp_pd::<_CMP_EQ_OQ>(x, y)) as u32
    }
    #[inline(always)]
    fn least(self, x: __m256d, least: __m256d) -> __m256d {
        self.avx._mm256_min_pd(x, least)
    }
    #[inline(always)]
    unsafe fn keep(self, x: __m256d, bits: u32, id: u32, ids: *mut u32, values: *mut f64) {
        let pairs = lane_numbers(self, &SET_PAIRS, bits);
        let lanes: __m128i = self.avx._mm256_castsi256_si128(lane_numbers(self, &SET_BITS, bits));
        let first = self.sse2._mm_set1_epi32(id as i32);
        // SAFETY: the caller vouches for 4 values in both places; AVX is part of the token.
        unsafe {
            _mm_storeu_si128(ids.cast(), self.sse2._mm_add_epi32(first, lanes));
            _mm256_storeu_si256(values.cast(), self.avx2._mm256_permutevar8x32_epi32(cast(x), pairs));
        }
    }
}

impl<T: Ordered> Shell<T> for V3
where
    V3: Compare<T>,
{
    #[target_feature(enable = "avx2,fma,f16c,popcnt,bmi1,bmi2,lzcnt")]
    unsafe fn below(values: &[T], limit: T, base_id: u32, ids: &mut [u32], out: &mut [T]) -> usize {
        // SAFETY: this function has the token's features; the contract is the same.
        unsafe { select::below(V3::new_unchecked(), values, limit, base_id, ids, out) }
    }
    #[target_feature(enable = "avx2,fma,f16c,popcnt,bmi1,bmi2,lzcnt")]
    unsafe fn argmin(values: &[T]) -> Option<(usize, T)> {
        // SAFETY: this function has the token's features.
        select::argmin(unsafe { V3::new_unchecked() }, values)
    }
    #[target_feature(enable = "avx2,fma,f16c,popcnt,bmi1,bmi2,lzcnt")]
    unsafe fn top_k(values: &[T], base_id: u32, ids: &mut [u32], out: &mut [T]) -> usize {
        // SAFETY: this function has the token's features; the contract is the same.
        unsafe { select::top_k(V3::new_unchecked(), values, base_id, ids, out) }
    }
}

// SAFETY: what is read is what the method states.
unsafe impl Estimate for V3 {
    #[inline(always)]
    unsafe fn estimate(self, sums: *const i32, adds: *const f32, base: __m256, slope: __m256) -> __m256 {
        // SAFETY: the caller vouches for 8 values in both places; AVX is part of the token.
        let (sums, adds) = unsafe { (_mm256_loadu_si256(sums.cast()), _mm256_loadu_ps(adds)) };
        let taken = self.avx._mm256_mul_ps(slope, self.avx._mm256_cvtepi32_ps(sums));
        self.avx._mm256_sub_ps(self.avx._mm256_add_ps(base, adds), taken)
    }
    #[inline(always)]
    unsafe fn to_floats(self, from: *const i32) -> __m256 {
        // SAFETY: the caller vouches for 8 values; AVX is part of the token.
        let integers = unsafe { _mm256_loadu_si256(from.cast()) };
        self.avx._mm256_cvtepi32_ps(integers)
    }
}

impl EstimateShell for V3 {
    #[target_feature(enable = "avx2,fma,f16c,popcnt,bmi1,bmi2,lzcnt")]
    unsafe fn estimates_below(
        sums: &[i32],
        adds: &[f32],
        line: Affine,
        limit: f32,
        ids: &mut [u32],
        out: &mut [f32],
    ) -> usize {
        // SAFETY: this function has the token's features; the contract is the same.
        unsafe { select::estimates_below(V3::new_unchecked(), sums, adds, line, limit, ids, out) }
    }
    #[target_feature(enable = "avx2,fma,f16c,popcnt,bmi1,bmi2,lzcnt")]
    unsafe fn least_estimates(sums: &[i32], adds: &[f32], line: Affine, out: &mut [f32; LEAST_ESTIMATES]) {
        // SAFETY: this function has the token's features; the contract is the same.
        unsafe { select::least_estimates(V3::new_unchecked(), sums, adds, line, out) }
    }
}

impl BandShell for V3 {
    #[target_feature(enable = "avx2,fma,f16c,popcnt,bmi1,bmi2,lzcnt")]
    unsafe fn bands_reaching(
        rows: BandRows<'_>,
        band: Band,
        level: f32,
        ids: &mut [u32],
        out: &mut [f32],
    ) -> usize {
        // SAFETY: this function has the token's features; the contract is the same.
        unsafe { select::bands_reaching(V3::new_unchecked(), rows, band, level, ids, out) }
    }
}
