//! Scans by table: `vpshufb` looks up 16 entries, so larger tables are looked up in pieces, of which all but the one
//! that a code belongs to give zero.

use std::arch::x86_64::*;

use super::shell;
use crate::drive::LookupStep;
use crate::lookups::LookupTable;

macro_rules! step {
    ($(#[$text:meta])* $name:ident, $bits:literal, $pieces:literal, $unpack:ident) => {
        $(#[$text])*
        struct $name;

        // SAFETY: `unpack` reads 32 bytes of each plane, `look` the pieces of a table, stores write 32 results.
        unsafe impl LookupStep for $name {
            const BITS: usize = $bits;
            const ROWS: usize = 32;
            type Codes = __m256i;
            /// For each piece of 16 entries the places in it, with the highest bit where a code has none there.
            type Index = [__m256i; $pieces];
            type Bytes = __m256i;
            /// Sums of even rows plus 2⁸ times those of odd rows, and sums of odd rows.
            type Acc = [__m256i; 2];

            #[inline(always)]
            unsafe fn unpack(from: *const u8) -> [__m256i; 4] {
                // SAFETY: the caller vouches for 32 bytes in each plane.
                unsafe { $unpack(from) }
            }
            #[inline(always)]
            unsafe fn prepare(codes: __m256i) -> Self::Index {
                let mut index = [codes; $pieces];
                if $pieces > 1 {
                    for (piece, index) in index.iter_mut().enumerate() {
                        // SAFETY: the caller has AVX2. A code of this piece keeps its low bits; others reach 128.
                        unsafe {
                            let distance = _mm256_xor_si256(*index, _mm256_set1_epi8((16 * piece) as i8));
                            *index = _mm256_adds_epu8(distance, _mm256_set1_epi8(0x70));
                        }
                    }
                }
                index
            }
            #[inline(always)]
            unsafe fn look(table: *const u8, index: Self::Index) -> __m256i {
                // SAFETY: the caller vouches for the table and has AVX2.
                unsafe {
                    let piece = _mm256_broadcastsi128_si256(_mm_loadu_si128(table.cast()));
                    let mut found = _mm256_shuffle_epi8(piece, index[0]);
                    for (at, &index) in index.iter().enumerate().skip(1) {
                        let piece = _mm_loadu_si128(table.add(16 * at).cast());
                        let piece = _mm256_broadcastsi128_si256(piece);
                        found = _mm256_or_si256(found, _mm256_shuffle_epi8(piece, index));
                    }
                    found
                }
            }
            #[inline(always)]
            unsafe fn add(a: __m256i, b: __m256i) -> __m256i {
                // SAFETY: the caller has AVX2.
                unsafe { _mm256_add_epi8(a, b) }
            }
            #[inline(always)]
            unsafe fn zero() -> [__m256i; 2] {
                // SAFETY: the caller has AVX2.
                unsafe { [_mm256_setzero_si256(); 2] }
            }
            #[inline(always)]
            unsafe fn widen(acc: [__m256i; 2], bytes: __m256i) -> [__m256i; 2] {
                // SAFETY: the caller has AVX2.
                unsafe {
                    [_mm256_add_epi16(acc[0], bytes), _mm256_add_epi16(acc[1], _mm256_srli_epi16::<8>(bytes))]
                }
            }
            #[inline(always)]
            unsafe fn store(acc: [__m256i; 2], to: *mut u16) {
                // SAFETY: the caller vouches for 32 places.
                unsafe {
                    let odd = acc[1];
                    let even = _mm256_sub_epi16(acc[0], _mm256_slli_epi16::<8>(odd));
                    let (low, high) = (_mm256_unpacklo_epi16(even, odd), _mm256_unpackhi_epi16(even, odd));
                    _mm256_storeu_si256(to.cast(), _mm256_permute2x128_si256::<0x20>(low, high));
                    _mm256_storeu_si256(to.add(16).cast(), _mm256_permute2x128_si256::<0x31>(low, high));
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
    U6, 6, 4, u6
}
step! {
    /// One code a byte.
    U8, 8, 16, u8
}

/// Low and high halves of two planes.
///
/// # Safety
/// `from` must be readable for 32 bytes in each plane; AVX2; here and below.
#[inline(always)]
unsafe fn u4(from: *const u8) -> [__m256i; 4] {
    // SAFETY: the caller vouches for the planes.
    unsafe {
        let mask = _mm256_set1_epi8(15);
        let (first, second) = (_mm256_loadu_si256(from.cast()), _mm256_loadu_si256(from.add(64).cast()));
        [
            _mm256_and_si256(first, mask),
            _mm256_and_si256(_mm256_srli_epi16::<4>(first), mask),
            _mm256_and_si256(second, mask),
            _mm256_and_si256(_mm256_srli_epi16::<4>(second), mask),
        ]
    }
}

/// Three codes in the low six bits, a fourth in the others.
///
/// # Safety
/// See [`u4`].
#[inline(always)]
unsafe fn u6(from: *const u8) -> [__m256i; 4] {
    // SAFETY: the caller vouches for the planes.
    unsafe {
        let plane = |plane: usize| _mm256_loadu_si256(from.add(64 * plane).cast());
        let (a, b, c) = (plane(0), plane(1), plane(2));
        let mask = _mm256_set1_epi8(63);
        let low = _mm256_and_si256(_mm256_srli_epi16::<6>(a), _mm256_set1_epi8(0x03));
        let middle = _mm256_and_si256(_mm256_srli_epi16::<4>(b), _mm256_set1_epi8(0x0c));
        let high = _mm256_and_si256(_mm256_srli_epi16::<2>(c), _mm256_set1_epi8(0x30));
        [
            _mm256_and_si256(a, mask),
            _mm256_and_si256(b, mask),
            _mm256_and_si256(c, mask),
            _mm256_or_si256(low, _mm256_or_si256(middle, high)),
        ]
    }
}

/// Whole bytes.
///
/// # Safety
/// See [`u4`].
#[inline(always)]
unsafe fn u8(from: *const u8) -> [__m256i; 4] {
    // SAFETY: the caller vouches for the planes.
    unsafe {
        let plane = |plane: usize| _mm256_loadu_si256(from.add(64 * plane).cast());
        [plane(0), plane(1), plane(2), plane(3)]
    }
}

pub(super) const LOOKUP: LookupTable = LookupTable {
    u4: shell!(lookup_forms: U4; queries: 4, single: 2),
    u6: shell!(lookup_forms: U6; queries: 4, single: 1),
    u8: shell!(lookup_forms: U8; queries: 4, single: 1),
};
