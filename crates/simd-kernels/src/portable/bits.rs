//! Hamming and Jaccard distances of bit strings, 64 bits at a time.

use crate::drive::{Step, read_partial};
use crate::table::{BitForms, forms};

/// Bits that differ.
struct Hamming;
/// 1 − |a ∧ b| / |a ∨ b|.
struct Jaccard;

macro_rules! step {
    ($name:ident -> $out:ty, $acc:ty: $zero:expr, |$a:ident, $q:ident, $r:ident| $step:expr, |$x:ident, $y:ident| $merge:expr, |$f:ident| $finish:expr) => {
        // SAFETY: `load` reads one array of `WIDTH` bytes, `load_partial` copies `n`; no CPU feature is used.
        unsafe impl Step for $name {
            type Query = u8;
            type Elem = u8;
            type Out = $out;
            type QueryVec = u64;
            type RowVec = u64;
            type Acc = $acc;
            type Context = ();
            const WIDTH: usize = 8;

            #[inline(always)]
            unsafe fn load_query(from: *const u8) -> u64 {
                // SAFETY: the caller vouches for `WIDTH` bytes.
                u64::from_le_bytes(unsafe { from.cast::<[u8; 8]>().read() })
            }
            #[inline(always)]
            unsafe fn load_query_partial(from: *const u8, n: usize) -> u64 {
                // SAFETY: the caller vouches for `n < WIDTH` bytes.
                unsafe { read_partial(from, n) as u64 }
            }
            #[inline(always)]
            unsafe fn load_row(from: *const u8) -> u64 {
                // SAFETY: the same contract.
                unsafe { Self::load_query(from) }
            }
            #[inline(always)]
            unsafe fn load_row_partial(from: *const u8, n: usize) -> u64 {
                // SAFETY: the same contract.
                unsafe { Self::load_query_partial(from, n) }
            }
            #[inline(always)]
            unsafe fn context(_: *const u8, _: usize) {}
            #[inline(always)]
            unsafe fn zero() -> $acc {
                $zero
            }
            #[inline(always)]
            unsafe fn step($a: $acc, $q: u64, $r: u64) -> $acc {
                $step
            }
            #[inline(always)]
            unsafe fn merge($x: $acc, $y: $acc) -> $acc {
                $merge
            }
            #[inline(always)]
            unsafe fn finish($f: $acc, (): ()) -> $out {
                $finish
            }
            #[inline(always)]
            unsafe fn finish4(acc: [$acc; 4], (): ()) -> [$out; 4] {
                acc.map(|$f| $finish)
            }
        }
    };
}

step!(Hamming -> i32, u32: 0, |acc, q, r| acc + (q ^ r).count_ones(), |a, b| a + b, |acc| acc as i32);
step!(Jaccard -> f32, (u32, u32): (0, 0),
    |acc, q, r| (acc.0 + (q & r).count_ones(), acc.1 + (q | r).count_ones()),
    |a, b| (a.0 + b.0, a.1 + b.1),
    |acc| crate::reference::jaccard_of_counts(acc.0, acc.1));

pub(super) const HAMMING: BitForms<i32> = forms!(Hamming; pair: 2, rows: 4, tile: 2);
pub(super) const JACCARD: BitForms<f32> = forms!(Jaccard; pair: 2, rows: 4, tile: 2);
