//! exp, sqrt, covariances and the Walsh–Hadamard transform on NEON.

use pulp::aarch64::Neon;

use crate::lanes::Lanes;
use crate::math::{self, Factors, Function, MathTable, Real};
use crate::wht::{self, WalshHadamardTable};

pub(super) const MATH: MathTable = MathTable::of::<Neon>();
pub(super) const WALSH_HADAMARD: WalshHadamardTable = WalshHadamardTable::of::<Neon>();

impl<T: Real> math::Shell<T> for Neon
where
    Neon: Lanes<T>,
{
    #[target_feature(enable = "neon")]
    unsafe fn map<F: Function<T>>(x: &mut [T], factors: Factors<T>) {
        // SAFETY: this function has the token's features.
        math::map::<T, _, F>(unsafe { Neon::new_unchecked() }, x, factors);
    }
}

impl<T: Real> wht::Shell<T> for Neon
where
    Neon: Lanes<T>,
{
    #[target_feature(enable = "neon")]
    unsafe fn walsh_hadamard(x: &mut [T], signs: Option<&[u64]>, scale: T) {
        // SAFETY: this function has the token's features; the contract is the same.
        unsafe { wht::transform(Neon::new_unchecked(), x, signs, scale) }
    }
}
