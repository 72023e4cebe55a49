//! Estimates made from integer sums in the registers that compare them: those below a threshold, the least of every
//! 64th.

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

/// Places of [`Kernels::least_estimates`](crate::Kernels::least_estimates).
pub const LEAST_ESTIMATES: usize = 64;

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

    /// The nearest floats of integers.
    ///
    /// # Safety
    /// `from` must be readable for `WIDTH` values.
    unsafe fn to_floats(self, from: *const i32) -> Self::Vector;
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
    /// # Safety
    /// As for [`least_estimates`]; the CPU must have the tier's features.
    unsafe fn least_estimates(sums: &[i32], adds: &[f32], line: Affine, out: &mut [f32; LEAST_ESTIMATES]);
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
        // Hits are rare once a limit is tight: four registers are asked at once.
        while at + 4 * C::WIDTH <= len {
            let estimate = |place| c.estimate(sums.add(at + place), adds.add(at + place), base, slope);
            let (first, second) = (estimate(0), estimate(C::WIDTH));
            let (third, fourth) = (estimate(2 * C::WIDTH), estimate(3 * C::WIDTH));
            let (a, b) = (c.below(first, limits), c.below(second, limits));
            let (d, e) = (c.below(third, limits), c.below(fourth, limits));
            if a | b | d | e != 0 {
                c.keep(first, a, at as u32, ids.add(kept), out.add(kept));
                kept += a.count_ones() as usize;
                c.keep(second, b, (at + C::WIDTH) as u32, ids.add(kept), out.add(kept));
                kept += b.count_ones() as usize;
                c.keep(third, d, (at + 2 * C::WIDTH) as u32, ids.add(kept), out.add(kept));
                kept += d.count_ones() as usize;
                c.keep(fourth, e, (at + 3 * C::WIDTH) as u32, ids.add(kept), out.add(kept));
                kept += e.count_ones() as usize;
            }
            at += 4 * C::WIDTH;
        }
        while at + C::WIDTH <= len {
            let x = c.estimate(sums.add(at), adds.add(at), base, slope);
            let bits = c.below(x, limits);
            c.keep(x, bits, at as u32, ids.add(kept), out.add(kept));
            kept += bits.count_ones() as usize;
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

/// Puts the least estimate of the rows `i`, `i + 64`, `i + 128`, ... in place `i` of `out`, infinity where there is none.
///
/// # Safety
/// `adds` must be as long as `sums`.
#[inline(always)]
pub(crate) unsafe fn least_estimates<C: Estimate>(
    c: C,
    sums: &[i32],
    adds: &[f32],
    line: Affine,
    out: &mut [f32; LEAST_ESTIMATES],
) {
    let (base, slope) = (c.splat(line.base), c.splat(line.slope));
    out.fill(f32::INFINITY);
    let whole = sums.len() / LEAST_ESTIMATES * LEAST_ESTIMATES;
    for at in (0..whole).step_by(LEAST_ESTIMATES) {
        for place in (0..LEAST_ESTIMATES).step_by(C::WIDTH) {
            // SAFETY: `WIDTH` divides the number of places, so the register is whole in `out`, and in the inputs
            // because `at` is below a whole number of rounds.
            unsafe {
                let x = c.estimate(sums.as_ptr().add(at + place), adds.as_ptr().add(at + place), base, slope);
                let least = out.as_mut_ptr().add(place);
                c.put(c.least(x, c.load(least)), least);
            }
        }
    }
    let rest = sums.iter().zip(adds).skip(whole);
    for (least, (&sum, &add)) in out.iter_mut().zip(rest) {
        let value = line.estimate(sum, add);
        if value < *least {
            *least = value;
        }
    }
}
