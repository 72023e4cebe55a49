//! The Walsh–Hadamard transform of every tier equals the scalar twin bit for bit.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use simd_kernels::reference::wht::walsh_hadamard;
use simd_kernels::{Kernels, Real, ShapeError, Tier};

fn tiers() -> impl Iterator<Item = &'static Kernels> {
    Tier::ALL.iter().filter_map(|&tier| Kernels::for_tier(tier))
}

/// A number in −1..1 and a word of bits that look random.
fn noise(i: usize) -> (f64, u64) {
    let mut word = (i as u64).wrapping_add(0x9e37_79b9_7f4a_7c15);
    for _ in 0..3 {
        word = (word ^ word >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    }
    (word as i64 as f64 / 2f64.powi(63), word)
}

fn equals_scalar<T: Real>(largest: u32) {
    for kernels in tiers() {
        for log in 0..=largest {
            let len = 1usize << log;
            let (offset, canary) = (log as usize % 5, T::from_f64(-77.0));
            let input: Vec<T> = (0..len).map(|i| T::from_f64(noise(i + len).0)).collect();
            let words: Vec<u64> = (0..len.div_ceil(64)).map(|i| noise(i).1).collect();
            for signs in [None, Some(&words[..])] {
                let scale = T::from_f64(1.0 / (len as f64).sqrt());
                let mut expected = input.clone();
                walsh_hadamard(&mut expected, signs, scale);
                let mut buffer = vec![canary; offset + len + 33];
                buffer[offset..offset + len].copy_from_slice(&input);
                kernels.walsh_hadamard(&mut buffer[offset..offset + len], signs, scale).unwrap();
                let same = buffer[offset..offset + len] == expected;
                assert!(same, "{} {} {len} {}", kernels.tier(), T::NAME, signs.is_some());
                assert!(buffer[..offset].iter().chain(&buffer[offset + len..]).all(|&x| x == canary));
            }
        }
    }
}

#[test]
fn bit_for_bit_at_every_length() {
    equals_scalar::<f32>(20);
    equals_scalar::<f64>(18);
}

#[test]
fn the_scalar_twin_is_the_matrix_product() {
    for log in 0..=7 {
        let len = 1usize << log;
        let signs: Vec<u64> = (0..len.div_ceil(64)).map(|i| noise(i).1).collect();
        let input: Vec<f64> = (0..len).map(|i| noise(i).0).collect();
        let mut got = input.clone();
        walsh_hadamard(&mut got, Some(&signs), 0.5);
        for (row, got) in got.iter().enumerate() {
            let term = |column: usize| {
                let flips = (row & column).count_ones() + (signs[column / 64] >> (column % 64) & 1) as u32;
                if flips.is_multiple_of(2) { input[column] } else { -input[column] }
            };
            let truth = 0.5 * (0..len).map(term).sum::<f64>();
            assert!((got - truth).abs() <= 1e-13 * len as f64, "{len} {row}");
        }
    }
}

#[test]
fn twice_orthonormal_is_the_identity_within_the_bound() {
    for kernels in tiers() {
        let len = 1024;
        let scale = 1.0 / 32.0f32;
        let input: Vec<f32> = (0..len).map(|i| noise(i).0 as f32).collect();
        let mut x = input.clone();
        kernels.walsh_hadamard(&mut x, None, scale).unwrap();
        kernels.walsh_hadamard(&mut x, None, scale).unwrap();
        for (x, input) in x.iter().zip(&input) {
            assert!((x - input).abs() < 1e-5, "{}", kernels.tier());
        }
    }
}

#[test]
fn special_values_spread_as_sums_do() {
    for kernels in tiers() {
        let mut x = vec![0.0f32; 256];
        x[37] = f32::INFINITY;
        kernels.walsh_hadamard(&mut x, None, 1.0).unwrap();
        assert!(x.iter().all(|x| x.is_infinite()), "{}", kernels.tier());
        x[5] = f32::NAN;
        kernels.walsh_hadamard(&mut x, None, 1.0).unwrap();
        assert!(x.iter().all(|x| x.is_nan()), "{}", kernels.tier());
    }
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let kernels = Kernels::active().unwrap();
    for len in [0, 3, 6, 100] {
        let mut x = vec![1.0f64; len];
        let refused = kernels.walsh_hadamard(&mut x, None, 1.0);
        assert_eq!(refused, Err(ShapeError::PowerOfTwo { argument: "x", actual: len }));
        assert!(x.iter().all(|&x| x == 1.0));
    }
    let mut x = [1.0f64; 128];
    for words in [0, 1, 3] {
        assert!(matches!(
            kernels.walsh_hadamard(&mut x, Some(&vec![0; words]), 1.0),
            Err(ShapeError::Length { argument: "signs", expected: 2, .. })
        ));
    }
    assert_eq!(x, [1.0; 128]);
}
