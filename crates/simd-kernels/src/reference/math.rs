//! exp and covariance functions in `f64`, and their error bounds.

use crate::math::Covariance;
use crate::tier::Tier;

/// Largest error of [`Kernels::exp`](crate::Kernels::exp) in units in the last place of the true result, in both
/// types: 1, and 1.25 on the floor tier, which has no fused multiply-add on x86-64.
pub const fn exp_max_ulp(tier: Tier) -> f64 {
    match tier {
        Tier::Baseline => 1.25,
        _ => 1.0,
    }
}

/// eˣ.
pub fn exp(x: f64) -> f64 {
    x.exp()
}

/// The covariance of two points at squared distance `r2`; distances below 0 count as 0.
pub fn covariance(covariance: Covariance, length_scale: f64, variance: f64, r2: f64) -> f64 {
    if r2.is_nan() {
        return r2;
    }
    let r2 = r2.max(0.0);
    let a = scaled_distance(covariance, length_scale, r2);
    let value = match covariance {
        Covariance::Rbf | Covariance::Matern12 => (-a).exp(),
        // exp(−a) has become 0 long before a polynomial can overflow.
        _ if a > 2000.0 => 0.0,
        Covariance::Matern32 => (1.0 + a) * (-a).exp(),
        Covariance::Matern52 => (1.0 + a + a * a / 3.0) * (-a).exp(),
    };
    variance * value
}

/// What [`Kernels::covariance`](crate::Kernels::covariance) may differ by from the true value, for a type whose
/// machine epsilon is `epsilon` and whose smallest normal number is `smallest`.
///
/// exp(−a) turns an *absolute* error of the exponent a into a relative one, and a itself is rounded up to three
/// times (root, factor, product). So the relative bound is (4 + 1.5 a) ε: 4 ulp for near points, where
/// covariances matter, about 40 at the distance where they have fallen to 10⁻¹⁰. Where exp(−a) falls below
/// the normal numbers it counts as 0.
pub fn covariance_bound(
    covariance: Covariance,
    length_scale: f64,
    variance: f64,
    r2: f64,
    epsilon: f64,
    smallest: f64,
) -> f64 {
    // Further away the covariance is 0, and an infinite factor would only turn that into NaN.
    let a = scaled_distance(covariance, length_scale, r2.max(0.0)).min(2000.0);
    // (1 + a + a²/3) at the distance where exp(−a) is flushed is below the square of that distance.
    let lost = smallest * variance.max(1.0) * (smallest.ln() * smallest.ln());
    (4.0 + 1.5 * a) * epsilon * self::covariance(covariance, length_scale, variance, r2) + lost
}

/// The exponent a.
fn scaled_distance(covariance: Covariance, length_scale: f64, r2: f64) -> f64 {
    match covariance {
        Covariance::Rbf => 0.5 * (r2 / length_scale) / length_scale,
        Covariance::Matern12 => r2.sqrt() / length_scale,
        Covariance::Matern32 => 3f64.sqrt() * r2.sqrt() / length_scale,
        Covariance::Matern52 => 5f64.sqrt() * r2.sqrt() / length_scale,
    }
}
