//! Covariance functions of Gaussian processes on squared distances.
//!
//! Squared distances are what the distance kernels return, and the radial basis function needs no root of them.
//! Rasmussen and Williams, *Gaussian Processes for Machine Learning* (2006), section 4.2.

use super::exp::of_nonpositive;
use super::{Factors, Function, Real};
use crate::lanes::Lanes;
use crate::table::Kernels;

/// A stationary covariance function of the distance r, with length scale ℓ and variance σ².
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Covariance {
    /// σ² exp(−r² / 2ℓ²), the radial basis function or squared exponential.
    Rbf,
    /// σ² exp(−a), a = r / ℓ.
    Matern12,
    /// σ² (1 + a) exp(−a), a = √3 r / ℓ.
    Matern32,
    /// σ² (1 + a + a²/3) exp(−a), a = √5 r / ℓ.
    Matern52,
}

impl Covariance {
    /// All covariance functions.
    pub const ALL: [Covariance; 4] =
        [Covariance::Rbf, Covariance::Matern12, Covariance::Matern32, Covariance::Matern52];

    /// The name used in kernel names and records.
    pub const fn name(self) -> &'static str {
        match self {
            Covariance::Rbf => "rbf",
            Covariance::Matern12 => "matern12",
            Covariance::Matern32 => "matern32",
            Covariance::Matern52 => "matern52",
        }
    }
}

/// Why a covariance was refused. Nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CovarianceError {
    /// The length scale is not positive, or so far from 1 that its factor is not a normal number.
    #[error("length scale {length_scale} is not positive, or out of range for this type and covariance")]
    LengthScale {
        /// The length scale that was given.
        length_scale: f64,
    },
    /// The variance is negative or not finite.
    #[error("variance {variance} is negative or not finite")]
    Variance {
        /// The variance that was given.
        variance: f64,
    },
}

/// The factor of r² or r that turns a distance into an exponent.
fn distance_factor(covariance: Covariance, length_scale: f64) -> f64 {
    match covariance {
        Covariance::Rbf => -0.5 / (length_scale * length_scale),
        Covariance::Matern12 => 1.0 / length_scale,
        Covariance::Matern32 => 3f64.sqrt() / length_scale,
        Covariance::Matern52 => 5f64.sqrt() / length_scale,
    }
}

impl Kernels {
    /// Turns squared distances into covariances, in place. Complexity O(n); no allocation.
    ///
    /// Distances a little below 0, as cancellation leaves them, count as 0; NaN stays NaN; ∞ gives 0. Error
    /// bound: [`covariance_bound`](crate::reference::math::covariance_bound).
    ///
    /// # Errors
    /// [`CovarianceError`] if `length_scale` is not positive or out of range (about 10⁻¹⁹ to 10¹⁹ in `f32`),
    /// or `variance` is negative or not finite.
    ///
    /// ```
    /// use simd_kernels::{Covariance, Kernels};
    /// let kernels = Kernels::active()?;
    /// let mut r2 = [0.0f32, 1.0, 4.0];
    /// kernels.covariance(Covariance::Matern12, 1.0, 2.0, &mut r2)?;
    /// assert_eq!(r2[0], 2.0);
    /// assert!((r2[2] - 2.0 * (-2.0f32).exp()).abs() < 1e-6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn covariance<T: Real>(
        &self,
        covariance: Covariance,
        length_scale: T,
        variance: T,
        r2: &mut [T],
    ) -> Result<(), CovarianceError> {
        let distance = T::from_f64(distance_factor(covariance, length_scale.to_f64()));
        let normal = T::from_f64(distance.to_f64().abs());
        // NaN fails both comparisons.
        if !(length_scale > T::zeroed() && normal >= T::EXP.smallest && normal <= T::EXP.largest) {
            return Err(CovarianceError::LengthScale { length_scale: length_scale.to_f64() });
        }
        if !(variance >= T::zeroed() && variance <= T::EXP.largest) {
            return Err(CovarianceError::Variance { variance: variance.to_f64() });
        }
        let kernels = T::math(self);
        let kernel = match covariance {
            Covariance::Rbf => kernels.rbf,
            Covariance::Matern12 => kernels.matern12,
            Covariance::Matern32 => kernels.matern32,
            Covariance::Matern52 => kernels.matern52,
        };
        // SAFETY: the table is only handed out when the CPU has the tier's features.
        unsafe { kernel(r2, Factors { distance, variance }) };
        Ok(())
    }
}

/// exp(−r² / 2ℓ²).
pub(crate) struct Rbf;

impl<T: Real> Function<T> for Rbf {
    #[inline(always)]
    fn apply<L: Lanes<T>>(l: L, r2: L::Vector, factors: Factors<L::Vector>) -> L::Vector {
        let r2 = l.at_least(r2, l.splat(T::zeroed()));
        let exponent = l.at_least(l.mul(r2, factors.distance), l.splat(T::EXP.nothing));
        l.mul(of_nonpositive(l, exponent), factors.variance)
    }
}

/// a, not above the point where exp(−a) has become 0, and exp(−a).
#[inline(always)]
fn scaled<T: Real, L: Lanes<T>>(l: L, r2: L::Vector, factor: L::Vector) -> (L::Vector, L::Vector) {
    let zero = l.splat(T::zeroed());
    let r = l.sqrt(l.at_least(r2, zero));
    let most = l.sub(zero, l.splat(T::EXP.nothing));
    // Without the limit, an infinite distance would end as ∞ · 0.
    let a = l.at_most(l.mul(r, factor), most);
    (a, of_nonpositive(l, l.sub(zero, a)))
}

/// exp(−a).
pub(crate) struct Matern12;

impl<T: Real> Function<T> for Matern12 {
    #[inline(always)]
    fn apply<L: Lanes<T>>(l: L, r2: L::Vector, factors: Factors<L::Vector>) -> L::Vector {
        let (_, e) = scaled(l, r2, factors.distance);
        l.mul(e, factors.variance)
    }
}

/// (1 + a) exp(−a).
pub(crate) struct Matern32;

impl<T: Real> Function<T> for Matern32 {
    #[inline(always)]
    fn apply<L: Lanes<T>>(l: L, r2: L::Vector, factors: Factors<L::Vector>) -> L::Vector {
        let (a, e) = scaled(l, r2, factors.distance);
        l.mul(l.mul_add(a, e, e), factors.variance)
    }
}

/// (1 + a + a²/3) exp(−a).
pub(crate) struct Matern52;

impl<T: Real> Function<T> for Matern52 {
    #[inline(always)]
    fn apply<L: Lanes<T>>(l: L, r2: L::Vector, factors: Factors<L::Vector>) -> L::Vector {
        let (a, e) = scaled(l, r2, factors.distance);
        let one = l.splat(T::EXP.one);
        let polynomial = l.mul_add(a, l.mul_add(a, l.splat(T::EXP.third), one), one);
        l.mul(l.mul(polynomial, e), factors.variance)
    }
}
