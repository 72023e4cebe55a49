//! `cargo xtask sanitize`: the tests of the two crates with unsafe code, under AddressSanitizer.

use crate::process::{Outcome, nightly, run as run_command, target};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only tests whose names contain this.
    filter: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome<()> {
    let mut cargo = nightly()?;
    // With the target named, build scripts and macros stay uninstrumented. Doctests would not find the sanitizer.
    cargo
        .args(["test", "--package", "simd-kernels", "--package", "layouts", "--lib", "--tests"])
        .args(["--target", TRIPLE])
        .args(&arguments.filter)
        .env("CARGO_ENCODED_RUSTFLAGS", "-Zsanitizer=address")
        .env("CARGO_TARGET_DIR", target().join("sanitize"));
    run_command(&mut cargo)
}

/// The sanitizers come with this target's standard library.
pub(crate) const TRIPLE: &str = "x86_64-unknown-linux-gnu";
