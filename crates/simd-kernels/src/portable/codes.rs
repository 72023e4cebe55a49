//! Inner products of an `i8` query with unsigned codes of 8 and 4 bits, exact.

use wide::{i16x16, i32x8};

use crate::drive::{Step, read_partial};
use crate::table::{CodeForms, forms};

/// One code a byte.
struct CodesU8;
/// Two codes a byte, in groups of 32 dimensions (see [`crate::Kernels::codes_u4`]).
struct CodesU4;

macro_rules! common {
    () => {
        type Query = i8;
        type Elem = u8;
        type Out = i32;
        type Acc = i32x8;
        type Context = ();

        #[inline(always)]
        unsafe fn context(_: *const i8, _: usize) {}
        #[inline(always)]
        unsafe fn zero() -> i32x8 {
            i32x8::ZERO
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
    };
}

// SAFETY: `load` reads one array of `WIDTH` elements, `load_partial` copies `n`; no CPU feature is used.
unsafe impl Step for CodesU8 {
    type QueryVec = i16x16;
    type RowVec = i16x16;
    const WIDTH: usize = 16;
    common!();

    #[inline(always)]
    unsafe fn load_query(from: *const i8) -> i16x16 {
        // SAFETY: the caller vouches for `WIDTH` elements.
        i16x16::from(unsafe { from.cast::<[i8; 16]>().read() }.map(i16::from))
    }
    #[inline(always)]
    unsafe fn load_query_partial(from: *const i8, n: usize) -> i16x16 {
        // SAFETY: the caller vouches for `n < WIDTH` elements.
        let padded: [i8; 16] = bytemuck::cast(unsafe { read_partial(from.cast(), n) });
        i16x16::from(padded.map(i16::from))
    }
    #[inline(always)]
    unsafe fn load_row(from: *const u8) -> i16x16 {
        // SAFETY: the caller vouches for `WIDTH` elements.
        i16x16::from(unsafe { from.cast::<[u8; 16]>().read() }.map(i16::from))
    }
    #[inline(always)]
    unsafe fn load_row_partial(from: *const u8, n: usize) -> i16x16 {
        // SAFETY: the caller vouches for `n < WIDTH` elements.
        let padded: [u8; 16] = bytemuck::cast(unsafe { read_partial(from.cast(), n) });
        i16x16::from(padded.map(i16::from))
    }
    #[inline(always)]
    unsafe fn step(acc: i32x8, query: i16x16, row: i16x16) -> i32x8 {
        acc + query.dot(row)
    }
}

// SAFETY: `load` reads one group of `WIDTH` dimensions; there is no partial group, because the dimension of
// packed codes is a multiple of `WIDTH`; no CPU feature is used.
unsafe impl Step for CodesU4 {
    type QueryVec = [i16x16; 2];
    type RowVec = [i16x16; 2];
    const WIDTH: usize = 32;
    const PACK: usize = 2;
    const GRANULE: usize = 32;
    common!();

    #[inline(always)]
    unsafe fn load_query(from: *const i8) -> [i16x16; 2] {
        // SAFETY: the caller vouches for `WIDTH` elements.
        unsafe { from.cast::<[[i8; 16]; 2]>().read() }.map(|half| i16x16::from(half.map(i16::from)))
    }
    #[inline(always)]
    unsafe fn load_query_partial(_: *const i8, _: usize) -> [i16x16; 2] {
        [i16x16::ZERO; 2]
    }
    #[inline(always)]
    unsafe fn load_row(from: *const u8) -> [i16x16; 2] {
        // SAFETY: the caller vouches for `WIDTH` dimensions, two a byte.
        let bytes = unsafe { from.cast::<[u8; 16]>().read() };
        [
            i16x16::from(bytes.map(|byte| i16::from(byte & 15))),
            i16x16::from(bytes.map(|byte| i16::from(byte >> 4))),
        ]
    }
    #[inline(always)]
    unsafe fn load_row_partial(_: *const u8, _: usize) -> [i16x16; 2] {
        [i16x16::ZERO; 2]
    }
    #[inline(always)]
    unsafe fn step(acc: i32x8, query: [i16x16; 2], row: [i16x16; 2]) -> i32x8 {
        acc + query[0].dot(row[0]) + query[1].dot(row[1])
    }
}

pub(super) const U8_I8: CodeForms = forms!(CodesU8; pair: 2, rows: 4, tile: 2);
pub(super) const U4_I8: CodeForms = forms!(CodesU4; pair: 2, rows: 4, tile: 2);
