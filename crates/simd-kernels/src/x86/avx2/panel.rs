//! Panel kernels: sixteen rows as lanes.

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
    type Lanes = [__m256; 2];
    type Broadcast = __m256;
    type Acc = [__m256; 2];
    type Context = ();

    #[inline(always)]
    unsafe fn load(from: *const f32) -> [__m256; 2] {
        // SAFETY: the caller vouches for sixteen elements.
        unsafe { [_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))] }
    }
    #[inline(always)]
    unsafe fn broadcast(from: *const f32) -> __m256 {
        // SAFETY: the caller vouches for one element.
        unsafe { _mm256_broadcast_ss(&*from) }
    }
    #[inline(always)]
    unsafe fn broadcast_partial(_: *const f32, _: usize) -> __m256 {
        // SAFETY: the caller has AVX2.
        unsafe { _mm256_setzero_ps() }
    }
    #[inline(always)]
    unsafe fn context(_: *const f32, _: usize) {}
    #[inline(always)]
    unsafe fn zero() -> [__m256; 2] {
        // SAFETY: the caller has AVX2.
        unsafe { [_mm256_setzero_ps(); 2] }
    }
    #[inline(always)]
    unsafe fn step(acc: [__m256; 2], query: __m256, rows: [__m256; 2]) -> [__m256; 2] {
        // SAFETY: the caller has FMA.
        unsafe { [_mm256_fmadd_ps(query, rows[0], acc[0]), _mm256_fmadd_ps(query, rows[1], acc[1])] }
    }
    #[inline(always)]
    unsafe fn store(acc: [__m256; 2], (): (), to: *mut f32) {
        // SAFETY: the caller vouches for sixteen places.
        unsafe {
            _mm256_storeu_ps(to, acc[0]);
            _mm256_storeu_ps(to.add(8), acc[1]);
        }
    }
    #[inline(always)]
    unsafe fn store_l2(acc: [__m256; 2], (): (), query_norm: f32, norms: *const f32, to: *mut f32) {
        // SAFETY: the caller vouches for sixteen norms and sixteen places.
        unsafe {
            let (query_norm, minus_two) = (_mm256_set1_ps(query_norm), _mm256_set1_ps(-2.0));
            let [low, high] = Self::load(norms);
            let low = _mm256_fmadd_ps(acc[0], minus_two, _mm256_add_ps(low, query_norm));
            let high = _mm256_fmadd_ps(acc[1], minus_two, _mm256_add_ps(high, query_norm));
            Self::store([low, high], (), to);
        }
    }
}

// SAFETY: loads read sixteen elements, stores write sixteen.
unsafe impl PanelStep for F64 {
    type Elem = f64;
    type Out = f64;
    type Lanes = [__m256d; 4];
    type Broadcast = __m256d;
    type Acc = [__m256d; 4];
    type Context = ();

    #[inline(always)]
    unsafe fn load(from: *const f64) -> [__m256d; 4] {
        // SAFETY: the caller vouches for sixteen elements.
        unsafe {
            [
                _mm256_loadu_pd(from),
                _mm256_loadu_pd(from.add(4)),
                _mm256_loadu_pd(from.add(8)),
                _mm256_loadu_pd(from.add(12)),
            ]
        }
    }
    #[inline(always)]
    unsafe fn broadcast(from: *const f64) -> __m256d {
        // SAFETY: the caller vouches for one element.
        unsafe { _mm256_broadcast_sd(&*from) }
    }
    #[inline(always)]
    unsafe fn broadcast_partial(_: *const f64, _: usize) -> __m256d {
        // SAFETY: the caller has AVX2.
        unsafe { _mm256_setzero_pd() }
    }
    #[inline(always)]
    unsafe fn context(_: *const f64, _: usize) {}
    #[inline(always)]
    unsafe fn zero() -> [__m256d; 4] {
        // SAFETY: the caller has AVX2.
        unsafe { [_mm256_setzero_pd(); 4] }
    }
    #[inline(always)]
    unsafe fn step(mut acc: [__m256d; 4], query: __m256d, rows: [__m256d; 4]) -> [__m256d; 4] {
        for (acc, rows) in acc.iter_mut().zip(rows) {
            // SAFETY: the caller has FMA.
            *acc = unsafe { _mm256_fmadd_pd(query, rows, *acc) };
        }
        acc
    }
    #[inline(always)]
    unsafe fn store(acc: [__m256d; 4], (): (), to: *mut f64) {
        for (part, acc) in acc.into_iter().enumerate() {
            // SAFETY: the caller vouches for sixteen places.
            unsafe { _mm256_storeu_pd(to.add(4 * part), acc) };
        }
    }
    #[inline(always)]
    unsafe fn store_l2(acc: [__m256d; 4], (): (), query_norm: f64, norms: *const f64, to: *mut f64) {
        // SAFETY: the caller vouches for sixteen norms and sixteen places.
        unsafe {
            let (query_norm, minus_two) = (_mm256_set1_pd(query_norm), _mm256_set1_pd(-2.0));
            let mut out = Self::load(norms);
            for (out, acc) in out.iter_mut().zip(acc) {
                *out = _mm256_fmadd_pd(acc, minus_two, _mm256_add_pd(*out, query_norm));
            }
            Self::store(out, (), to);
        }
    }
}

// SAFETY: loads read sixteen groups of four bytes, stores write sixteen results.
unsafe impl<E: Byte + PanelElement> PanelStep for Int8<E> {
    type Elem = E;
    type Out = i32;
    /// Even and odd bytes of eight rows, twice.
    type Lanes = [[__m256i; 2]; 2];
    /// Even and odd bytes of the query's group.
    type Broadcast = [__m256i; 2];
    type Acc = [__m256i; 2];
    type Context = ();

    #[inline(always)]
    unsafe fn load(from: *const E) -> Self::Lanes {
        // SAFETY: the caller vouches for 64 bytes.
        unsafe {
            [E::widen(_mm256_loadu_si256(from.cast())), E::widen(_mm256_loadu_si256(from.add(32).cast()))]
        }
    }
    #[inline(always)]
    unsafe fn broadcast(from: *const E) -> [__m256i; 2] {
        // SAFETY: the caller vouches for four bytes.
        unsafe { E::widen(_mm256_set1_epi32(from.cast::<i32>().read_unaligned())) }
    }
    #[inline(always)]
    unsafe fn broadcast_partial(from: *const E, n: usize) -> [__m256i; 2] {
        // SAFETY: the caller vouches for `n` bytes.
        unsafe { E::widen(_mm256_set1_epi32(read_partial(from.cast(), n) as i32)) }
    }
    #[inline(always)]
    unsafe fn context(_: *const E, _: usize) {}
    #[inline(always)]
    unsafe fn zero() -> [__m256i; 2] {
        // SAFETY: the caller has AVX2.
        unsafe { [_mm256_setzero_si256(); 2] }
    }
    #[inline(always)]
    unsafe fn step(mut acc: [__m256i; 2], query: [__m256i; 2], rows: Self::Lanes) -> [__m256i; 2] {
        for (acc, [even, odd]) in acc.iter_mut().zip(rows) {
            // SAFETY: the caller has AVX2.
            unsafe {
                let sum = _mm256_add_epi32(*acc, _mm256_madd_epi16(query[0], even));
                *acc = _mm256_add_epi32(sum, _mm256_madd_epi16(query[1], odd));
            }
        }
        acc
    }
    #[inline(always)]
    unsafe fn store(acc: [__m256i; 2], (): (), to: *mut i32) {
        // SAFETY: the caller vouches for sixteen places.
        unsafe {
            _mm256_storeu_si256(to.cast(), acc[0]);
            _mm256_storeu_si256(to.add(8).cast(), acc[1]);
        }
    }
    #[inline(always)]
    unsafe fn store_l2(acc: [__m256i; 2], (): (), query_norm: i32, norms: *const i32, to: *mut i32) {
        // SAFETY: the caller vouches for sixteen norms and sixteen places.
        unsafe {
            let query_norm = _mm256_set1_epi32(query_norm);
            let mut out = [_mm256_loadu_si256(norms.cast()), _mm256_loadu_si256(norms.add(8).cast())];
            for (out, acc) in out.iter_mut().zip(acc) {
                *out = _mm256_sub_epi32(_mm256_add_epi32(*out, query_norm), _mm256_add_epi32(acc, acc));
            }
            Self::store(out, (), to);
        }
    }
}

pub(super) const PANEL_F32: PanelForms<f32> = panel_shells!(F32; panels: 1, queries: 6);
pub(super) const PANEL_F64: PanelForms<f64> = panel_shells!(F64; panels: 1, queries: 2);
pub(super) const PANEL_U8: PanelForms<u8> = panel_shells!(Int8<u8>; panels: 1, queries: 4);
pub(super) const PANEL_I8: PanelForms<i8> = panel_shells!(Int8<i8>; panels: 1, queries: 4);
