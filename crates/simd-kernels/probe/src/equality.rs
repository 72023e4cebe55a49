//! The comparison with the scalar truth, on the very machine code that is inspected.

use simd_kernels::{Kernels, Tier};

use crate::faults;

#[path = "../../tests/compare/mod.rs"]
mod compare;

pub(crate) use compare::{Plan, Subject, Tally, Truth, element, measure};

/// Compares every available tier, or only a planted fault; prints the score and the failures.
pub(crate) fn print(fault: Option<&str>) {
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
