//! `cargo xtask loom`: every interleaving of the concurrent parts, as far as loom's bounds go.
//!
//! A crate takes part by depending on loom under `cfg(loom)`; its models are the test files that speak of
//! `cfg(loom)`, each of which leaves everything else out under it.

use std::path::Path;

use crate::ci::watch;
use crate::layering::packages;
use crate::process::{Outcome, cargo, target};
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
    let mut cargo = cargo();
    cargo.args(["test", "--release"]);
    let mut any = false;
    for package in packages()?.into_iter().filter(|package| package.dependencies.iter().any(takes_part)) {
        let models = models(&package.manifest_path)?;
        if models.is_empty() {
            return Err(
                format!("{} depends on loom and has no tests/*.rs with cfg(loom)", package.name).into()
            );
        }
        any = true;
        cargo.args(["--package", &package.name]);
        models.iter().for_each(|model| {
            cargo.args(["--test", model]);
        });
    }
    if !any {
        say::line("no crate of this workspace has loom models");
        return Ok(());
    }
    cargo
        .env("CARGO_ENCODED_RUSTFLAGS", "--cfg\u{1f}loom")
        .env("CARGO_TARGET_DIR", target().join("loom"))
        .env("LOOM_MAX_PREEMPTIONS", arguments.preemptions.to_string());
    let (succeeded, count) = watch(&mut cargo)?;
    match (succeeded, count.passed) {
        (true, 1..) => Ok(()),
        (true, 0) => Err("loom ran no model: a check that checks nothing".into()),
        (false, _) => Err("a loom model failed".into()),
    }
}

/// The test files of a package that hold models.
fn models(manifest: &Path) -> Outcome<Vec<String>> {
    let mut models = Vec::new();
    let tests = manifest.with_file_name("tests");
    for entry in
        std::fs::read_dir(&tests).map_err(|error| format!("cannot list {}: {error}", tests.display()))?
    {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs")
            && std::fs::read_to_string(&path)?.contains("cfg(loom)")
        {
            models.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    models.sort_unstable();
    Ok(models)
}
