//! Code panels: `vpmaddubsw` multiplies pairs of small codes into 16 bits, `vpmaddwd` widened bytes into 32.

use std::arch::x86_64::*;

use super::int8::Byte;
use super::shell;
use crate::code_panels::CodePanelTable;
use crate::drive::CodePanelStep;

macro_rules! common {
    () => {
        type Partial = [__m256i; 2];
        type Acc = [__m256i; 2];
        type Context = ();

        #[inline(always)]
        unsafe fn context(_: *const i8, _: usize) {}
        #[inline(always)]
        unsafe fn zero() -> [__m256i; 2] {
            // SAFETY: the caller has AVX2.
            unsafe { [_mm256_setzero_si256(); 2] }
        }
        #[inline(always)]
        unsafe fn start() -> [__m256i; 2] {
            // SAFETY: the caller has AVX2.
            unsafe { [_mm256_setzero_si256(); 2] }
        }
        #[inline(always)]
        unsafe fn store(acc: [__m256i; 2], (): (), to: *mut i32) {
            // SAFETY: the caller vouches for sixteen places.
            unsafe {
                _mm256_storeu_si256(to.cast(), acc[0]);
                _mm256_storeu_si256(to.add(8).cast(), acc[1]);
            }
        }
    };
}

macro_rules! small {
    ($(#[$text:meta])* $name:ident, $bits:literal, $parts:literal, $chunk:literal, $unpack:expr) => {
        $(#[$text])*
        struct $name;

        // SAFETY: loads read 64 bytes of a panel and one group of a query, stores write sixteen results.
        unsafe impl CodePanelStep for $name {
            const BITS: usize = $bits;
            const CHUNK: usize = $chunk;
            /// The parts of a byte of eight rows, twice.
            type Lanes = [[__m256i; $parts]; 2];
            type Broadcast = [__m256i; $parts];
            common!();

            #[inline(always)]
            unsafe fn load(from: *const u8) -> Self::Lanes {
                // SAFETY: the caller vouches for 64 bytes and AVX2.
                unsafe {
                    [
                        $unpack(_mm256_loadu_si256(from.cast())),
                        $unpack(_mm256_loadu_si256(from.add(32).cast())),
                    ]
                }
            }
            #[inline(always)]
            unsafe fn broadcast(from: *const i8) -> Self::Broadcast {
                // SAFETY: the caller vouches for four bytes a part.
                unsafe {
                    let mut parts = [_mm256_setzero_si256(); $parts];
                    for (part, four) in parts.iter_mut().enumerate() {
                        *four = _mm256_set1_epi32(from.add(4 * part).cast::<i32>().read_unaligned());
                    }
                    parts
                }
            }
            #[inline(always)]
            unsafe fn step(mut sum: [__m256i; 2], query: Self::Broadcast, rows: Self::Lanes) -> [__m256i; 2] {
                for (part, query) in query.into_iter().enumerate() {
                    // SAFETY: the caller has AVX2.
                    unsafe {
                        sum[0] = _mm256_add_epi16(sum[0], _mm256_maddubs_epi16(rows[0][part], query));
                        sum[1] = _mm256_add_epi16(sum[1], _mm256_maddubs_epi16(rows[1][part], query));
                    }
                }
                sum
            }
            #[inline(always)]
            unsafe fn flush(acc: [__m256i; 2], partial: [__m256i; 2]) -> [__m256i; 2] {
                // SAFETY: the caller has AVX2.
                unsafe {
                    let ones = _mm256_set1_epi16(1);
                    [
                        _mm256_add_epi32(acc[0], _mm256_madd_epi16(partial[0], ones)),
                        _mm256_add_epi32(acc[1], _mm256_madd_epi16(partial[1], ones)),
                    ]
                }
            }
        }
    };
}
small! {
    /// Two codes a byte. A group adds four products of at most 15 · 128 to a lane: four groups fit 16 bits.
    U4, 4, 2, 4, u4
}
small! {
    /// Four codes a byte. A group adds eight products of at most 3 · 128 to a lane: ten groups fit 16 bits.
    U2, 2, 4, 10, u2
}

/// The low and the high codes of bytes that hold two.
///
/// # Safety
/// AVX2.
#[inline(always)]
unsafe fn u4(bytes: __m256i) -> [__m256i; 2] {
    // SAFETY: the caller has AVX2.
    unsafe {
        let mask = _mm256_set1_epi8(15);
        [_mm256_and_si256(bytes, mask), _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), mask)]
    }
}

/// The codes of bytes that hold four, the lowest first.
///
/// # Safety
/// AVX2.
#[inline(always)]
unsafe fn u2(bytes: __m256i) -> [__m256i; 4] {
    // SAFETY: the caller has AVX2.
    unsafe {
        let mask = _mm256_set1_epi8(3);
        [
            _mm256_and_si256(bytes, mask),
            _mm256_and_si256(_mm256_srli_epi16::<2>(bytes), mask),
            _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), mask),
            _mm256_and_si256(_mm256_srli_epi16::<6>(bytes), mask),
        ]
    }
}

/// One code a byte: `vpmaddubsw` would saturate, so both sides are widened.
struct U8;

// SAFETY: loads read 64 bytes of a panel and four of a query, stores write sixteen results.
unsafe impl CodePanelStep for U8 {
    const BITS: usize = 8;
    const CHUNK: usize = usize::MAX;
    /// Even and odd bytes of eight rows, twice.
    type Lanes = [[__m256i; 2]; 2];
    type Broadcast = [__m256i; 2];
    common!();

    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self::Lanes {
        // SAFETY: the caller vouches for 64 bytes.
        unsafe {
            [u8::widen(_mm256_loadu_si256(from.cast())), u8::widen(_mm256_loadu_si256(from.add(32).cast()))]
        }
    }
    #[inline(always)]
    unsafe fn broadcast(from: *const i8) -> [__m256i; 2] {
        // SAFETY: the caller vouches for four bytes.
        unsafe { i8::widen(_mm256_set1_epi32(from.cast::<i32>().read_unaligned())) }
    }
    #[inline(always)]
    unsafe fn step(mut sum: [__m256i; 2], query: [__m256i; 2], rows: Self::Lanes) -> [__m256i; 2] {
        for (sum, [even, odd]) in sum.iter_mut().zip(rows) {
            // SAFETY: the caller has AVX2.
            unsafe {
                let even = _mm256_add_epi32(*sum, _mm256_madd_epi16(query[0], even));
                *sum = _mm256_add_epi32(even, _mm256_madd_epi16(query[1], odd));
            }
        }
        sum
    }
    #[inline(always)]
    unsafe fn flush(acc: [__m256i; 2], partial: [__m256i; 2]) -> [__m256i; 2] {
        // SAFETY: the caller has AVX2.
        unsafe { [_mm256_add_epi32(acc[0], partial[0]), _mm256_add_epi32(acc[1], partial[1])] }
    }
}

pub(super) const CODE_PANELS: CodePanelTable = CodePanelTable {
    u2: shell!(code_panel_forms: U2; panels: 1, queries: 2, single: 1, chains: 2),
    u4: shell!(code_panel_forms: U4; panels: 1, queries: 4, single: 2, chains: 2),
    u8: shell!(code_panel_forms: U8; panels: 1, queries: 4, single: 2, chains: 2),
};
