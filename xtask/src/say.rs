//! The one place that prints.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command speaks to whoever ran it")]

use std::fmt::Display;

/// A result, on standard output.
pub(crate) fn line(text: impl Display) {
    println!("{text}");
}

/// What is going on, on standard error, so that it never mixes with `--json`.
pub(crate) fn note(text: impl Display) {
    eprintln!("  {text}");
}

/// What went wrong, on standard error.
pub(crate) fn warn(text: impl Display) {
    eprintln!("xtask: {text}");
}
