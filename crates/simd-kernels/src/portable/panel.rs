//! Panel kernels: sixteen rows as lanes of `wide` registers.

use std::marker::PhantomData;

use bytemuck::Pod;
use wide::{f32x8, f64x4, i16x16, i32x8};

use crate::drive::{PanelStep, read_partial};
use crate::panels::{PanelElement, PanelForms};
use crate::table::panel_forms;

struct F32Step;
struct F64Step;
struct Int8Step<E>(PhantomData<E>);

macro_rules! float_step {
    ($step:ident, $elem:ty, $vec:ident, $width:literal, $registers:literal) => {
        // SAFETY: loads read arrays of sixteen, stores write arrays of sixteen; no CPU feature is used.
        unsafe impl PanelStep for $step {
            type Elem = $elem;
            type Out = $elem;
            type Lanes = [$vec; $registers];
            type Broadcast = $vec;
            type Acc = [$vec; $registers];
            type Context = ();

            #[inline(always)]
            unsafe fn load(from: *const $elem) -> Self::Lanes {
                // SAFETY: the caller vouches for sixteen elements.
                unsafe { from.cast::<[[$elem; $width]; $registers]>().read() }.map($vec::from)
            }
            #[inline(always)]
            unsafe fn broadcast(from: *const $elem) -> $vec {
                // SAFETY: the caller vouches for one element.
                $vec::splat(unsafe { from.read() })
            }
            #[inline(always)]
            unsafe fn broadcast_partial(_: *const $elem, _: usize) -> $vec {
                $vec::ZERO
            }
            #[inline(always)]
            unsafe fn context(_: *const $elem, _: usize) {}
            #[inline(always)]
            unsafe fn zero() -> Self::Acc {
                [$vec::ZERO; $registers]
            }
            #[inline(always)]
            unsafe fn step(mut acc: Self::Acc, query: $vec, rows: Self::Lanes) -> Self::Acc {
                for (acc, rows) in acc.iter_mut().zip(rows) {
                    *acc = query.mul_add(rows, *acc);
                }
                acc
            }
            #[inline(always)]
            unsafe fn store(acc: Self::Acc, (): (), to: *mut $elem) {
                // SAFETY: the caller vouches for sixteen places.
                unsafe { to.cast::<[[$elem; $width]; $registers]>().write(acc.map($vec::to_array)) }
            }
            #[inline(always)]
            unsafe fn store_l2(
                acc: Self::Acc,
                (): (),
                query_norm: $elem,
                norms: *const $elem,
                to: *mut $elem,
            ) {
                // SAFETY: the caller vouches for sixteen norms and sixteen places.
                unsafe {
                    let mut norms = Self::load(norms);
                    for (norms, acc) in norms.iter_mut().zip(acc) {
                        *norms = acc.mul_add($vec::splat(-2.0), *norms + $vec::splat(query_norm));
                    }
                    Self::store(norms, (), to);
                }
            }
        }
    };
}
float_step!(F32Step, f32, f32x8, 8, 2);
float_step!(F64Step, f64, f64x4, 4, 4);

/// Bytes that widen to 16 bits.
trait Byte: PanelElement<Distance = i32> + Pod {
    fn widen(self) -> i16;
}
impl Byte for u8 {
    #[inline(always)]
    fn widen(self) -> i16 {
        i16::from(self)
    }
}
impl Byte for i8 {
    #[inline(always)]
    fn widen(self) -> i16 {
        i16::from(self)
    }
}

/// Four rows of four bytes as 16-bit integers.
#[inline(always)]
fn widen16<E: Byte>(bytes: [E; 16]) -> i16x16 {
    i16x16::from(bytes.map(E::widen))
}

// SAFETY: loads read arrays of 64, stores write arrays of sixteen; no CPU feature is used.
unsafe impl<E: Byte> PanelStep for Int8Step<E> {
    type Elem = E;
    type Out = i32;
    /// Four registers of four rows.
    type Lanes = [i16x16; 4];
    type Broadcast = i16x16;
    /// Sums of dimension pairs: two lanes a row.
    type Acc = [i32x8; 4];
    type Context = ();

    #[inline(always)]
    unsafe fn load(from: *const E) -> [i16x16; 4] {
        // SAFETY: the caller vouches for 64 bytes.
        unsafe { from.cast::<[[E; 16]; 4]>().read() }.map(widen16)
    }
    #[inline(always)]
    unsafe fn broadcast(from: *const E) -> i16x16 {
        // SAFETY: the caller vouches for four bytes.
        let group = unsafe { from.cast::<[E; 4]>().read() };
        widen16::<E>(bytemuck::cast([group; 4]))
    }
    #[inline(always)]
    unsafe fn broadcast_partial(from: *const E, n: usize) -> i16x16 {
        // SAFETY: the caller vouches for `n` bytes.
        let group = unsafe { read_partial(from.cast(), n) } as u32;
        widen16::<E>(bytemuck::cast([group; 4]))
    }
    #[inline(always)]
    unsafe fn context(_: *const E, _: usize) {}
    #[inline(always)]
    unsafe fn zero() -> [i32x8; 4] {
        [i32x8::ZERO; 4]
    }
    #[inline(always)]
    unsafe fn step(mut acc: [i32x8; 4], query: i16x16, rows: [i16x16; 4]) -> [i32x8; 4] {
        for (acc, rows) in acc.iter_mut().zip(rows) {
            *acc += query.dot(rows);
        }
        acc
    }
    #[inline(always)]
    unsafe fn store(acc: [i32x8; 4], (): (), to: *mut i32) {
        let pairs: [[i32; 2]; 16] = bytemuck::cast(acc.map(i32x8::to_array));
        // SAFETY: the caller vouches for sixteen places.
        unsafe { to.cast::<[i32; 16]>().write(pairs.map(|[a, b]| a.wrapping_add(b))) }
    }
    #[inline(always)]
    unsafe fn store_l2(acc: [i32x8; 4], (): (), query_norm: i32, norms: *const i32, to: *mut i32) {
        let pairs: [[i32; 2]; 16] = bytemuck::cast(acc.map(i32x8::to_array));
        // SAFETY: the caller vouches for sixteen norms and sixteen places.
        unsafe {
            let mut out = norms.cast::<[i32; 16]>().read();
            for (out, [a, b]) in out.iter_mut().zip(pairs) {
                *out = out.wrapping_add(query_norm).wrapping_sub(a.wrapping_add(b).wrapping_mul(2));
            }
            to.cast::<[i32; 16]>().write(out);
        }
    }
}

pub(super) const F32: PanelForms<f32> = panel_forms!(F32Step; panels: 1, queries: 2);
pub(super) const F64: PanelForms<f64> = panel_forms!(F64Step; panels: 1, queries: 1);
pub(super) const U8: PanelForms<u8> = panel_forms!(Int8Step<u8>; panels: 1, queries: 1);
pub(super) const I8: PanelForms<i8> = panel_forms!(Int8Step<i8>; panels: 1, queries: 1);
