//! One query against panels: distances to points, and bounds of boxes.

use super::embed::Norm;
use crate::scalar::Scalar;
use crate::space::FANOUT;

/// The comparable distance of `query` to every lane of `panels`, in `out`.
#[inline]
pub(super) fn distances<T: Scalar>(norm: Norm, query: &[T], panels: &[T], out: &mut [T]) {
    match norm {
        Norm::L2 => each_panel(query, panels, out, |q, x| (q - x) * (q - x)),
        Norm::L1 => each_panel(query, panels, out, |q, x| (q - x).magnitude()),
    }
}

/// How far `query` lies outside of every lane's box: a bound of the distance to whatever is in it.
#[inline]
pub(super) fn excess<T: Scalar>(norm: Norm, query: &[T], panels: &[T], out: &mut [T]) {
    let above = |q: T, x: T| greater(x - q, T::ZERO);
    match norm {
        Norm::L2 => each_panel(query, panels, out, |q, x| {
            let above = above(q, x);
            above * above
        }),
        Norm::L1 => each_panel(query, panels, out, above),
    }
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
