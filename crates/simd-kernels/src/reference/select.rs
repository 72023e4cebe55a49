//! Selection by plain loops.

use std::cmp::Ordering;

use crate::select::{Affine, Band, BandRows, LEAST_ESTIMATES, Ordered};

/// All values below `threshold`, with their places.
pub fn select_below<T: Ordered>(values: &[T], threshold: T) -> Vec<(usize, T)> {
    values.iter().copied().enumerate().filter(|&(_, value)| value < threshold).collect()
}

/// All estimates below `threshold`, with their places.
pub fn select_estimates_below(sums: &[i32], adds: &[f32], line: Affine, threshold: f32) -> Vec<(usize, f32)> {
    let estimates: Vec<f32> = sums.iter().zip(adds).map(|(&sum, &add)| line.estimate(sum, add)).collect();
    select_below(&estimates, threshold)
}

/// All upper ends of bands not below `level`, with their places.
pub fn select_bands_reaching(rows: BandRows<'_>, band: Band, level: f32) -> Vec<(usize, f32)> {
    let parts = rows.sums.iter().zip(rows.remainders).zip(rows.scales);
    let uppers = parts.enumerate().map(|(at, ((&sum, &remainder), &scale))| {
        let minuend = rows.minuends.and_then(|minuends| minuends.get(at)).copied();
        (at, band.upper(sum, minuend, remainder, scale))
    });
    // NaN is not below anything.
    uppers.filter(|(_, upper)| upper.partial_cmp(&level) != Some(Ordering::Less)).collect()
}

/// The least of every 64th estimate, infinity where there is none; NaN is passed over.
pub fn least_estimates(sums: &[i32], adds: &[f32], line: Affine) -> [f32; LEAST_ESTIMATES] {
    let mut least = [f32::INFINITY; LEAST_ESTIMATES];
    for (row, (&sum, &add)) in sums.iter().zip(adds).enumerate() {
        let value = line.estimate(sum, add);
        let place = &mut least[row % LEAST_ESTIMATES];
        if value < *place {
            *place = value;
        }
    }
    least
}

/// The first of the least values; NaN never wins.
pub fn argmin<T: Ordered>(values: &[T]) -> Option<(usize, T)> {
    let mut best: Option<(usize, T)> = None;
    for (index, &value) in values.iter().enumerate() {
        let wins = match best {
            // Only NaN has no order to itself.
            None => value.partial_cmp(&value).is_some(),
            Some((_, least)) => value < least,
        };
        if wins {
            best = Some((index, value));
        }
    }
    best
}

/// The `k` least values with their places, by (value, place), NaN last.
pub fn top_k<T: Ordered>(values: &[T], k: usize) -> Vec<(usize, T)> {
    let mut all: Vec<_> = values.iter().copied().enumerate().collect();
    let is_nan = |value: T| value.partial_cmp(&value).is_none();
    // The sort is stable, so equals stay in order of place.
    all.sort_by(|&(_, a), &(_, b)| {
        a.partial_cmp(&b).unwrap_or_else(|| match (is_nan(a), is_nan(b)) {
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            _ => Ordering::Equal,
        })
    });
    all.truncate(k);
    all
}
