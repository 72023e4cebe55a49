//! Distances and bounds of a block, and what of them is within a limit: equal to the scalar twin bit for bit.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use simd_kernels::reference::near::{box_bounds, panel_nearest, panel_within};
use simd_kernels::{Element, Kernels, Ordered, PANEL_ROWS, Real, ShapeError, Tier};

fn tiers() -> impl Iterator<Item = &'static Kernels> {
    Tier::ALL.iter().filter_map(|&tier| Kernels::for_tier(tier))
}

/// Numbers in −1..1 that look random; with `special` also infinities, NaN and tiny ones.
fn numbers<T: Real>(count: usize, seed: u64, special: bool) -> Vec<T> {
    let draw = |i: usize| {
        let mut word = (i as u64 ^ seed << 32).wrapping_add(0x9e37_79b9_7f4a_7c15);
        for _ in 0..3 {
            word = (word ^ word >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        }
        let number = word as i64 as f64 / 2f64.powi(63);
        match word % 23 {
            0 if special => f64::NAN,
            1 if special => f64::INFINITY,
            2 if special => -f64::INFINITY,
            3 => -0.0,
            4 => number * 1e-30,
            // Rows that are equally far.
            5..9 => (number * 2.0).round() / 2.0,
            _ => number,
        }
    };
    (0..count).map(|i| <T as Element>::from_f64(draw(i))).collect()
}

fn same<T: Real>(a: &[T], b: &[T]) -> bool {
    // NaN carries no promise of its bits.
    let bits = |x: &T| if Element::to_f64(*x).is_nan() { None } else { Some(Element::to_f64(*x).to_bits()) };
    a.iter().map(bits).eq(b.iter().map(bits))
}

fn equals_scalar<T: Real + Ordered>() {
    let canary = <T as Element>::from_f64(-77.0);
    for kernels in tiers() {
        for (dim, rows) in (1..=13).chain([33]).flat_map(|dim| [0, 16, 32, 48, 64].map(|rows| (dim, rows))) {
            let special = dim % 3 == 2;
            let offset = dim % 5;
            let query = numbers::<T>(dim, 1, false);
            let data = numbers::<T>(offset + rows * dim, dim as u64 + 7, special);
            let panels = &data[offset..];
            let mut limits = [f64::INFINITY, -1.0, 0.0, f64::NAN, 0.4].map(<T as Element>::from_f64).to_vec();
            // Ties with the limit itself.
            limits.extend(panel_within(&query, panels, limits[0]).0.first());
            for limit in limits {
                let what = format!("{} {} {dim} x {rows} {limit:?}", kernels.tier(), <T as Element>::NAME);
                for nearest in [false, true] {
                    let mut out = vec![canary; rows + 40];
                    let place = &mut out[offset..offset + rows];
                    let (found, expected) = if nearest {
                        let found = kernels.panel_nearest(&query, panels, limit, place);
                        (found, panel_nearest(&query, panels, limit))
                    } else {
                        let found = kernels.panel_within(&query, panels, limit, place);
                        (found, panel_within(&query, panels, limit))
                    };
                    assert!(same(place, &expected.0), "{what} {nearest}");
                    assert_eq!(found, Ok(expected.1), "{what} {nearest}");
                    assert!(out[..offset].iter().chain(&out[offset + rows..]).all(|&x| x == canary));
                }
                if rows == PANEL_ROWS {
                    let mut bounds = [canary; PANEL_ROWS];
                    let found = kernels.box_bounds(&query, panels, limit, &mut bounds);
                    let expected = box_bounds(&query, panels, limit);
                    assert!(same(&bounds, &expected.0), "{what} boxes");
                    assert_eq!(found, Ok(expected.1), "{what} boxes");
                }
            }
        }
    }
}

#[test]
fn bit_for_bit_on_every_tier() {
    equals_scalar::<f32>();
    equals_scalar::<f64>();
}

#[test]
fn the_nearest_and_its_equals() {
    for kernels in tiers() {
        let mut panels = vec![9.0f64; 64];
        (panels[5], panels[40], panels[41]) = (1.0, -1.0, 1.5);
        let mut out = [0.0; 64];
        let near = |limit, out: &mut [f64; 64]| kernels.panel_nearest(&[0.0], &panels, limit, out).unwrap();
        assert_eq!(near(f64::INFINITY, &mut out), 1 << 5 | 1 << 40);
        assert_eq!(near(1.0, &mut out), 1 << 5 | 1 << 40);
        assert_eq!(near(0.5, &mut out), 0);
        assert_eq!(kernels.panel_within(&[0.0], &panels, 2.25, &mut out), Ok(1 << 5 | 3 << 40));
    }
}

#[test]
fn a_bound_is_never_above_the_distance_of_a_point_in_the_box() {
    for kernels in tiers() {
        for seed in 0..200 {
            let dim = 1 + seed as usize % 7;
            let points = numbers::<f64>(PANEL_ROWS * dim, seed, false);
            let query = numbers::<f64>(dim, seed + 1000, false);
            let signed: Vec<f64> = query.iter().flat_map(|&q| [q, -q]).collect();
            // The box of each point is the point, and in every other dimension a little more.
            let mut boxes = vec![0.0; 2 * PANEL_ROWS * dim];
            for (at, &x) in points.iter().enumerate() {
                let (axis, lane) = (at / PANEL_ROWS, at % PANEL_ROWS);
                let more = if axis % 2 == 0 { 0.0 } else { 1e-3 };
                boxes[2 * axis * PANEL_ROWS + lane] = x - more;
                boxes[(2 * axis + 1) * PANEL_ROWS + lane] = -x;
            }
            let (mut distances, mut bounds) = ([0.0; PANEL_ROWS], [0.0; PANEL_ROWS]);
            kernels.panel_within(&query, &points, 0.0, &mut distances).unwrap();
            kernels.box_bounds(&signed, &boxes, 0.0, &mut bounds).unwrap();
            for (bound, distance) in bounds.iter().zip(distances) {
                assert!(*bound <= distance && (dim > 1 || *bound == distance));
            }
        }
    }
}

#[test]
fn shapes_that_do_not_fit_are_refused_and_nothing_is_written() {
    for kernels in tiers() {
        let (panels, mut out, mut bounds) = ([1.0f32; 160], [-7.0f32; 80], [-7.0f32; PANEL_ROWS]);
        let mut within = |query: &[f32], panels: &[f32], rows: usize| {
            kernels.panel_within(query, panels, 0.0, &mut out[..rows]).unwrap_err()
        };
        assert!(matches!(within(&[], &panels[..16], 16), ShapeError::Dimension { dim: 0, .. }));
        assert!(matches!(within(&[1.0], &panels[..15], 15), ShapeError::Length { expected: 16, .. }));
        assert!(matches!(within(&[1.0], &panels[..80], 80), ShapeError::Length { expected: 64, .. }));
        assert!(matches!(
            within(&[1.0; 3], &panels[..47], 16),
            ShapeError::Data { expected: 48, actual: 47 }
        ));
        let refused = kernels.panel_nearest(&[1.0; 2], &panels[..31], 0.0, &mut out[..16]);
        assert!(matches!(refused, Err(ShapeError::Data { expected: 32, actual: 31 })));
        let refused = kernels.box_bounds(&[1.0; 2], &panels[..33], 0.0, &mut bounds);
        assert!(matches!(refused, Err(ShapeError::Data { expected: 32, actual: 33 })));
        assert!(out.iter().chain(&bounds).all(|&x| x == -7.0));
    }
}
