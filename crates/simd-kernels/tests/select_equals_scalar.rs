//! Threshold selection, argmin and top-k of every tier equal the scalar twin exactly.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use proptest::prelude::*;
use simd_kernels::reference::select::{
    argmin, least_estimates, select_bands_reaching, select_below, select_estimates_below, top_k,
};
use simd_kernels::{Affine, Band, BandRows, Kernels, LEAST_ESTIMATES, Ordered, ShapeError, Tier};

fn tiers() -> impl Iterator<Item = &'static Kernels> {
    Tier::ALL.iter().filter_map(|&tier| Kernels::for_tier(tier))
}

/// NaN equals NaN here: what is compared is which values were chosen.
fn same<T: Ordered>(a: T, b: T) -> bool {
    a == b || a.to_f64().is_nan() && b.to_f64().is_nan()
}

fn check<T: Ordered>(values: &[T], threshold: T, ks: &[usize]) {
    let base = 1_000_000;
    for kernels in tiers() {
        let tier = kernels.tier();
        let expected = select_below(values, threshold);
        let canary = T::from_f64(-77.0);
        let (mut ids, mut kept) = (vec![7; values.len() + 20], vec![canary; values.len() + 20]);
        let (ids_room, kept_room) = (&mut ids[..values.len()], &mut kept[..values.len()]);
        let n = kernels.select_below(values, threshold, base, ids_room, kept_room).unwrap();
        assert_eq!(n, expected.len(), "{tier}");
        for (i, &(place, value)) in expected.iter().enumerate() {
            assert_eq!(ids[i], base + place as u32, "{tier}");
            assert!(same(kept[i], value), "{tier}");
        }
        assert!(ids[values.len()..].iter().all(|&id| id == 7), "{tier}");
        assert!(kept[values.len()..].iter().all(|&value| value == canary), "{tier}");

        assert_eq!(kernels.argmin(values), argmin(values), "{tier} of {} values", values.len());

        for &k in ks {
            let expected = top_k(values, k);
            let (mut ids, mut least) = (vec![7; k + 3], vec![canary; k + 3]);
            let n = kernels.top_k(values, base, k, &mut ids[..k], &mut least[..k]).unwrap();
            assert_eq!(n, expected.len(), "{tier}");
            for (i, &(place, value)) in expected.iter().enumerate() {
                assert!(same(least[i], value), "{tier}: {:?} for {value:?}", least[i]);
                assert_eq!(ids[i], base + place as u32, "{tier} k = {k}, {i}");
            }
            assert!(ids[n..].iter().all(|&id| id == 7), "{tier}");
        }
    }
}

fn check_estimates(sums: &[i32], adds: &[f32], line: Affine, threshold: f32) {
    let expected = select_estimates_below(sums, adds, line, threshold);
    for kernels in tiers() {
        let tier = kernels.tier();
        let len = sums.len();
        let (mut ids, mut kept) = (vec![7; len + 20], vec![-77.0; len + 20]);
        let (ids_room, kept_room) = (&mut ids[..len], &mut kept[..len]);
        let n = kernels.select_estimates_below(sums, adds, line, threshold, ids_room, kept_room).unwrap();
        let found: Vec<_> =
            ids[..n].iter().zip(&kept[..n]).map(|(&id, &x)| (id as usize, x.to_bits())).collect();
        let expected: Vec<_> = expected.iter().map(|&(place, x)| (place, x.to_bits())).collect();
        assert_eq!(found, expected, "{tier}, {line:?}");
        assert!(ids[len..].iter().all(|&id| id == 7), "{tier}");
        assert!(kept[len..].iter().all(|&value| value == -77.0), "{tier}");

        let mut least = [-77.0; LEAST_ESTIMATES];
        kernels.least_estimates(sums, adds, line, &mut least).unwrap();
        let expected = least_estimates(sums, adds, line);
        assert_eq!(least.map(f32::to_bits), expected.map(f32::to_bits), "{tier}, {line:?}");
    }
}

fn value(seed: usize, i: usize) -> u64 {
    let mut word = ((seed << 32) + i) as u64;
    for _ in 0..3 {
        word = (word.wrapping_add(0x9e37_79b9_7f4a_7c15) ^ word >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    }
    word >> 11
}

#[test]
fn every_length_and_alignment() {
    for len in (0..=300).chain([1000, 4097]) {
        let range = if len % 3 == 0 { 10 } else { 1 << 20 };
        let numbers: Vec<f64> = (0..len + 7).map(|i| (value(len, i) % range) as f64 - 5.0).collect();
        let threshold = if len % 2 == 0 { range as f64 / 2.0 } else { range as f64 / 50.0 };
        let ks = [0, 1, 2, len / 3, len, len + 5];
        let from = len % 7;
        let of = |x: &f64| *x;
        check::<f64>(&numbers.iter().map(of).collect::<Vec<_>>()[from..from + len], threshold, &ks);
        check::<f32>(
            &numbers.iter().map(|&x| x as f32).collect::<Vec<_>>()[from..from + len],
            threshold as f32,
            &ks,
        );
        check::<i32>(
            &numbers.iter().map(|&x| x as i32).collect::<Vec<_>>()[from..from + len],
            threshold as i32,
            &ks,
        );
    }
}

#[test]
fn special_values() {
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    for len in [1usize, 5, 16, 17, 64, 65, 200, 3000] {
        let ks = [1, 3, len / 2, len];
        for pattern in [
            vec![nan],
            vec![inf],
            vec![-inf, nan],
            vec![nan, inf],
            vec![nan, nan, nan, inf, 3.0, -0.0, 0.0],
            vec![0.0, -0.0],
            vec![f32::MAX, f32::MIN, 1e-42, -1e-42],
        ] {
            let values: Vec<f32> = pattern.iter().copied().cycle().take(len).collect();
            for threshold in [0.0, nan, inf, -inf, 1e-41] {
                check(&values, threshold, &ks);
                let wide: Vec<f64> = values.iter().map(|&x| x.into()).collect();
                check(&wide, threshold.into(), &ks);
            }
        }
        for pattern in [vec![i32::MAX], vec![i32::MIN, i32::MAX], vec![0, i32::MAX, -1]] {
            let values: Vec<i32> = pattern.iter().copied().cycle().take(len).collect();
            for threshold in [0, i32::MAX, i32::MIN] {
                check(&values, threshold, &ks);
            }
        }
    }
}

#[test]
fn falling_values_replace_all_that_was_kept() {
    let values: Vec<i32> = (0..5000).rev().collect();
    check(&values, 17, &[1, 10, 100, 5000]);
}

proptest! {
    #[test]
    fn any_bits_at_all(
        bits in prop::collection::vec(any::<u32>(), 0..400),
        threshold in any::<u32>(),
        k in 0usize..60,
    ) {
        let values: Vec<f32> = bits.iter().map(|&bits| f32::from_bits(bits)).collect();
        check(&values, f32::from_bits(threshold), &[k]);
        let values: Vec<i32> = bits.iter().map(|&bits| bits as i32).collect();
        check(&values, threshold as i32, &[k]);
    }
}

#[test]
fn estimates_of_every_length_round_as_the_scalar_twin_does() {
    for len in (0..=140).chain([1000]) {
        let sums: Vec<i32> = (0..len).map(|i| value(len, i) as i32 >> 8).collect();
        let mut adds: Vec<f32> = (0..len).map(|i| (value(len + 9, i) % 100_000) as f32 * 0.37).collect();
        // Rows that are none.
        adds.iter_mut().skip(len - len / 7).for_each(|add| *add = f32::INFINITY);
        // A fused product would round these otherwise.
        let line = Affine { base: 1.0e5 / 3.0, slope: 0.1 + len as f32 };
        let middle = sums.get(len / 2).map_or(0.0, |&sum| line.estimate(sum, adds[len / 2]));
        for threshold in [middle, middle.next_up(), f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
            check_estimates(&sums, &adds, line, threshold);
        }
    }
    let (mut ids, mut kept) = ([7; 3], [7.0; 3]);
    let line = Affine { base: 0.0, slope: 1.0 };
    let kernels = Kernels::active().unwrap();
    let refused = kernels.select_estimates_below(&[1, 2], &[0.0], line, 9.0, &mut ids, &mut kept);
    assert_eq!(refused, Err(ShapeError::Length { argument: "adds", expected: 2, actual: 1 }));
    let refused = kernels.select_estimates_below(&[1, 2], &[0.0; 2], line, 9.0, &mut ids[..1], &mut kept);
    assert_eq!(refused, Err(ShapeError::Room { argument: "out_ids", needed: 2, actual: 1 }));
    let refused = kernels.select_estimates_below(&[1, 2], &[0.0; 2], line, 9.0, &mut ids, &mut kept[..1]);
    assert_eq!(refused, Err(ShapeError::Room { argument: "out_values", needed: 2, actual: 1 }));
    assert_eq!((ids, kept), ([7; 3], [7.0; 3]));
    let mut least = [7.0; LEAST_ESTIMATES];
    let refused = kernels.least_estimates(&[1, 2], &[0.0], line, &mut least);
    assert_eq!(refused, Err(ShapeError::Length { argument: "adds", expected: 2, actual: 1 }));
    assert_eq!(least, [7.0; LEAST_ESTIMATES]);
}

#[test]
fn bands_of_every_length_round_as_the_scalar_twin_does() {
    // Fused products would round these otherwise.
    let band = Band { weight: 1.0 / 3.0, base: 0.11, slope: 0.3e-6, remainder: 0.7, slack: 0.1 };
    for len in (0..=140).chain([1000]) {
        let part = |seed: usize| -> Vec<f32> {
            (0..len).map(|i| (value(len + seed, i) % 2_000_000) as f32 * 1e-6 - 1.0).collect()
        };
        let sums: Vec<i32> = (0..len).map(|i| value(len + 1, i) as i32 >> 8).collect();
        let (minuends, mut remainders, scales) = (part(2), part(3), part(4));
        // Rows that say nothing are never lost.
        remainders.iter_mut().step_by(9).for_each(|x| *x = f32::NAN);
        for minuends in [None, Some(&minuends[..])] {
            let rows = BandRows { sums: &sums, minuends, remainders: &remainders, scales: &scales };
            for level in [0.7, 0.0, f32::NEG_INFINITY, f32::INFINITY, f32::NAN] {
                let level = if level == 0.0 {
                    // One row's very end, which reaches it.
                    select_bands_reaching(rows, band, f32::NEG_INFINITY).get(len / 2).map_or(0.0, |row| row.1)
                } else {
                    level
                };
                let expected = select_bands_reaching(rows, band, level);
                for kernels in tiers() {
                    let (mut ids, mut uppers) = (vec![7; len + 20], vec![-77.0; len + 20]);
                    let (ids_room, uppers_room) = (&mut ids[..len], &mut uppers[..len]);
                    let n = kernels.select_bands_reaching(rows, band, level, ids_room, uppers_room).unwrap();
                    let tier = kernels.tier();
                    assert_eq!(n, expected.len(), "{tier}, level {level}, {len} rows");
                    for (at, &(place, upper)) in expected.iter().enumerate() {
                        assert_eq!(ids[at], place as u32, "{tier}");
                        assert!(same(uppers[at], upper), "{tier}: {} for {upper}", uppers[at]);
                    }
                    assert!(ids[len..].iter().all(|&id| id == 7), "{tier}");
                    assert!(uppers[len..].iter().all(|&upper| upper == -77.0), "{tier}");
                }
            }
        }
    }
}

#[test]
fn bands_of_unequal_lengths_are_refused() {
    let kernels = Kernels::active().unwrap();
    let (mut ids, mut uppers) = ([7; 2], [7.0; 2]);
    let two = [1.0f32; 2];
    let band = Band { weight: 1.0, base: 0.0, slope: 1.0, remainder: 1.0, slack: 1.0 };
    let rows = BandRows { sums: &[1; 2], minuends: Some(&two), remainders: &two, scales: &two };
    let refused = |rows, expected| {
        let mut uppers = [7.0; 2];
        assert_eq!(kernels.select_bands_reaching(rows, band, 0.0, &mut [7; 2], &mut uppers), Err(expected));
        assert_eq!(uppers, [7.0; 2]);
    };
    let length = |argument| ShapeError::Length { argument, expected: 2, actual: 1 };
    refused(BandRows { minuends: Some(&two[..1]), ..rows }, length("rows.minuends"));
    refused(BandRows { remainders: &two[..1], ..rows }, length("rows.remainders"));
    refused(BandRows { scales: &two[..1], ..rows }, length("rows.scales"));
    let room = |argument| Err(ShapeError::Room { argument, needed: 2, actual: 1 });
    assert_eq!(kernels.select_bands_reaching(rows, band, 0.0, &mut ids[..1], &mut uppers), room("out_ids"));
    assert_eq!(
        kernels.select_bands_reaching(rows, band, 0.0, &mut ids, &mut uppers[..1]),
        room("out_uppers")
    );
    assert_eq!((ids, uppers), ([7; 2], [7.0; 2]));
}

#[test]
fn outputs_without_room_and_ids_beyond_32_bits_are_refused() {
    let kernels = Kernels::active().unwrap();
    let values = [1.0f32, 2.0, 3.0];
    let (mut ids, mut kept) = ([7; 3], [7.0; 3]);
    let refused = kernels.select_below(&values, 9.0, 0, &mut ids[..2], &mut kept);
    assert_eq!(refused, Err(ShapeError::Room { argument: "out_ids", needed: 3, actual: 2 }));
    let refused = kernels.select_below(&values, 9.0, 0, &mut ids, &mut kept[..2]);
    assert_eq!(refused, Err(ShapeError::Room { argument: "out_values", needed: 3, actual: 2 }));
    let refused = kernels.top_k(&values, 0, 2, &mut ids[..1], &mut kept);
    assert_eq!(refused, Err(ShapeError::Room { argument: "out_ids", needed: 2, actual: 1 }));
    let refused = kernels.select_below(&values, 9.0, u32::MAX - 1, &mut ids, &mut kept);
    assert_eq!(refused, Err(ShapeError::IdRange { base_id: u32::MAX - 1, len: 3 }));
    assert_eq!((ids, kept), ([7; 3], [7.0; 3]));
    assert_eq!(kernels.select_below(&values, 9.0, u32::MAX - 2, &mut ids, &mut kept), Ok(3));
    assert_eq!(ids, [u32::MAX - 2, u32::MAX - 1, u32::MAX]);
}
