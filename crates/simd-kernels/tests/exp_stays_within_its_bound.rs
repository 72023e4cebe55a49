//! exp, sqrt and the covariance functions of every tier stay within their published bounds.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use simd_kernels::reference::math;
use simd_kernels::{Covariance, CovarianceError, Kernels, Real, Tier};

fn tiers() -> impl Iterator<Item = &'static Kernels> {
    Tier::ALL.iter().filter_map(|&tier| Kernels::for_tier(tier))
}

/// A sum of two `f64` that carries about 106 bits: an oracle for results of 53.
#[derive(Clone, Copy)]
struct Double(f64, f64);

impl Double {
    fn sum(a: f64, b: f64) -> Self {
        let sum = a + b;
        let of_b = sum - a;
        Self(sum, (a - (sum - of_b)) + (b - of_b))
    }
    fn add(self, other: Self) -> Self {
        let high = Self::sum(self.0, other.0);
        let low = Self::sum(self.1, other.1);
        let once = Self::sum(high.0, high.1 + low.0);
        Self::sum(once.0, once.1 + low.1)
    }
    fn mul(self, other: Self) -> Self {
        let high = self.0 * other.0;
        let low = self.0.mul_add(other.0, -high) + (self.0 * other.1 + self.1 * other.0);
        Self::sum(high, low)
    }
    fn scaled(self, power: f64) -> Self {
        Self(self.0 * power, self.1 * power)
    }
}

/// eˣ as y · 2ⁿ: Taylor's series of x / 2⁸ less its multiple of ln 2, squared eight times.
fn exp_oracle(x: f64) -> (Double, i32) {
    const LN2: [f64; 3] = [
        0.693_147_180_369_123_8,
        1.908_214_929_270_587_7e-10,
        // ln 2 − the first two, which are exact to 33 and 53 bits.
        1.161_222_722_936_253_2e-26,
    ];
    let n = (x / std::f64::consts::LN_2).round_ties_even();
    // n · LN2[0] is exact: 11 and 33 bits.
    let product = Double(n * LN2[1], n.mul_add(LN2[1], -(n * LN2[1])));
    let r = Double::sum(x, -n * LN2[0])
        .add(Double(-product.0, -product.1))
        .add(Double(-n * LN2[2], 0.0))
        .scaled(1.0 / 256.0);
    let one = Double(1.0, 0.0);
    let mut sum = one;
    for k in (1..=12).rev() {
        // 1 / k to 106 bits.
        let inverse = 1.0 / f64::from(k);
        let rest = (-inverse).mul_add(f64::from(k), 1.0) / f64::from(k);
        sum = sum.mul(r).mul(Double(inverse, rest)).add(one);
    }
    for _ in 0..8 {
        sum = sum.mul(sum);
    }
    (sum, n as i32)
}

/// Errors of `got` in units in the last place of the true value, for results that are normal numbers.
fn ulps_f64(x: f64, got: f64) -> f64 {
    let (truth, n) = exp_oracle(x);
    // Exact: brought to the oracle's scale in two steps, of which neither overflows.
    let got = got * 2f64.powi(-n / 2) * 2f64.powi(-n - (-n / 2));
    let ulp = 2f64.powi(truth.0.log2().floor() as i32 - 52);
    ((got - truth.0) - truth.1).abs() / ulp
}

fn ulps_f32(x: f32, got: f32) -> f64 {
    let truth = f64::from(x).exp();
    let exponent = (truth.to_bits() >> 52) as i32 - 1023;
    (f64::from(got) - truth).abs() / 2f64.powi(exponent.max(-126) - 23)
}

#[test]
fn the_oracle_itself_knows_e() {
    let (y, n) = exp_oracle(1.0);
    let (high, low) = (y.0 * 2f64.powi(n), y.1 * 2f64.powi(n));
    // e = 2.71828182845904523536028747135266...; its nearest f64 and what is left of it.
    assert_eq!(high, std::f64::consts::E);
    assert!((low - 1.445_646_891_729_250_1e-16).abs() < 1e-30, "{low:e}");
}

#[test]
fn f32_all_over_its_range() {
    for kernels in tiers() {
        let mut worst = (0.0, 0.0);
        let mut bits = 0u32;
        // 1021 is prime and odd: the low bits of the patterns vary.
        while bits < 0x7f80_0000 {
            let inputs: Vec<f32> = (0..4096)
                .map(|i| f32::from_bits(bits.saturating_add(1021 * (i / 2)).min(0x7f80_0000)))
                .zip([1.0, -1.0].into_iter().cycle())
                .map(|(x, sign)| x * sign)
                .collect();
            let mut outputs = inputs.clone();
            kernels.exp(&mut outputs);
            for (&x, &got) in inputs.iter().zip(&outputs) {
                let truth = f64::from(x).exp();
                if truth > f64::from(f32::MAX) {
                    assert!(
                        got == f32::INFINITY || x < 88.8 && got == f32::MAX,
                        "{}: {x} {got}",
                        kernels.tier()
                    );
                } else {
                    let ulps = ulps_f32(x, got);
                    if ulps > worst.0 {
                        worst = (ulps, x);
                    }
                }
            }
            bits += 1021 * 2048;
        }
        println!("{}: f32 exp within {:.3} ulp, at {:e}", kernels.tier(), worst.0, worst.1);
        assert!(worst.0 <= math::exp_max_ulp(kernels.tier()), "{}: {worst:?}", kernels.tier());
    }
}

#[test]
fn f64_between_underflow_and_overflow() {
    let steps = 90_000;
    let inputs: Vec<f64> = (0..=steps)
        .map(|i| {
            let at = f64::from(i) / f64::from(steps);
            // Uniform, dense near 0, and in steps of ln 2 / 2 where the reduction changes over.
            match i % 3 {
                0 => -708.3 + 1417.9 * at,
                1 => (at - 0.5) * 4.0,
                _ => ((at * 2040.0).floor() - 1021.0 + 0.5) * std::f64::consts::LN_2 * (1.0 + 1e-12 * at),
            }
        })
        .collect();
    for kernels in tiers() {
        let mut outputs = inputs.clone();
        kernels.exp(&mut outputs);
        let mut worst = (0.0, 0.0);
        for (&x, &got) in inputs.iter().zip(&outputs) {
            let ulps = ulps_f64(x, got);
            if ulps > worst.0 {
                worst = (ulps, x);
            }
        }
        println!("{}: f64 exp within {:.3} ulp, at {:e}", kernels.tier(), worst.0, worst.1);
        assert!(worst.0 <= math::exp_max_ulp(kernels.tier()), "{}: {worst:?}", kernels.tier());
    }
}

#[test]
fn special_values_are_exact() {
    for kernels in tiers() {
        let payload = f32::from_bits(0x7fc0_0001);
        let mut x = [
            0.0f32,
            -0.0,
            f32::INFINITY,
            f32::NEG_INFINITY,
            f32::NAN,
            payload,
            -payload,
            f32::MAX,
            f32::MIN,
            89.0,
            -104.0,
            1e-40,
            -1e-40,
        ];
        kernels.exp(&mut x);
        assert_eq!(x[..4], [1.0, 1.0, f32::INFINITY, 0.0], "{}", kernels.tier());
        assert!(x[4..7].iter().all(|x| x.is_nan()), "{}", kernels.tier());
        assert_eq!(x[7..], [f32::INFINITY, 0.0, f32::INFINITY, 0.0, 1.0, 1.0], "{}", kernels.tier());

        let payload = f64::from_bits(0x7ff8_0000_0000_0001);
        let mut x = [
            0.0f64,
            -0.0,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NAN,
            payload,
            -payload,
            f64::MAX,
            f64::MIN,
            710.0,
            -746.0,
            1e-310,
            -1e-310,
        ];
        kernels.exp(&mut x);
        assert_eq!(x[..4], [1.0, 1.0, f64::INFINITY, 0.0], "{}", kernels.tier());
        assert!(x[4..7].iter().all(|x| x.is_nan()), "{}", kernels.tier());
        assert_eq!(x[7..], [f64::INFINITY, 0.0, f64::INFINITY, 0.0, 1.0, 1.0], "{}", kernels.tier());
    }
}

#[test]
fn underflow_is_gradual() {
    for kernels in tiers() {
        let inputs: Vec<f64> = (0..2000).map(|i| -708.0 - f64::from(i) * 0.0191).collect();
        let mut outputs = inputs.clone();
        kernels.exp(&mut outputs);
        for (&x, &got) in inputs.iter().zip(&outputs) {
            let truth = x.exp();
            // One unit of the smallest number beside the unit of the result.
            assert!((got - truth).abs() <= truth * f64::EPSILON + 5e-324, "{}: {x} {got:e}", kernels.tier());
        }
    }
}

#[test]
fn tiers_with_fused_arithmetic_agree_bit_for_bit() {
    let inputs: Vec<f32> = (0..10_000).map(|i| (i as f32 - 5_000.0) * 0.0213).collect();
    let fused: Vec<_> = tiers().filter(|kernels| kernels.tier() > Tier::Baseline).collect();
    let all = |kernels: &Kernels| {
        let mut exp = inputs.clone();
        kernels.exp(&mut exp);
        let mut results = vec![exp];
        for covariance in Covariance::ALL {
            let mut r2 = inputs.clone();
            kernels.covariance(covariance, 1.3, 0.7, &mut r2).unwrap();
            results.push(r2);
        }
        results
    };
    for pair in fused.windows(2) {
        assert_eq!(all(pair[0]), all(pair[1]), "{} and {}", pair[0].tier(), pair[1].tier());
    }
}

/// Every function on every length, from every alignment, against the same function one element at a time.
fn tails<T: Real + PartialEq>(function: impl Fn(&Kernels, &mut [T])) {
    for kernels in tiers() {
        for len in 0..=300 {
            let offset = len % 7;
            let value = |i: usize| T::from_f64(i as f64 * 0.11 + 0.01);
            let canary = T::from_f64(-77.0);
            let mut x = vec![canary; offset + len + 40];
            for i in 0..len {
                x[offset + i] = value(i);
            }
            function(kernels, &mut x[offset..offset + len]);
            assert!(x[..offset].iter().chain(&x[offset + len..]).all(|&x| x == canary), "{len}");
            for i in 0..len {
                let mut one = [value(i)];
                function(kernels, &mut one);
                assert_eq!(x[offset + i], one[0], "{} {len} {i}", kernels.tier());
            }
        }
    }
}

#[test]
fn tails_equal_single_elements_and_touch_nothing_else() {
    tails::<f32>(|kernels, x| kernels.exp(x));
    tails::<f64>(|kernels, x| kernels.exp(x));
    tails::<f32>(|kernels, x| kernels.sqrt(x));
    tails::<f64>(|kernels, x| kernels.sqrt(x));
    tails::<f32>(|kernels, x| kernels.covariance(Covariance::Matern52, 2.0, 1.5, x).unwrap());
    tails::<f64>(|kernels, x| kernels.covariance(Covariance::Rbf, 2.0, 1.5, x).unwrap());
}

#[test]
fn roots_are_correctly_rounded() {
    for kernels in tiers() {
        let inputs: Vec<f32> = (0..20_000u32).map(|i| f32::from_bits(i * 107_374)).collect();
        let mut outputs = inputs.clone();
        kernels.sqrt(&mut outputs);
        assert!(inputs.iter().zip(&outputs).all(|(x, got)| x.sqrt().to_bits() == got.to_bits()));
        let mut x = [-1.0, -0.0, f64::INFINITY, 2.0, f64::NAN];
        kernels.sqrt(&mut x);
        assert!(x[0].is_nan() && x[4].is_nan());
        assert_eq!(x[1].to_bits(), (-0.0f64).to_bits());
        assert_eq!(x[2..4], [f64::INFINITY, 2f64.sqrt()]);
    }
}

fn covariances<T: Real>(epsilon: f64, smallest: f64) {
    for kernels in tiers() {
        for covariance in Covariance::ALL {
            for (length_scale, variance) in [(1.0, 1.0), (0.37, 2.5), (123.0, 1e-3), (1e-3, 40.0)] {
                let (length_scale, variance) = (T::from_f64(length_scale), T::from_f64(variance));
                let inputs: Vec<T> = (0..4000)
                    .map(|i| {
                        let r = length_scale.to_f64() * f64::from(i) * f64::from(i) * 2e-5;
                        T::from_f64(r * r)
                    })
                    .chain([0.0, -1e-9, f64::INFINITY, 1e30, 1e-30].map(T::from_f64))
                    .collect();
                let mut outputs = inputs.clone();
                kernels.covariance(covariance, length_scale, variance, &mut outputs).unwrap();
                let (length_scale, variance) = (length_scale.to_f64(), variance.to_f64());
                for (r2, got) in inputs.iter().zip(&outputs) {
                    let r2 = r2.to_f64();
                    let truth = math::covariance(covariance, length_scale, variance, r2);
                    let bound =
                        math::covariance_bound(covariance, length_scale, variance, r2, epsilon, smallest);
                    let error = (got.to_f64() - truth).abs();
                    assert!(
                        error <= bound,
                        "{} {covariance:?} {}: {r2:e} gives {got:?}, not {truth:e}: {error:e} > {bound:e}",
                        kernels.tier(),
                        T::NAME
                    );
                }
                assert_eq!(outputs[4000].to_f64(), variance, "the covariance at distance 0");
                assert_eq!(outputs[4001].to_f64(), variance, "at a distance below 0");
                assert_eq!(outputs[4002].to_f64(), 0.0, "at an infinite distance");
                let mut nan = [T::from_f64(f64::NAN)];
                kernels.covariance(covariance, T::from_f64(1.0), T::from_f64(1.0), &mut nan).unwrap();
                assert!(nan[0].to_f64().is_nan());
            }
        }
    }
}

#[test]
fn covariances_stay_within_their_bound() {
    covariances::<f32>(f32::EPSILON.into(), f32::MIN_POSITIVE.into());
    covariances::<f64>(f64::EPSILON, f64::MIN_POSITIVE);
}

#[test]
fn covariance_parameters_out_of_range_are_refused() {
    let kernels = Kernels::active().unwrap();
    let mut r2 = [1.0f32];
    for length_scale in [0.0, -1.0, f32::NAN, f32::INFINITY, 1e-25, 1e25] {
        let refused = kernels.covariance(Covariance::Rbf, length_scale, 1.0, &mut r2);
        assert!(matches!(refused, Err(CovarianceError::LengthScale { .. })), "{length_scale}");
    }
    for variance in [-1.0, f32::NAN, f32::INFINITY] {
        let refused = kernels.covariance(Covariance::Matern32, 1.0, variance, &mut r2);
        assert!(matches!(refused, Err(CovarianceError::Variance { .. })), "{variance}");
    }
    assert_eq!(r2, [1.0]);
}
