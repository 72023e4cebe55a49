//! Code panels: one `vpdpbusd` multiplies four dimensions of sixteen rows.

use std::arch::x86_64::*;

use super::shell;
use crate::code_panels::CodePanelTable;
use crate::drive::CodePanelStep;
use crate::x86::avx512::code_panel::{one, u2, u4};

macro_rules! step {
    ($(#[$text:meta])* $name:ident, $bits:literal, $parts:literal, $load:expr) => {
        $(#[$text])*
        struct $name;

        // SAFETY: loads read 64 bytes of a panel and one group of a query, stores write sixteen results.
        unsafe impl CodePanelStep for $name {
            const BITS: usize = $bits;
            const CHUNK: usize = usize::MAX;
            type Lanes = [__m512i; $parts];
            type Broadcast = [__m512i; $parts];
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
                    // SAFETY: the caller has VNNI.
                    sum = unsafe { _mm512_dpbusd_epi32(sum, rows, query) };
                }
                sum
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
    };
}
step! {
    /// Two codes a byte.
    U4, 4, 2, u4
}
step! {
    /// Four codes a byte.
    U2, 2, 4, u2
}
step! {
    /// One code a byte.
    U8, 8, 1, one
}

pub(super) const CODE_PANELS: CodePanelTable = CodePanelTable {
    u2: shell!(code_panel_forms: U2; panels: 2, queries: 8, single: 4, chains: 4),
    u4: shell!(code_panel_forms: U4; panels: 2, queries: 8, single: 4, chains: 4),
    u8: shell!(code_panel_forms: U8; panels: 2, queries: 8, single: 4, chains: 4),
};
