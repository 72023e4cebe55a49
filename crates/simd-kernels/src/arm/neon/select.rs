//! Selection on NEON: comparison bits by a weighted sum, registers compacted by a byte table looked up for them.

use std::arch::aarch64::{
    float32x4_t, float64x2_t, int32x4_t, uint32x4_t, uint64x2_t, vld1q_f32, vld1q_s32, vst1_u32, vst1q_u8,
    vst1q_u32,
};

use pulp::aarch64::Neon;
use pulp::cast;

use crate::select::{
    self, Affine, Band, BandRows, BandShell, Compare, Estimate, EstimateShell, LEAST_ESTIMATES, Ordered,
    SelectTable, Shell,
};

pub(super) const SELECT: SelectTable = SelectTable::of::<Neon>();

/// For each set of `LANES` bits, the numbers of the set bits from the lowest.
const fn set_bits<const LANES: usize, const SETS: usize>() -> [[u32; LANES]; SETS] {
    let mut table = [[0; LANES]; SETS];
    let mut bits = 0;
    while bits < SETS {
        let (mut lane, mut found) = (0, 0);
        while lane < LANES {
            if bits >> lane & 1 == 1 {
                table[bits][found] = lane as u32;
                found += 1;
            }
            lane += 1;
        }
        bits += 1;
    }
    table
}

/// The bytes that make up those lanes.
const fn set_bytes<const LANES: usize, const SETS: usize>(lanes: [[u32; LANES]; SETS]) -> [[u8; 16]; SETS] {
    let size = 16 / LANES;
    let mut table = [[0; 16]; SETS];
    let mut bits = 0;
    while bits < SETS {
        let mut byte = 0;
        while byte < 16 {
            table[bits][byte] = lanes[bits][byte / size] as u8 * size as u8 + (byte % size) as u8;
            byte += 1;
        }
        bits += 1;
    }
    table
}

static LANES_OF_4: [[u32; 4]; 16] = set_bits();
static BYTES_OF_4: [[u8; 16]; 16] = set_bytes(set_bits::<4, 16>());
static LANES_OF_2: [[u32; 2]; 4] = set_bits();
static BYTES_OF_2: [[u8; 16]; 4] = set_bytes(set_bits::<2, 4>());

#[inline(always)]
fn bits_of_4(simd: Neon, mask: uint32x4_t) -> u32 {
    simd.neon.vaddvq_u32(simd.neon.vandq_u32(mask, cast([1u32, 2, 4, 8])))
}

#[inline(always)]
fn bits_of_2(simd: Neon, mask: uint64x2_t) -> u32 {
    simd.neon.vaddvq_u64(simd.neon.vandq_u64(mask, cast([1u64, 2]))) as u32
}

/// Stores the chosen 32-bit lanes of `x`, and their ids.
///
/// # Safety
/// Both places must be writable for 4 values.
#[inline(always)]
unsafe fn keep_32(simd: Neon, x: uint32x4_t, bits: u32, id: u32, ids: *mut u32, values: *mut u8) {
    let entry = bits as usize % 16;
    let kept = simd.neon.vqtbl1q_u8(cast(x), cast(BYTES_OF_4[entry]));
    let lanes: uint32x4_t = cast(LANES_OF_4[entry]);
    // SAFETY: the caller vouches for 4 values in both places.
    unsafe {
        vst1q_u32(ids, simd.neon.vaddq_u32(simd.neon.vdupq_n_u32(id), lanes));
        vst1q_u8(values, kept);
    }
}

// SAFETY: a register is 4 values; the methods touch what they state.
unsafe impl Compare<f32> for Neon {
    type Vector = float32x4_t;
    const WIDTH: usize = 4;

    #[inline(always)]
    fn splat(self, value: f32) -> float32x4_t {
        self.neon.vdupq_n_f32(value)
    }
    #[inline(always)]
    fn below(self, x: float32x4_t, limit: float32x4_t) -> u32 {
        bits_of_4(self, self.neon.vcltq_f32(x, limit))
    }
    #[inline(always)]
    fn equal(self, x: float32x4_t, y: float32x4_t) -> u32 {
        bits_of_4(self, self.neon.vceqq_f32(x, y))
    }
    #[inline(always)]
    fn least(self, x: float32x4_t, least: float32x4_t) -> float32x4_t {
        // Not `fmin`, which returns NaN if either is.
        self.neon.vbslq_f32(self.neon.vcltq_f32(x, least), x, least)
    }
    #[inline(always)]
    unsafe fn keep(self, x: float32x4_t, bits: u32, id: u32, ids: *mut u32, values: *mut f32) {
        // SAFETY: the same contract.
        unsafe { keep_32(self, cast(x), bits, id, ids, values.cast()) }
    }
}

// SAFETY: a register is 4 values; the methods touch what they state.
unsafe impl Compare<i32> for Neon {
    type Vector = int32x4_t;
    const WIDTH: usize = 4;

    #[inline(always)]
    fn splat(self, value: i32) -> int32x4_t {
        self.neon.vdupq_n_s32(value)
    }
    #[inline(always)]
    fn below(self, x: int32x4_t, limit: int32x4_t) -> u32 {
        bits_of_4(self, self.neon.vcltq_s32(x, limit))
    }
    #[inline(always)]
    fn equal(self, x: int32x4_t, y: int32x4_t) -> u32 {
        bits_of_4(self, self.neon.vceqq_s32(x, y))
    }
    #[inline(always)]
    fn least(self, x: int32x4_t, least: int32x4_t) -> int32x4_t {
        self.neon.vminq_s32(x, least)
    }
    #[inline(always)]
    unsafe fn keep(self, x: int32x4_t, bits: u32, id: u32, ids: *mut u32, values: *mut i32) {
        // SAFETY: the same contract.
        unsafe { keep_32(self, cast(x), bits, id, ids, values.cast()) }
    }
}

// SAFETY: a register is 2 values; the methods touch what they state.
unsafe impl Compare<f64> for Neon {
    type Vector = float64x2_t;
    const WIDTH: usize = 2;

    #[inline(always)]
    fn splat(self, value: f64) -> float64x2_t {
        self.neon.vdupq_n_f64(value)
    }
    #[inline(always)]
    fn below(self, x: float64x2_t, limit: float64x2_t) -> u32 {
        bits_of_2(self, self.neon.vcltq_f64(x, limit))
    }
    #[inline(always)]
    fn equal(self, x: float64x2_t, y: float64x2_t) -> u32 {
        bits_of_2(self, self.neon.vceqq_f64(x, y))
    }
    #[inline(always)]
    fn least(self, x: float64x2_t, least: float64x2_t) -> float64x2_t {
        self.neon.vbslq_f64(self.neon.vcltq_f64(x, least), x, least)
    }
    #[inline(always)]
    unsafe fn keep(self, x: float64x2_t, bits: u32, id: u32, ids: *mut u32, values: *mut f64) {
        let entry = bits as usize % 4;
        let kept = self.neon.vqtbl1q_u8(cast(x), cast(BYTES_OF_2[entry]));
        let lanes = cast(LANES_OF_2[entry]);
        // SAFETY: the caller vouches for 2 values in both places.
        unsafe {
            vst1_u32(ids, self.neon.vadd_u32(self.neon.vdup_n_u32(id), lanes));
            vst1q_u8(values.cast(), kept);
        }
    }
}

impl<T: Ordered> Shell<T> for Neon
where
    Neon: Compare<T>,
{
    #[target_feature(enable = "neon")]
    unsafe fn below(values: &[T], limit: T, base_id: u32, ids: &mut [u32], out: &mut [T]) -> usize {
        // SAFETY: this function has the token's features; the contract is the same.
        unsafe { select::below(Neon::new_unchecked(), values, limit, base_id, ids, out) }
    }
    #[target_feature(enable = "neon")]
    unsafe fn argmin(values: &[T]) -> Option<(usize, T)> {
        // SAFETY: this function has the token's features.
        select::argmin(unsafe { Neon::new_unchecked() }, values)
    }
    #[target_feature(enable = "neon")]
    unsafe fn top_k(values: &[T], base_id: u32, ids: &mut [u32], out: &mut [T]) -> usize {
        // SAFETY: this function has the token's features; the contract is the same.
        unsafe { select::top_k(Neon::new_unchecked(), values, base_id, ids, out) }
    }
}

// SAFETY: what is read is what the method states.
unsafe impl Estimate for Neon {
    #[inline(always)]
    unsafe fn estimate(
        self,
        sums: *const i32,
        adds: *const f32,
        base: float32x4_t,
        slope: float32x4_t,
    ) -> float32x4_t {
        // SAFETY: the caller vouches for 4 values in both places.
        let (sums, adds) = unsafe { (vld1q_s32(sums), vld1q_f32(adds)) };
        let taken = self.neon.vmulq_f32(slope, self.neon.vcvtq_f32_s32(sums));
        self.neon.vsubq_f32(self.neon.vaddq_f32(base, adds), taken)
    }
    #[inline(always)]
    unsafe fn to_floats(self, from: *const i32) -> float32x4_t {
        // SAFETY: the caller vouches for 4 values.
        let integers = unsafe { vld1q_s32(from) };
        self.neon.vcvtq_f32_s32(integers)
    }
}

impl EstimateShell for Neon {
    #[target_feature(enable = "neon")]
    unsafe fn estimates_below(
        sums: &[i32],
        adds: &[f32],
        line: Affine,
        limit: f32,
        ids: &mut [u32],
        out: &mut [f32],
    ) -> usize {
        // SAFETY: this function has the token's features; the contract is the same.
        unsafe { select::estimates_below(Neon::new_unchecked(), sums, adds, line, limit, ids, out) }
    }
    #[target_feature(enable = "neon")]
    unsafe fn least_estimates(sums: &[i32], adds: &[f32], line: Affine, out: &mut [f32; LEAST_ESTIMATES]) {
        // SAFETY: this function has the token's features; the contract is the same.
        unsafe { select::least_estimates(Neon::new_unchecked(), sums, adds, line, out) }
    }
}

impl BandShell for Neon {
    #[target_feature(enable = "neon")]
    unsafe fn bands_reaching(
        rows: BandRows<'_>,
        band: Band,
        level: f32,
        ids: &mut [u32],
        out: &mut [f32],
    ) -> usize {
        // SAFETY: this function has the token's features; the contract is the same.
        unsafe { select::bands_reaching(Neon::new_unchecked(), rows, band, level, ids, out) }
    }
}
