//! The check is checked: every fault is planted in a real program and must be seen.

use super::instructions::{self, Reader};
use super::probe::{Probe, Table};
use super::report::Proof;
use super::values::Machine;
use super::{speed, values, widened};
use crate::process::Outcome;
use crate::variants::VARIANTS;

/// The faults in machine code, and the sort of violation that each must be seen as.
const IN_CODE: &[(&str, &str)] = &[
    ("compiled-without-its-feature", "missing"),
    ("above-its-tier", "above tier"),
    ("scalar-under-avx512", "missing"),
    ("calls-a-helper", "calls"),
    ("gathers", "gathers"),
    ("compresses-to-memory", "compresses to memory"),
    ("leaves-upper-halves-dirty", "dirty upper halves"),
    ("divides", "divides"),
    ("inherits-undeclared", "inherits undeclared"),
    ("body-undeclared", "body undeclared"),
];

/// Plants each fault; one that is not seen is a violation.
pub(crate) fn check(probe: &Probe, table: &Table) -> Outcome<Proof> {
    let mut proof = Proof::new("self-test: planted faults");
    proof.columns = ["fault", "must be seen as", "seen"].map(str::to_owned).to_vec();
    let planted: Vec<String> =
        probe.ask(&["faults"])?.into_iter().filter_map(|mut line| line.pop()).collect();
    for fault in planted.iter().filter(|fault| IN_CODE.iter().all(|(known, _)| known != fault)) {
        proof.violation("not tested", fault, "the probe has a fault that the self-test does not plant");
    }
    let sound = instructions::check(probe, &Reader::X86, None)?;
    for &(fault, kind) in IN_CODE {
        if !planted.iter().any(|known| known == fault) {
            proof.violation("not planted", fault, "the probe does not have this fault");
            continue;
        }
        let faulty = instructions::check(probe, &Reader::X86, Some(fault))?;
        record(&mut proof, fault, kind, &sound, &faulty);
    }

    let nothing = Proof::new("nothing planted");
    let mut faulty = Proof::new("2");
    let machine = Machine { cpu: "this machine".to_owned(), probe: probe.clone(), all_tiers: true };
    values::compare(&mut faulty, &machine, Some("wrong-tail"), &mut Vec::new())?;
    record(&mut proof, "wrong-tail", "unequal", &nothing, &faulty);

    let faulty = speed::check(probe, table, Some("scalar-body"))?;
    let sound = speed::check(probe, table, None)?;
    record(&mut proof, "scalar-body", "slow", &sound, &faulty);

    // The baseline build under the name of each variant is a variant that did not widen.
    for variant in VARIANTS.iter().filter(|variant| !variant.widened.is_empty()) {
        let mut faulty = widened::proof();
        widened::check(&mut faulty, variant, probe)?;
        record(&mut proof, &format!("{} not widened", variant.cpu), "not widened", &nothing, &faulty);
    }
    proof.summary = format!("{} faults planted", proof.rows.len());
    Ok(proof)
}

/// Notes whether `faulty` shows a violation of the right sort that `sound` does not show.
fn record(proof: &mut Proof, fault: &str, kind: &'static str, sound: &Proof, faulty: &Proof) {
    let count = |proof: &Proof| proof.violations.iter().filter(|violation| violation.kind == kind).count();
    let seen = count(faulty) > count(sound);
    proof.rows.push([fault, kind, if seen { "yes" } else { "NO" }].map(str::to_owned).to_vec());
    if !seen {
        proof.violation("not seen", fault, format!("planted, and not reported as `{kind}`"));
    }
}
