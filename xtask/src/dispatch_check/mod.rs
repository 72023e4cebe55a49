//! `cargo xtask dispatch-check`: five proofs that no kernel runs as anything less than its tier says.
//!
//! The program that is disassembled is the program that is run: one probe, which knows where the functions of
//! every table lie in itself.

mod arm;
mod choice;
mod code;
mod instructions;
mod probe;
mod program;
mod report;
mod self_test;
mod speed;
mod values;
mod widened;
mod x86;

use simd_kernels::Tier;

use self::arm::Listing;
use self::choice::Expectation;
use self::instructions::Reader;
pub(crate) use self::probe::Probe;
use self::report::{Proof, conclude};
use self::values::Machine;
use crate::aarch64::Kit;
use crate::process::Outcome;
use crate::say;
use crate::variants::VARIANTS;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Print the proofs as JSON.
    #[arg(long)]
    json: bool,
    /// Print every finding, not only the overview.
    #[arg(long)]
    verbose: bool,
    /// Plant every fault and see it caught, instead of checking the product.
    #[arg(long)]
    self_test: bool,
    /// Leave out the builds for other x86 CPUs (proof 5).
    #[arg(long)]
    quick: bool,
}

/// Older x86 CPUs, by qemu's names, and the tier that each must come to. (qemu 7 has no AVX-512.)
const OLDER_X86: [(&str, Tier); 3] =
    [("Nehalem", Tier::Baseline), ("Haswell", Tier::Avx2), ("Skylake-Client", Tier::Avx2)];
/// aarch64 CPUs, and the tier that each must come to.
pub(crate) const ARM: [(&str, Tier); 3] =
    [("cortex-a72", Tier::Neon), ("neoverse-n1", Tier::NeonDot), ("max", Tier::NeonI8mm)];

pub(crate) fn run(arguments: &Arguments) -> Outcome<()> {
    if !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
        return Err("dispatch-check reads x86-64 Linux programs, and those of aarch64 beside them".into());
    }
    say::note("building the probe");
    let native = Probe::build()?;
    let table = native.table(None)?;
    let kit = Kit::find();
    let mut proofs = if arguments.self_test {
        vec![self_test::check(&native, &table)?]
    } else {
        let mut machines =
            vec![Machine { cpu: "this machine".to_owned(), probe: native.clone(), all_tiers: true }];
        let mut emulated = older_x86(&native, kit.as_ref());
        let emulated_x86 = !emulated.is_empty();
        let mut proofs = vec![instructions::check(&native, &Reader::X86, None)?];
        let no_kit = "no emulator: `cargo xtask aarch64 --setup-only` fetches one";
        match &kit {
            Some(kit) => {
                say::note("building the probe for aarch64");
                let probe = kit.build_probe(None)?;
                let reader = Reader::Arm(Listing::of(kit.objdump(), &probe.path)?);
                let under = |cpu: &str| probe.under(kit.qemu_aarch64(cpu));
                proofs.push(instructions::check(&under("max"), &reader, None)?);
                emulated.extend(ARM.map(|(cpu, tier)| Expectation {
                    machine: Machine {
                        cpu: cpu.to_owned(),
                        probe: under(cpu),
                        all_tiers: tier == Tier::Neon,
                    },
                    tier,
                }));
            }
            None => {
                let mut proof = Proof::new("1 instructions, aarch64");
                proof.not_run.push(no_kit.to_owned());
                proofs.push(proof);
            }
        }
        let emulators = emulated.iter().map(|Expectation { machine, .. }| Machine {
            cpu: machine.cpu.clone(),
            probe: machine.probe.clone(),
            all_tiers: machine.all_tiers,
        });
        machines.extend(emulators);
        say::note(format!("comparing values on {} CPUs", machines.len()));
        proofs.push(values::check(&machines)?);
        let mut chosen = choice::check(&native, &table, &emulated)?;
        if !emulated_x86 {
            chosen.not_run.push(format!("older x86 CPUs: {no_kit}"));
        }
        proofs.push(chosen);
        say::note("measuring ratios");
        proofs.push(speed::check(&native, &table, None)?);
        proofs.push(variants(arguments.quick)?);
        proofs
    };
    if std::env::var("NIGH_REQUIRE_TIERS").is_ok_and(|value| value == "all") {
        proofs.iter_mut().for_each(Proof::require_all);
    }
    conclude(&proofs, arguments.json, arguments.verbose)
}

/// The native probe on emulated older CPUs, if there is an emulator.
fn older_x86(native: &Probe, kit: Option<&Kit>) -> Vec<Expectation> {
    let Some(emulator) = crate::aarch64::qemu_x86_64(kit) else { return Vec::new() };
    let on = |(cpu, tier): (&str, Tier)| Expectation {
        machine: Machine {
            cpu: cpu.to_owned(),
            probe: native.under(vec![emulator.clone(), "-cpu".to_owned(), cpu.to_owned()]),
            all_tiers: false,
        },
        tier,
    };
    OLDER_X86.map(on).into()
}

fn variants(quick: bool) -> Outcome<Proof> {
    let mut proof = widened::proof();
    if quick {
        proof.not_run.push("--quick".to_owned());
        return Ok(proof);
    }
    for variant in VARIANTS.iter().filter(|variant| !variant.widened.is_empty()) {
        say::note(format!("building the probe for {}", variant.cpu));
        widened::check(&mut proof, variant, &variant.build()?)?;
    }
    proof.summary = format!("{} kernels read", proof.rows.len());
    Ok(proof)
}
