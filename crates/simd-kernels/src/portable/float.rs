//! `f32` and `f64` distances.

use std::marker::PhantomData;

use wide::{f32x8, f64x4};

use crate::drive::{Step, read_partial_32};
use crate::table::{Distances, cosine, forms};

/// Σ (x − y)² over lanes of `T`.
struct L2Squared<T>(PhantomData<T>);
/// Σ xy.
struct InnerProduct<T>(PhantomData<T>);
/// Σ |x − y|.
struct L1<T>(PhantomData<T>);

macro_rules! steps {
    ($elem:ty, $vec:ident, $width:literal: $($name:ident($acc:ident, $q:ident, $r:ident) $step:expr;)+) => {$(
        // SAFETY: `load` reads one array of `WIDTH` elements, `load_partial` copies `n`; no CPU feature is used.
        unsafe impl Step for $name<$elem> {
            type Query = $elem;
            type Elem = $elem;
            type Out = $elem;
            type QueryVec = $vec;
            type RowVec = $vec;
            type Acc = $vec;
            type Context = ();
            const WIDTH: usize = $width;

            #[inline(always)]
            unsafe fn load_query(from: *const $elem) -> $vec {
                // SAFETY: the caller vouches for `WIDTH` elements; an array needs no more than their alignment.
                $vec::from(unsafe { from.cast::<[$elem; $width]>().read() })
            }
            #[inline(always)]
            unsafe fn load_query_partial(from: *const $elem, n: usize) -> $vec {
                // SAFETY: the caller vouches for `n < WIDTH` elements.
                let padded = unsafe { read_partial_32(from.cast(), n * size_of::<$elem>()) };
                $vec::from(bytemuck::cast::<_, [$elem; $width]>(padded))
            }
            #[inline(always)]
            unsafe fn load_row(from: *const $elem) -> $vec {
                // SAFETY: the same contract.
                unsafe { Self::load_query(from) }
            }
            #[inline(always)]
            unsafe fn load_row_partial(from: *const $elem, n: usize) -> $vec {
                // SAFETY: the same contract.
                unsafe { Self::load_query_partial(from, n) }
            }
            #[inline(always)]
            unsafe fn context(_: *const $elem, _: usize) {}
            #[inline(always)]
            unsafe fn zero() -> $vec {
                $vec::ZERO
            }
            #[inline(always)]
            unsafe fn step($acc: $vec, $q: $vec, $r: $vec) -> $vec {
                $step
            }
            #[inline(always)]
            unsafe fn merge(a: $vec, b: $vec) -> $vec {
                a + b
            }
            #[inline(always)]
            unsafe fn finish(acc: $vec, (): ()) -> $elem {
                acc.reduce_add()
            }
            #[inline(always)]
            unsafe fn finish4(acc: [$vec; 4], (): ()) -> [$elem; 4] {
                acc.map(|acc| acc.reduce_add())
            }
        }
    )+};
}

steps! { f32, f32x8, 8:
    L2Squared(acc, q, r) { let d = q - r; d.mul_add(d, acc) };
    InnerProduct(acc, q, r) q.mul_add(r, acc);
    L1(acc, q, r) acc + (q - r).abs();
}
steps! { f64, f64x4, 4:
    L2Squared(acc, q, r) { let d = q - r; d.mul_add(d, acc) };
    InnerProduct(acc, q, r) q.mul_add(r, acc);
    L1(acc, q, r) acc + (q - r).abs();
}

pub(super) const F32: Distances<f32> = Distances {
    l2_squared: forms!(L2Squared<f32>; pair: 4, rows: 4, tile: 2),
    inner_product: forms!(InnerProduct<f32>; pair: 4, rows: 4, tile: 2),
    l1: forms!(L1<f32>; pair: 4, rows: 4, tile: 2),
    cosine: cosine!(InnerProduct<f32>),
};

pub(super) const F64: Distances<f64> = Distances {
    l2_squared: forms!(L2Squared<f64>; pair: 4, rows: 4, tile: 2),
    inner_product: forms!(InnerProduct<f64>; pair: 4, rows: 4, tile: 2),
    l1: forms!(L1<f64>; pair: 4, rows: 4, tile: 2),
    cosine: cosine!(InnerProduct<f64>),
};
