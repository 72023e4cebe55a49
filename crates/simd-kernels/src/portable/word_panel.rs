//! Word panels on `wide` registers.

use wide::{i16x16, i32x8};

use crate::drive::WordPanelStep;
use crate::word_panels::{WordPanelForms, word_panel_forms};

struct Words;

// SAFETY: loads read 32 words of a panel and two of a query, stores write sixteen results.
unsafe impl WordPanelStep for Words {
    type Lanes = [i16x16; 2];
    type Broadcast = i16x16;
    type Acc = [i32x8; 2];

    #[inline(always)]
    unsafe fn load(from: *const i16) -> Self::Lanes {
        // SAFETY: the caller vouches for 32 words.
        unsafe { from.cast::<[[i16; 16]; 2]>().read_unaligned() }.map(i16x16::from)
    }
    #[inline(always)]
    unsafe fn broadcast(from: *const i16) -> Self::Broadcast {
        // SAFETY: the caller vouches for two words.
        let pair = unsafe { from.cast::<[i16; 2]>().read_unaligned() };
        i16x16::from(bytemuck::cast::<[[i16; 2]; 8], [i16; 16]>([pair; 8]))
    }
    #[inline(always)]
    unsafe fn zero() -> Self::Acc {
        [i32x8::ZERO; 2]
    }
    #[inline(always)]
    unsafe fn step(mut acc: Self::Acc, query: Self::Broadcast, rows: Self::Lanes) -> Self::Acc {
        for (acc, rows) in acc.iter_mut().zip(rows) {
            *acc += query.dot(rows);
        }
        acc
    }
    #[inline(always)]
    unsafe fn store(acc: Self::Acc, to: *mut i32) {
        // SAFETY: the caller vouches for sixteen places.
        unsafe { to.cast::<[[i32; 8]; 2]>().write_unaligned(acc.map(i32x8::to_array)) }
    }
}

pub(super) const WORD_PANELS: WordPanelForms = word_panel_forms!(Words; panels: 1, queries: 2);
