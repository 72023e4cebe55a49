//! Distances of one query to a block, and which are within a limit, row by row.

use crate::math::Real;
use crate::near::BoxBounds;
use crate::panels::PANEL_ROWS;

/// Σ term(q, x)² of every row of `panels`, one operation after another.
fn sums<T: Real>(query: &[T], panels: &[T], term: impl Fn(T, T) -> T) -> Vec<T> {
    let rows = panels.len() / query.len().max(1);
    let of = |row: usize| {
        let panel = row / PANEL_ROWS * PANEL_ROWS * query.len() + row % PANEL_ROWS;
        let mut sum = T::zeroed();
        for (at, &q) in query.iter().enumerate() {
            let term = term(q, panels[panel + at * PANEL_ROWS]);
            sum = T::sum_and_difference(sum, T::times(term, term)).0;
        }
        sum
    };
    (0..rows).map(of).collect()
}

/// Whether `x` is above `limit`.
fn above<T: Real>(x: T, limit: T) -> bool {
    x > limit
}

/// The squared distances of the rows, and bits of those not above `limit`; see
/// [`Kernels::panel_within`](crate::Kernels::panel_within).
pub fn panel_within<T: Real>(query: &[T], panels: &[T], limit: T) -> (Vec<T>, u64) {
    let distances = sums(query, panels, |q, x| T::sum_and_difference(q, x).1);
    let near = |bits, (row, &distance): (usize, &T)| bits | u64::from(!above(distance, limit)) << row;
    let bits = distances.iter().enumerate().fold(0, near);
    (distances, bits)
}

/// The same with the bits of the nearest only; see [`Kernels::panel_nearest`](crate::Kernels::panel_nearest).
pub fn panel_nearest<T: Real>(query: &[T], panels: &[T], mut limit: T) -> (Vec<T>, u64) {
    for distance in panel_within(query, panels, limit).0 {
        if distance < limit {
            limit = distance;
        }
    }
    panel_within(query, panels, limit)
}

/// The bounds of 16 boxes; see [`Kernels::box_bounds`](crate::Kernels::box_bounds).
pub fn box_bounds<T: Real>(query: &[T], panel: &[T], limit: T) -> (Vec<T>, BoxBounds) {
    let bounds = sums(query, panel, |q, x| {
        let outside = T::sum_and_difference(x, q).1;
        if outside < T::zeroed() { T::zeroed() } else { outside }
    });
    let mut found = BoxBounds { within: 0, nearest: PANEL_ROWS as u32 };
    let mut least: Option<T> = None;
    for (lane, &bound) in bounds.iter().enumerate() {
        found.within |= u32::from(!above(bound, limit)) << lane;
        // Only NaN has no order to itself.
        let wins = match least {
            None => bound.partial_cmp(&bound).is_some(),
            Some(least) => bound < least,
        };
        if wins {
            (found.nearest, least) = (lane as u32, Some(bound));
        }
    }
    (bounds, found)
}
