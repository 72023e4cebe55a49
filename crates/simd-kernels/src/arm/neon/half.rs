//! `f16` and `bf16` distances, widened to `f32`: by conversion and by shift.

use std::arch::aarch64::*;
use std::marker::PhantomData;

use half::{bf16, f16};

use super::shells;
use crate::arm::load::{Load, Widened};
use crate::arm::symmetric::{Alike, Symmetric};
use crate::element::Element;
use crate::table::Distances;

/// Σ (x − y)² over vectors of `T`.
struct L2Squared<T>(PhantomData<T>);
/// Σ xy.
struct InnerProduct<T>(PhantomData<T>);
/// Σ |x − y|.
struct L1<T>(PhantomData<T>);

impl<T: Element> Symmetric for L2Squared<T>
where
    Widened: Load<T>,
{
    type Elem = T;
    type Vec = Widened;
    type Acc = float32x4_t;

    #[inline(always)]
    unsafe fn step(acc: float32x4_t, query: Widened, row: Widened) -> float32x4_t {
        // SAFETY: the caller vouches for NEON.
        unsafe {
            let (low, high) = (vsubq_f32(query[0], row[0]), vsubq_f32(query[1], row[1]));
            vfmaq_f32(vfmaq_f32(acc, low, low), high, high)
        }
    }
}

impl<T: Element> Symmetric for InnerProduct<T>
where
    Widened: Load<T>,
{
    type Elem = T;
    type Vec = Widened;
    type Acc = float32x4_t;

    #[inline(always)]
    unsafe fn step(acc: float32x4_t, query: Widened, row: Widened) -> float32x4_t {
        // SAFETY: the caller vouches for NEON.
        unsafe { vfmaq_f32(vfmaq_f32(acc, query[0], row[0]), query[1], row[1]) }
    }
}

impl<T: Element> Symmetric for L1<T>
where
    Widened: Load<T>,
{
    type Elem = T;
    type Vec = Widened;
    type Acc = float32x4_t;

    #[inline(always)]
    unsafe fn step(acc: float32x4_t, query: Widened, row: Widened) -> float32x4_t {
        // SAFETY: the caller vouches for NEON.
        unsafe { vaddq_f32(vaddq_f32(acc, vabdq_f32(query[0], row[0])), vabdq_f32(query[1], row[1])) }
    }
}

pub(super) const F16: Distances<f16> = Distances {
    l2_squared: shells!(Alike<L2Squared<f16>>; pair: 4, rows: 8, tile: 3),
    inner_product: shells!(Alike<InnerProduct<f16>>; pair: 4, rows: 8, tile: 4),
    l1: shells!(Alike<L1<f16>>; pair: 4, rows: 8, tile: 3),
    cosine: shells!(cosine Alike<InnerProduct<f16>>),
};

pub(super) const BF16: Distances<bf16> = Distances {
    l2_squared: shells!(Alike<L2Squared<bf16>>; pair: 4, rows: 8, tile: 3),
    inner_product: shells!(Alike<InnerProduct<bf16>>; pair: 4, rows: 8, tile: 4),
    l1: shells!(Alike<L1<bf16>>; pair: 4, rows: 8, tile: 3),
    cosine: shells!(cosine Alike<InnerProduct<bf16>>),
};
