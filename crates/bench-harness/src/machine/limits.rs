//! What this machine can read per second, measured in the process that is being judged.
//!
//! The loop is the cheapest that has to touch every byte: it XORs a block into eight accumulators, in the widest
//! vectors that the CPU has. It shares no code with the kernels, so "share of the limit" compares a kernel with
//! the machine and not with itself. The best of many short samples counts: a limit is what is possible, and
//! what disturbs a sample only lowers it.
//!
//! Blocks: three quarters of L1, half of L2, half of L3 (at most 16 MiB of it: it is shared), and for memory a
//! block of at least 256 MiB and four times the L3. Cycles are counted by a chain of dependent multiply-adds of
//! four cycles each (x86), because counters are seldom readable in a virtual machine.

use std::hint::black_box;
use std::time::Instant;

use layouts::AlignedVec;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Caches, available_memory};

/// Measured read bandwidth in bytes per second, by where the data lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// First-level cache, one thread.
    pub l1: f64,
    /// Second-level cache, one thread.
    pub l2: Option<f64>,
    /// Third-level cache, one thread.
    pub l3: Option<f64>,
    /// Memory, one thread, sequential.
    pub memory: f64,
    /// Memory, the threads of the run together.
    pub memory_all: f64,
    /// How many threads `memory_all` is for.
    pub threads: usize,
    /// Clock in Hz while it was measured (x86 only).
    pub clock: Option<f64>,
}

/// The place that bounds a scan, with what it can deliver.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    /// `L1`, `L2`, `L3` or `memory`.
    pub name: &'static str,
    /// Bytes per second.
    pub bytes_per_s: f64,
}

impl Limits {
    /// Measures; well under a second. `pool` is where the threads of the run live.
    ///
    /// # Errors
    /// [`layouts::Error`] if there is no memory for the blocks.
    pub fn measure(caches: &Caches, pool: &rayon::ThreadPool) -> Result<Self, layouts::Error> {
        pool.install(|| {
            let l1_size = caches.l1d.unwrap_or(32 << 10);
            let l3_size = caches.l3.unwrap_or(0);
            let cached = |size: u64| -> Result<f64, layouts::Error> {
                let block = block_of(size)?;
                Ok(best_rate(&block, 25, (1 << 20) / size.max(1) as usize + 1))
            };
            let memory_size = available_memory().map_or(256 << 20, |free| {
                (4 * l3_size.max(64 << 20)).clamp(256 << 20, 1 << 30).min(free / 4)
            });
            let memory = block_of(memory_size)?;
            let threads = rayon::current_num_threads();
            let one = best_rate(&memory, 5, 1);
            let all = if threads == 1 { one } else { best_rate_of_all(&memory, threads) };
            Ok(Self {
                l1: cached(l1_size / 4 * 3)?,
                l2: caches.l2.map(|size| cached(size / 2)).transpose()?,
                l3: caches.l3.map(|size| cached((size / 2).min(16 << 20))).transpose()?,
                memory: one,
                memory_all: all.max(one),
                threads,
                clock: clock(),
            })
        })
    }

    /// L1 bandwidth in bytes per clock cycle, where the clock is known.
    pub fn l1_bytes_per_cycle(&self) -> Option<f64> {
        self.clock.map(|clock| self.l1 / clock)
    }

    /// What bounds a scan of `bytes` by `threads` threads: the smallest place that holds them.
    pub fn bound_of(&self, bytes: u64, caches: &Caches, threads: usize) -> Bound {
        let fits = |size: Option<u64>| size.is_some_and(|size| bytes <= size / 8 * 7);
        let scale = threads as f64;
        match (self.l2, self.l3) {
            _ if fits(caches.l1d) => Bound { name: "L1", bytes_per_s: self.l1 * scale },
            (Some(l2), _) if fits(caches.l2) => Bound { name: "L2", bytes_per_s: l2 * scale },
            (_, Some(l3)) if fits(caches.l3) => Bound { name: "L3", bytes_per_s: l3 * scale },
            _ if threads == 1 => Bound { name: "memory", bytes_per_s: self.memory },
            _ => Bound { name: "memory", bytes_per_s: self.memory_all },
        }
    }
}

/// A block of about `size` bytes, all written once so that its pages exist.
fn block_of(size: u64) -> Result<AlignedVec<u64>, layouts::Error> {
    let mut block = AlignedVec::zeroed(size as usize / 8)?;
    block.iter_mut().enumerate().for_each(|(index, word)| *word = index as u64);
    Ok(block)
}

/// Reads a block `repeats` times and XORs what it read.
struct Fold<'a> {
    data: &'a [u64],
    repeats: usize,
}

impl WithSimd for Fold<'_> {
    type Output = u64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> u64 {
        let mut acc = [simd.splat_u64s(0); 8];
        let mut rest_of_all = 0;
        for _ in 0..self.repeats {
            let (vectors, rest) = S::as_simd_u64s(black_box(self.data));
            let (eights, ones) = vectors.as_chunks::<8>();
            for eight in eights {
                for (acc, value) in acc.iter_mut().zip(eight) {
                    *acc = simd.xor_u64s(*acc, *value);
                }
            }
            for value in ones {
                acc[0] = simd.xor_u64s(acc[0], *value);
            }
            rest_of_all ^= rest.iter().fold(0, |sum, value| sum ^ value);
        }
        let [first, others @ ..] = acc;
        let sum = others.into_iter().fold(first, |sum, acc| simd.xor_u64s(sum, acc));
        black_box(sum);
        rest_of_all
    }
}

/// Best bytes per second over `samples` samples of `repeats` passes each, after one pass to warm up.
fn best_rate(data: &[u64], samples: usize, repeats: usize) -> f64 {
    let arch = Arch::new();
    black_box(arch.dispatch(Fold { data, repeats: 1 }));
    let mut best = f64::INFINITY;
    for _ in 0..samples {
        let start = Instant::now();
        black_box(arch.dispatch(Fold { data, repeats }));
        best = best.min(start.elapsed().as_secs_f64());
    }
    (size_of_val(data) * repeats) as f64 / best
}

/// As [`best_rate`], the block shared out to the threads of the current pool.
fn best_rate_of_all(data: &[u64], threads: usize) -> f64 {
    let arch = Arch::new();
    let share = data.len().div_ceil(threads).max(1);
    let mut best = f64::INFINITY;
    for _ in 0..6 {
        let start = Instant::now();
        data.par_chunks(share).for_each(|data| {
            black_box(arch.dispatch(Fold { data, repeats: 1 }));
        });
        best = best.min(start.elapsed().as_secs_f64());
    }
    size_of_val(data) as f64 / best
}

/// The clock in Hz, from dependent multiply-adds: a 64-bit multiply takes three cycles and an addition one on
/// every x86 core of the last fifteen years. Other architectures differ too much to say.
fn clock() -> Option<f64> {
    const STEPS: u64 = 200_000;
    const CYCLES: u64 = 4;
    if !cfg!(target_arch = "x86_64") {
        return None;
    }
    let (factor, term) = (black_box(6_364_136_223_846_793_005_u64), black_box(1_442_695_040_888_963_407_u64));
    let mut best = f64::INFINITY;
    for _ in 0..10 {
        let start = Instant::now();
        let mut value = black_box(1_u64);
        for _ in 0..STEPS {
            value = value.wrapping_mul(factor).wrapping_add(term);
        }
        black_box(value);
        best = best.min(start.elapsed().as_secs_f64());
    }
    Some((STEPS * CYCLES) as f64 / best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_the_smallest_place_that_holds_the_data() {
        let caches = Caches { l1d: Some(32 << 10), l2: Some(1 << 20), l3: Some(32 << 20) };
        let limits = Limits {
            l1: 200e9,
            l2: Some(100e9),
            l3: Some(50e9),
            memory: 20e9,
            memory_all: 30e9,
            threads: 2,
            clock: None,
        };
        assert_eq!(limits.bound_of(16 << 10, &caches, 1), Bound { name: "L1", bytes_per_s: 200e9 });
        assert_eq!(limits.bound_of(500 << 10, &caches, 1).name, "L2");
        assert_eq!(limits.bound_of(4 << 20, &caches, 2), Bound { name: "L3", bytes_per_s: 100e9 });
        assert_eq!(limits.bound_of(1 << 30, &caches, 1).bytes_per_s, 20e9);
        assert_eq!(limits.bound_of(1 << 30, &caches, 2).bytes_per_s, 30e9);
        assert_eq!(limits.bound_of(1 << 10, &Caches::default(), 1).name, "memory");
    }

    #[test]
    fn limits_are_measured_and_ordered_sensibly() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let limits = Limits::measure(&Caches { l1d: Some(32 << 10), l2: None, l3: None }, &pool).unwrap();
        assert!(limits.l1.is_finite() && limits.l1 > 0.0);
        assert!(limits.memory.is_finite() && limits.memory > 0.0);
        assert!(limits.memory_all >= limits.memory);
    }
}
