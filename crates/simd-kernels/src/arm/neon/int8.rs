//! `u8` and `i8` distances, exact. The steps are shared with the tiers above, which bring their own [`Bytes`].

use std::arch::aarch64::*;
use std::marker::PhantomData;

use super::bytes::Neon;
use super::shells;
use crate::arm::bytes::Bytes;
use crate::arm::load::Load;
use crate::arm::sums::Sums;
use crate::arm::symmetric::{Alike, Symmetric};
use crate::element::Element;
use crate::table::Distances;

/// Σ (x − y)² over vectors of `T`, summed as tier `B` does.
pub(in crate::arm) struct L2Squared<T, B>(PhantomData<(T, B)>);
/// Σ xy.
pub(in crate::arm) struct InnerProduct<T, B>(PhantomData<(T, B)>);
/// Σ |x − y|.
pub(in crate::arm) struct L1<T, B>(PhantomData<(T, B)>);

/// What signed and unsigned bytes do differently.
pub(in crate::arm) trait Byte: Element {
    /// Sixteen of them.
    type Vec: Load<Self>;
    /// Sums of their products.
    type Acc: Sums;

    /// |a − b|, which is within 0..=255 for either type.
    ///
    /// # Safety
    /// The CPU must have NEON.
    unsafe fn difference(a: Self::Vec, b: Self::Vec) -> uint8x16_t;

    /// # Safety
    /// The CPU must have the features of tier `B`.
    unsafe fn dot<B: Bytes>(acc: Self::Acc, a: Self::Vec, b: Self::Vec) -> Self::Acc;

    /// Four bytes, four times.
    ///
    /// # Safety
    /// The CPU must have NEON.
    unsafe fn repeat(group: u32) -> Self::Vec;

    /// The sums as `i32`, inside which `Element::MAX_DIM` keeps them.
    ///
    /// # Safety
    /// The CPU must have NEON.
    unsafe fn lanes(acc: Self::Acc) -> int32x4_t;
}

impl Byte for u8 {
    type Vec = uint8x16_t;
    type Acc = uint32x4_t;

    #[inline(always)]
    unsafe fn difference(a: uint8x16_t, b: uint8x16_t) -> uint8x16_t {
        // SAFETY: the caller vouches for NEON.
        unsafe { vabdq_u8(a, b) }
    }
    #[inline(always)]
    unsafe fn dot<B: Bytes>(acc: uint32x4_t, a: uint8x16_t, b: uint8x16_t) -> uint32x4_t {
        // SAFETY: the caller vouches for the features of `B`.
        unsafe { B::dot_u8(acc, a, b) }
    }
    #[inline(always)]
    unsafe fn repeat(group: u32) -> uint8x16_t {
        // SAFETY: the caller vouches for NEON.
        unsafe { vreinterpretq_u8_u32(vdupq_n_u32(group)) }
    }
    #[inline(always)]
    unsafe fn lanes(acc: uint32x4_t) -> int32x4_t {
        // SAFETY: the caller vouches for NEON.
        unsafe { vreinterpretq_s32_u32(acc) }
    }
}

impl Byte for i8 {
    type Vec = int8x16_t;
    type Acc = int32x4_t;

    #[inline(always)]
    unsafe fn difference(a: int8x16_t, b: int8x16_t) -> uint8x16_t {
        // SAFETY: the caller vouches for NEON.
        unsafe { vreinterpretq_u8_s8(vabdq_s8(a, b)) }
    }
    #[inline(always)]
    unsafe fn dot<B: Bytes>(acc: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
        // SAFETY: the caller vouches for the features of `B`.
        unsafe { B::dot_i8(acc, a, b) }
    }
    #[inline(always)]
    unsafe fn repeat(group: u32) -> int8x16_t {
        // SAFETY: the caller vouches for NEON.
        unsafe { vreinterpretq_s8_u32(vdupq_n_u32(group)) }
    }
    #[inline(always)]
    unsafe fn lanes(acc: int32x4_t) -> int32x4_t {
        acc
    }
}

impl<T: Byte, B: Bytes> Symmetric for L2Squared<T, B> {
    type Elem = T;
    type Vec = T::Vec;
    type Acc = uint32x4_t;

    #[inline(always)]
    unsafe fn step(acc: uint32x4_t, query: T::Vec, row: T::Vec) -> uint32x4_t {
        // SAFETY: the caller vouches for the features of `B`, which include NEON.
        unsafe {
            let difference = T::difference(query, row);
            B::dot_u8(acc, difference, difference)
        }
    }
}

impl<T: Byte, B: Bytes> Symmetric for InnerProduct<T, B> {
    type Elem = T;
    type Vec = T::Vec;
    type Acc = T::Acc;

    #[inline(always)]
    unsafe fn step(acc: T::Acc, query: T::Vec, row: T::Vec) -> T::Acc {
        // SAFETY: the caller vouches for the features of `B`.
        unsafe { T::dot::<B>(acc, query, row) }
    }
}

impl<T: Byte, B: Bytes> Symmetric for L1<T, B> {
    type Elem = T;
    type Vec = T::Vec;
    type Acc = uint32x4_t;

    #[inline(always)]
    unsafe fn step(acc: uint32x4_t, query: T::Vec, row: T::Vec) -> uint32x4_t {
        // SAFETY: the caller vouches for the features of `B`, which include NEON.
        unsafe { B::sum(acc, T::difference(query, row)) }
    }
}

pub(super) const U8: Distances<u8> = Distances {
    l2_squared: shells!(Alike<L2Squared<u8, Neon>>; pair: 4, rows: 8, tile: 4),
    inner_product: shells!(Alike<InnerProduct<u8, Neon>>; pair: 4, rows: 8, tile: 4),
    l1: shells!(Alike<L1<u8, Neon>>; pair: 4, rows: 8, tile: 4),
    cosine: shells!(cosine Alike<InnerProduct<u8, Neon>>),
};

pub(super) const I8: Distances<i8> = Distances {
    l2_squared: shells!(Alike<L2Squared<i8, Neon>>; pair: 4, rows: 8, tile: 4),
    inner_product: shells!(Alike<InnerProduct<i8, Neon>>; pair: 4, rows: 8, tile: 4),
    l1: shells!(Alike<L1<i8, Neon>>; pair: 4, rows: 8, tile: 4),
    cosine: shells!(cosine Alike<InnerProduct<i8, Neon>>),
};
