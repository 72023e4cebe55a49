//! Hamming and Jaccard distances of bit strings: population counts by nibble look-up, added up by `vpsadbw`. The
//! tier above counts otherwise and shares the rest.

use std::arch::x86_64::*;
use std::marker::PhantomData;

use super::int8::{partial, sum, sum4};
use super::shells;
use crate::drive::Step;
use crate::reference::jaccard_of_counts;
use crate::table::BitForms;

/// How a tier counts bits.
pub(in crate::x86) trait Count {
    /// Set bits of each 8-byte group, in 64-bit lanes.
    ///
    /// # Safety
    /// The CPU must have the tier's features.
    unsafe fn count(bytes: __m512i) -> __m512i;
}

/// Look-up by nibbles.
struct Nibbles;

impl Count for Nibbles {
    #[inline(always)]
    unsafe fn count(bytes: __m512i) -> __m512i {
        // SAFETY: the caller has AVX-512 BW.
        unsafe {
            let of_nibble =
                _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
            let low = _mm512_and_si512(bytes, _mm512_set1_epi8(15));
            let high = _mm512_and_si512(_mm512_srli_epi16::<4>(bytes), _mm512_set1_epi8(15));
            let counts =
                _mm512_add_epi8(_mm512_shuffle_epi8(of_nibble, low), _mm512_shuffle_epi8(of_nibble, high));
            _mm512_sad_epu8(counts, _mm512_setzero_si512())
        }
    }
}

macro_rules! loads {
    () => {
        type Query = u8;
        type Elem = u8;
        type QueryVec = __m512i;
        type RowVec = __m512i;
        type Context = ();
        const WIDTH: usize = 64;

        #[inline(always)]
        unsafe fn load_query(from: *const u8) -> __m512i {
            // SAFETY: the caller vouches for 64 bytes.
            unsafe { _mm512_loadu_si512(from.cast()) }
        }
        #[inline(always)]
        unsafe fn load_query_partial(from: *const u8, n: usize) -> __m512i {
            // SAFETY: the same contract.
            unsafe { partial(from, n) }
        }
        #[inline(always)]
        unsafe fn load_row(from: *const u8) -> __m512i {
            // SAFETY: the caller vouches for 64 bytes.
            unsafe { _mm512_loadu_si512(from.cast()) }
        }
        #[inline(always)]
        unsafe fn load_row_partial(from: *const u8, n: usize) -> __m512i {
            // SAFETY: the same contract.
            unsafe { partial(from, n) }
        }
        #[inline(always)]
        unsafe fn context(_: *const u8, _: usize) {}
    };
}

/// Bits that differ.
pub(in crate::x86) struct Hamming<C>(PhantomData<C>);

// SAFETY: a full load reads 64 bytes, `partial` exactly `n`.
unsafe impl<C: Count> Step for Hamming<C> {
    type Out = i32;
    type Acc = __m512i;
    loads!();

    #[inline(always)]
    unsafe fn zero() -> __m512i {
        // SAFETY: the caller has AVX-512 BW.
        unsafe { _mm512_setzero_si512() }
    }
    #[inline(always)]
    unsafe fn step(acc: __m512i, query: __m512i, row: __m512i) -> __m512i {
        // SAFETY: the caller has AVX-512 BW. Counts stay below 2³¹, so 32-bit additions are exact.
        unsafe { _mm512_add_epi32(acc, C::count(_mm512_xor_si512(query, row))) }
    }
    #[inline(always)]
    unsafe fn merge(a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: the caller has AVX-512 BW.
        unsafe { _mm512_add_epi32(a, b) }
    }
    #[inline(always)]
    unsafe fn finish(acc: __m512i, (): ()) -> i32 {
        // SAFETY: the same contract.
        unsafe { sum(acc) }
    }
    #[inline(always)]
    unsafe fn finish4(acc: [__m512i; 4], (): ()) -> [i32; 4] {
        // SAFETY: the same contract.
        unsafe { sum4(acc) }
    }
}

/// 1 − |a ∧ b| / |a ∨ b|.
pub(in crate::x86) struct Jaccard<C>(PhantomData<C>);

// SAFETY: a full load reads 64 bytes, `partial` exactly `n`.
unsafe impl<C: Count> Step for Jaccard<C> {
    type Out = f32;
    /// Bits in both, bits in any.
    type Acc = (__m512i, __m512i);
    loads!();

    #[inline(always)]
    unsafe fn zero() -> Self::Acc {
        // SAFETY: the caller has AVX-512 BW.
        unsafe { (_mm512_setzero_si512(), _mm512_setzero_si512()) }
    }
    #[inline(always)]
    unsafe fn step(acc: Self::Acc, query: __m512i, row: __m512i) -> Self::Acc {
        // SAFETY: the caller has AVX-512 BW.
        unsafe {
            (
                _mm512_add_epi32(acc.0, C::count(_mm512_and_si512(query, row))),
                _mm512_add_epi32(acc.1, C::count(_mm512_or_si512(query, row))),
            )
        }
    }
    #[inline(always)]
    unsafe fn merge(a: Self::Acc, b: Self::Acc) -> Self::Acc {
        // SAFETY: the caller has AVX-512 BW.
        unsafe { (_mm512_add_epi32(a.0, b.0), _mm512_add_epi32(a.1, b.1)) }
    }
    #[inline(always)]
    unsafe fn finish(acc: Self::Acc, (): ()) -> f32 {
        // SAFETY: the same contract.
        unsafe { jaccard_of_counts(sum(acc.0) as u32, sum(acc.1) as u32) }
    }
    #[inline(always)]
    unsafe fn finish4([a, b, c, d]: [Self::Acc; 4], (): ()) -> [f32; 4] {
        // SAFETY: the same contract.
        unsafe {
            let (both, any) = (sum4([a.0, b.0, c.0, d.0]), sum4([a.1, b.1, c.1, d.1]));
            std::array::from_fn(|row| jaccard_of_counts(both[row] as u32, any[row] as u32))
        }
    }
}

pub(super) const HAMMING: BitForms<i32> = shells!(Hamming<Nibbles>);
// Two counts a pair: at four queries the sums would fill all registers, and lie in memory.
pub(super) const JACCARD: BitForms<f32> = shells!(Jaccard<Nibbles>; tile: 2);
