//! The two float types that coordinates and distances come in.

use std::ops::{Add, Div, Mul, Neg, Sub};

use simd_kernels::{Ordered, PanelElement, Real};

mod sealed {
    /// Only `f32` and `f64`.
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// `f32` or `f64`, as coordinates or as distances. Sealed.
pub trait Scalar:
    sealed::Sealed
    + PanelElement<Distance = Self>
    + Ordered
    + Real
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// Positive infinity.
    const INFINITY: Self;
    /// Zero.
    const ZERO: Self;
    /// The spacing of numbers at 1.
    const EPSILON: f64;

    /// A square from which on what has vanished of other squares is below their rounding.
    #[doc(hidden)]
    const TINY: f64;

    /// Neither NaN nor infinite.
    #[doc(hidden)]
    fn finite(self) -> bool;
    /// The next larger number; infinity stays.
    #[doc(hidden)]
    fn above(self) -> Self;
    /// The square root, correctly rounded.
    #[doc(hidden)]
    fn root(self) -> Self;
    /// The value as `f64`, exactly.
    #[doc(hidden)]
    fn wide(self) -> f64;
    /// The nearest value.
    #[doc(hidden)]
    fn narrow(value: f64) -> Self;
    /// A number that sorts as (distance, id) does, for distances that are not negative.
    #[doc(hidden)]
    fn key(self, id: u32) -> u128;
    /// The distance of a key.
    #[doc(hidden)]
    fn of_key(key: u128) -> Self;
    /// The magnitude.
    #[doc(hidden)]
    fn magnitude(self) -> Self;
}

macro_rules! scalar {
    ($($type:ident, $bits:ident, $tiny:literal;)+) => {$(
        impl Scalar for $type {
            const INFINITY: Self = $type::INFINITY;
            const ZERO: Self = 0.0;
            const EPSILON: f64 = $type::EPSILON as f64;
            const TINY: f64 = $tiny;
            #[inline(always)]
            fn finite(self) -> bool {
                self.is_finite()
            }
            #[inline(always)]
            fn above(self) -> Self {
                self.next_up()
            }
            #[inline(always)]
            fn root(self) -> Self {
                self.sqrt()
            }
            #[inline(always)]
            fn wide(self) -> f64 {
                f64::from(self)
            }
            #[inline(always)]
            fn narrow(value: f64) -> Self {
                value as $type
            }
            #[inline(always)]
            fn key(self, id: u32) -> u128 {
                // The bits of floats that are not negative sort as the floats do.
                u128::from(self.to_bits()) << 32 | u128::from(id)
            }
            #[inline(always)]
            fn of_key(key: u128) -> Self {
                $type::from_bits((key >> 32) as $bits)
            }
            #[inline(always)]
            fn magnitude(self) -> Self {
                self.abs()
            }
        }
    )+};
}
scalar! { f32, u32, 1e-30; f64, u64, 1e-280; }
