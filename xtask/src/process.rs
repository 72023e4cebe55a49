//! Starting other programs, and saying which one failed and how.

use std::error::Error;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::say;

/// What a command comes to.
pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// The workspace's folder.
pub(crate) fn root() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask)
}

/// The folder for everything that is built.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The cargo that started this program, in the workspace's folder.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    command.current_dir(root());
    command
}

/// The cargo of the nightly toolchain, or why there is none.
pub(crate) fn nightly() -> Outcome<Command> {
    let mut probe = Command::new("rustup");
    probe.args(["run", "nightly", "cargo", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    if !probe.status().is_ok_and(|status| status.success()) {
        return Err("this needs the nightly toolchain: `rustup toolchain install nightly`".into());
    }
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", "cargo"]).current_dir(root());
    // Set by the cargo that started this program, these would lead back to its own toolchain.
    for variable in ["RUSTUP_TOOLCHAIN", "CARGO", "RUSTC", "RUSTDOC"] {
        command.env_remove(variable);
    }
    Ok(command)
}

/// Whether a program of this name can be started.
pub(crate) fn exists(program: &str) -> bool {
    let tried = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    tried.is_ok_and(|status| status.success())
}

/// Runs a command whose output goes where ours goes.
pub(crate) fn run(command: &mut Command) -> Outcome<()> {
    let status = command.status().map_err(|error| format!("cannot start {}: {error}", shown(command)))?;
    if status.success() { Ok(()) } else { Err(format!("{} ended with {status}", shown(command)).into()) }
}

/// Runs a command and returns its standard output. What it complains about is shown if it fails.
pub(crate) fn capture(command: &mut Command) -> Outcome<String> {
    let (succeeded, text) = capture_any(command)?;
    if succeeded { Ok(text) } else { Err(format!("{} failed: {}", shown(command), text.trim()).into()) }
}

/// Runs a command and returns whether it succeeded, and its standard output.
pub(crate) fn capture_any(command: &mut Command) -> Outcome<(bool, String)> {
    let output = command.output().map_err(|error| format!("cannot start {}: {error}", shown(command)))?;
    let succeeded = output.status.success();
    if !succeeded {
        String::from_utf8_lossy(&output.stderr).lines().for_each(say::note);
    }
    Ok((succeeded, String::from_utf8_lossy(&output.stdout).into_owned()))
}

/// The command as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    format!("`{}`", words.join(" "))
}
