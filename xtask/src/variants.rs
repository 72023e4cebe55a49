//! `cargo xtask variants`: the probe, built for named CPUs, beside the product, which finds its CPU at run time.
//!
//! The dispatched kernels should gain nothing from such a build: a gain above [`TOO_FINE`] says that a kernel is
//! called for too little work. The portable kernels, on the `wide` crate, choose their registers when they are
//! compiled and should gain much: they are the control that shows the experiment can see a difference.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;

use comfy_table::{Table, presets::UTF8_BORDERS_ONLY};

use crate::aarch64::Kit;
use crate::dispatch_check::Probe;
use crate::process::{Outcome, cargo, target};
use crate::say;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Build and list only; run nothing.
    #[arg(long)]
    no_run: bool,
    /// Build only these CPUs.
    cpus: Vec<String>,
}

/// A build for one CPU.
#[derive(Debug)]
pub(crate) struct Variant {
    /// The compiler's name of the CPU.
    pub(crate) cpu: &'static str,
    /// What its portable kernels must have grown to; nothing where the compiler keeps to narrow registers.
    pub(crate) widened: &'static [Widening],
}

/// An instruction that a portable kernel must contain in a loop of a variant.
#[derive(Debug)]
pub(crate) struct Widening {
    pub(crate) kernel: &'static str,
    pub(crate) any: &'static [&'static str],
    pub(crate) bits: u16,
}

const fn widening(kernel: &'static str, any: &'static [&'static str], bits: u16) -> Widening {
    Widening { kernel, any, bits }
}

/// The x86-64 builds. For `sapphirerapids` the compiler prefers 256 bits even though the CPU has 512.
pub(crate) const VARIANTS: &[Variant] = &[
    Variant {
        cpu: "x86-64-v3",
        widened: &[
            widening("l2_squared_f32_rows", &["vfmadd"], 256),
            widening("inner_product_f64_rows", &["vfmadd"], 256),
            widening("l2_squared_u8_rows", &["vpmaddwd"], 256),
        ],
    },
    Variant {
        cpu: "znver4",
        widened: &[
            widening("l2_squared_f32_rows", &["vfmadd"], 256),
            widening("hamming_bits_rows", &["vpopcntq"], 512),
        ],
    },
    Variant { cpu: "sapphirerapids", widened: &[] },
];

/// The share by which a variant may beat run-time dispatch before that says something.
const TOO_FINE: f64 = 0.03;
/// How often both programs are run, in turns.
const TURNS: usize = 3;

impl Variant {
    /// Builds the probe for this CPU, in a target folder of its own.
    pub(crate) fn build(&self) -> Outcome<Probe> {
        let mut cargo = cargo();
        cargo.env("CARGO_ENCODED_RUSTFLAGS", format!("-Ctarget-cpu={}", self.cpu));
        Probe::build_with(&target().join("variants").join(self.cpu), None, cargo)
    }
}

pub(crate) fn run(arguments: &Arguments) -> Outcome<()> {
    if !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
        return Err("variants builds for x86-64 Linux, and for aarch64 beside it".into());
    }
    let wanted = |cpu: &str| arguments.cpus.is_empty() || arguments.cpus.iter().any(|name| name == cpu);
    for cpu in &arguments.cpus {
        if cpu != NEOVERSE && VARIANTS.iter().all(|variant| variant.cpu != cpu) {
            return Err(format!("unknown variant {cpu:?}").into());
        }
    }
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    table.set_header([
        "build",
        "MiB",
        "dispatched kernels",
        "portable kernels",
        "portable against dispatched",
    ]);
    let baseline = Probe::build()?;
    table.add_row([
        "baseline (the product)".to_owned(),
        size(&baseline)?,
        "1.00x".into(),
        "1.00x".into(),
        String::new(),
    ]);
    let mut findings = Vec::new();
    for variant in VARIANTS.iter().filter(|variant| wanted(variant.cpu)) {
        say::note(format!("building for {}", variant.cpu));
        let probe = variant.build()?;
        let mut row = vec![variant.cpu.to_owned(), size(&probe)?];
        match if arguments.no_run { None } else { compare(&baseline, &probe)? } {
            Some(Comparison { dispatched, portable, against, faster }) => {
                row.extend([dispatched, portable, against].map(|ratio| format!("{ratio:.2}x")));
                findings.extend(faster.into_iter().map(|(kernel, gain)| {
                    format!(
                        "{kernel}: the {} build is {:.0} % faster than run-time dispatch",
                        variant.cpu,
                        100.0 * gain
                    )
                }));
            }
            None => row.push(if arguments.no_run { "not run" } else { "this CPU cannot run it" }.to_owned()),
        }
        table.add_row(row);
    }
    if wanted(NEOVERSE) {
        let row = match Kit::find() {
            Some(kit) => vec![
                NEOVERSE.to_owned(),
                size(&kit.build_probe(Some(NEOVERSE))?)?,
                "not timed: emulated".to_owned(),
            ],
            None => vec![
                NEOVERSE.to_owned(),
                String::new(),
                "not built: `cargo xtask aarch64 --setup-only`".to_owned(),
            ],
        };
        table.add_row(row);
    }
    say::line(table);
    say::line(
        "Ratios are times of the product over times of the build, geometric means; above 1 the build is faster.",
    );
    if findings.is_empty() && !arguments.no_run {
        say::line(format!("No build beats run-time dispatch by more than {:.0} %.", 100.0 * TOO_FINE));
    }
    for finding in findings {
        say::line(format!("granularity too fine? {finding}"));
    }
    Ok(())
}

const NEOVERSE: &str = "neoverse-v2";

fn size(probe: &Probe) -> Outcome<String> {
    Ok(format!("{:.1}", std::fs::metadata(&probe.path)?.len() as f64 / f64::from(1 << 20)))
}

struct Comparison {
    /// Time of the product's dispatched kernels over that of the variant's.
    dispatched: f64,
    /// The same of the portable kernels.
    portable: f64,
    /// Time of the product's dispatched kernels over that of the variant's portable ones.
    against: f64,
    /// Dispatched kernels that gain more than they should.
    faster: Vec<(String, f64)>,
}

/// Runs both programs in turns and compares the least times; none if this CPU cannot run the variant.
fn compare(baseline: &Probe, variant: &Probe) -> Outcome<Option<Comparison>> {
    let tier = baseline.ask(&["tier"])?.into_iter().find(|line| line[0] == "active");
    let tier = tier.and_then(|mut line| line.pop()).ok_or("the probe has no active tier")?;
    // Every kernel once: choosing a tier alone may meet no instruction that the CPU lacks.
    let status = variant.command(&["times"]).stdout(std::process::Stdio::null()).status()?;
    const ILLEGAL_INSTRUCTION: i32 = 4;
    if status.signal() == Some(ILLEGAL_INSTRUCTION) {
        return Ok(None);
    }
    let (mut of_baseline, mut of_variant) = (Times::new(), Times::new());
    for _ in 0..TURNS {
        collect(baseline, &mut of_baseline)?;
        collect(variant, &mut of_variant)?;
    }
    let mut faster = Vec::new();
    let (mut dispatched, mut portable, mut against) = (Vec::new(), Vec::new(), Vec::new());
    for ((of_tier, kernel), time) in &of_baseline {
        let time_of = |tier: &str| of_variant.get(&(tier.to_owned(), kernel.clone()));
        let Some(other) = time_of(of_tier) else { continue };
        if *of_tier == tier {
            dispatched.push(time / other);
            if time / other > 1.0 + TOO_FINE {
                faster.push((kernel.clone(), time / other - 1.0));
            }
            against.extend(time_of("baseline").map(|portable| time / portable));
        } else {
            portable.push(time / other);
        }
    }
    let mean = |ratios: &[f64]| {
        (ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / ratios.len().max(1) as f64).exp()
    };
    Ok(Some(Comparison {
        dispatched: mean(&dispatched),
        portable: mean(&portable),
        against: mean(&against),
        faster,
    }))
}

/// Least time by tier and kernel.
type Times = BTreeMap<(String, String), f64>;

fn collect(probe: &Probe, times: &mut Times) -> Outcome<()> {
    for line in probe.ask(&["times"])? {
        if let [_, tier, kernel, time] = line.as_slice() {
            let time: f64 = time.parse()?;
            let least = times.entry((tier.clone(), kernel.clone())).or_insert(time);
            *least = least.min(time);
        }
    }
    Ok(())
}
