//! Values below a threshold.

use super::{Compare, Ordered};

/// Writes the values below `limit` and their ids, and returns how many.
///
/// # Safety
/// `ids` and `out` must be at least as long as `values`.
#[inline(always)]
pub(crate) unsafe fn below<T: Ordered, C: Compare<T>>(
    c: C,
    values: &[T],
    limit: T,
    base_id: u32,
    ids: &mut [u32],
    out: &mut [T],
) -> usize {
    let (from, len) = (values.as_ptr(), values.len());
    let (ids, out) = (ids.as_mut_ptr(), out.as_mut_ptr());
    let (mut at, mut kept) = (0, 0);
    let limits = c.splat(limit);
    // SAFETY: `kept <= at`, so a register that is whole in `values` has room in both outputs.
    unsafe {
        while at + C::WIDTH <= len {
            let x = c.load(from.add(at));
            let bits = c.below(x, limits);
            // Where hits are rare the branch is guessed, and whole stores that hardly advance, hence overlap
            // and straddle cache lines again and again, are what would cost most.
            if bits != 0 {
                c.keep(x, bits, base_id.wrapping_add(at as u32), ids.add(kept), out.add(kept));
                kept += bits.count_ones() as usize;
            }
            at += C::WIDTH;
        }
        while at < len {
            // Written always, counted only if below: no branch to guess.
            let value = from.add(at).read();
            ids.add(kept).write(base_id.wrapping_add(at as u32));
            out.add(kept).write(value);
            kept += usize::from(value < limit);
            at += 1;
        }
    }
    kept
}
