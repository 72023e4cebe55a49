//! Word panels on NEON: `smlal` adds products of four rows' words, even and odd dimensions apart.

use std::arch::aarch64::*;

use super::shell;
use crate::drive::WordPanelStep;
use crate::word_panels::WordPanelForms;

struct Words;

// SAFETY: loads read 32 words of a panel and two of a query, stores write sixteen results.
unsafe impl WordPanelStep for Words {
    /// Two registers of eight rows, each the even dimension and then the odd one.
    type Lanes = [int16x8x2_t; 2];
    /// The even dimension and the odd one.
    type Broadcast = [int16x4_t; 2];
    type Acc = [int32x4_t; 4];

    #[inline(always)]
    unsafe fn load(from: *const i16) -> Self::Lanes {
        // SAFETY: the caller vouches for 32 words.
        unsafe { [vld2q_s16(from), vld2q_s16(from.add(16))] }
    }
    #[inline(always)]
    unsafe fn broadcast(from: *const i16) -> Self::Broadcast {
        // SAFETY: the caller vouches for two words.
        unsafe { [vdup_n_s16(from.read()), vdup_n_s16(from.add(1).read())] }
    }
    #[inline(always)]
    unsafe fn zero() -> Self::Acc {
        // SAFETY: the caller has NEON.
        unsafe { [vdupq_n_s32(0); 4] }
    }
    #[inline(always)]
    unsafe fn step(mut acc: Self::Acc, query: Self::Broadcast, rows: Self::Lanes) -> Self::Acc {
        for (acc, int16x8x2_t(even, odd)) in acc.chunks_exact_mut(2).zip(rows) {
            // SAFETY: the caller has NEON.
            unsafe {
                acc[0] = vmlal_s16(acc[0], vget_low_s16(even), query[0]);
                acc[0] = vmlal_s16(acc[0], vget_low_s16(odd), query[1]);
                acc[1] = vmlal_s16(acc[1], vget_high_s16(even), query[0]);
                acc[1] = vmlal_s16(acc[1], vget_high_s16(odd), query[1]);
            }
        }
        acc
    }
    #[inline(always)]
    unsafe fn store(acc: Self::Acc, to: *mut i32) {
        for (part, acc) in acc.into_iter().enumerate() {
            // SAFETY: the caller vouches for sixteen places.
            unsafe { vst1q_s32(to.add(4 * part), acc) };
        }
    }
}

pub(super) const WORD_PANELS: WordPanelForms = shell!(word_panel_forms: Words; panels: 1, queries: 4);
