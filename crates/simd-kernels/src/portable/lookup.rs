//! Scans by table, one look-up after another; only the sums are vectors.

use crate::drive::LookupStep;
use crate::lookups::LookupTable;
use crate::table::lookup_forms;

macro_rules! step {
    ($(#[$text:meta])* $name:ident, $bits:literal, $unpack:expr) => {
        $(#[$text])*
        struct $name;

        // SAFETY: `unpack` reads sixteen bytes of each plane, `look` one byte for an index that has no more than
        // the bits of a code, stores write sixteen results; no CPU feature is used.
        unsafe impl LookupStep for $name {
            const BITS: usize = $bits;
            const ROWS: usize = 16;
            type Codes = [u8; 16];
            type Index = [u8; 16];
            type Bytes = [u8; 16];
            type Acc = [u16; 16];

            #[inline(always)]
            unsafe fn unpack(from: *const u8) -> [[u8; 16]; 4] {
                // SAFETY: the caller vouches for sixteen bytes in each plane.
                let plane = |plane: usize| unsafe { from.add(64 * plane).cast::<[u8; 16]>().read() };
                $unpack(plane)
            }
            #[inline(always)]
            unsafe fn prepare(codes: [u8; 16]) -> [u8; 16] {
                codes
            }
            #[inline(always)]
            unsafe fn look(table: *const u8, mut index: [u8; 16]) -> [u8; 16] {
                for index in &mut index {
                    // SAFETY: the index has at most `BITS` bits, and the caller vouches for that many entries.
                    *index = unsafe { table.add(usize::from(*index)).read() };
                }
                index
            }
            #[inline(always)]
            unsafe fn add(mut a: [u8; 16], b: [u8; 16]) -> [u8; 16] {
                for (a, b) in a.iter_mut().zip(b) {
                    *a = a.wrapping_add(b);
                }
                a
            }
            #[inline(always)]
            unsafe fn zero() -> [u16; 16] {
                [0; 16]
            }
            #[inline(always)]
            unsafe fn widen(mut acc: [u16; 16], bytes: [u8; 16]) -> [u16; 16] {
                for (acc, byte) in acc.iter_mut().zip(bytes) {
                    *acc = acc.wrapping_add(u16::from(byte));
                }
                acc
            }
            #[inline(always)]
            unsafe fn store(acc: [u16; 16], to: *mut u16) {
                // SAFETY: the caller vouches for sixteen places.
                unsafe { to.cast::<[u16; 16]>().write(acc) }
            }
        }
    };
}
step! {
    /// Two codes a byte.
    U4, 4, unpack_u4
}
step! {
    /// Four codes in three bytes.
    U6, 6, unpack_u6
}
step! {
    /// One code a byte.
    U8, 8, unpack_u8
}

/// Low and high halves.
#[inline(always)]
fn unpack_u4(plane: impl Fn(usize) -> [u8; 16]) -> [[u8; 16]; 4] {
    let (first, second) = (plane(0), plane(1));
    [
        first.map(|byte| byte & 15),
        first.map(|byte| byte >> 4),
        second.map(|byte| byte & 15),
        second.map(|byte| byte >> 4),
    ]
}

/// Three codes in the low six bits, a fourth in the others.
#[inline(always)]
fn unpack_u6(plane: impl Fn(usize) -> [u8; 16]) -> [[u8; 16]; 4] {
    let planes = [plane(0), plane(1), plane(2)];
    let mut fourth = [0; 16];
    for (row, fourth) in fourth.iter_mut().enumerate() {
        *fourth = planes[0][row] >> 6 | planes[1][row] >> 6 << 2 | planes[2][row] >> 6 << 4;
    }
    let low = |byte: u8| byte & 63;
    [planes[0].map(low), planes[1].map(low), planes[2].map(low), fourth]
}

/// Whole bytes.
#[inline(always)]
fn unpack_u8(plane: impl Fn(usize) -> [u8; 16]) -> [[u8; 16]; 4] {
    [plane(0), plane(1), plane(2), plane(3)]
}

pub(super) const LOOKUP: LookupTable = LookupTable {
    u4: lookup_forms!(U4; queries: 1, single: 1),
    u6: lookup_forms!(U6; queries: 1, single: 1),
    u8: lookup_forms!(U8; queries: 1, single: 1),
};
