//! Elementwise functions of floats: exp, sqrt and the covariance functions of Gaussian processes.
//!
//! Each is one body over [`Lanes`], compiled once per tier and type by that tier's [`Shell`]. The same operations
//! run in the same order for every element, so a result does not depend on where in the slice it stands, and
//! all tiers with a fused multiply-add agree bit for bit.

mod covariance;
mod exp;

pub(crate) use covariance::{Matern12, Matern32, Matern52, Rbf};
pub(crate) use exp::{Exp, Sqrt};

pub use covariance::{Covariance, CovarianceError};
pub(crate) use exp::ExpConstants;

use crate::element::Element;
use crate::lanes::Lanes;
use crate::near::NearKernels;
use crate::table::Kernels;
use crate::wht::WalshHadamard;

/// A floating-point type that whole computations run in: `f32` or `f64`. Sealed.
pub trait Real: Element {
    #[doc(hidden)]
    const EXP: ExpConstants<Self>;
    #[doc(hidden)]
    fn math(kernels: &Kernels) -> &MathKernels<Self>;
    #[doc(hidden)]
    fn walsh_hadamard(kernels: &Kernels) -> WalshHadamard<Self>;
    #[doc(hidden)]
    fn near(kernels: &Kernels) -> &NearKernels<Self>;
    #[doc(hidden)]
    fn sum_and_difference(a: Self, b: Self) -> (Self, Self);
    #[doc(hidden)]
    fn times(a: Self, b: Self) -> Self;
    #[doc(hidden)]
    fn negative(a: Self) -> Self;
}

macro_rules! real {
    ($($type:ident),+) => {$(
        impl Real for $type {
            const EXP: ExpConstants<Self> = exp::constants::$type();
            fn math(kernels: &Kernels) -> &MathKernels<Self> {
                &kernels.math.$type
            }
            fn walsh_hadamard(kernels: &Kernels) -> WalshHadamard<Self> {
                kernels.walsh_hadamard.$type
            }
            #[inline]
            fn near(kernels: &Kernels) -> &NearKernels<Self> {
                &kernels.near.$type
            }
            #[inline(always)]
            fn sum_and_difference(a: Self, b: Self) -> (Self, Self) {
                (a + b, a - b)
            }
            #[inline(always)]
            fn times(a: Self, b: Self) -> Self {
                a * b
            }
            #[inline(always)]
            fn negative(a: Self) -> Self {
                -a
            }
        }
    )+};
}
real!(f32, f64);

/// What a covariance function multiplies by: a factor of the distance, and the variance. In scalars for a call,
/// in vectors within its loop. exp and sqrt use neither.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Factors<V> {
    pub(crate) distance: V,
    pub(crate) variance: V,
}

/// A function of one element, on vectors of them.
pub(crate) trait Function<T: Real> {
    fn apply<L: Lanes<T>>(lanes: L, x: L::Vector, factors: Factors<L::Vector>) -> L::Vector;
}

/// How one tier compiles functions: a `#[target_feature]` function around [`map`].
pub(crate) trait Shell<T: Real> {
    /// # Safety
    /// The CPU must have the tier's features.
    unsafe fn map<F: Function<T>>(x: &mut [T], factors: Factors<T>);
}

/// One function in the table.
type Map<T> = unsafe fn(&mut [T], Factors<T>);

/// The elementwise functions of one type on one tier.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct MathKernels<T: Real> {
    pub(crate) exp: Map<T>,
    pub(crate) sqrt: Map<T>,
    pub(crate) rbf: Map<T>,
    pub(crate) matern12: Map<T>,
    pub(crate) matern32: Map<T>,
    pub(crate) matern52: Map<T>,
}

/// The elementwise functions of one tier.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MathTable {
    pub(crate) f32: MathKernels<f32>,
    pub(crate) f64: MathKernels<f64>,
}

impl MathTable {
    /// The functions as `S` compiles them.
    pub(crate) const fn of<S: Shell<f32> + Shell<f64>>() -> Self {
        const fn of<T: Real, S: Shell<T>>() -> MathKernels<T> {
            MathKernels {
                exp: S::map::<Exp>,
                sqrt: S::map::<Sqrt>,
                rbf: S::map::<Rbf>,
                matern12: S::map::<Matern12>,
                matern32: S::map::<Matern32>,
                matern52: S::map::<Matern52>,
            }
        }
        Self { f32: of::<f32, S>(), f64: of::<f64, S>() }
    }
}

/// Replaces every element by its function value.
#[inline(always)]
pub(crate) fn map<T: Real, L: Lanes<T>, F: Function<T>>(lanes: L, x: &mut [T], factors: Factors<T>) {
    let factors =
        Factors { distance: lanes.splat(factors.distance), variance: lanes.splat(factors.variance) };
    let (start, len) = (x.as_mut_ptr(), x.len());
    if len < L::WIDTH {
        if len > 0 {
            // SAFETY: `x` holds `len` values.
            unsafe { lanes.store_part(start, len, F::apply(lanes, lanes.load_part(start, len), factors)) };
        }
        return;
    }
    // The last vector overlaps the one before it, so it is computed first and stored last.
    // SAFETY: every offset leaves a whole vector within the `len >= WIDTH` values.
    unsafe {
        let last = start.add(len - L::WIDTH);
        let of_last = F::apply(lanes, lanes.load(last), factors);
        let mut at = 0;
        while at + L::WIDTH < len {
            let x = start.add(at);
            lanes.store(x, F::apply(lanes, lanes.load(x), factors));
            at += L::WIDTH;
        }
        lanes.store(last, of_last);
    }
}

/// Factors of a function that has none.
fn no_factors<T: Real>() -> Factors<T> {
    Factors { distance: T::zeroed(), variance: T::zeroed() }
}

impl Kernels {
    /// eˣ in place.
    ///
    /// Within [`exp_max_ulp`](crate::reference::math::exp_max_ulp) of the true value for every finite input whose
    /// exponential is a normal number; subnormal results are rounded once more, to the nearest. −∞ and all
    /// that underflows give 0, ∞ and all that overflows give ∞, NaN stays NaN. Complexity O(n).
    ///
    /// Method: Cody and Waite, *Software Manual for the Elementary Functions* (1980), chapter 6.
    ///
    /// ```
    /// let kernels = simd_kernels::Kernels::active()?;
    /// let mut x = [0.0f64, 1.0, f64::NEG_INFINITY];
    /// kernels.exp(&mut x);
    /// assert_eq!((x[0], x[2]), (1.0, 0.0));
    /// assert!((x[1] - std::f64::consts::E).abs() <= 2.0 * f64::EPSILON);
    /// # Ok::<(), simd_kernels::TierError>(())
    /// ```
    pub fn exp<T: Real>(&self, x: &mut [T]) {
        // SAFETY: the table is only handed out when the CPU has the tier's features.
        unsafe { (T::math(self).exp)(x, no_factors()) };
    }

    /// √x in place, correctly rounded. Negative numbers give NaN, −0 gives −0. Complexity O(n).
    pub fn sqrt<T: Real>(&self, x: &mut [T]) {
        // SAFETY: the table is only handed out when the CPU has the tier's features.
        unsafe { (T::math(self).sqrt)(x, no_factors()) };
    }
}
