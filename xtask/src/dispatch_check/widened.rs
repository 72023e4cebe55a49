//! Proof 5: a build for a named CPU really is one. The portable kernels, which stay at 128 bits in the product,
//! must have grown to what the CPU has.

use simd_kernels::Tier;

use super::instructions::Reader;
use super::probe::{LANDMARK, Probe};
use super::program::Program;
use super::report::Proof;
use crate::process::Outcome;
use crate::variants::{Variant, Widening};

/// Reads the portable kernels of one variant and compares their width with what its CPU has.
pub(crate) fn check(proof: &mut Proof, variant: &Variant, probe: &Probe) -> Outcome<()> {
    let program = Program::open(&probe.path)?;
    let landmark = program.address_of(LANDMARK).ok_or_else(|| format!("the probe has no {LANDMARK}"))?;
    for Widening { kernel, any, bits } in variant.widened {
        let place = format!("{kernel} in the {} build", variant.cpu);
        let table = probe.table(None)?;
        let listed = table.kernels.iter().find(|known| known.tier == Tier::Baseline && known.name == *kernel);
        let Some(function) =
            listed.and_then(|listed| program.function_at(landmark.wrapping_add_signed(listed.offset)))
        else {
            proof.violation("not widened", place, "the kernel is not there");
            continue;
        };
        let code = Reader::X86.read(&program, function);
        proof.rows.push(vec![
            variant.cpu.to_owned(),
            (*kernel).to_owned(),
            format!("{} on {bits} bits", any.join("/")),
            format!("{} bits", code.widest_in_loop()),
        ]);
        if !code.has_in_loop(any, *bits) {
            let found =
                format!("no {} on {bits} bits in a loop; widest {}", any.join("/"), code.widest_in_loop());
            proof.violation("not widened", place, found);
        }
    }
    Ok(())
}

/// An empty proof to check variants into.
pub(crate) fn proof() -> Proof {
    let mut proof = Proof::new("5 per-CPU variants");
    proof.columns = ["CPU", "portable kernel", "must contain", "widest"].map(str::to_owned).to_vec();
    proof
}
