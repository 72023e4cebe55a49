//! The project's own commands: `cargo xtask <command>`.

mod aarch64;
mod bench;
mod ci;
mod dispatch_check;
mod fuzz;
mod gate;
mod layering;
mod loom;
mod peers;
mod process;
mod sanitize;
mod say;
mod variants;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "The project's own commands")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure speed and recall on generated or real data.
    Bench(Box<bench::Arguments>),
    /// Prove that every kernel is what its tier says: instructions, values, choice, speed, variants.
    DispatchCheck(dispatch_check::Arguments),
    /// Build for named CPUs and compare run-time dispatch with compile-time choice.
    Variants(variants::Arguments),
    /// Compile the kernels for aarch64 and run their tests under emulation.
    Aarch64(aarch64::Arguments),
    /// Everything that must hold before a change is merged.
    Ci(ci::Arguments),
    /// Model-check the concurrent parts with loom.
    Loom(loom::Arguments),
    /// Run the fuzz targets of the file readers.
    Fuzz(fuzz::Arguments),
    /// Run the tests of the unsafe crates under AddressSanitizer.
    Sanitize(sanitize::Arguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Bench(arguments) => return bench::run(&arguments),
        Command::DispatchCheck(arguments) => dispatch_check::run(&arguments),
        Command::Variants(arguments) => variants::run(&arguments),
        Command::Aarch64(arguments) => aarch64::run(&arguments),
        Command::Ci(arguments) => ci::run(&arguments),
        Command::Loom(arguments) => loom::run(&arguments),
        Command::Fuzz(arguments) => fuzz::run(&arguments),
        Command::Sanitize(arguments) => sanitize::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let error = error.to_string();
            // A command that has already said everything ends with an empty error.
            if !error.is_empty() {
                say::warn(format!("error: {error}"));
            }
            ExitCode::FAILURE
        }
    }
}
