//! exp, sqrt, covariances and the Walsh–Hadamard transform on AVX2.

use pulp::x86::V3;

use crate::lanes::Lanes;
use crate::math::{self, Factors, Function, MathTable, Real};
use crate::wht::{self, WalshHadamardTable};

pub(super) const MATH: MathTable = MathTable::of::<V3>();
pub(super) const WALSH_HADAMARD: WalshHadamardTable = WalshHadamardTable::of::<V3>();

impl<T: Real> math::Shell<T> for V3
where
    V3: Lanes<T>,
{
    #[target_feature(enable = "avx2,fma,f16c,popcnt,bmi1,bmi2,lzcnt")]
    unsafe fn map<F: Function<T>>(x: &mut [T], factors: Factors<T>) {
        // SAFETY: this function has the token's features.
        math::map::<T, _, F>(unsafe { V3::new_unchecked() }, x, factors);
    }
}

impl<T: Real> wht::Shell<T> for V3
where
    V3: Lanes<T>,
{
    #[target_feature(enable = "avx2,fma,f16c,popcnt,bmi1,bmi2,lzcnt")]
    unsafe fn walsh_hadamard(x: &mut [T], signs: Option<&[u64]>, scale: T) {
        // SAFETY: this function has the token's features; the contract is the same.
        unsafe { wht::transform(V3::new_unchecked(), x, signs, scale) }
    }
}
