//! Cosines of all forms, on every tier and element type, against the scalar truth and against one another.
// A test's helper may fail it, as the test itself may.
#![allow(clippy::unwrap_used)]

use simd_kernels::{Distance, Element, Kernels, Rows, ShapeError, Tier, bf16, f16, reference};

fn values<T: Element>(count: usize, seed: u64) -> Vec<T> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % 200
    };
    (0..count).map(|_| T::from_f64(next() as f64 - 50.0)).collect()
}

fn check<T: Element>(kernels: &'static Kernels) {
    for (len, queries, dim) in [(1, 1, 1), (150, 6, 25), (67, 9, 96), (16, 4, 130)] {
        let mut data = values::<T>(len * dim, 1);
        data[(len / 2) * dim..][..dim].fill(T::from_f64(0.0));
        let query_data = values::<T>(queries * dim, 2);
        let (rows, queries) = (Rows::new(&data, dim).unwrap(), Rows::new(&query_data, dim).unwrap());
        let zero = T::Real::default();
        let mut norms = vec![zero; len];
        kernels.inverse_norms(rows, &mut norms).unwrap();
        let mut tile = vec![zero; queries.len() * len];
        kernels.cosine_tile(queries, rows, &norms, &mut tile).unwrap();
        let ids: Vec<u32> = (0..len as u32).rev().collect();
        for (query, tile) in queries.iter().zip(tile.chunks(len)) {
            let (mut of_rows, mut of_ids) = (vec![zero; len], vec![zero; len]);
            kernels.cosine_rows(query, rows, &norms, &mut of_rows).unwrap();
            kernels.cosine_ids(query, rows, &norms, &ids, &mut of_ids).unwrap();
            of_ids.reverse();
            assert!(of_rows == tile && of_rows == of_ids, "{} {}", kernels.tier(), T::NAME);
            for (row, cosine) in rows.iter().zip(&of_rows) {
                let truth = reference::cosine(query, row);
                let pair = kernels.cosine(query, row).unwrap();
                for cosine in [cosine.to_f64(), pair.to_f64()] {
                    assert!(
                        (cosine - truth).abs() < 4e-6,
                        "{} {}: {cosine} {truth}",
                        kernels.tier(),
                        T::NAME
                    );
                }
            }
        }
    }
}

#[test]
fn on_every_tier_and_type() {
    for kernels in Tier::ALL.iter().filter_map(|&tier| Kernels::for_tier(tier)) {
        check::<f32>(kernels);
        check::<f64>(kernels);
        check::<f16>(kernels);
        check::<bf16>(kernels);
        check::<u8>(kernels);
        check::<i8>(kernels);
    }
}

#[test]
fn norms_outside_single_precision_are_norms_all_the_same() {
    let kernels = Kernels::active().unwrap();
    let mut norms = [0.0; 2];
    kernels.inverse_norms(Rows::new(&[3e25f32, 4e25, 3e-25, 4e-25], 2).unwrap(), &mut norms).unwrap();
    assert!((norms[0] * 5e25 - 1.0).abs() < 1e-6 && (norms[1] * 5e-25 - 1.0).abs() < 1e-6, "{norms:?}");
}

#[test]
fn what_does_not_fit_is_refused_and_nothing_is_written() {
    let kernels = Kernels::active().unwrap();
    let data = [1.0f32; 6];
    let rows = Rows::new(&data, 2).unwrap();
    let mut out = [7.0; 3];
    assert!(matches!(
        kernels.cosine_rows(&[1.0; 3], rows, &[1.0; 3], &mut out),
        Err(ShapeError::Length { argument: "query", .. })
    ));
    assert!(matches!(
        kernels.cosine_rows(&[1.0; 2], rows, &[1.0; 2], &mut out),
        Err(ShapeError::Length { argument: "inverse_norms", .. })
    ));
    assert_eq!(
        kernels.cosine_ids(&[1.0; 2], rows, &[1.0; 3], &[0, 1, 3], &mut out),
        Err(ShapeError::Id { rows: 3 })
    );
    assert_eq!(out, [7.0; 3]);
}
