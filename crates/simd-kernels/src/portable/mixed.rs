//! Squared distances of codes of mixed width, exact.

use wide::{i16x16, i32x8};

use crate::drive::Step;
use crate::table::{CodeForms, forms};

/// One line of 64 bytes a step, in four quarters of 16 bytes, each four groups of four bytes.
struct Mixed;

// SAFETY: `load` reads one line and its 320 bytes of query; there is no partial line, because the dimension is a
// multiple of `WIDTH`; no CPU feature is used.
unsafe impl Step for Mixed {
    type Query = i8;
    type Elem = u8;
    type Out = i32;
    type QueryVec = [[i8; 64]; 5];
    type RowVec = [u8; 64];
    type Acc = i32x8;
    type Context = ();
    const WIDTH: usize = 320;
    const PACK: usize = 5;
    const GRANULE: usize = 320;

    #[inline(always)]
    unsafe fn load_query(from: *const i8) -> [[i8; 64]; 5] {
        // SAFETY: the caller vouches for 320 bytes.
        unsafe { from.cast::<[[i8; 64]; 5]>().read() }
    }
    #[inline(always)]
    unsafe fn load_query_partial(_: *const i8, _: usize) -> [[i8; 64]; 5] {
        [[0; 64]; 5]
    }
    #[inline(always)]
    unsafe fn load_row(from: *const u8) -> [u8; 64] {
        // SAFETY: the caller vouches for a line.
        unsafe { from.cast::<[u8; 64]>().read() }
    }
    #[inline(always)]
    unsafe fn load_row_partial(_: *const u8, _: usize) -> [u8; 64] {
        [0; 64]
    }
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
    unsafe fn step(acc: i32x8, query: [[i8; 64]; 5], row: [u8; 64]) -> i32x8 {
        let mut acc = acc;
        for quarter in 0..4 {
            let (mut low, mut high) = ([0i16; 16], [0i16; 16]);
            let (mut weight_low, mut weight_high) = ([0i16; 16], [0i16; 16]);
            let mut shift = [0i32; 8];
            for lane in 0..16 {
                let byte = 16 * quarter + lane;
                low[lane] = i16::from(row[byte] & query[2][byte] as u8 & 0x7f);
                high[lane] = i16::from((row[byte] >> 4) & query[3][byte] as u8 & 0x0f);
                weight_low[lane] = i16::from(query[0][byte]);
                weight_high[lane] = i16::from(query[1][byte]);
                shift[lane / 2] = 1 << (query[4][byte / 4 * 4] & 3);
            }
            let (low, high) = (i16x16::from(low), i16x16::from(high));
            let squares = low.dot(low) + high.dot(high);
            let products = i16x16::from(weight_low).dot(low) + i16x16::from(weight_high).dot(high);
            acc = acc + squares + squares - products * i32x8::from(shift);
        }
        acc
    }
    #[inline(always)]
    unsafe fn finish(acc: i32x8, (): ()) -> i32 {
        acc.reduce_add()
    }
    #[inline(always)]
    unsafe fn finish4(acc: [i32x8; 4], (): ()) -> [i32; 4] {
        [acc[0].reduce_add(), acc[1].reduce_add(), acc[2].reduce_add(), acc[3].reduce_add()]
    }
}

pub(super) const MIXED: CodeForms = forms!(Mixed; pair: 1, rows: 4, tile: 1);
