//! `u8` and `i8` distances, exact: widened to 16 bits, multiplied and added in pairs.

use std::marker::PhantomData;

use wide::{i16x16, i32x8};

use crate::drive::{Step, read_partial};
use crate::table::{Distances, cosine, forms};

/// Σ (x − y)² over lanes of `T`.
struct L2Squared<T>(PhantomData<T>);
/// Σ xy.
struct InnerProduct<T>(PhantomData<T>);
/// Σ |x − y|.
struct L1<T>(PhantomData<T>);

macro_rules! steps {
    ($elem:ty: $($name:ident($q:ident, $r:ident) $term:expr;)+) => {$(
        // SAFETY: `load` reads one array of `WIDTH` elements, `load_partial` copies `n`; no CPU feature is used.
        unsafe impl Step for $name<$elem> {
            type Query = $elem;
            type Elem = $elem;
            type Out = i32;
            type QueryVec = i16x16;
            type RowVec = i16x16;
            type Acc = i32x8;
            type Context = ();
            const WIDTH: usize = 16;

            #[inline(always)]
            unsafe fn load_query(from: *const $elem) -> i16x16 {
                // SAFETY: the caller vouches for `WIDTH` elements.
                i16x16::from(unsafe { from.cast::<[$elem; 16]>().read() }.map(i16::from))
            }
            #[inline(always)]
            unsafe fn load_query_partial(from: *const $elem, n: usize) -> i16x16 {
                // SAFETY: the caller vouches for `n < WIDTH` elements.
                let padded: [$elem; 16] = bytemuck::cast(unsafe { read_partial(from.cast(), n) });
                i16x16::from(padded.map(i16::from))
            }
            #[inline(always)]
            unsafe fn load_row(from: *const $elem) -> i16x16 {
                // SAFETY: the same contract.
                unsafe { Self::load_query(from) }
            }
            #[inline(always)]
            unsafe fn load_row_partial(from: *const $elem, n: usize) -> i16x16 {
                // SAFETY: the same contract.
                unsafe { Self::load_query_partial(from, n) }
            }
            #[inline(always)]
            unsafe fn context(_: *const $elem, _: usize) {}
            #[inline(always)]
            unsafe fn zero() -> i32x8 {
                i32x8::ZERO
            }
            #[inline(always)]
            unsafe fn step(acc: i32x8, $q: i16x16, $r: i16x16) -> i32x8 {
                acc + $term
            }
            #[inline(always)]
            unsafe fn merge(a: i32x8, b: i32x8) -> i32x8 {
                a + b
            }
            #[inline(always)]
            unsafe fn finish(acc: i32x8, (): ()) -> i32 {
                acc.reduce_add()
            }
            #[inline(always)]
            unsafe fn finish4(acc: [i32x8; 4], (): ()) -> [i32; 4] {
                acc.map(|acc| acc.reduce_add())
            }
        }
    )+};
}

steps! { u8:
    L2Squared(q, r) { let d = q - r; d.dot(d) };
    InnerProduct(q, r) q.dot(r);
    L1(q, r) (q - r).abs().dot(i16x16::splat(1));
}
steps! { i8:
    L2Squared(q, r) { let d = q - r; d.dot(d) };
    InnerProduct(q, r) q.dot(r);
    L1(q, r) (q - r).abs().dot(i16x16::splat(1));
}

pub(super) const U8: Distances<u8> = Distances {
    l2_squared: forms!(L2Squared<u8>; pair: 2, rows: 4, tile: 2),
    inner_product: forms!(InnerProduct<u8>; pair: 2, rows: 4, tile: 2),
    l1: forms!(L1<u8>; pair: 2, rows: 4, tile: 2),
    cosine: cosine!(InnerProduct<u8>),
};

pub(super) const I8: Distances<i8> = Distances {
    l2_squared: forms!(L2Squared<i8>; pair: 2, rows: 4, tile: 2),
    inner_product: forms!(InnerProduct<i8>; pair: 2, rows: 4, tile: 2),
    l1: forms!(L1<i8>; pair: 2, rows: 4, tile: 2),
    cosine: cosine!(InnerProduct<i8>),
};
