//! Proof 2: every tier computes what the scalar truth computes, in the very program that was disassembled.

use super::probe::Probe;
use super::report::Proof;
use crate::process::Outcome;

/// A probe and what to call the CPU that runs it.
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) probe: Probe,
    /// Whether all its tiers are compared, or the best alone: emulation is slow.
    pub(crate) all_tiers: bool,
}

/// Compares all tiers that each machine has; a tier that none has is reported as not run.
pub(crate) fn check(machines: &[Machine]) -> Outcome<Proof> {
    let mut proof = Proof::new("2 equality with the scalar truth");
    proof.columns = ["CPU", "tier", "values compared", "wrong"].map(str::to_owned).to_vec();
    let mut seen: Vec<(String, bool)> = Vec::new();
    for machine in machines {
        compare(&mut proof, machine, (!machine.all_tiers).then_some("best"), &mut seen)?;
    }
    for (tier, ran) in seen {
        if !ran {
            proof.not_run.push(format!("{tier}: no CPU here has it"));
        }
    }
    proof.summary = format!("{} CPUs", machines.len());
    Ok(proof)
}

/// Compares one machine's tiers, the best alone, or a planted fault.
pub(crate) fn compare(
    proof: &mut Proof,
    Machine { cpu, probe, .. }: &Machine,
    what: Option<&str>,
    seen: &mut Vec<(String, bool)>,
) -> Outcome<()> {
    let mut compared = false;
    for line in probe.ask(&[&["equality"][..], what.as_slice()].concat())? {
        match line.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["equality", tier, "not run"] => note(seen, tier, false),
            ["equality", tier, compared_values, wrong] => {
                compared |= compared_values.parse::<u64>()? > 0;
                note(seen, tier, true);
                proof.rows.push([cpu.as_str(), tier, compared_values, wrong].map(str::to_owned).to_vec());
                if *wrong != "0" {
                    let found = format!("{wrong} of {compared_values} values are wrong");
                    proof.violation("unequal", format!("{tier} on {cpu}"), found);
                }
            }
            ["unequal", tier, what] => proof.violation("unequal", format!("{tier} on {cpu}"), *what),
            _ => {}
        }
    }
    if !compared {
        proof.violation("unequal", cpu, "nothing was compared");
    }
    Ok(())
}

fn note(seen: &mut Vec<(String, bool)>, tier: &str, ran: bool) {
    match seen.iter_mut().find(|(known, _)| known == tier) {
        Some((_, known)) => *known |= ran,
        None => seen.push((tier.to_owned(), ran)),
    }
}
