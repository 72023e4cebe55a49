//! `cargo xtask fuzz`: the fuzz targets of data readers and index files, with libFuzzer and AddressSanitizer.
//!
//! Built by hand, with the flags that libFuzzer needs, so that nothing but a nightly toolchain is asked for.

use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use crate::process::{Outcome, capture, nightly, root, run as run_command, target};
use crate::sanitize::TRIPLE;
use crate::say;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Seconds for each target.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Only this target.
    target: Option<String>,
}

/// Coverage that guides the search, and the sanitizer that sees what a reader must not do.
const FLAGS: [&str; 9] = [
    "--cfg",
    "fuzzing",
    "-Zsanitizer=address",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}
#[derive(Deserialize)]
struct Package {
    targets: Vec<Target>,
}
#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

/// The packages that hold targets: readers of data, files of indexes.
const PACKAGES: [&str; 2] = ["crates/bench-harness/fuzz", "crates/zonal-pq/fuzz"];

pub(crate) fn run(arguments: &Arguments) -> Outcome<()> {
    let mut found = false;
    for package in PACKAGES {
        let manifest = root().join(package).join("Cargo.toml");
        let names = targets(&manifest, arguments.target.as_deref())?;
        if !names.is_empty() {
            found = true;
            fuzz(&manifest, &names, arguments)?;
        }
    }
    match &arguments.target {
        Some(name) if !found => Err(format!("there is no fuzz target {name:?}").into()),
        _ => Ok(()),
    }
}

/// The fuzz targets of a package, or the one that is wanted.
fn targets(manifest: &Path, wanted: Option<&str>) -> Outcome<Vec<String>> {
    let mut metadata = nightly()?;
    metadata.args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"]).arg(manifest);
    let metadata: Metadata = serde_json::from_str(&capture(&mut metadata)?)?;
    let targets = metadata.packages.into_iter().flat_map(|package| package.targets);
    let names =
        targets.filter(|target| target.kind.iter().any(|kind| kind == "bin")).map(|target| target.name);
    Ok(names.filter(|name| wanted.is_none_or(|wanted| wanted == name)).collect())
}

fn fuzz(manifest: &Path, names: &[String], arguments: &Arguments) -> Outcome<()> {
    let folder = target().join("fuzz");
    let mut build = nightly()?;
    build.args(["build", "--release", "--target", TRIPLE, "--manifest-path"]).arg(manifest);
    build.env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\u{1f}")).env("CARGO_TARGET_DIR", &folder);
    run_command(&mut build)?;
    for name in names {
        say::note(format!("{name} for {} s", arguments.seconds));
        // What was found interesting is kept, so that the next run goes on where this one ends.
        let corpus = folder.join("corpus").join(name);
        std::fs::create_dir_all(&corpus)?;
        let mut fuzz = Command::new(folder.join(TRIPLE).join("release").join(name));
        fuzz.arg(&corpus)
            .arg(format!("-max_total_time={}", arguments.seconds))
            .arg(format!("-artifact_prefix={}/", folder.display()))
            .args(["-rss_limit_mb=2048", "-print_final_stats=1"]);
        run_command(&mut fuzz)?;
    }
    Ok(())
}
