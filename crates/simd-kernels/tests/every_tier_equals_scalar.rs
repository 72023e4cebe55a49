//! Every tier that this CPU can run computes what the scalar truth computes.
//!
//! A tier that it cannot run is printed as not run, and is an error under `NIGH_REQUIRE_TIERS=all`.

mod compare;

use simd_kernels::{Kernels, Tier};

#[test]
fn every_available_tier_equals_the_scalar_truth() {
    let all_required = std::env::var("NIGH_REQUIRE_TIERS").is_ok_and(|value| value == "all");
    for &tier in Tier::ALL {
        let Some(kernels) = Kernels::for_tier(tier) else {
            assert!(!all_required, "{tier} is required and this CPU cannot run it");
            println!("{tier}: not run, this CPU lacks it");
            continue;
        };
        let tally = compare::table(kernels);
        assert!(tally.comparisons > 100_000, "only {} comparisons", tally.comparisons);
        let shown = tally.failures.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
        assert!(tally.failures.is_empty(), "{tier}: {} failures\n{shown}", tally.failures.len());
    }
}

#[test]
fn lengths_cover_every_tail() {
    for width in [4, 8, 16, 32, 64, 128] {
        for tail in 0..width {
            assert!(compare::lengths().any(|dim| dim > width && dim % width == tail), "{width} {tail}");
        }
    }
}
