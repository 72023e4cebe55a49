//! Squared distances of codes of mixed width, exact.

use wide::{i16x16, i32x8};

use crate::drive::Step;
use crate::table::{CodeForms, forms};

/// One line of 64 bytes a step, in four quarters of 16 bytes, each four groups of four bytes.
struct Mixed;

/// What a quarter of a line asks of a query, in 16 bits: masks, and the weights times −2^shift. What a part adds is
/// then `part · (2 · part + weight)`.
#[derive(Clone, Copy)]
struct Quarter {
    mask_low: i16x16,
    mask_high: i16x16,
    weight_low: i16x16,
    weight_high: i16x16,
}

/// # Safety
/// `from` must be readable for 272 bytes.
#[inline(always)]
unsafe fn quarter(from: *const i8) -> Quarter {
    // SAFETY: the caller vouches for the bytes, which lie a line apart.
    let part = |part: usize| unsafe { from.add(64 * part).cast::<[i8; 16]>().read() };
    let wide = |part: [i8; 16]| i16x16::from(part.map(i16::from));
    let groups: [[u8; 4]; 4] = bytemuck::cast(part(4));
    // 2^shift, at most 8, in each of four lanes.
    let factor = groups.map(|group| 0x0001_0001_0001_0001_u64 << (group[0] & 3));
    let factor = i16x16::ZERO - i16x16::from(bytemuck::cast::<[u64; 4], [i16; 16]>(factor));
    Quarter {
        mask_low: wide(part(2)) & i16x16::splat(0x7f),
        mask_high: wide(part(3)) & i16x16::splat(0x0f),
        weight_low: wide(part(0)) * factor,
        weight_high: wide(part(1)) * factor,
    }
}

// SAFETY: `load` reads one line and its 320 bytes of query; there is no partial line, because the dimension is a
// multiple of `WIDTH`; no CPU feature is used.
unsafe impl Step for Mixed {
    type Query = i8;
    type Elem = u8;
    type Out = i32;
    type QueryVec = [Quarter; 4];
    type RowVec = [[u8; 16]; 4];
    type Acc = i32x8;
    type Context = ();
    const WIDTH: usize = 320;
    const PACK: usize = 5;
    const GRANULE: usize = 320;

    #[inline(always)]
    unsafe fn load_query(from: *const i8) -> [Quarter; 4] {
        // SAFETY: the caller vouches for 320 bytes: the last quarter begins at byte 48.
        unsafe { [quarter(from), quarter(from.add(16)), quarter(from.add(32)), quarter(from.add(48))] }
    }
    #[inline(always)]
    unsafe fn load_query_partial(from: *const i8, _: usize) -> [Quarter; 4] {
        // SAFETY: never reached: the dimension is a multiple of `WIDTH`.
        unsafe { Self::load_query(from) }
    }
    #[inline(always)]
    unsafe fn load_row(from: *const u8) -> [[u8; 16]; 4] {
        // SAFETY: the caller vouches for a line.
        unsafe { from.cast::<[[u8; 16]; 4]>().read() }
    }
    #[inline(always)]
    unsafe fn load_row_partial(from: *const u8, _: usize) -> [[u8; 16]; 4] {
        // SAFETY: never reached: the dimension is a multiple of `WIDTH`.
        unsafe { Self::load_row(from) }
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
    unsafe fn step(acc: i32x8, query: [Quarter; 4], row: [[u8; 16]; 4]) -> i32x8 {
        let mut acc = acc;
        for (query, row) in query.iter().zip(row) {
            let row = i16x16::from(row.map(i16::from));
            let low = row & query.mask_low;
            let high = (row >> 4i32) & query.mask_high;
            acc += low.dot(low + low + query.weight_low) + high.dot(high + high + query.weight_high);
        }
        acc
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

pub(super) const MIXED: CodeForms = forms!(Mixed; pair: 1, rows: 4, tile: 1);
