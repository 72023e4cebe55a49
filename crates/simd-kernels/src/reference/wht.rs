//! The Walsh–Hadamard transform, one stage after another.

use crate::math::Real;

/// `scale · H D x` in place; see [`Kernels::walsh_hadamard`](crate::Kernels::walsh_hadamard). Sign bits that
/// are missing count as 0; a length that is no power of two leaves its pairs incomplete.
pub fn walsh_hadamard<T: Real>(x: &mut [T], signs: Option<&[u64]>, scale: T) {
    for (i, x) in x.iter_mut().enumerate() {
        let word = signs.and_then(|signs| signs.get(i / 64)).copied().unwrap_or(0);
        let scaled = T::times(*x, scale);
        *x = if word >> (i % 64) & 1 == 1 { T::negative(scaled) } else { scaled };
    }
    let mut distance = x.len() / 2;
    while distance > 0 {
        for stretch in x.chunks_exact_mut(2 * distance) {
            let (low, high) = stretch.split_at_mut(distance);
            for (a, b) in low.iter_mut().zip(high) {
                (*a, *b) = T::sum_and_difference(*a, *b);
            }
        }
        distance /= 2;
    }
}
