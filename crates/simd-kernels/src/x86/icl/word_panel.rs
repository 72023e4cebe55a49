//! Word panels with VNNI: one `vpdpwssd` multiplies two dimensions of sixteen rows and adds.

use std::arch::x86_64::*;

use super::shell;
use crate::drive::WordPanelStep;
use crate::word_panels::WordPanelForms;

struct Words;

// SAFETY: loads read 32 words of a panel and two of a query, stores write sixteen results.
unsafe impl WordPanelStep for Words {
    type Lanes = __m512i;
    type Broadcast = __m512i;
    type Acc = __m512i;

    #[inline(always)]
    unsafe fn load(from: *const i16) -> Self::Lanes {
        // SAFETY: the caller vouches for 32 words.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }
    #[inline(always)]
    unsafe fn broadcast(from: *const i16) -> Self::Broadcast {
        // SAFETY: the caller vouches for two words.
        unsafe { _mm512_set1_epi32(from.cast::<i32>().read_unaligned()) }
    }
    #[inline(always)]
    unsafe fn zero() -> Self::Acc {
        // SAFETY: the caller has AVX-512 F.
        unsafe { _mm512_setzero_si512() }
    }
    #[inline(always)]
    unsafe fn step(acc: Self::Acc, query: Self::Broadcast, rows: Self::Lanes) -> Self::Acc {
        // SAFETY: the caller has VNNI.
        unsafe { _mm512_dpwssd_epi32(acc, query, rows) }
    }
    #[inline(always)]
    unsafe fn store(acc: Self::Acc, to: *mut i32) {
        // SAFETY: the caller vouches for sixteen places.
        unsafe { _mm512_storeu_si512(to.cast(), acc) }
    }
}

pub(super) const WORD_PANELS: WordPanelForms = shell!(word_panel_forms: Words; panels: 2, queries: 12);
