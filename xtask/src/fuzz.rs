//! `cargo xtask fuzz`: the fuzz targets of the file readers, with libFuzzer and AddressSanitizer.
//!
//! Built by hand, with the flags that libFuzzer needs, so that nothing but a nightly toolchain is asked for.

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
    manifest_path: String,
    targets: Vec<Target>,
}
#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome<()> {
    let manifest = root().join("crates/bench-harness/fuzz/Cargo.toml");
    if !manifest.is_file() {
        return Err(format!("there are no fuzz targets: {} does not exist", manifest.display()).into());
    }
    let folder = target().join("fuzz");
    let mut metadata = nightly()?;
    metadata.args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"]).arg(&manifest);
    let metadata: Metadata = serde_json::from_str(&capture(&mut metadata)?)?;
    let names: Vec<String> = metadata
        .packages
        .into_iter()
        .filter(|package| {
            manifest.ends_with(&package.manifest_path) || package.manifest_path.ends_with("fuzz/Cargo.toml")
        })
        .flat_map(|package| package.targets)
        .filter(|target| target.kind.iter().any(|kind| kind == "bin"))
        .map(|target| target.name)
        .filter(|name| arguments.target.as_ref().is_none_or(|wanted| wanted == name))
        .collect();
    if names.is_empty() {
        return Err(format!("{} has no such fuzz target", manifest.display()).into());
    }
    let mut build = nightly()?;
    build.args(["build", "--release", "--target", TRIPLE, "--manifest-path"]).arg(&manifest);
    build.env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\u{1f}")).env("CARGO_TARGET_DIR", &folder);
    run_command(&mut build)?;
    for name in names {
        say::note(format!("{name} for {} s", arguments.seconds));
        // What was found interesting is kept, so that the next run goes on where this one ends.
        let corpus = folder.join("corpus").join(&name);
        std::fs::create_dir_all(&corpus)?;
        let mut fuzz = Command::new(folder.join(TRIPLE).join("release").join(&name));
        fuzz.arg(&corpus)
            .arg(format!("-max_total_time={}", arguments.seconds))
            .arg(format!("-artifact_prefix={}/", folder.display()))
            .args(["-rss_limit_mb=2048", "-print_final_stats=1"]);
        run_command(&mut fuzz)?;
    }
    Ok(())
}
