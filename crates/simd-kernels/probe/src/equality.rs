//! The comparison with the scalar truth, on the very machine code that is inspected.

use simd_kernels::{Kernels, Tier};

use crate::faults;

#[path = "../../tests/compare/mod.rs"]
mod compare;

pub(crate) use compare::{Plan, Subject, Tally, Truth, element, measure};

/// The word for the best tier alone, where the others were compared on another CPU.
const BEST: &str = "best";

/// Compares every available tier, the best one, or a planted fault; prints the score and the failures.
pub(crate) fn print(fault: Option<&str>) {
    if fault == Some(BEST) {
        if let Some(kernels) = Tier::ALL.iter().rev().find_map(|&tier| Kernels::for_tier(tier)) {
            print_tally(kernels.tier(), &compare::table(kernels));
        }
        return;
    }
    if let Some(fault) = fault {
        print_tally(Tier::Baseline, &faults::compare(fault));
        return;
    }
    for &tier in Tier::ALL {
        match Kernels::for_tier(tier) {
            Some(kernels) => print_tally(tier, &compare::table(kernels)),
            None => println!("equality\t{tier}\tnot run"),
        }
    }
}

fn print_tally(tier: Tier, tally: &Tally) {
    println!("equality\t{tier}\t{}\t{}", tally.comparisons, tally.failures.len());
    for failure in tally.failures.iter().take(20) {
        println!("unequal\t{tier}\t{failure}");
    }
}
