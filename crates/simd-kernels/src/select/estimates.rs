//! Estimates below a threshold, made from integer sums in the registers that compare them.

use super::Compare;

/// What turns sums into estimates: `(base + add) - slope * sum`.
///
/// Scans of short codes give an integer a row; `add` is a row's own part of the estimate, `base` and `slope` are the
/// query's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine {
    /// Added to every row's own part.
    pub base: f32,
    /// What a unit of the sums takes off.
    pub slope: f32,
}

impl Affine {
    /// One estimate. Every operation rounds by itself, here and in registers, so that all tiers agree.
    #[inline(always)]
    pub fn estimate(self, sum: i32, add: f32) -> f32 {
        (self.base + add) - self.slope * sum as f32
    }
}

/// Estimates of one tier.
///
/// # Safety
/// `estimate` must touch only the memory that it states.
pub(crate) unsafe trait Estimate: Compare<f32> {
    /// [`Affine::estimate`] of as many rows as a register holds.
    ///
    /// # Safety
    /// `sums` and `adds` must be readable for `WIDTH` values.
    unsafe fn estimate(
        self,
        sums: *const i32,
        adds: *const f32,
        base: Self::Vector,
        slope: Self::Vector,
    ) -> Self::Vector;
}

/// How one tier compiles [`estimates_below`].
pub(crate) trait EstimateShell {
    /// # Safety
    /// As for [`estimates_below`]; the CPU must have the tier's features.
    unsafe fn estimates_below(
        sums: &[i32],
        adds: &[f32],
        line: Affine,
        limit: f32,
        ids: &mut [u32],
        out: &mut [f32],
    ) -> usize;
}

/// Writes the estimates below `limit` and their places, and returns how many.
///
/// # Safety
/// `adds` must be as long as `sums`, `ids` and `out` at least as long.
#[inline(always)]
pub(crate) unsafe fn estimates_below<C: Estimate>(
    c: C,
    sums: &[i32],
    adds: &[f32],
    line: Affine,
    limit: f32,
    ids: &mut [u32],
    out: &mut [f32],
) -> usize {
    let (sums, adds, len) = (sums.as_ptr(), adds.as_ptr(), sums.len());
    let (ids, out) = (ids.as_mut_ptr(), out.as_mut_ptr());
    let (base, slope, limits) = (c.splat(line.base), c.splat(line.slope), c.splat(limit));
    let (mut at, mut kept) = (0, 0);
    // SAFETY: `kept <= at`, so a register that is whole in the inputs has room in both outputs.
    unsafe {
        while at + C::WIDTH <= len {
            let x = c.estimate(sums.add(at), adds.add(at), base, slope);
            let bits = c.below(x, limits);
            if bits != 0 {
                c.keep(x, bits, at as u32, ids.add(kept), out.add(kept));
                kept += bits.count_ones() as usize;
            }
            at += C::WIDTH;
        }
        while at < len {
            let value = line.estimate(sums.add(at).read(), adds.add(at).read());
            ids.add(kept).write(at as u32);
            out.add(kept).write(value);
            kept += usize::from(value < limit);
            at += 1;
        }
    }
    kept
}
