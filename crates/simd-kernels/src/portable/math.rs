//! exp, sqrt, covariances and the Walsh–Hadamard transform on the `wide` crate.

use super::lanes::Wide;
use crate::lanes::Lanes;
use crate::math::{self, Factors, Function, MathTable, Real};
use crate::wht::{self, WalshHadamardTable};

pub(super) const MATH: MathTable = MathTable::of::<Wide>();
pub(super) const WALSH_HADAMARD: WalshHadamardTable = WalshHadamardTable::of::<Wide>();

impl<T: Real> math::Shell<T> for Wide
where
    Wide: Lanes<T>,
{
    unsafe fn map<F: Function<T>>(x: &mut [T], factors: Factors<T>) {
        math::map::<T, _, F>(Wide, x, factors);
    }
}

impl<T: Real> wht::Shell<T> for Wide
where
    Wide: Lanes<T>,
{
    unsafe fn walsh_hadamard(x: &mut [T], signs: Option<&[u64]>, scale: T) {
        // SAFETY: the same contract.
        unsafe { wht::transform(Wide, x, signs, scale) }
    }
}
