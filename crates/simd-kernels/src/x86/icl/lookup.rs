//! Scans by table: `vpermb` looks up 64 entries, `vpermi2b` 128.

use std::arch::x86_64::*;

use super::shell;
use crate::drive::LookupStep;
use crate::lookups::LookupTable;
use crate::x86::avx512::lookup::{sums, u6, u8};

/// Four codes in three bytes: `vpermb` takes the low six bits of a byte, so three of them are indices as they are.
struct U6;

// SAFETY: `unpack` reads 64 bytes of each plane, `look` the 64 entries, stores write 64 results.
unsafe impl LookupStep for U6 {
    const BITS: usize = 6;
    type Index = __m512i;
    sums!();

    #[inline(always)]
    unsafe fn unpack(from: *const u8) -> [__m512i; 4] {
        // SAFETY: the caller vouches for 64 bytes in each plane.
        unsafe { u6(from) }
    }
    #[inline(always)]
    unsafe fn prepare(codes: __m512i) -> __m512i {
        codes
    }
    #[inline(always)]
    unsafe fn look(table: *const u8, index: __m512i) -> __m512i {
        // SAFETY: the caller vouches for 64 entries and has VBMI.
        unsafe { _mm512_permutexvar_epi8(index, _mm512_loadu_si512(table.cast())) }
    }
}

/// One code a byte: its highest bit chooses between two halves of the table.
struct U8;

// SAFETY: `unpack` reads 64 bytes of each plane, `look` the 256 entries, stores write 64 results.
unsafe impl LookupStep for U8 {
    const BITS: usize = 8;
    /// The codes, and which are in the upper half.
    type Index = (__m512i, __mmask64);
    sums!();

    #[inline(always)]
    unsafe fn unpack(from: *const u8) -> [__m512i; 4] {
        // SAFETY: the caller vouches for 64 bytes in each plane.
        unsafe { u8(from) }
    }
    #[inline(always)]
    unsafe fn prepare(codes: __m512i) -> (__m512i, __mmask64) {
        // SAFETY: the caller has AVX-512 BW.
        unsafe { (codes, _mm512_movepi8_mask(codes)) }
    }
    #[inline(always)]
    unsafe fn look(table: *const u8, (codes, upper): (__m512i, __mmask64)) -> __m512i {
        // SAFETY: the caller vouches for 256 entries and has VBMI.
        unsafe {
            let part = |part: usize| _mm512_loadu_si512(table.add(64 * part).cast());
            let low = _mm512_permutex2var_epi8(part(0), codes, part(1));
            let high = _mm512_permutex2var_epi8(part(2), codes, part(3));
            _mm512_mask_blend_epi8(upper, low, high)
        }
    }
}

pub(super) const LOOKUP: LookupTable = LookupTable {
    u6: shell!(lookup_forms: U6; queries: 4, single: 2),
    u8: shell!(lookup_forms: U8; queries: 1, single: 4),
    ..crate::x86::avx512::KERNELS.lookup
};
