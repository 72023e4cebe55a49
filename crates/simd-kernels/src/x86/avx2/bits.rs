//! Hamming and Jaccard distances of bit strings: population counts by nibble look-up, added up by `vpsadbw`.

use std::arch::x86_64::*;

use super::int8::{partial, sum, sum4};
use super::shells;
use crate::drive::Step;
use crate::reference::jaccard_of_counts;
use crate::table::BitForms;

/// Set bits of each 8-byte group, in 64-bit lanes.
///
/// # Safety
/// AVX2.
#[inline(always)]
unsafe fn count(bytes: __m256i) -> __m256i {
    // SAFETY: the caller has AVX2.
    unsafe {
        let of_nibble = _mm256_setr_epi8(
            0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,
        );
        let low = _mm256_and_si256(bytes, _mm256_set1_epi8(15));
        let high = _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), _mm256_set1_epi8(15));
        let counts =
            _mm256_add_epi8(_mm256_shuffle_epi8(of_nibble, low), _mm256_shuffle_epi8(of_nibble, high));
        _mm256_sad_epu8(counts, _mm256_setzero_si256())
    }
}

macro_rules! loads {
    () => {
        type Query = u8;
        type Elem = u8;
        type QueryVec = __m256i;
        type RowVec = __m256i;
        type Context = ();
        const WIDTH: usize = 32;

        #[inline(always)]
        unsafe fn load_query(from: *const u8) -> __m256i {
            // SAFETY: the caller vouches for 32 bytes.
            unsafe { _mm256_loadu_si256(from.cast()) }
        }
        #[inline(always)]
        unsafe fn load_query_partial(from: *const u8, n: usize) -> __m256i {
            // SAFETY: the same contract.
            unsafe { partial(from, n) }
        }
        #[inline(always)]
        unsafe fn load_row(from: *const u8) -> __m256i {
            // SAFETY: the caller vouches for 32 bytes.
            unsafe { _mm256_loadu_si256(from.cast()) }
        }
        #[inline(always)]
        unsafe fn load_row_partial(from: *const u8, n: usize) -> __m256i {
            // SAFETY: the same contract.
            unsafe { partial(from, n) }
        }
        #[inline(always)]
        unsafe fn context(_: *const u8, _: usize) {}
    };
}

/// Bits that differ.
struct Hamming;

// SAFETY: a full load reads 32 bytes, `partial` exactly `n`.
unsafe impl Step for Hamming {
    type Out = i32;
    type Acc = __m256i;
    loads!();

    #[inline(always)]
    unsafe fn zero() -> __m256i {
        // SAFETY: the caller has AVX2.
        unsafe { _mm256_setzero_si256() }
    }
    #[inline(always)]
    unsafe fn step(acc: __m256i, query: __m256i, row: __m256i) -> __m256i {
        // SAFETY: the caller has AVX2. Counts stay below 2³¹, so 32-bit additions are exact.
        unsafe { _mm256_add_epi32(acc, count(_mm256_xor_si256(query, row))) }
    }
    #[inline(always)]
    unsafe fn merge(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: the caller has AVX2.
        unsafe { _mm256_add_epi32(a, b) }
    }
    #[inline(always)]
    unsafe fn finish(acc: __m256i, (): ()) -> i32 {
        // SAFETY: the same contract.
        unsafe { sum(acc) }
    }
    #[inline(always)]
    unsafe fn finish4(acc: [__m256i; 4], (): ()) -> [i32; 4] {
        // SAFETY: the same contract.
        unsafe { sum4(acc) }
    }
}

/// 1 − |a ∧ b| / |a ∨ b|.
struct Jaccard;

// SAFETY: a full load reads 32 bytes, `partial` exactly `n`.
unsafe impl Step for Jaccard {
    type Out = f32;
    /// Bits in both, bits in any.
    type Acc = (__m256i, __m256i);
    loads!();

    #[inline(always)]
    unsafe fn zero() -> Self::Acc {
        // SAFETY: the caller has AVX2.
        unsafe { (_mm256_setzero_si256(), _mm256_setzero_si256()) }
    }
    #[inline(always)]
    unsafe fn step(acc: Self::Acc, query: __m256i, row: __m256i) -> Self::Acc {
        // SAFETY: the caller has AVX2.
        unsafe {
            (
                _mm256_add_epi32(acc.0, count(_mm256_and_si256(query, row))),
                _mm256_add_epi32(acc.1, count(_mm256_or_si256(query, row))),
            )
        }
    }
    #[inline(always)]
    unsafe fn merge(a: Self::Acc, b: Self::Acc) -> Self::Acc {
        // SAFETY: the caller has AVX2.
        unsafe { (_mm256_add_epi32(a.0, b.0), _mm256_add_epi32(a.1, b.1)) }
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

pub(super) const HAMMING: BitForms<i32> = shells!(Hamming);
pub(super) const JACCARD: BitForms<f32> = shells!(Jaccard);
