//! Criterion benches of the exact scan: one query and a batch, by element type.
//!
//! `cargo bench -p bench-harness --bench exact -- --quick`
#![allow(missing_docs, reason = "criterion's macros make functions without documentation")]

use std::error::Error;

use bench_harness::dtype::Dtype;
use bench_harness::engine::Index;
use bench_harness::exact::ExactIndex;
use bench_harness::generate::generate;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use simd_kernels::Kernels;

const K: usize = 10;

fn scan(criterion: &mut Criterion) -> Result<(), Box<dyn Error>> {
    let numbers = generate(&"synth:sift?n=20000&q=64".parse()?)?;
    let bits = generate(&"synth:bits?n=20000&q=64".parse()?)?;
    let mut group = criterion.benchmark_group("exact");
    for dtype in [Dtype::F32, Dtype::F16, Dtype::U8, Dtype::Bits] {
        let set = if dtype == Dtype::Bits { &bits } else { &numbers };
        let queries = set.queries.convert(dtype)?.vectors;
        let index = ExactIndex::new(Kernels::active()?, &set.base.convert(dtype)?.vectors, set.metric)?;
        let mut searcher = index.prepare(0, &queries, K, 1)?;
        let mut found = Vec::new();
        group.throughput(Throughput::Elements(1));
        let mut query = 0;
        group.bench_function(format!("single/{dtype}"), |bencher| {
            bencher.iter(|| {
                query = (query + 1) % queries.len();
                searcher.single(query, &mut found)
            });
        });
        group.throughput(Throughput::Elements(queries.len() as u64));
        group.bench_function(format!("batch/{dtype}"), |bencher| bencher.iter(|| searcher.batch(&mut found)));
    }
    group.finish();
    Ok(())
}

fn exact(criterion: &mut Criterion) {
    if let Err(error) = scan(criterion) {
        unreachable!("the sets of this bench are its own: {error}");
    }
}

criterion_group!(benches, exact);
criterion_main!(benches);
