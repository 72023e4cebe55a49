//! Criterion benches of every kernel on every tier, on the cases of the `kernels` suite.
//!
//! All of them take many minutes; name what is of interest, by kernel, tier or dimension:
//! `cargo bench -p bench-harness --bench kernels -- l2_squared_f32_rows/avx2`
#![allow(missing_docs, reason = "criterion's macros make functions without documentation")]

use std::time::{Duration, Instant};

use bench_harness::dtype::Dtype;
use bench_harness::kernel_suite::{self, VALUES};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use simd_kernels::{Kernels, Tier};

const DIMENSIONS: [usize; 3] = [128, 784, 1024];

fn tiers() -> impl Iterator<Item = &'static Kernels> {
    Tier::ALL.iter().filter_map(|&tier| Kernels::for_tier(tier))
}

fn kernels(criterion: &mut Criterion) {
    let visited = kernel_suite::visit(&Dtype::ALL, &DIMENSIONS, &mut |case, call| {
        let mut group = criterion.benchmark_group(&case.kernel);
        // Elements a second are multiply-adds, bits or values: what compares across dimensions.
        group.throughput(Throughput::Elements((case.results * case.dim) as u64));
        for kernels in tiers() {
            let size = if case.form == VALUES { case.n } else { case.dim };
            let mut outcome = Ok(());
            group.bench_function(BenchmarkId::new(kernels.tier().name(), size), |bencher| {
                bencher.iter_custom(|times| {
                    let start = Instant::now();
                    let called = call(kernels, times as usize);
                    let elapsed = start.elapsed();
                    outcome = outcome.and(called);
                    elapsed
                });
            });
            outcome?;
        }
        group.finish();
        Ok(())
    });
    if let Err(error) = visited {
        unreachable!("the shapes of this bench are its own: {error}");
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(50))
        .measurement_time(Duration::from_millis(300));
    targets = kernels
}
criterion_main!(benches);
