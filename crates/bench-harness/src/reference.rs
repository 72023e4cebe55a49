//! A fixed piece of work that is timed beside every measurement, so that a speed can be given as a ratio.
//!
//! It shares no code with the libraries: whatever they gain or lose, this stays as it is, and what slows both (a slower
//! clock, a neighbour in the cache or on the same core) cancels out of the ratio. There are two parts, because
//! neighbours slow them by different factors: reading a block in the first-level cache as fast as the core can, and
//! visits of lines in an order that no prefetcher guesses, over a block that is larger than the second-level cache.
//!
//! The near part takes the widest vectors that the CPU has, through the crate `pulp`, whatever `NIGH_SIMD` says. It has
//! to: on a core that two hyper-threads share, code that leaves units idle hardly feels the other thread, while
//! kernels that keep them busy lose a third to it.
//!
//! The figures mean something only beside others of the same CPU and compiler.

use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use pulp::{Arch, Simd, WithSimd};

use crate::protocol::{Clock, cpu_seconds};

/// Words of the near block: 16 KiB.
const NEAR: usize = 2 << 10;
/// Words of a cache line.
const LINE: usize = 8;
/// Values of the far block: 8 MiB.
const FAR: usize = 2 << 20;
/// Passes over the near block in a sample: about a tenth of a millisecond.
const PASSES: usize = 2500;
/// Lines of the far block that a sample visits, about as long.
const VISITS: usize = 4 << 10;
/// Samples of which the middle one counts.
const SAMPLES: usize = 3;

/// How fast the machine was for a moment: samples of the fixed work a second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pace {
    /// Reading from the first-level cache, by the time that passed and by the time that the thread had a core.
    pub near: [f64; 2],
    /// Visits of lines beyond the second-level cache, likewise.
    pub far: [f64; 2],
}

impl Pace {
    /// The pace in the first-level cache by a clock.
    pub fn near_by(&self, clock: Clock) -> f64 {
        self.near[usize::from(clock == Clock::Cpu)]
    }

    /// The pace beyond the second-level cache by a clock.
    pub fn far_by(&self, clock: Clock) -> f64 {
        self.far[usize::from(clock == Clock::Cpu)]
    }

    /// The pace between two moments.
    pub fn between(self, other: Self) -> Self {
        // Times are averaged, not speeds.
        let mean = |a: f64, b: f64| 2.0 / (1.0 / a + 1.0 / b);
        let both = |a: [f64; 2], b: [f64; 2]| [mean(a[0], b[0]), mean(a[1], b[1])];
        Self { near: both(self.near, other.near), far: both(self.far, other.far) }
    }
}

/// The blocks that the fixed work walks over.
#[derive(Debug)]
pub struct Reference {
    arch: Arch,
    near: Vec<u64>,
    /// Where a cache line begins in the near block: reads across lines would take twice as long.
    start: usize,
    far: Vec<f32>,
    /// Where the visits go on: a sample that went where the last one was would find its lines near by.
    state: AtomicU32,
}

impl Default for Reference {
    fn default() -> Self {
        let near: Vec<u64> = (0..(NEAR + LINE) as u64).collect();
        let start = near.as_ptr().align_offset(LINE * size_of::<u64>()).min(LINE);
        Self {
            arch: Arch::new(),
            near,
            start,
            far: (0..FAR).map(|at| (at * 7 % 13) as f32).collect(),
            state: AtomicU32::new(0x9e37_79b9),
        }
    }
}

impl Reference {
    /// The pace at this moment, on this thread.
    pub fn pace(&self) -> Pace {
        let far = middle(|| {
            let (sum, state) = visit(black_box(&self.far), self.state.load(Ordering::Relaxed));
            self.state.store(state, Ordering::Relaxed);
            black_box(sum);
        });
        Pace { near: self.near(), far }
    }

    /// The pace in the first-level cache alone, by both clocks: all that matters to what stays there.
    pub fn near(&self) -> [f64; 2] {
        let near = self.near.get(self.start..self.start + NEAR).unwrap_or(&self.near);
        middle(|| {
            black_box(self.arch.dispatch(Fold(near)));
        })
    }
}

/// The middle one of some samples, as samples a second by both clocks.
fn middle(mut work: impl FnMut()) -> [f64; 2] {
    let [mut walls, mut cpus] = [[0.0; SAMPLES]; 2];
    for (wall, own) in walls.iter_mut().zip(&mut cpus) {
        let (cpu, start) = (cpu_seconds(), Instant::now());
        work();
        *wall = start.elapsed().as_secs_f64();
        *own = cpu.zip(cpu_seconds()).map_or(*wall, |(begin, end)| end - begin);
    }
    [walls, cpus].map(|mut times| {
        times.sort_unstable_by(f64::total_cmp);
        1.0 / times[SAMPLES / 2].max(1e-9)
    })
}

/// Reads a block [`PASSES`] times and XORs what it read.
struct Fold<'a>(&'a [u64]);

impl WithSimd for Fold<'_> {
    type Output = u64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> u64 {
        let mut sums = [simd.splat_u64s(0); 8];
        for _ in 0..PASSES {
            let (vectors, _) = S::as_simd_u64s(black_box(self.0));
            for eight in vectors.as_chunks::<8>().0 {
                for (sum, value) in sums.iter_mut().zip(eight) {
                    *sum = simd.xor_u64s(*sum, *value);
                }
            }
        }
        let [first, others @ ..] = sums;
        black_box(others.into_iter().fold(first, |sum, other| simd.xor_u64s(sum, other)));
        self.0.len() as u64
    }
}

/// The sum of values at [`VISITS`] places, and the state to go on with.
#[inline(never)]
fn visit(values: &[f32], mut state: u32) -> (f32, u32) {
    let mut sum = 0.0;
    for _ in 0..VISITS {
        // Marsaglia's xorshift; the length is a power of two.
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        sum += values.get(state as usize & (FAR - 1)).copied().unwrap_or(0.0);
    }
    (sum, state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_a_speed_by_both_clocks() {
        let pace = Reference::default().pace();
        for clock in [Clock::Wall, Clock::Cpu] {
            assert!(pace.near_by(clock) > 1.0 && pace.far_by(clock) > 1.0, "{pace:?}");
        }
    }

    #[test]
    fn the_near_block_begins_with_a_cache_line() {
        let reference = Reference::default();
        assert!(reference.near[reference.start..].as_ptr().addr().is_multiple_of(64));
        assert!(reference.near.len() - reference.start >= NEAR);
    }

    #[test]
    fn between_two_moments_times_are_averaged() {
        let pace = |speed: f64| Pace { near: [speed; 2], far: [2.0 * speed; 2] };
        // A second and three seconds a sample: two seconds.
        let between = pace(1.0).between(pace(1.0 / 3.0));
        assert!((between.near[0] - 0.5).abs() < 1e-12 && (between.far[1] - 1.0).abs() < 1e-12);
    }
}
