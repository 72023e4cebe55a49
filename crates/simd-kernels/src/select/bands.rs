//! Estimates known to within a width, made in the registers that compare them: those whose upper ends reach a level.

use std::cmp::Ordering;

use super::{Compare, Estimate};
use crate::lanes::Lanes;
use crate::near::{Both, sums, values};

/// What a query gives to the bands of rows.
///
/// A row's band is its estimate `((weight * minuend - base) - slope * sum) * scale`, or `(base + slope * sum) * scale` where rows
/// have no minuends, give or take `remainder * (its remainder) + slack * scale`. By Cauchy and Schwarz that bounds an inner product of which
/// only the part within some subspace was computed, as an integer sum: remainders are the lengths of what lies outside of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Band {
    /// What minuends count, times a row's scale.
    pub weight: f32,
    /// Added to what the sums count, times a row's scale.
    pub base: f32,
    /// What a unit of the sums counts, times a row's scale.
    pub slope: f32,
    /// What a row's remainder adds to the width.
    pub remainder: f32,
    /// What a row's scale adds to the width.
    pub slack: f32,
}

impl Band {
    /// The upper end of |estimate|. Every operation rounds by itself, here and in registers, so that all tiers agree.
    #[inline(always)]
    pub fn upper(self, sum: i32, minuend: Option<f32>, remainder: f32, scale: f32) -> f32 {
        let product = self.slope * sum as f32;
        let estimate = match minuend {
            Some(minuend) => (self.weight * minuend - self.base) - product,
            None => self.base + product,
        } * scale;
        estimate.abs() + self.width(remainder, scale)
    }

    /// Half of the band.
    #[inline(always)]
    pub fn width(self, remainder: f32, scale: f32) -> f32 {
        self.remainder * remainder + self.slack * scale
    }
}

/// The rows' parts of bands, one value a row in each; see [`Band`].
#[derive(Clone, Copy, Debug)]
pub struct BandRows<'a> {
    /// Integer sums, such as [`WordPanelForms`](crate::WordPanelForms) gives.
    pub sums: &'a [i32],
    /// What they are subtracted from.
    pub minuends: Option<&'a [f32]>,
    /// Lengths outside of the subspace.
    pub remainders: &'a [f32],
    /// What estimates and errors of a row grow with.
    pub scales: &'a [f32],
}

impl BandRows<'_> {
    /// The upper end of a row.
    #[inline(always)]
    fn upper(&self, band: Band, at: usize) -> f32 {
        let minuend = self.minuends.map(|minuends| minuends[at]);
        band.upper(self.sums[at], minuend, self.remainders[at], self.scales[at])
    }
}

/// How one tier compiles [`bands_reaching`].
pub(crate) trait BandShell {
    /// # Safety
    /// As for [`bands_reaching`]; the CPU must have the tier's features.
    unsafe fn bands_reaching(
        rows: BandRows<'_>,
        band: Band,
        level: f32,
        ids: &mut [u32],
        out: &mut [f32],
    ) -> usize;
}

/// Writes the upper ends that are not below `level` and their places, and returns how many.
///
/// # Safety
/// All parts of `rows` must be equally long, `ids` and `out` at least as long.
#[inline(always)]
pub(crate) unsafe fn bands_reaching<S: Both<f32> + Estimate>(
    s: S,
    rows: BandRows<'_>,
    band: Band,
    level: f32,
    ids: &mut [u32],
    out: &mut [f32],
) -> usize {
    match rows.minuends {
        // SAFETY: the same contract.
        Some(minuends) => unsafe { reaching::<S, true>(s, (rows, minuends), band, level, ids, out) },
        // SAFETY: the same contract.
        None => unsafe { reaching::<S, false>(s, (rows, &[]), band, level, ids, out) },
    }
}

/// A register's worth of rows.
#[derive(Clone, Copy)]
struct Parts {
    sums: *const i32,
    minuends: *const f32,
    remainders: *const f32,
    scales: *const f32,
}

/// A query's part, in every lane.
#[derive(Clone, Copy)]
struct Lines<V> {
    zero: V,
    weight: V,
    base: V,
    slope: V,
    remainder: V,
    slack: V,
}

/// The upper ends of the rows from `at` on. A function of its own: a closure is not promised to be inlined, and apart from
/// its shell it would be compiled without the tier's features.
///
/// # Safety
/// The parts that are read must be readable for a register from `at` on.
#[inline(always)]
unsafe fn uppers<S: Both<f32> + Estimate, const DIFFERENCES: bool>(
    s: S,
    parts: Parts,
    lines: Lines<<S as Lanes<f32>>::Vector>,
    at: usize,
) -> <S as Compare<f32>>::Vector {
    // SAFETY: the caller vouches for the register.
    unsafe {
        let scale = Lanes::load(s, parts.scales.add(at));
        let product = s.mul(lines.slope, sums::<f32, S>(s.to_floats(parts.sums.add(at))));
        let estimate = if DIFFERENCES {
            let minuend = s.mul(lines.weight, Lanes::load(s, parts.minuends.add(at)));
            s.sub(s.sub(minuend, lines.base), product)
        } else {
            s.add(lines.base, product)
        };
        let estimate = s.mul(estimate, scale);
        let outside = s.mul(lines.remainder, Lanes::load(s, parts.remainders.add(at)));
        let width = s.add(outside, s.mul(lines.slack, scale));
        values::<f32, S>(s.add(s.at_least(estimate, s.sub(lines.zero, estimate)), width))
    }
}

/// With minuends or without.
///
/// # Safety
/// As for [`bands_reaching`].
#[inline(always)]
unsafe fn reaching<S: Both<f32> + Estimate, const DIFFERENCES: bool>(
    s: S,
    (rows, minuends): (BandRows<'_>, &[f32]),
    band: Band,
    level: f32,
    ids: &mut [u32],
    out: &mut [f32],
) -> usize {
    let width = <S as Lanes<f32>>::WIDTH;
    let len = rows.sums.len();
    let parts = Parts {
        sums: rows.sums.as_ptr(),
        minuends: minuends.as_ptr(),
        remainders: rows.remainders.as_ptr(),
        scales: rows.scales.as_ptr(),
    };
    let (ids, out) = (ids.as_mut_ptr(), out.as_mut_ptr());
    let lines = Lines {
        zero: Lanes::splat(s, 0.0),
        weight: Lanes::splat(s, band.weight),
        base: Lanes::splat(s, band.base),
        slope: Lanes::splat(s, band.slope),
        remainder: Lanes::splat(s, band.remainder),
        slack: Lanes::splat(s, band.slack),
    };
    let (levels, all) = (Compare::splat(s, level), (1u32 << width) - 1);
    let (mut at, mut kept) = (0, 0);
    // SAFETY: `kept <= at`, so a register that is whole in the inputs has room in both outputs.
    unsafe {
        // Hits are rare once a level is high: two registers are asked at once.
        while at + 2 * width <= len {
            let first = uppers::<S, DIFFERENCES>(s, parts, lines, at);
            let second = uppers::<S, DIFFERENCES>(s, parts, lines, at + width);
            let (a, b) = (!s.below(first, levels) & all, !s.below(second, levels) & all);
            if a | b != 0 {
                s.keep(first, a, at as u32, ids.add(kept), out.add(kept));
                kept += a.count_ones() as usize;
                s.keep(second, b, (at + width) as u32, ids.add(kept), out.add(kept));
                kept += b.count_ones() as usize;
            }
            at += 2 * width;
        }
    }
    while at < len {
        let value = rows.upper(band, at);
        // SAFETY: `kept <= at`, and both outputs are as long as the inputs.
        unsafe {
            ids.add(kept).write(at as u32);
            out.add(kept).write(value);
        }
        // NaN is not below anything.
        kept += usize::from(value.partial_cmp(&level) != Some(Ordering::Less));
        at += 1;
    }
    kept
}
