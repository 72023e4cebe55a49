//! Hamming and Jaccard distances of bit strings: population counts by `vpopcntq`.

use std::arch::x86_64::*;

use super::shells;
use crate::table::BitForms;
use crate::x86::avx512::bits::{Count, Hamming, Jaccard};

/// One instruction.
struct Popcnt;

impl Count for Popcnt {
    #[inline(always)]
    unsafe fn count(bytes: __m512i) -> __m512i {
        // SAFETY: the caller has VPOPCNTDQ.
        unsafe { _mm512_popcnt_epi64(bytes) }
    }
}

pub(super) const HAMMING: BitForms<i32> = shells!(Hamming<Popcnt>);
pub(super) const JACCARD: BitForms<f32> = shells!(double Jaccard<Popcnt>);
