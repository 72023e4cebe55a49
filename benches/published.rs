//! Criterion benches of publishing snapshots: what a pin costs, what a version costs, what rows in blocks cost.
//!
//! `cargo bench -p bench-harness --bench published -- --quick`
#![allow(missing_docs, reason = "criterion's macros make functions without documentation")]

use std::error::Error;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use layouts::published::Writer;
use layouts::{AlignedVec, Blocks};

const ROWS: usize = 1_000_000;
const WIDTH: usize = 32;

/// Pins beside the two usual ways to share a snapshot; alone, and while a second thread does the same.
fn pin(criterion: &mut Criterion) -> Result<(), Box<dyn Error>> {
    let writer = Writer::new(1u64)?;
    let locked = RwLock::new(Arc::new(1u64));
    for (name, company) in [("alone", false), ("beside one more", true)] {
        let mut group = criterion.benchmark_group(format!("pin/{name}"));
        let mut reader = writer.published().reader()?;
        let mut other = writer.published().reader()?;
        beside(
            company,
            || _ = black_box(*other.pin()),
            || {
                group.bench_function("published", |bencher| bencher.iter(|| *reader.pin()));
            },
        );
        let read = || locked.read().map_or(0, |guard| **guard);
        beside(
            company,
            || _ = black_box(read()),
            || {
                group.bench_function("read lock", |bencher| bencher.iter(read));
            },
        );
        let clone = || locked.read().map_or(0, |guard| *Arc::clone(&guard));
        beside(
            company,
            || _ = black_box(clone()),
            || {
                group.bench_function("read lock and Arc", |bencher| bencher.iter(clone));
            },
        );
        group.finish();
    }
    Ok(())
}

/// Runs `measure`, and `work` in another thread all the while if there is to be company.
fn beside(company: bool, mut work: impl FnMut() + Send, measure: impl FnOnce()) {
    let stop = AtomicBool::new(!company);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                work();
            }
        });
        measure();
        stop.store(true, Ordering::Relaxed);
    });
}

/// A next version of a graph of 1M rows of 32 neighbours.
fn publish(criterion: &mut Criterion) -> Result<(), Box<dyn Error>> {
    let rows = AlignedVec::<u32>::zeroed(ROWS * WIDTH)?;
    let mut group = criterion.benchmark_group("publish 1M x 32 u32");
    group.sample_size(10);
    for rows_per_block in [32, 256] {
        let mut own = Blocks::from_rows(&rows, WIDTH, rows_per_block)?;
        let mut writer = Writer::new(own.try_clone()?)?;
        let mut state = 1;
        group.bench_function(format!("{rows_per_block} rows a block/nothing changed"), |bencher| {
            bencher.iter(|| writer.publish(own.try_clone()?));
        });
        for (name, changes) in [("1 % of blocks", own.blocks() / 100), ("32 rows", 32)] {
            group.bench_function(format!("{rows_per_block} rows a block/{name} changed"), |bencher| {
                bencher.iter(|| {
                    for _ in 0..changes {
                        own.row_mut(next(&mut state))?[0] += 1;
                    }
                    writer.publish(own.try_clone()?)
                });
            });
        }
    }
    group.throughput(Throughput::Bytes((ROWS * WIDTH * 4) as u64));
    group.bench_function("everything copied", |bencher| bencher.iter(|| rows.try_clone()));
    group.finish();
    Ok(())
}

/// Random rows of 128 bytes, independent of each other, from blocks and from one array.
fn rows(criterion: &mut Criterion) -> Result<(), Box<dyn Error>> {
    let flat = AlignedVec::<u32>::from_slice(&(0..(ROWS * WIDTH) as u32).collect::<Vec<_>>())?;
    let mut group = criterion.benchmark_group("1000 random rows of 1M x 32 u32");
    let mut state = 7;
    let mut ids = || (0..1000).map(|_| next(&mut state)).collect::<Vec<_>>();
    let sum = |row: &[u32]| row.iter().fold(0u32, |sum, &element| sum.wrapping_add(element));
    group.bench_function("one array on huge pages", |bencher| {
        let read =
            |ids: Vec<usize>| ids.iter().map(|id| u64::from(sum(&flat[id * WIDTH..][..WIDTH]))).sum::<u64>();
        bencher.iter_batched(&mut ids, read, BatchSize::SmallInput);
    });
    for rows_per_block in [32, 256] {
        let blocks = Blocks::from_rows(&flat, WIDTH, rows_per_block)?;
        group.bench_function(format!("{rows_per_block} rows a block"), |bencher| {
            let read = |ids: Vec<usize>| {
                ids.iter().map(|&id| u64::from(sum(blocks.row(id).unwrap_or_default()))).sum::<u64>()
            };
            bencher.iter_batched(&mut ids, read, BatchSize::SmallInput);
        });
    }
    group.finish();
    Ok(())
}

fn next(state: &mut u64) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) as usize % ROWS
}

fn all(criterion: &mut Criterion) {
    for bench in [pin, publish, rows] {
        if let Err(error) = bench(criterion) {
            unreachable!("there is memory for the rows of this bench: {error}");
        }
    }
}

criterion_group!(benches, all);
criterion_main!(benches);
