//! Code panels on `wide` registers: codes are widened to 16 bits and multiplied in pairs.

use wide::{i16x16, i32x8};

use crate::code_panels::CodePanelTable;
use crate::drive::CodePanelStep;
use crate::table::code_panel_forms;

macro_rules! step {
    ($(#[$text:meta])* $name:ident, $bits:literal, $parts:literal) => {
        $(#[$text])*
        struct $name;

        // SAFETY: loads read arrays of 64 and of `4 * parts` bytes, stores write arrays of sixteen; no CPU feature
        // is used.
        unsafe impl CodePanelStep for $name {
            const BITS: usize = $bits;
            const CHUNK: usize = usize::MAX;
            /// Four registers of four rows. Unpacked where they are used, since there are few registers.
            type Lanes = [i16x16; 4];
            type Broadcast = [i16x16; $parts];
            /// Sums of dimension pairs: two lanes a row.
            type Partial = [i32x8; 4];
            type Acc = [i32x8; 4];
            type Context = ();

            #[inline(always)]
            unsafe fn load(from: *const u8) -> [i16x16; 4] {
                // SAFETY: the caller vouches for 64 bytes.
                unsafe { from.cast::<[[u8; 16]; 4]>().read() }.map(|rows| i16x16::from(rows.map(i16::from)))
            }
            #[inline(always)]
            unsafe fn broadcast(from: *const i8) -> [i16x16; $parts] {
                // SAFETY: the caller vouches for four bytes a part.
                unsafe { from.cast::<[[i8; 4]; $parts]>().read() }.map(|four| {
                    let repeated: [i8; 16] = bytemuck::cast([four; 4]);
                    i16x16::from(repeated.map(i16::from))
                })
            }
            #[inline(always)]
            unsafe fn context(_: *const i8, _: usize) {}
            #[inline(always)]
            unsafe fn zero() -> [i32x8; 4] {
                [i32x8::ZERO; 4]
            }
            #[inline(always)]
            unsafe fn start() -> [i32x8; 4] {
                [i32x8::ZERO; 4]
            }
            #[inline(always)]
            unsafe fn step(
                mut sum: [i32x8; 4],
                query: [i16x16; $parts],
                rows: [i16x16; 4],
            ) -> [i32x8; 4] {
                for (sum, mut rows) in sum.iter_mut().zip(rows) {
                    for query in query {
                        *sum += query.dot(rows & i16x16::splat((1 << $bits) - 1));
                        rows >>= $bits;
                    }
                }
                sum
            }
            #[inline(always)]
            unsafe fn flush(mut acc: [i32x8; 4], partial: [i32x8; 4]) -> [i32x8; 4] {
                for (acc, partial) in acc.iter_mut().zip(partial) {
                    *acc += partial;
                }
                acc
            }
            #[inline(always)]
            unsafe fn store(acc: [i32x8; 4], (): (), to: *mut i32) {
                let pairs: [[i32; 2]; 16] = bytemuck::cast(acc.map(i32x8::to_array));
                // SAFETY: the caller vouches for sixteen places.
                unsafe { to.cast::<[i32; 16]>().write_unaligned(pairs.map(|[a, b]| a + b)) }
            }
        }
    };
}
step! {
    /// Four codes a byte.
    U2, 2, 4
}
step! {
    /// Two codes a byte.
    U4, 4, 2
}
step! {
    /// One code a byte.
    U8, 8, 1
}

pub(super) const CODE_PANELS: CodePanelTable = CodePanelTable {
    u2: code_panel_forms!(U2; panels: 1, queries: 1, single: 1, chains: 1),
    u4: code_panel_forms!(U4; panels: 1, queries: 1, single: 1, chains: 1),
    u8: code_panel_forms!(U8; panels: 1, queries: 1, single: 1, chains: 1),
};
