//! One query against panels: distances to points, and bounds of boxes.

use simd_kernels::{Kernels, ShapeError};

use super::embed::Norm;
use crate::scalar::Scalar;
use crate::space::{FANOUT, mark_near};

/// Rows whose bits one word holds.
const WORD: usize = 64;

/// The comparable distance of `query` to every lane of `panels`, in `out`, and in `near` the bits of those within
/// `limit`, 64 a word: if `one`, of the nearest of 64 only.
#[inline]
#[expect(clippy::too_many_arguments, reason = "one step of a search")]
pub(super) fn distances<T: Scalar>(
    kernels: &'static Kernels,
    norm: Norm,
    query: &[T],
    panels: &[T],
    limit: T,
    one: bool,
    out: &mut [T],
    near: &mut Vec<u64>,
) {
    near.clear();
    if norm == Norm::L2 && squares(kernels, query, panels, limit, one, out, near).is_ok() {
        return;
    }
    match norm {
        Norm::L2 => each_panel(query, panels, out, |q, x| (q - x) * (q - x)),
        Norm::L1 => each_panel(query, panels, out, |q, x| (q - x).magnitude()),
    }
    mark_near(out, limit, near);
}

/// The same by the kernels for it, which refuse nothing that a tree holds.
#[inline]
fn squares<T: Scalar>(
    kernels: &'static Kernels,
    query: &[T],
    mut panels: &[T],
    limit: T,
    one: bool,
    mut out: &mut [T],
    near: &mut Vec<u64>,
) -> Result<(), ShapeError> {
    while !out.is_empty() {
        // By hand: blocks of an iterator would be counted first, by a division.
        let rows = out.len().min(WORD);
        let (block, others) = panels.split_at(rows * query.len());
        let (distances, rest) = out.split_at_mut(rows);
        (panels, out) = (others, rest);
        near.push(if one {
            kernels.panel_nearest(query, block, limit, distances)?
        } else {
            kernels.panel_within(query, block, limit, distances)?
        });
    }
    Ok(())
}

/// How far `query` lies outside of every lane's box: a bound of the distance to whatever is in it. The bits of those
/// within `limit`, and the lane of the least.
#[inline]
pub(super) fn excess<T: Scalar>(
    kernels: &'static Kernels,
    norm: Norm,
    query: &[T],
    boxes: &[T],
    limit: T,
    out: &mut [T; FANOUT],
) -> (u32, u32) {
    if norm == Norm::L2
        && let Ok(bounds) = kernels.box_bounds(query, boxes, limit, out)
    {
        return (bounds.within, bounds.nearest);
    }
    each_panel(query, boxes, out, |q, x| {
        let above = greater(x - q, T::ZERO);
        if norm == Norm::L1 { above } else { above * above }
    });
    let mut within = 0;
    for (lane, &bound) in out.iter().enumerate() {
        within |= u32::from(bound <= limit) << lane;
    }
    (within, FANOUT as u32)
}

/// How far every lane of `panels` lies outside of box `lane` of a panel of boxes: the numbers that [`excess`] gives.
#[inline]
pub(super) fn outside<T: Scalar>(norm: Norm, boxes: &[T], lane: usize, panels: &[T], out: &mut [T]) {
    let squared = |x: T| if norm == Norm::L1 { x } else { x * x };
    let width = boxes.len() / (2 * FANOUT);
    let panels = panels.chunks_exact(FANOUT * width);
    for (panel, out) in panels.zip(out.chunks_exact_mut(FANOUT)) {
        let mut sums = [T::ZERO; FANOUT];
        for (bounds, lanes) in boxes.chunks_exact(2 * FANOUT).zip(panel.chunks_exact(FANOUT)) {
            // The higher bound is stored negated.
            let (low, high) = (bounds[lane], bounds[FANOUT + lane]);
            for (sum, &x) in sums.iter_mut().zip(lanes) {
                *sum = *sum + squared(greater(greater(low - x, high + x), T::ZERO));
            }
        }
        out.copy_from_slice(&sums);
    }
}

/// The comparable distance of two rows.
#[inline]
pub(super) fn pair<T: Scalar>(norm: Norm, a: &[T], b: &[T]) -> T {
    let mut sum = T::ZERO;
    for (&a, &b) in a.iter().zip(b) {
        sum = sum + if norm == Norm::L1 { (a - b).magnitude() } else { (a - b) * (a - b) };
    }
    sum
}

#[inline(always)]
fn each_panel<T: Scalar>(query: &[T], panels: &[T], out: &mut [T], term: impl Fn(T, T) -> T) {
    let panels = panels.chunks_exact(FANOUT * query.len());
    for (panel, out) in panels.zip(out.chunks_exact_mut(FANOUT)) {
        let mut sums = [T::ZERO; FANOUT];
        for (&q, lanes) in query.iter().zip(panel.chunks_exact(FANOUT)) {
            for (sum, &x) in sums.iter_mut().zip(lanes) {
                *sum = *sum + term(q, x);
            }
        }
        out.copy_from_slice(&sums);
    }
}

/// One instruction, where a comparison used twice would be several.
#[inline(always)]
fn greater<T: Scalar>(a: T, b: T) -> T {
    if a > b { a } else { b }
}
