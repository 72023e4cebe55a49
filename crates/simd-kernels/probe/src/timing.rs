//! Ratios and times. A ratio compares two pieces of code in turns within one run, so that the clock's wandering
//! and a busy neighbour touch both.

use std::time::{Duration, Instant};

use simd_kernels::{Kernels, Tier};

use crate::subjects::{Subject, of_table};

/// Turns of a comparison. The median of the turns counts.
const TURNS: usize = 9;
/// What one turn of one side takes at least.
const TURN: Duration = Duration::from_micros(25);

/// How many times faster each kernel of each available tier is than its scalar twin.
pub(crate) fn print_ratios(fault: Option<&str>) {
    for kernels in Tier::ALL.iter().filter_map(|&tier| Kernels::for_tier(tier)) {
        for Subject { kernel, work, twin } in of_table(kernels, fault) {
            let (work_calls, twin_calls) = (calls_per_turn(&work), calls_per_turn(&twin));
            let mut ratios: Vec<f64> =
                (0..TURNS).map(|_| seconds(&twin, twin_calls) / seconds(&work, work_calls)).collect();
            ratios.sort_unstable_by(f64::total_cmp);
            println!("ratio\t{}\t{kernel}\t{:.3}", kernels.tier(), ratios[TURNS / 2]);
        }
    }
}

/// The least time of each kernel in the table in use and in the portable one, in nanoseconds per call.
pub(crate) fn print_times() {
    let active = Kernels::active().expect("a tier");
    for kernels in [Some(active), Kernels::for_tier(Tier::Baseline)].into_iter().flatten() {
        for Subject { kernel, work, .. } in of_table(kernels, None) {
            let calls = calls_per_turn(&work);
            let least = (0..2 * TURNS).map(|_| seconds(&work, calls)).fold(f64::INFINITY, f64::min);
            println!("time\t{}\t{kernel}\t{:.2}", kernels.tier(), least * 1e9);
        }
    }
}

/// Calls that fill a turn.
fn calls_per_turn(work: &dyn Fn()) -> u32 {
    let mut calls = 1;
    while calls < 1 << 20 {
        let start = Instant::now();
        (0..calls).for_each(|_| work());
        if start.elapsed() >= TURN {
            break;
        }
        calls *= 2;
    }
    calls
}

/// Seconds of one call.
fn seconds(work: &dyn Fn(), calls: u32) -> f64 {
    let start = Instant::now();
    (0..calls).for_each(|_| work());
    start.elapsed().as_secs_f64() / f64::from(calls)
}
