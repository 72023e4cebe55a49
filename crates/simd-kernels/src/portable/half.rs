//! `f16` and `bf16` distances: widened to `f32` by the `half` crate, then as `f32`.

use std::marker::PhantomData;

use half::{bf16, f16};
use wide::f32x8;

use crate::drive::{Step, read_partial};
use crate::table::{Distances, cosine, forms};

/// Σ (x − y)² over lanes of `T`.
struct L2Squared<T>(PhantomData<T>);
/// Σ xy.
struct InnerProduct<T>(PhantomData<T>);
/// Σ |x − y|.
struct L1<T>(PhantomData<T>);

macro_rules! steps {
    ($elem:ty: $($name:ident($acc:ident, $q:ident, $r:ident) $step:expr;)+) => {$(
        // SAFETY: `load` reads one array of `WIDTH` elements, `load_partial` copies `n`; no CPU feature is used.
        unsafe impl Step for $name<$elem> {
            type Query = $elem;
            type Elem = $elem;
            type Out = f32;
            type QueryVec = f32x8;
            type RowVec = f32x8;
            type Acc = f32x8;
            type Context = ();
            const WIDTH: usize = 8;

            #[inline(always)]
            unsafe fn load_query(from: *const $elem) -> f32x8 {
                // SAFETY: the caller vouches for `WIDTH` elements.
                f32x8::from(unsafe { from.cast::<[$elem; 8]>().read() }.map(<$elem>::to_f32))
            }
            #[inline(always)]
            unsafe fn load_query_partial(from: *const $elem, n: usize) -> f32x8 {
                // SAFETY: the caller vouches for `n < WIDTH` elements.
                let padded: [$elem; 8] = bytemuck::cast(unsafe { read_partial(from.cast(), n * 2) });
                f32x8::from(padded.map(<$elem>::to_f32))
            }
            #[inline(always)]
            unsafe fn load_row(from: *const $elem) -> f32x8 {
                // SAFETY: the same contract.
                unsafe { Self::load_query(from) }
            }
            #[inline(always)]
            unsafe fn load_row_partial(from: *const $elem, n: usize) -> f32x8 {
                // SAFETY: the same contract.
                unsafe { Self::load_query_partial(from, n) }
            }
            #[inline(always)]
            unsafe fn context(_: *const $elem, _: usize) {}
            #[inline(always)]
            unsafe fn zero() -> f32x8 {
                f32x8::ZERO
            }
            #[inline(always)]
            unsafe fn step($acc: f32x8, $q: f32x8, $r: f32x8) -> f32x8 {
                $step
            }
            #[inline(always)]
            unsafe fn merge(a: f32x8, b: f32x8) -> f32x8 {
                a + b
            }
            #[inline(always)]
            unsafe fn finish(acc: f32x8, (): ()) -> f32 {
                acc.reduce_add()
            }
            #[inline(always)]
            unsafe fn finish4(acc: [f32x8; 4], (): ()) -> [f32; 4] {
                acc.map(|acc| acc.reduce_add())
            }
        }
    )+};
}

steps! { f16:
    L2Squared(acc, q, r) { let d = q - r; d.mul_add(d, acc) };
    InnerProduct(acc, q, r) q.mul_add(r, acc);
    L1(acc, q, r) acc + (q - r).abs();
}
steps! { bf16:
    L2Squared(acc, q, r) { let d = q - r; d.mul_add(d, acc) };
    InnerProduct(acc, q, r) q.mul_add(r, acc);
    L1(acc, q, r) acc + (q - r).abs();
}

pub(super) const F16: Distances<f16> = Distances {
    l2_squared: forms!(L2Squared<f16>; pair: 2, rows: 4, tile: 2),
    inner_product: forms!(InnerProduct<f16>; pair: 2, rows: 4, tile: 2),
    l1: forms!(L1<f16>; pair: 2, rows: 4, tile: 2),
    cosine: cosine!(InnerProduct<f16>),
};

pub(super) const BF16: Distances<bf16> = Distances {
    l2_squared: forms!(L2Squared<bf16>; pair: 2, rows: 4, tile: 2),
    inner_product: forms!(InnerProduct<bf16>; pair: 2, rows: 4, tile: 2),
    l1: forms!(L1<bf16>; pair: 2, rows: 4, tile: 2),
    cosine: cosine!(InnerProduct<bf16>),
};
