//! Panel kernels: sixteen rows as lanes of four or eight registers.

use std::arch::aarch64::*;
use std::marker::PhantomData;

use super::int8::Byte;
use super::panel_shells;
use crate::drive::{PanelStep, read_partial};
use crate::panels::{PanelElement, PanelForms};

struct F32;
struct F64;
struct Int8<E>(PhantomData<E>);

// SAFETY: loads read sixteen elements, stores write sixteen.
unsafe impl PanelStep for F32 {
    type Elem = f32;
    type Out = f32;
    type Lanes = [float32x4_t; 4];
    type Broadcast = float32x4_t;
    type Acc = [float32x4_t; 4];
    type Context = ();

    #[inline(always)]
    unsafe fn load(from: *const f32) -> [float32x4_t; 4] {
        // SAFETY: the caller vouches for sixteen elements.
        unsafe { [vld1q_f32(from), vld1q_f32(from.add(4)), vld1q_f32(from.add(8)), vld1q_f32(from.add(12))] }
    }
    #[inline(always)]
    unsafe fn broadcast(from: *const f32) -> float32x4_t {
        // SAFETY: the caller vouches for one element.
        unsafe { vld1q_dup_f32(from) }
    }
    #[inline(always)]
    unsafe fn broadcast_partial(_: *const f32, _: usize) -> float32x4_t {
        // SAFETY: the caller has NEON.
        unsafe { vdupq_n_f32(0.0) }
    }
    #[inline(always)]
    unsafe fn context(_: *const f32, _: usize) {}
    #[inline(always)]
    unsafe fn zero() -> [float32x4_t; 4] {
        // SAFETY: the caller has NEON.
        unsafe { [vdupq_n_f32(0.0); 4] }
    }
    #[inline(always)]
    unsafe fn step(
        mut acc: [float32x4_t; 4],
        query: float32x4_t,
        rows: [float32x4_t; 4],
    ) -> [float32x4_t; 4] {
        for (acc, rows) in acc.iter_mut().zip(rows) {
            // SAFETY: the caller has NEON.
            *acc = unsafe { vfmaq_f32(*acc, rows, query) };
        }
        acc
    }
    #[inline(always)]
    unsafe fn store(acc: [float32x4_t; 4], (): (), to: *mut f32) {
        for (part, acc) in acc.into_iter().enumerate() {
            // SAFETY: the caller vouches for sixteen places.
            unsafe { vst1q_f32(to.add(4 * part), acc) };
        }
    }
    #[inline(always)]
    unsafe fn store_l2(acc: [float32x4_t; 4], (): (), query_norm: f32, norms: *const f32, to: *mut f32) {
        // SAFETY: the caller vouches for sixteen norms and sixteen places.
        unsafe {
            let (query_norm, minus_two) = (vdupq_n_f32(query_norm), vdupq_n_f32(-2.0));
            let mut out = Self::load(norms);
            for (out, acc) in out.iter_mut().zip(acc) {
                *out = vfmaq_f32(vaddq_f32(*out, query_norm), acc, minus_two);
            }
            Self::store(out, (), to);
        }
    }
}

// SAFETY: loads read sixteen elements, stores write sixteen.
unsafe impl PanelStep for F64 {
    type Elem = f64;
    type Out = f64;
    type Lanes = [float64x2_t; 8];
    type Broadcast = float64x2_t;
    type Acc = [float64x2_t; 8];
    type Context = ();

    #[inline(always)]
    unsafe fn load(from: *const f64) -> [float64x2_t; 8] {
        // SAFETY: the caller vouches for sixteen elements.
        unsafe {
            [
                vld1q_f64(from),
                vld1q_f64(from.add(2)),
                vld1q_f64(from.add(4)),
                vld1q_f64(from.add(6)),
                vld1q_f64(from.add(8)),
                vld1q_f64(from.add(10)),
                vld1q_f64(from.add(12)),
                vld1q_f64(from.add(14)),
            ]
        }
    }
    #[inline(always)]
    unsafe fn broadcast(from: *const f64) -> float64x2_t {
        // SAFETY: the caller vouches for one element.
        unsafe { vld1q_dup_f64(from) }
    }
    #[inline(always)]
    unsafe fn broadcast_partial(_: *const f64, _: usize) -> float64x2_t {
        // SAFETY: the caller has NEON.
        unsafe { vdupq_n_f64(0.0) }
    }
    #[inline(always)]
    unsafe fn context(_: *const f64, _: usize) {}
    #[inline(always)]
    unsafe fn zero() -> [float64x2_t; 8] {
        // SAFETY: the caller has NEON.
        unsafe { [vdupq_n_f64(0.0); 8] }
    }
    #[inline(always)]
    unsafe fn step(
        mut acc: [float64x2_t; 8],
        query: float64x2_t,
        rows: [float64x2_t; 8],
    ) -> [float64x2_t; 8] {
        for (acc, rows) in acc.iter_mut().zip(rows) {
            // SAFETY: the caller has NEON.
            *acc = unsafe { vfmaq_f64(*acc, rows, query) };
        }
        acc
    }
    #[inline(always)]
    unsafe fn store(acc: [float64x2_t; 8], (): (), to: *mut f64) {
        for (part, acc) in acc.into_iter().enumerate() {
            // SAFETY: the caller vouches for sixteen places.
            unsafe { vst1q_f64(to.add(2 * part), acc) };
        }
    }
    #[inline(always)]
    unsafe fn store_l2(acc: [float64x2_t; 8], (): (), query_norm: f64, norms: *const f64, to: *mut f64) {
        // SAFETY: the caller vouches for sixteen norms and sixteen places.
        unsafe {
            let (query_norm, minus_two) = (vdupq_n_f64(query_norm), vdupq_n_f64(-2.0));
            let mut out = Self::load(norms);
            for (out, acc) in out.iter_mut().zip(acc) {
                *out = vfmaq_f64(vaddq_f64(*out, query_norm), acc, minus_two);
            }
            Self::store(out, (), to);
        }
    }
}

/// Sums of products of dimension pairs of four rows, two lanes a row.
trait Pairs: Byte + PanelElement<Distance = i32> {
    /// # Safety
    /// The CPU must have NEON.
    unsafe fn add(acc: [int32x4_t; 2], query: Self::Vec, rows: Self::Vec) -> [int32x4_t; 2];
}

impl Pairs for u8 {
    #[inline(always)]
    unsafe fn add(acc: [int32x4_t; 2], query: uint8x16_t, rows: uint8x16_t) -> [int32x4_t; 2] {
        // SAFETY: the caller has NEON. `Element::MAX_DIM` keeps the sums inside an `i32`.
        unsafe {
            let low = vmull_u8(vget_low_u8(query), vget_low_u8(rows));
            let high = vmull_high_u8(query, rows);
            [
                vreinterpretq_s32_u32(vpadalq_u16(vreinterpretq_u32_s32(acc[0]), low)),
                vreinterpretq_s32_u32(vpadalq_u16(vreinterpretq_u32_s32(acc[1]), high)),
            ]
        }
    }
}

impl Pairs for i8 {
    #[inline(always)]
    unsafe fn add(acc: [int32x4_t; 2], query: int8x16_t, rows: int8x16_t) -> [int32x4_t; 2] {
        // SAFETY: the caller has NEON.
        unsafe {
            [
                vpadalq_s16(acc[0], vmull_s8(vget_low_s8(query), vget_low_s8(rows))),
                vpadalq_s16(acc[1], vmull_high_s8(query, rows)),
            ]
        }
    }
}

// SAFETY: loads read sixteen groups of four bytes, stores write sixteen results.
unsafe impl<E: Pairs> PanelStep for Int8<E> {
    type Elem = E;
    type Out = i32;
    /// Four registers of four rows.
    type Lanes = [E::Vec; 4];
    type Broadcast = E::Vec;
    type Acc = [[int32x4_t; 2]; 4];
    type Context = ();

    #[inline(always)]
    unsafe fn load(from: *const E) -> [E::Vec; 4] {
        // SAFETY: the caller vouches for 64 bytes.
        unsafe { load_groups(from) }
    }
    #[inline(always)]
    unsafe fn broadcast(from: *const E) -> E::Vec {
        // SAFETY: the caller vouches for four bytes.
        unsafe { E::repeat(from.cast::<u32>().read_unaligned()) }
    }
    #[inline(always)]
    unsafe fn broadcast_partial(from: *const E, n: usize) -> E::Vec {
        // SAFETY: the caller vouches for `n` bytes.
        unsafe { E::repeat(read_partial(from.cast(), n) as u32) }
    }
    #[inline(always)]
    unsafe fn context(_: *const E, _: usize) {}
    #[inline(always)]
    unsafe fn zero() -> Self::Acc {
        // SAFETY: the caller has NEON.
        unsafe { [[vdupq_n_s32(0); 2]; 4] }
    }
    #[inline(always)]
    unsafe fn step(mut acc: Self::Acc, query: E::Vec, rows: [E::Vec; 4]) -> Self::Acc {
        for (acc, rows) in acc.iter_mut().zip(rows) {
            // SAFETY: the caller has NEON.
            *acc = unsafe { E::add(*acc, query, rows) };
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
    #[inline(always)]
    unsafe fn store_l2(acc: Self::Acc, (): (), query_norm: i32, norms: *const i32, to: *mut i32) {
        for (part, [low, high]) in acc.into_iter().enumerate() {
            // SAFETY: the caller vouches for sixteen norms and sixteen places.
            unsafe {
                store_l2_part(vpaddq_s32(low, high), query_norm, norms.add(4 * part), to.add(4 * part))
            };
        }
    }
}

/// Four groups of four bytes in each of four registers.
///
/// # Safety
/// `from` must be readable for 64 bytes.
#[inline(always)]
pub(in crate::arm) unsafe fn load_groups<E: Byte>(from: *const E) -> [E::Vec; 4] {
    use crate::arm::load::Load;
    // SAFETY: the caller vouches for 64 bytes.
    unsafe {
        [
            E::Vec::load(from),
            E::Vec::load(from.add(16)),
            E::Vec::load(from.add(32)),
            E::Vec::load(from.add(48)),
        ]
    }
}

/// Writes `query_norm + norms − 2 · products` for four rows, modulo 2³².
///
/// # Safety
/// `norms` must be readable and `to` writable for four values.
#[inline(always)]
pub(in crate::arm) unsafe fn store_l2_part(
    products: int32x4_t,
    query_norm: i32,
    norms: *const i32,
    to: *mut i32,
) {
    // SAFETY: the caller vouches for four norms and four places.
    unsafe {
        let norms = vaddq_s32(vld1q_s32(norms), vdupq_n_s32(query_norm));
        vst1q_s32(to, vsubq_s32(norms, vaddq_s32(products, products)));
    }
}

pub(super) const PANEL_F32: PanelForms<f32> = panel_shells!(F32; panels: 1, queries: 6);
pub(super) const PANEL_F64: PanelForms<f64> = panel_shells!(F64; panels: 1, queries: 2);
pub(super) const PANEL_U8: PanelForms<u8> = panel_shells!(Int8<u8>; panels: 1, queries: 2);
pub(super) const PANEL_I8: PanelForms<i8> = panel_shells!(Int8<i8>; panels: 1, queries: 2);
