//! Hamming and Jaccard distances of bit strings: bits are counted in each byte, then the counts are summed.
//! The steps are shared with the tiers above, which bring their own [`Bytes`].

use std::arch::aarch64::*;
use std::marker::PhantomData;

use super::bytes::Neon;
use super::shells;
use crate::arm::bytes::Bytes;
use crate::arm::sums::Sums;
use crate::arm::symmetric::{Alike, Symmetric};
use crate::reference::jaccard_of_counts;
use crate::table::BitForms;

/// Bits that differ, summed as tier `B` does.
pub(in crate::arm) struct Hamming<B>(PhantomData<B>);
/// 1 − |a ∧ b| / |a ∨ b|.
pub(in crate::arm) struct Jaccard<B>(PhantomData<B>);

impl<B: Bytes> Symmetric for Hamming<B> {
    type Elem = u8;
    type Vec = uint8x16_t;
    type Acc = uint32x4_t;

    #[inline(always)]
    unsafe fn step(acc: uint32x4_t, query: uint8x16_t, row: uint8x16_t) -> uint32x4_t {
        // SAFETY: the caller vouches for the features of `B`, which include NEON.
        unsafe { B::sum(acc, vcntq_u8(veorq_u8(query, row))) }
    }
}

impl<B: Bytes> Symmetric for Jaccard<B> {
    type Elem = u8;
    type Vec = uint8x16_t;
    type Acc = Counts;

    #[inline(always)]
    unsafe fn step(acc: Counts, query: uint8x16_t, row: uint8x16_t) -> Counts {
        // SAFETY: the caller vouches for the features of `B`, which include NEON.
        unsafe {
            Counts {
                both: B::sum(acc.both, vcntq_u8(vandq_u8(query, row))),
                any: B::sum(acc.any, vcntq_u8(vorrq_u8(query, row))),
            }
        }
    }
}

/// Bits that are set in both strings, and in any of them.
#[derive(Clone, Copy)]
pub(in crate::arm) struct Counts {
    both: uint32x4_t,
    any: uint32x4_t,
}

impl Sums for Counts {
    type Total = f32;

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the caller vouches for NEON, here and below.
        unsafe { Self { both: Sums::zero(), any: Sums::zero() } }
    }
    #[inline(always)]
    unsafe fn merge(a: Self, b: Self) -> Self {
        // SAFETY: as above.
        unsafe { Self { both: Sums::merge(a.both, b.both), any: Sums::merge(a.any, b.any) } }
    }
    #[inline(always)]
    unsafe fn total(self) -> f32 {
        // SAFETY: as above.
        unsafe { jaccard_of_counts(vaddvq_u32(self.both), vaddvq_u32(self.any)) }
    }
    #[inline(always)]
    unsafe fn totals(rows: [Self; 4]) -> [f32; 4] {
        // SAFETY: as above.
        let (both, any) =
            unsafe { (Sums::totals(rows.map(|row| row.both)), Sums::totals(rows.map(|row| row.any))) };
        std::array::from_fn(|row| jaccard_of_counts(both[row] as u32, any[row] as u32))
    }
}

pub(super) const HAMMING: BitForms<i32> = shells!(Alike<Hamming<Neon>>; pair: 4, rows: 8, tile: 4);
pub(super) const JACCARD: BitForms<f32> = shells!(Alike<Jaccard<Neon>>; pair: 4, rows: 4, tile: 2);
