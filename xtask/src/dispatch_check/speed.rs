//! Proof 4: no kernel has silently become scalar. A ratio of two times from one run, in turns; never a time.

use std::collections::BTreeMap;

use simd_kernels::{Tier, contract};

use super::probe::{Probe, Table};
use super::report::Proof;
use crate::process::Outcome;

/// Measures all kernels of all available tiers; what misses its floor has a second chance.
pub(crate) fn check(probe: &Probe, table: &Table, fault: Option<&str>) -> Outcome<Proof> {
    let mut proof = Proof::new("4 speed-up over the scalar twin");
    let mut ratios = measure(probe, fault)?;
    if missed(&ratios) {
        for (key, again) in measure(probe, fault)? {
            let ratio = ratios.entry(key).or_insert(again);
            *ratio = ratio.max(again);
        }
    }
    proof.columns =
        ["tier", "kernels", "least above its floor", "ratio", "floor"].map(str::to_owned).to_vec();
    for &(tier, available) in &table.tiers {
        if !available {
            proof.not_run.push(format!("{tier}: this CPU lacks it"));
            continue;
        }
        let mut nearest: Option<(String, f64, f64)> = None;
        let mut count = 0;
        for kernel in table.kernels.iter().filter(|kernel| kernel.tier == tier) {
            let place = format!("{} on {tier}", kernel.name);
            let Some((_, body)) = contract::find(&kernel.name, tier) else { continue };
            let Some(&ratio) = ratios.get(&(tier, kernel.name.clone())) else {
                proof.violation("no ratio", place, "the probe does not measure this kernel (subjects.rs)");
                continue;
            };
            count += 1;
            proof.details.push(format!("  {place}: {ratio:.1}, floor {}", body.floor));
            if ratio < body.floor {
                let found = format!("{ratio:.2} times its scalar twin, the floor is {}", body.floor);
                proof.violation("slow", place, found);
            }
            if nearest.as_ref().is_none_or(|(_, least, floor)| ratio / body.floor < least / floor) {
                nearest = Some((kernel.name.clone(), ratio, body.floor));
            }
        }
        if let Some((kernel, ratio, floor)) = nearest {
            let row =
                [tier.to_string(), count.to_string(), kernel, format!("{ratio:.1}"), format!("{floor:.1}")];
            proof.rows.push(row.to_vec());
        }
    }
    proof.summary = format!("{} ratios, each the median of 9 turns", ratios.len());
    Ok(proof)
}

type Ratios = BTreeMap<(Tier, String), f64>;

fn missed(ratios: &Ratios) -> bool {
    ratios.iter().any(|((tier, kernel), ratio)| {
        contract::find(kernel, *tier).is_some_and(|(_, body)| *ratio < body.floor)
    })
}

fn measure(probe: &Probe, fault: Option<&str>) -> Outcome<Ratios> {
    let mut ratios = Ratios::new();
    for line in probe.ask(&[&["ratios"][..], fault.as_slice()].concat())? {
        if let [_, tier, kernel, ratio] = line.as_slice() {
            ratios.insert((tier.parse()?, kernel.clone()), ratio.parse()?);
        }
    }
    Ok(ratios)
}
