//! Criterion benches of distance kernels: one query against rows in the first-level cache, on every tier.
//!
//! `cargo bench -p bench-harness --bench kernels -- --quick`
#![allow(missing_docs, reason = "criterion's macros make functions without documentation")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use simd_kernels::{Distance, Element, Kernels, Measure, Rows, ShapeError, Tier, bf16, f16};

const DIMENSIONS: [usize; 3] = [128, 784, 1024];
const ROWS: usize = 8;

fn tiers() -> impl Iterator<Item = &'static Kernels> {
    Tier::ALL.iter().filter_map(|&tier| Kernels::for_tier(tier))
}

fn one_to_many<T: Element>(criterion: &mut Criterion) -> Result<(), ShapeError> {
    let mut group = criterion.benchmark_group(format!("rows/{}", T::NAME));
    for dim in DIMENSIONS {
        let data: Vec<T> = (0..dim * ROWS).map(|at| T::from_f64((at * 7 % 13) as f64)).collect();
        let query: Vec<T> = (0..dim).map(|at| T::from_f64((at * 5 % 11) as f64)).collect();
        let rows = Rows::new(&data, dim)?;
        let mut out = vec![T::Distance::from_f64(0.0); ROWS];
        group.throughput(Throughput::Bytes(size_of_val(data.as_slice()) as u64));
        for kernels in tiers() {
            for measure in Measure::ALL {
                let forms = kernels.forms::<T>(measure);
                let id = BenchmarkId::new(format!("{}/{}", measure.name(), kernels.tier()), dim);
                group.bench_function(id, |bencher| {
                    bencher.iter(|| forms.rows(black_box(&query), rows, black_box(&mut out)));
                });
            }
        }
    }
    group.finish();
    Ok(())
}

fn kernels(criterion: &mut Criterion) {
    let all = [one_to_many::<f32>, one_to_many::<f64>, one_to_many::<f16>, one_to_many::<bf16>];
    let integers = [one_to_many::<u8>, one_to_many::<i8>];
    for bench in all.into_iter().chain(integers) {
        if let Err(error) = bench(criterion) {
            unreachable!("the shapes of this bench are its own: {error}");
        }
    }
}

criterion_group!(benches, kernels);
criterion_main!(benches);
