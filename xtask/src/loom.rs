//! `cargo xtask loom`: every interleaving of the concurrent parts, as far as loom's bounds go.
//!
//! A crate takes part by depending on loom under `cfg(loom)` and naming its models `loom_*`.

use crate::layering::packages;
use crate::process::{Outcome, cargo, run as run_command, target};
use crate::say;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Preemptions of one run; more find more and take far longer.
    #[arg(long, default_value_t = 2)]
    preemptions: u32,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome<()> {
    let takes_part = |dependency: &crate::layering::Dependency| {
        dependency.name == "loom"
            && dependency.target.as_deref().is_some_and(|target| target.contains("loom"))
    };
    let modelled: Vec<String> = packages()?
        .into_iter()
        .filter(|package| package.dependencies.iter().any(takes_part))
        .map(|package| package.name)
        .collect();
    if modelled.is_empty() {
        say::line("no crate of this workspace has loom models");
        return Ok(());
    }
    let mut cargo = cargo();
    cargo.args(["test", "--release", "--lib", "--tests"]);
    for name in &modelled {
        cargo.args(["--package", name]);
    }
    cargo
        .arg("loom_")
        .env("CARGO_ENCODED_RUSTFLAGS", "--cfg\u{1f}loom")
        .env("CARGO_TARGET_DIR", target().join("loom"))
        .env("LOOM_MAX_PREEMPTIONS", arguments.preemptions.to_string());
    run_command(&mut cargo)
}
