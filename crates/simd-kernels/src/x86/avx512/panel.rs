//! Panel kernels: sixteen rows as lanes of one register (two for `f64`).

use std::arch::x86_64::*;
use std::marker::PhantomData;

use super::int8::Byte;
use super::panel_shells;
use crate::drive::{PanelStep, read_partial};
use crate::panels::{PanelElement, PanelForms};

struct F32;
struct F64;
struct Int8<E>(PhantomData<E>);

// SAFETY: loads read sixteen elements, stores write sixteen.
unsafe impl PanelStep for F32 {
    type Elem = f32;
    type Out = f32;
    type Lanes = __m512;
    type Broadcast = __m512;
    type Acc = __m512;
    type Context = ();

    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m512 {
        // SAFETY: the caller vouches for sixteen elements.
        unsafe { _mm512_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn broadcast(from: *const f32) -> __m512 {
        // SAFETY: the caller vouches for one element.
        unsafe { _mm512_set1_ps(from.read()) }
    }
    #[inline(always)]
    unsafe fn broadcast_partial(_: *const f32, _: usize) -> __m512 {
        // SAFETY: the caller has AVX-512 F.
        unsafe { _mm512_setzero_ps() }
    }
    #[inline(always)]
    unsafe fn context(_: *const f32, _: usize) {}
    #[inline(always)]
    unsafe fn zero() -> __m512 {
        // SAFETY: the caller has AVX-512 F.
        unsafe { _mm512_setzero_ps() }
    }
    #[inline(always)]
    unsafe fn step(acc: __m512, query: __m512, rows: __m512) -> __m512 {
        // SAFETY: the caller has AVX-512 F.
        unsafe { _mm512_fmadd_ps(query, rows, acc) }
    }
    #[inline(always)]
    unsafe fn store(acc: __m512, (): (), to: *mut f32) {
        // SAFETY: the caller vouches for sixteen places.
        unsafe { _mm512_storeu_ps(to, acc) }
    }
    #[inline(always)]
    unsafe fn store_l2(acc: __m512, (): (), query_norm: f32, norms: *const f32, to: *mut f32) {
        // SAFETY: the caller vouches for sixteen norms and sixteen places.
        unsafe {
            let norms = _mm512_add_ps(_mm512_loadu_ps(norms), _mm512_set1_ps(query_norm));
            _mm512_storeu_ps(to, _mm512_fmadd_ps(acc, _mm512_set1_ps(-2.0), norms));
        }
    }
}

// SAFETY: loads read sixteen elements, stores write sixteen.
unsafe impl PanelStep for F64 {
    type Elem = f64;
    type Out = f64;
    type Lanes = [__m512d; 2];
    type Broadcast = __m512d;
    type Acc = [__m512d; 2];
    type Context = ();

    #[inline(always)]
    unsafe fn load(from: *const f64) -> [__m512d; 2] {
        // SAFETY: the caller vouches for sixteen elements.
        unsafe { [_mm512_loadu_pd(from), _mm512_loadu_pd(from.add(8))] }
    }
    #[inline(always)]
    unsafe fn broadcast(from: *const f64) -> __m512d {
        // SAFETY: the caller vouches for one element.
        unsafe { _mm512_set1_pd(from.read()) }
    }
    #[inline(always)]
    unsafe fn broadcast_partial(_: *const f64, _: usize) -> __m512d {
        // SAFETY: the caller has AVX-512 F.
        unsafe { _mm512_setzero_pd() }
    }
    #[inline(always)]
    unsafe fn context(_: *const f64, _: usize) {}
    #[inline(always)]
    unsafe fn zero() -> [__m512d; 2] {
        // SAFETY: the caller has AVX-512 F.
        unsafe { [_mm512_setzero_pd(); 2] }
    }
    #[inline(always)]
    unsafe fn step(acc: [__m512d; 2], query: __m512d, rows: [__m512d; 2]) -> [__m512d; 2] {
        // SAFETY: the caller has AVX-512 F.
        unsafe { [_mm512_fmadd_pd(query, rows[0], acc[0]), _mm512_fmadd_pd(query, rows[1], acc[1])] }
    }
    #[inline(always)]
    unsafe fn store(acc: [__m512d; 2], (): (), to: *mut f64) {
        // SAFETY: the caller vouches for sixteen places.
        unsafe {
            _mm512_storeu_pd(to, acc[0]);
            _mm512_storeu_pd(to.add(8), acc[1]);
        }
    }
    #[inline(always)]
    unsafe fn store_l2(acc: [__m512d; 2], (): (), query_norm: f64, norms: *const f64, to: *mut f64) {
        // SAFETY: the caller vouches for sixteen norms and sixteen places.
        unsafe {
            let (query_norm, minus_two) = (_mm512_set1_pd(query_norm), _mm512_set1_pd(-2.0));
            let [low, high] = Self::load(norms);
            let low = _mm512_fmadd_pd(acc[0], minus_two, _mm512_add_pd(low, query_norm));
            let high = _mm512_fmadd_pd(acc[1], minus_two, _mm512_add_pd(high, query_norm));
            Self::store([low, high], (), to);
        }
    }
}

// SAFETY: loads read sixteen groups of four bytes, stores write sixteen results.
unsafe impl<E: Byte + PanelElement> PanelStep for Int8<E> {
    type Elem = E;
    type Out = i32;
    /// Even and odd bytes of sixteen rows.
    type Lanes = [__m512i; 2];
    /// Even and odd bytes of the query's group.
    type Broadcast = [__m512i; 2];
    type Acc = __m512i;
    type Context = ();

    #[inline(always)]
    unsafe fn load(from: *const E) -> [__m512i; 2] {
        // SAFETY: the caller vouches for 64 bytes.
        unsafe { E::widen(_mm512_loadu_si512(from.cast())) }
    }
    #[inline(always)]
    unsafe fn broadcast(from: *const E) -> [__m512i; 2] {
        // SAFETY: the caller vouches for four bytes.
        unsafe { E::widen(_mm512_set1_epi32(from.cast::<i32>().read_unaligned())) }
    }
    #[inline(always)]
    unsafe fn broadcast_partial(from: *const E, n: usize) -> [__m512i; 2] {
        // SAFETY: the caller vouches for `n` bytes.
        unsafe { E::widen(_mm512_set1_epi32(read_partial(from.cast(), n) as i32)) }
    }
    #[inline(always)]
    unsafe fn context(_: *const E, _: usize) {}
    #[inline(always)]
    unsafe fn zero() -> __m512i {
        // SAFETY: the caller has AVX-512 F.
        unsafe { _mm512_setzero_si512() }
    }
    #[inline(always)]
    unsafe fn step(acc: __m512i, query: [__m512i; 2], rows: [__m512i; 2]) -> __m512i {
        // SAFETY: the caller has AVX-512 BW.
        unsafe {
            let acc = _mm512_add_epi32(acc, _mm512_madd_epi16(query[0], rows[0]));
            _mm512_add_epi32(acc, _mm512_madd_epi16(query[1], rows[1]))
        }
    }
    #[inline(always)]
    unsafe fn store(acc: __m512i, (): (), to: *mut i32) {
        // SAFETY: the caller vouches for sixteen places.
        unsafe { _mm512_storeu_si512(to.cast(), acc) }
    }
    #[inline(always)]
    unsafe fn store_l2(acc: __m512i, (): (), query_norm: i32, norms: *const i32, to: *mut i32) {
        // SAFETY: the same contract.
        unsafe { store_l2(acc, query_norm, norms, to) }
    }
}

/// Writes `query_norm + norms − 2 · products`.
///
/// # Safety
/// `norms` must be readable and `to` writable for sixteen values; AVX-512 F.
#[inline(always)]
pub(in crate::x86) unsafe fn store_l2(products: __m512i, query_norm: i32, norms: *const i32, to: *mut i32) {
    // SAFETY: the caller vouches for sixteen norms and sixteen places.
    unsafe {
        let norms = _mm512_add_epi32(_mm512_loadu_si512(norms.cast()), _mm512_set1_epi32(query_norm));
        _mm512_storeu_si512(to.cast(), _mm512_sub_epi32(norms, _mm512_add_epi32(products, products)));
    }
}

pub(super) const PANEL_F32: PanelForms<f32> = panel_shells!(F32; panels: 2, queries: 12);
pub(super) const PANEL_F64: PanelForms<f64> = panel_shells!(F64; panels: 1, queries: 12);
pub(super) const PANEL_U8: PanelForms<u8> = panel_shells!(Int8<u8>; panels: 2, queries: 8);
pub(super) const PANEL_I8: PanelForms<i8> = panel_shells!(Int8<i8>; panels: 2, queries: 8);
