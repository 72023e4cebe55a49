//! Batches that go through panels against single queries: ids and distances, bit for bit, over several chunks,
//! on data that make the panels' rounding as bad as it gets.
// A test's helper may fail it, as the test itself may.
#![allow(clippy::unwrap_used)]

use bench_harness::dataset::Metric;
use bench_harness::exact::{Batched, Scan, Scratch};
use proptest::prelude::*;
use simd_kernels::{Element, Kernels, Ordered, Rows, Tier, bf16, f16};

const METRICS: [Metric; 3] = [Metric::L2, Metric::InnerProduct, Metric::Cosine];

/// Vectors whose values have mean `offset` and spread `spread`: a large offset makes the terms cancel.
fn values<T: Element>(count: usize, offset: f64, spread: f64, seed: u64) -> Vec<T> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / (1u64 << 24) as f64 - 0.5
    };
    (0..count).map(|_| T::from_f64(offset + spread * next())).collect()
}

fn check<T: Batched>(kernels: &'static Kernels, data: &[T], queries: &[T], dim: usize, k: usize)
where
    T::Distance: Ordered,
{
    for metric in METRICS {
        let scan = Scan::new(kernels, data, dim, metric).unwrap();
        let queries = Rows::new(queries, dim).unwrap();
        let mut scratch = Scratch::new(1);
        let (mut batch, mut single) = (Vec::new(), Vec::new());
        scan.search_batch(&mut scratch, queries, k, &mut batch).unwrap();
        for (index, query) in queries.iter().enumerate() {
            scan.search(&mut scratch, query, k, &mut single).unwrap();
            let found = &batch[index * single.len()..][..single.len()];
            assert_eq!(found, single, "{metric} {} on {}, query {index}", T::NAME, kernels.tier());
        }
    }
}

fn check_type<T: Batched>(offset: f64, spread: f64)
where
    T::Distance: Ordered,
{
    for &tier in Tier::ALL {
        let Some(kernels) = Kernels::for_tier(tier) else { continue };
        for (rows, dim, k) in [(1300, 25, 10), (700, 96, 1), (40, 7, 33), (530, 130, 100)] {
            let data = values::<T>(rows * dim, offset, spread, 1);
            let queries = values::<T>(29 * dim, offset, spread, 2);
            check(kernels, &data, &queries, dim, k);
        }
    }
}

#[test]
fn of_floats() {
    check_type::<f32>(0.0, 1.0);
    check_type::<f64>(0.0, 1.0);
    check_type::<f16>(0.0, 1.0);
    check_type::<bf16>(0.0, 1.0);
}

#[test]
fn of_floats_far_from_the_origin() {
    check_type::<f32>(1000.0, 1e-2);
    check_type::<f64>(1e9, 1e-4);
    check_type::<f16>(100.0, 1.0);
}

#[test]
fn of_floats_so_large_or_small_that_norms_overflow_or_vanish() {
    check_type::<f32>(0.0, 1e19);
    check_type::<f32>(0.0, 1e-22);
    check_type::<f32>(3e18, 1e12);
    check_type::<bf16>(0.0, 1e-19);
}

#[test]
fn of_bytes() {
    check_type::<u8>(128.0, 255.0);
    check_type::<u8>(250.0, 10.0);
    check_type::<i8>(0.0, 255.0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn of_any_shape(rows in 1usize..600, dim in 1usize..70, queries in 1usize..60, k in 1usize..40, seed: u64) {
        let kernels = Kernels::active().unwrap();
        let data = values::<f32>(rows * dim, 5.0, 1.0, seed);
        check(kernels, &data, &values::<f32>(queries * dim, 5.0, 1.0, !seed), dim, k);
        let data = values::<u8>(rows * dim, 100.0, 8.0, seed);
        check(kernels, &data, &values::<u8>(queries * dim, 100.0, 8.0, !seed), dim, k);
    }
}
