//! Panel kernels for bytes: one `vpdpbusd` multiplies four dimensions of sixteen rows.

use std::arch::x86_64::*;
use std::marker::PhantomData;

use super::int8::{InnerProduct, Operand};
use super::panel_shells;
use crate::drive::{PanelStep, Step, read_partial};
use crate::panels::{PanelElement, PanelForms};
use crate::x86::avx512::panel::store_l2;

struct Int8<E>(PhantomData<E>);

// SAFETY: loads read sixteen groups of four bytes, stores write sixteen results.
unsafe impl<E: Operand + PanelElement> PanelStep for Int8<E> {
    type Elem = E;
    type Out = i32;
    type Lanes = __m512i;
    type Broadcast = __m512i;
    type Acc = __m512i;
    /// The correction of the shift by 128, as in the row kernels.
    type Context = i32;

    #[inline(always)]
    unsafe fn load(from: *const E) -> __m512i {
        // SAFETY: the caller vouches for 64 bytes.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }
    #[inline(always)]
    unsafe fn broadcast(from: *const E) -> __m512i {
        // SAFETY: the caller vouches for four bytes.
        unsafe { _mm512_set1_epi32(from.cast::<i32>().read_unaligned()) }
    }
    #[inline(always)]
    unsafe fn broadcast_partial(from: *const E, n: usize) -> __m512i {
        // SAFETY: the caller vouches for `n` bytes.
        unsafe { _mm512_set1_epi32(read_partial(from.cast(), n) as i32) }
    }
    #[inline(always)]
    unsafe fn context(query: *const E, dim: usize) -> i32 {
        // SAFETY: the same contract.
        unsafe { InnerProduct::<E>::context(query, dim) }
    }
    #[inline(always)]
    unsafe fn zero() -> __m512i {
        // SAFETY: the caller has AVX-512 F.
        unsafe { _mm512_setzero_si512() }
    }
    #[inline(always)]
    unsafe fn step(acc: __m512i, query: __m512i, rows: __m512i) -> __m512i {
        // SAFETY: the caller has VNNI.
        unsafe { E::products(acc, query, rows) }
    }
    #[inline(always)]
    unsafe fn store(acc: __m512i, correction: i32, to: *mut i32) {
        // SAFETY: the caller vouches for sixteen places.
        unsafe { _mm512_storeu_si512(to.cast(), _mm512_add_epi32(acc, _mm512_set1_epi32(correction))) }
    }
    #[inline(always)]
    unsafe fn store_l2(acc: __m512i, correction: i32, query_norm: i32, norms: *const i32, to: *mut i32) {
        // SAFETY: the same contract.
        unsafe { store_l2(_mm512_add_epi32(acc, _mm512_set1_epi32(correction)), query_norm, norms, to) }
    }
}

pub(super) const PANEL_U8: PanelForms<u8> = panel_shells!(Int8<u8>; panels: 2, queries: 12);
pub(super) const PANEL_I8: PanelForms<i8> = panel_shells!(Int8<i8>; panels: 2, queries: 12);
