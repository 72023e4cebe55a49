//! `f32` distances, four lanes a register.

use std::arch::aarch64::*;

use super::shells;
use crate::arm::symmetric::{Alike, Symmetric};
use crate::table::Distances;

/// Σ (x − y)².
struct L2Squared;
/// Σ xy.
struct InnerProduct;
/// Σ |x − y|.
struct L1;

impl Symmetric for L2Squared {
    type Elem = f32;
    type Vec = float32x4_t;
    type Acc = float32x4_t;

    #[inline(always)]
    unsafe fn step(acc: float32x4_t, query: float32x4_t, row: float32x4_t) -> float32x4_t {
        // SAFETY: the caller vouches for NEON.
        unsafe {
            let difference = vsubq_f32(query, row);
            vfmaq_f32(acc, difference, difference)
        }
    }
}

impl Symmetric for InnerProduct {
    type Elem = f32;
    type Vec = float32x4_t;
    type Acc = float32x4_t;

    #[inline(always)]
    unsafe fn step(acc: float32x4_t, query: float32x4_t, row: float32x4_t) -> float32x4_t {
        // SAFETY: the caller vouches for NEON.
        unsafe { vfmaq_f32(acc, query, row) }
    }
}

impl Symmetric for L1 {
    type Elem = f32;
    type Vec = float32x4_t;
    type Acc = float32x4_t;

    #[inline(always)]
    unsafe fn step(acc: float32x4_t, query: float32x4_t, row: float32x4_t) -> float32x4_t {
        // SAFETY: the caller vouches for NEON.
        unsafe { vaddq_f32(acc, vabdq_f32(query, row)) }
    }
}

pub(super) const F32: Distances<f32> = Distances {
    l2_squared: shells!(Alike<L2Squared>; pair: 8, rows: 8, tile: 4),
    inner_product: shells!(Alike<InnerProduct>; pair: 8, rows: 8, tile: 4),
    l1: shells!(Alike<L1>; pair: 8, rows: 8, tile: 4),
    cosine: shells!(cosine Alike<InnerProduct>),
};
