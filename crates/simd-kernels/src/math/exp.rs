//! eˣ by range reduction, a minimax polynomial and a power of two; √x.
//!
//! x = n ln 2 + r with n the nearest integer to x / ln 2, so that |r| ≤ ln 2 / 2. n is had by adding a constant
//! whose unit in the last place is 1: the sum's low bits then *are* n, ready to be shifted into an exponent.
//! r is exact but for one rounding: ln 2 is split in two parts, and n times the upper one needs no rounding even
//! without a fused multiply-add. eʳ = 1 + r (1 + r q(r)) ends in one rounding where multiply-add is fused, which
//! leaves at most 1 ulp in all; the largest error over *all* `f32` inputs was 0.891 ulp on AVX2 and AVX-512, and
//! 1.167 on the unfused floor of x86-64.
//!
//! q was fitted by Remez exchange to (eʳ − 1 − r) / r² with the weight r² / eʳ on |r| ≤ 1.0005 · ln 2 / 2, in
//! extended precision (40 digits for `f64`), and its coefficients rounded (`f32`: one at a time from the lowest,
//! the rest refitted). With the rounded coefficients the largest relative error is 3.2 · 10⁻⁹ = 0.03 ε in `f32`
//! and 1.1 · 10⁻¹⁷ = 0.05 ε in `f64`.

use super::{Factors, Function, Real};
use crate::lanes::Lanes;

/// The constants of eˣ in one type.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct ExpConstants<T: 'static> {
    /// 1 / ln 2.
    per_ln2: T,
    /// 1.5 · 2^(mantissa bits): adding it rounds to an integer.
    pub(crate) round: T,
    /// ln 2, its first bits and the rest.
    ln2: [T; 2],
    /// Where eˣ has become 0 and ∞.
    limits: [T; 2],
    /// Where [`of_nonpositive`] has become 0.
    pub(crate) nothing: T,
    /// q, highest degree first.
    polynomial: &'static [T],
    pub(crate) one: T,
    pub(crate) third: T,
    /// The smallest normal and the largest finite number.
    pub(crate) smallest: T,
    pub(crate) largest: T,
}

pub(super) mod constants {
    use super::ExpConstants;

    pub(in super::super) const fn f32() -> ExpConstants<f32> {
        ExpConstants {
            per_ln2: std::f32::consts::LOG2_E,
            round: 12_582_912.0,
            ln2: [0.693_145_75, 1.428_606_8e-6],
            limits: [-104.0, 89.0],
            nothing: -88.0,
            polynomial: &[0.001_383_881_2, 0.008_369_192_5, 0.041_668_102, 0.166_665_17, 0.499_999_94],
            one: 1.0,
            third: 1.0 / 3.0,
            smallest: f32::MIN_POSITIVE,
            largest: f32::MAX,
        }
    }

    pub(in super::super) const fn f64() -> ExpConstants<f64> {
        ExpConstants {
            per_ln2: std::f64::consts::LOG2_E,
            round: 6_755_399_441_055_744.0,
            ln2: [0.693_147_180_559_890_3, 5.497_923_018_708_371e-14],
            limits: [-746.0, 710.0],
            nothing: -709.0,
            polynomial: &[
                2.500_001_752_675_998_4e-8,
                2.763_030_627_949_535_5e-7,
                2.755_758_680_570_103_5e-6,
                2.480_149_294_954_246e-5,
                0.000_198_412_695_057_751_31,
                0.001_388_888_894_376_006,
                0.008_333_333_333_494_975,
                0.041_666_666_666_529_725,
                0.166_666_666_666_664_1,
                0.500_000_000_000_001_1,
            ],
            one: 1.0,
            third: 1.0 / 3.0,
            smallest: f64::MIN_POSITIVE,
            largest: f64::MAX,
        }
    }
}

/// eʳ and n plus the rounding constant, for x = n ln 2 + r.
#[inline(always)]
fn reduced<T: Real, L: Lanes<T>>(l: L, x: L::Vector) -> (L::Vector, L::Vector) {
    let round = l.splat(T::EXP.round);
    let t = l.mul_add(x, l.splat(T::EXP.per_ln2), round);
    let n = l.sub(t, round);
    let r = l.sub_mul(n, l.splat(T::EXP.ln2[0]), x);
    let r = l.sub_mul(n, l.splat(T::EXP.ln2[1]), r);
    let mut q = l.splat(T::EXP.polynomial[0]);
    for &coefficient in &T::EXP.polynomial[1..] {
        q = l.mul_add(q, r, l.splat(coefficient));
    }
    let one = l.splat(T::EXP.one);
    (l.mul_add(l.mul_add(q, r, one), r, one), t)
}

/// eˣ for `nothing <= x <= 0`, or NaN: one step less, because results of 2⁻¹²⁷ (2⁻¹⁰²³) and below, to the nearest
/// power, are flushed to 0.
#[inline(always)]
pub(super) fn of_nonpositive<T: Real, L: Lanes<T>>(l: L, x: L::Vector) -> L::Vector {
    let (p, t) = reduced(l, x);
    l.ldexp_flushing(p, t)
}

/// eˣ.
pub(crate) struct Exp;

impl<T: Real> Function<T> for Exp {
    #[inline(always)]
    fn apply<L: Lanes<T>>(l: L, x: L::Vector, _: Factors<L::Vector>) -> L::Vector {
        let x = l.at_least(x, l.splat(T::EXP.limits[0]));
        let x = l.at_most(x, l.splat(T::EXP.limits[1]));
        let (p, t) = reduced(l, x);
        l.ldexp(p, t)
    }
}

/// √x.
pub(crate) struct Sqrt;

impl<T: Real> Function<T> for Sqrt {
    #[inline(always)]
    fn apply<L: Lanes<T>>(l: L, x: L::Vector, _: Factors<L::Vector>) -> L::Vector {
        l.sqrt(x)
    }
}
