//! exp, sqrt, covariances and the Walsh–Hadamard transform on AVX-512.

use pulp::x86::V4;

use crate::lanes::Lanes;
use crate::math::{self, Factors, Function, MathTable, Real};
use crate::wht::{self, WalshHadamardTable};

pub(super) const MATH: MathTable = MathTable::of::<V4>();
pub(super) const WALSH_HADAMARD: WalshHadamardTable = WalshHadamardTable::of::<V4>();

impl<T: Real> math::Shell<T> for V4
where
    V4: Lanes<T>,
{
    #[target_feature(
        enable = "avx2,fma,f16c,popcnt,bmi1,bmi2,lzcnt,avx512f,avx512bw,avx512cd,avx512dq,avx512vl"
    )]
    unsafe fn map<F: Function<T>>(x: &mut [T], factors: Factors<T>) {
        // SAFETY: this function has the token's features.
        math::map::<T, _, F>(unsafe { V4::new_unchecked() }, x, factors);
    }
}

impl<T: Real> wht::Shell<T> for V4
where
    V4: Lanes<T>,
{
    #[target_feature(
        enable = "avx2,fma,f16c,popcnt,bmi1,bmi2,lzcnt,avx512f,avx512bw,avx512cd,avx512dq,avx512vl"
    )]
    unsafe fn walsh_hadamard(x: &mut [T], signs: Option<&[u64]>, scale: T) {
        // SAFETY: this function has the token's features; the contract is the same.
        unsafe { wht::transform(V4::new_unchecked(), x, signs, scale) }
    }
}
