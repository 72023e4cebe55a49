//! `f64` distances, two lanes a register, two registers a row.

use std::arch::aarch64::*;

use super::shells;
use crate::arm::load::Doubles;
use crate::arm::symmetric::{Alike, Symmetric};
use crate::table::Distances;

/// Σ (x − y)².
struct L2Squared;
/// Σ xy.
struct InnerProduct;
/// Σ |x − y|.
struct L1;

impl Symmetric for L2Squared {
    type Elem = f64;
    type Vec = Doubles;
    type Acc = Doubles;

    #[inline(always)]
    unsafe fn step(acc: Doubles, query: Doubles, row: Doubles) -> Doubles {
        // SAFETY: the caller vouches for NEON.
        unsafe {
            let (low, high) = (vsubq_f64(query[0], row[0]), vsubq_f64(query[1], row[1]));
            [vfmaq_f64(acc[0], low, low), vfmaq_f64(acc[1], high, high)]
        }
    }
}

impl Symmetric for InnerProduct {
    type Elem = f64;
    type Vec = Doubles;
    type Acc = Doubles;

    #[inline(always)]
    unsafe fn step(acc: Doubles, query: Doubles, row: Doubles) -> Doubles {
        // SAFETY: the caller vouches for NEON.
        unsafe { [vfmaq_f64(acc[0], query[0], row[0]), vfmaq_f64(acc[1], query[1], row[1])] }
    }
}

impl Symmetric for L1 {
    type Elem = f64;
    type Vec = Doubles;
    type Acc = Doubles;

    #[inline(always)]
    unsafe fn step(acc: Doubles, query: Doubles, row: Doubles) -> Doubles {
        // SAFETY: the caller vouches for NEON.
        unsafe {
            let (low, high) = (vabdq_f64(query[0], row[0]), vabdq_f64(query[1], row[1]));
            [vaddq_f64(acc[0], low), vaddq_f64(acc[1], high)]
        }
    }
}

pub(super) const F64: Distances<f64> = Distances {
    l2_squared: shells!(Alike<L2Squared>; pair: 4, rows: 4, tile: 2),
    inner_product: shells!(Alike<InnerProduct>; pair: 4, rows: 4, tile: 2),
    l1: shells!(Alike<L1>; pair: 4, rows: 4, tile: 2),
    cosine: shells!(cosine Alike<InnerProduct>),
};
