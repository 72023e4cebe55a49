//! Word panels on AVX2: `vpmaddwd` multiplies two dimensions of eight rows.

use std::arch::x86_64::*;

use super::shell;
use crate::drive::WordPanelStep;
use crate::word_panels::WordPanelForms;

struct Words;

// SAFETY: loads read 32 words of a panel and two of a query, stores write sixteen results.
unsafe impl WordPanelStep for Words {
    type Lanes = [__m256i; 2];
    type Broadcast = __m256i;
    type Acc = [__m256i; 2];

    #[inline(always)]
    unsafe fn load(from: *const i16) -> Self::Lanes {
        // SAFETY: the caller vouches for 32 words.
        unsafe { [_mm256_loadu_si256(from.cast()), _mm256_loadu_si256(from.add(16).cast())] }
    }
    #[inline(always)]
    unsafe fn broadcast(from: *const i16) -> Self::Broadcast {
        // SAFETY: the caller vouches for two words.
        unsafe { _mm256_set1_epi32(from.cast::<i32>().read_unaligned()) }
    }
    #[inline(always)]
    unsafe fn zero() -> Self::Acc {
        // SAFETY: the caller has AVX2.
        unsafe { [_mm256_setzero_si256(); 2] }
    }
    #[inline(always)]
    unsafe fn step(mut acc: Self::Acc, query: Self::Broadcast, rows: Self::Lanes) -> Self::Acc {
        for (acc, rows) in acc.iter_mut().zip(rows) {
            // SAFETY: the caller has AVX2.
            *acc = unsafe { _mm256_add_epi32(*acc, _mm256_madd_epi16(query, rows)) };
        }
        acc
    }
    #[inline(always)]
    unsafe fn store(acc: Self::Acc, to: *mut i32) {
        // SAFETY: the caller vouches for sixteen places.
        unsafe {
            _mm256_storeu_si256(to.cast(), acc[0]);
            _mm256_storeu_si256(to.add(8).cast(), acc[1]);
        }
    }
}

pub(super) const WORD_PANELS: WordPanelForms = shell!(word_panel_forms: Words; panels: 1, queries: 4);
