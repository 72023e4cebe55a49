//! Scans by table: `vpshufb` looks up 16 entries, so larger tables are looked up in pieces, of which all but the one
//! that a code belongs to give zero.

use std::arch::x86_64::*;

use super::shell;
use crate::drive::LookupStep;
use crate::lookups::LookupTable;

/// What does not depend on how entries are found.
macro_rules! sums {
    () => {
        const ROWS: usize = 64;
        type Codes = __m512i;
        type Bytes = __m512i;
        /// Sums of even rows plus 2⁸ times those of odd rows, and sums of odd rows.
        type Acc = [__m512i; 2];

        #[inline(always)]
        unsafe fn add(a: __m512i, b: __m512i) -> __m512i {
            // SAFETY: the caller has AVX-512 BW.
            unsafe { _mm512_add_epi8(a, b) }
        }
        #[inline(always)]
        unsafe fn zero() -> [__m512i; 2] {
            // SAFETY: the caller has AVX-512 F.
            unsafe { [_mm512_setzero_si512(); 2] }
        }
        #[inline(always)]
        unsafe fn widen(acc: [__m512i; 2], bytes: __m512i) -> [__m512i; 2] {
            // SAFETY: the caller has AVX-512 BW.
            unsafe {
                [_mm512_add_epi16(acc[0], bytes), _mm512_add_epi16(acc[1], _mm512_srli_epi16::<8>(bytes))]
            }
        }
        #[inline(always)]
        unsafe fn store(acc: [__m512i; 2], to: *mut u16) {
            // SAFETY: the caller vouches for 64 places.
            unsafe { $crate::x86::avx512::lookup::store(acc, to) }
        }
    };
}
pub(in crate::x86) use sums;

/// Writes 64 sums in the order of rows.
///
/// # Safety
/// `to` must be writable for 64 results; AVX-512 BW.
#[inline(always)]
pub(in crate::x86) unsafe fn store(acc: [__m512i; 2], to: *mut u16) {
    // SAFETY: the caller vouches for 64 places.
    unsafe {
        let odd = acc[1];
        let even = _mm512_sub_epi16(acc[0], _mm512_slli_epi16::<8>(odd));
        let (low, high) = (_mm512_unpacklo_epi16(even, odd), _mm512_unpackhi_epi16(even, odd));
        // Each has every other eight rows.
        let first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
        let second = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
        _mm512_storeu_si512(to.cast(), _mm512_permutex2var_epi64(low, first, high));
        _mm512_storeu_si512(to.add(32).cast(), _mm512_permutex2var_epi64(low, second, high));
    }
}

macro_rules! step {
    ($(#[$text:meta])* $name:ident, $bits:literal, $pieces:literal, $unpack:ident) => {
        $(#[$text])*
        struct $name;

        // SAFETY: `unpack` reads 64 bytes of each plane, `look` the pieces of a table, stores write 64 results.
        unsafe impl LookupStep for $name {
            const BITS: usize = $bits;
            /// For each piece of 16 entries the places in it, with the highest bit where a code has none there.
            type Index = [__m512i; $pieces];
            sums!();

            #[inline(always)]
            unsafe fn unpack(from: *const u8) -> [__m512i; 4] {
                // SAFETY: the caller vouches for 64 bytes in each plane.
                unsafe { $unpack(from) }
            }
            #[inline(always)]
            unsafe fn prepare(codes: __m512i) -> Self::Index {
                let mut index = [codes; $pieces];
                if $pieces > 1 {
                    for (piece, index) in index.iter_mut().enumerate() {
                        // SAFETY: the caller has AVX-512 BW. A code of this piece keeps its low bits; others reach 128.
                        unsafe {
                            let distance = _mm512_xor_si512(*index, _mm512_set1_epi8((16 * piece) as i8));
                            *index = _mm512_adds_epu8(distance, _mm512_set1_epi8(0x70));
                        }
                    }
                }
                index
            }
            #[inline(always)]
            unsafe fn look(table: *const u8, index: Self::Index) -> __m512i {
                // SAFETY: the caller vouches for the table and has AVX-512 BW.
                unsafe {
                    let piece = _mm512_broadcast_i32x4(_mm_loadu_si128(table.cast()));
                    let mut found = _mm512_shuffle_epi8(piece, index[0]);
                    for (at, &index) in index.iter().enumerate().skip(1) {
                        let piece = _mm512_broadcast_i32x4(_mm_loadu_si128(table.add(16 * at).cast()));
                        found = _mm512_or_si512(found, _mm512_shuffle_epi8(piece, index));
                    }
                    found
                }
            }
        }
    };
}
step! {
    /// Two codes a byte.
    U4, 4, 1, u4
}
step! {
    /// Four codes in three bytes.
    U6, 6, 4, u6_masked
}
step! {
    /// One code a byte.
    U8, 8, 16, u8
}

/// Low and high halves of two planes.
///
/// # Safety
/// `from` must be readable for 64 bytes in each plane; AVX-512 BW; here and below.
#[inline(always)]
unsafe fn u4(from: *const u8) -> [__m512i; 4] {
    // SAFETY: the caller vouches for the planes.
    unsafe {
        let mask = _mm512_set1_epi8(15);
        let (first, second) = (_mm512_loadu_si512(from.cast()), _mm512_loadu_si512(from.add(64).cast()));
        [
            _mm512_and_si512(first, mask),
            _mm512_and_si512(_mm512_srli_epi16::<4>(first), mask),
            _mm512_and_si512(second, mask),
            _mm512_and_si512(_mm512_srli_epi16::<4>(second), mask),
        ]
    }
}

/// Three codes in the low six bits of what stays a byte, the fourth from the others.
///
/// # Safety
/// See [`u4`].
#[inline(always)]
pub(in crate::x86) unsafe fn u6(from: *const u8) -> [__m512i; 4] {
    // SAFETY: the caller vouches for the planes.
    unsafe {
        let plane = |plane: usize| _mm512_loadu_si512(from.add(64 * plane).cast());
        let (a, b, c) = (plane(0), plane(1), plane(2));
        // (x & mask) | rest, one instruction each.
        let low = _mm512_and_si512(_mm512_srli_epi16::<6>(a), _mm512_set1_epi8(0x03));
        let middle = _mm512_set1_epi8(0x0c);
        let fourth = _mm512_ternarylogic_epi32::<0xf8>(low, _mm512_srli_epi16::<4>(b), middle);
        let high = _mm512_set1_epi8(0x30);
        let fourth = _mm512_ternarylogic_epi32::<0xf8>(fourth, _mm512_srli_epi16::<2>(c), high);
        [a, b, c, fourth]
    }
}

/// The same without what else is in their bytes.
///
/// # Safety
/// See [`u4`].
#[inline(always)]
unsafe fn u6_masked(from: *const u8) -> [__m512i; 4] {
    // SAFETY: the caller vouches for the planes.
    unsafe {
        let [a, b, c, fourth] = u6(from);
        let mask = _mm512_set1_epi8(63);
        [_mm512_and_si512(a, mask), _mm512_and_si512(b, mask), _mm512_and_si512(c, mask), fourth]
    }
}

/// Whole bytes.
///
/// # Safety
/// See [`u4`].
#[inline(always)]
pub(in crate::x86) unsafe fn u8(from: *const u8) -> [__m512i; 4] {
    // SAFETY: the caller vouches for the planes.
    unsafe {
        let plane = |plane: usize| _mm512_loadu_si512(from.add(64 * plane).cast());
        [plane(0), plane(1), plane(2), plane(3)]
    }
}

pub(super) const LOOKUP: LookupTable = LookupTable {
    u4: shell!(lookup_forms: U4; queries: 4, single: 2),
    u6: shell!(lookup_forms: U6; queries: 4, single: 1),
    u8: shell!(lookup_forms: U8; queries: 4, single: 1),
};
