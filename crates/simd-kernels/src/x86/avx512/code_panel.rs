//! Code panels: `vpmaddubsw` multiplies pairs of small codes into 16 bits, `vpmaddwd` widened bytes into 32.

use std::arch::x86_64::*;

use super::int8::Byte;
use super::shell;
use crate::code_panels::CodePanelTable;
use crate::drive::CodePanelStep;

/// The codes of bytes that hold one.
///
/// # Safety
/// AVX-512 BW, here and below.
#[inline(always)]
pub(in crate::x86) unsafe fn one(bytes: __m512i) -> [__m512i; 1] {
    [bytes]
}

/// The low and the high codes of bytes that hold two.
///
/// # Safety
/// See [`one`].
#[inline(always)]
pub(in crate::x86) unsafe fn u4(bytes: __m512i) -> [__m512i; 2] {
    // SAFETY: the caller has AVX-512 BW.
    unsafe {
        let mask = _mm512_set1_epi8(15);
        [_mm512_and_si512(bytes, mask), _mm512_and_si512(_mm512_srli_epi16::<4>(bytes), mask)]
    }
}

/// The codes of bytes that hold four, the lowest first.
///
/// # Safety
/// See [`one`].
#[inline(always)]
pub(in crate::x86) unsafe fn u2(bytes: __m512i) -> [__m512i; 4] {
    // SAFETY: the caller has AVX-512 BW.
    unsafe {
        let mask = _mm512_set1_epi8(3);
        [
            _mm512_and_si512(bytes, mask),
            _mm512_and_si512(_mm512_srli_epi16::<2>(bytes), mask),
            _mm512_and_si512(_mm512_srli_epi16::<4>(bytes), mask),
            _mm512_and_si512(_mm512_srli_epi16::<6>(bytes), mask),
        ]
    }
}

macro_rules! small {
    ($(#[$text:meta])* $name:ident, $bits:literal, $parts:literal, $chunk:literal, $load:expr) => {
        $(#[$text])*
        struct $name;

        // SAFETY: loads read 64 bytes of a panel and one group of a query, stores write sixteen results.
        unsafe impl CodePanelStep for $name {
            const BITS: usize = $bits;
            const CHUNK: usize = $chunk;
            type Lanes = [__m512i; $parts];
            type Broadcast = [__m512i; $parts];
            /// Sums of products of dimension pairs in 16 bits.
            type Partial = __m512i;
            type Acc = __m512i;
            type Context = ();

            #[inline(always)]
            unsafe fn load(from: *const u8) -> Self::Lanes {
                // SAFETY: the caller vouches for 64 bytes and AVX-512 BW.
                unsafe { $load(_mm512_loadu_si512(from.cast())) }
            }
            #[inline(always)]
            unsafe fn broadcast(from: *const i8) -> Self::Broadcast {
                // SAFETY: the caller vouches for four bytes a part.
                unsafe {
                    let mut parts = [_mm512_setzero_si512(); $parts];
                    for (part, four) in parts.iter_mut().enumerate() {
                        *four = _mm512_set1_epi32(from.add(4 * part).cast::<i32>().read_unaligned());
                    }
                    parts
                }
            }
            #[inline(always)]
            unsafe fn context(_: *const i8, _: usize) {}
            #[inline(always)]
            unsafe fn zero() -> __m512i {
                // SAFETY: the caller has AVX-512 F.
                unsafe { _mm512_setzero_si512() }
            }
            #[inline(always)]
            unsafe fn start() -> __m512i {
                // SAFETY: the caller has AVX-512 F.
                unsafe { _mm512_setzero_si512() }
            }
            #[inline(always)]
            unsafe fn step(mut sum: __m512i, query: Self::Broadcast, rows: Self::Lanes) -> __m512i {
                for (query, rows) in query.into_iter().zip(rows) {
                    // SAFETY: the caller has AVX-512 BW.
                    sum = unsafe { _mm512_add_epi16(sum, _mm512_maddubs_epi16(rows, query)) };
                }
                sum
            }
            #[inline(always)]
            unsafe fn flush(acc: __m512i, partial: __m512i) -> __m512i {
                // SAFETY: the caller has AVX-512 BW.
                unsafe { _mm512_add_epi32(acc, _mm512_madd_epi16(partial, _mm512_set1_epi16(1))) }
            }
            #[inline(always)]
            unsafe fn store(acc: __m512i, (): (), to: *mut i32) {
                // SAFETY: the caller vouches for sixteen places.
                unsafe { _mm512_storeu_si512(to.cast(), acc) }
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

/// One code a byte: `vpmaddubsw` would saturate, so both sides are widened.
struct U8;

// SAFETY: loads read 64 bytes of a panel and four of a query, stores write sixteen results.
unsafe impl CodePanelStep for U8 {
    const BITS: usize = 8;
    const CHUNK: usize = usize::MAX;
    /// Even and odd bytes.
    type Lanes = [__m512i; 2];
    type Broadcast = [__m512i; 2];
    type Partial = __m512i;
    type Acc = __m512i;
    type Context = ();

    #[inline(always)]
    unsafe fn load(from: *const u8) -> [__m512i; 2] {
        // SAFETY: the caller vouches for 64 bytes.
        unsafe { u8::widen(_mm512_loadu_si512(from.cast())) }
    }
    #[inline(always)]
    unsafe fn broadcast(from: *const i8) -> [__m512i; 2] {
        // SAFETY: the caller vouches for four bytes.
        unsafe { i8::widen(_mm512_set1_epi32(from.cast::<i32>().read_unaligned())) }
    }
    #[inline(always)]
    unsafe fn context(_: *const i8, _: usize) {}
    #[inline(always)]
    unsafe fn zero() -> __m512i {
        // SAFETY: the caller has AVX-512 F.
        unsafe { _mm512_setzero_si512() }
    }
    #[inline(always)]
    unsafe fn start() -> __m512i {
        // SAFETY: the caller has AVX-512 F.
        unsafe { _mm512_setzero_si512() }
    }
    #[inline(always)]
    unsafe fn step(sum: __m512i, query: [__m512i; 2], rows: [__m512i; 2]) -> __m512i {
        // SAFETY: the caller has AVX-512 BW.
        unsafe {
            let sum = _mm512_add_epi32(sum, _mm512_madd_epi16(query[0], rows[0]));
            _mm512_add_epi32(sum, _mm512_madd_epi16(query[1], rows[1]))
        }
    }
    #[inline(always)]
    unsafe fn flush(acc: __m512i, partial: __m512i) -> __m512i {
        // SAFETY: the caller has AVX-512 F.
        unsafe { _mm512_add_epi32(acc, partial) }
    }
    #[inline(always)]
    unsafe fn store(acc: __m512i, (): (), to: *mut i32) {
        // SAFETY: the caller vouches for sixteen places.
        unsafe { _mm512_storeu_si512(to.cast(), acc) }
    }
}

pub(super) const CODE_PANELS: CodePanelTable = CodePanelTable {
    u2: shell!(code_panel_forms: U2; panels: 1, queries: 8, single: 4, chains: 4),
    u4: shell!(code_panel_forms: U4; panels: 1, queries: 8, single: 4, chains: 4),
    u8: shell!(code_panel_forms: U8; panels: 2, queries: 8, single: 4, chains: 4),
};
