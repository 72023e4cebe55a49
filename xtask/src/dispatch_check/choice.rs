//! Proof 3: the best tier that a CPU has is the one that is chosen, a cap is obeyed, nonsense is refused.

use simd_kernels::Tier;

use super::probe::{Choice, Probe, Table};
use super::report::Proof;
use super::values::Machine;
use crate::process::Outcome;

/// What an emulated CPU must come to.
pub(crate) struct Expectation {
    pub(crate) machine: Machine,
    pub(crate) tier: Tier,
}

/// Asks the probe natively, under every cap, and on emulated CPUs.
pub(crate) fn check(native: &Probe, table: &Table, emulated: &[Expectation]) -> Outcome<Proof> {
    let mut proof = Proof::new("3 choice of the tier");
    proof.columns = ["CPU", "NIGH_SIMD", "expected", "got"].map(str::to_owned).to_vec();
    let best = table.tiers.iter().rev().find(|(_, available)| *available).map(|(tier, _)| *tier);
    let best = best.ok_or("this CPU has no tier at all")?;
    expect(&mut proof, "this machine", None, best.name(), &native.choice(None)?);
    for (tier, available) in &table.tiers {
        let expected = if *available { tier.name() } else { "refused" };
        expect(&mut proof, "this machine", Some(tier.name()), expected, &native.choice(Some(tier.name()))?);
    }
    for nonsense in ["nonsense", "", "AVX2"] {
        expect(&mut proof, "this machine", Some(nonsense), "refused", &native.choice(Some(nonsense))?);
    }
    for Expectation { machine, tier } in emulated {
        expect(&mut proof, &machine.cpu, None, tier.name(), &machine.probe.choice(None)?);
        expect(
            &mut proof,
            &machine.cpu,
            Some("baseline"),
            "baseline",
            &machine.probe.choice(Some("baseline"))?,
        );
        if *tier < Tier::Avx512Bf16 {
            let got = machine.probe.choice(Some("avx512bf16"))?;
            expect(&mut proof, &machine.cpu, Some("avx512bf16"), "refused", &got);
        }
    }
    proof.summary = format!("{} choices, {} of them on emulated CPUs", proof.rows.len(), 3 * emulated.len());
    Ok(proof)
}

fn expect(proof: &mut Proof, cpu: &str, asked: Option<&str>, expected: &str, got: &Choice) {
    let shown = match got {
        Choice::Active(tier) => tier.name(),
        // A refusal must name what was asked for, or nobody will find the misspelling.
        Choice::Refused(message) if message.contains(asked.unwrap_or_default()) => "refused",
        Choice::Refused(_) => "refused without a name",
    };
    proof.rows.push([cpu, asked.unwrap_or("-"), expected, shown].map(str::to_owned).to_vec());
    if shown != expected {
        let place = format!("{cpu}, NIGH_SIMD={}", asked.unwrap_or("(unset)"));
        proof.violation("wrong choice", place, format!("expected {expected}, got {got:?}"));
    }
}
