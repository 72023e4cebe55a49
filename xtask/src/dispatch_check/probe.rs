//! Building the probe, running it, and reading what it says.

use std::path::{Path, PathBuf};
use std::process::Command;

use simd_kernels::Tier;

use crate::process::{Outcome, capture, capture_any, cargo, run, target};

/// A built probe, and what must stand before it on a command line to run it.
#[derive(Clone, Debug)]
pub(crate) struct Probe {
    pub(crate) path: PathBuf,
    /// An emulator and its arguments; none for a program of this machine.
    pub(crate) runner: Vec<String>,
}

/// One kernel as the probe lists it.
#[derive(Clone, Debug)]
pub(crate) struct Kernel {
    pub(crate) tier: Tier,
    pub(crate) name: String,
    /// Bytes from the landmark.
    pub(crate) offset: i64,
}

/// All kernels of an architecture.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    /// Its tiers, lowest first, and whether the CPU that ran the probe has them.
    pub(crate) tiers: Vec<(Tier, bool)>,
    pub(crate) kernels: Vec<Kernel>,
}

/// What the probe said about the choice of a tier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    Active(Tier),
    Refused(String),
}

/// The function that addresses are given relative to.
pub(crate) const LANDMARK: &str = "kernel_probe::landmark";

impl Probe {
    /// Builds the probe as the product is built: for the baseline.
    pub(crate) fn build() -> Outcome<Self> {
        Self::build_with(&target(), None, cargo())
    }

    /// Builds the probe with a prepared cargo, into a target folder of its own.
    pub(crate) fn build_with(target: &Path, triple: Option<&str>, mut cargo: Command) -> Outcome<Self> {
        cargo
            .args(["build", "--quiet", "--release", "--package", "kernel-probe", "--target-dir"])
            .arg(target);
        if let Some(triple) = triple {
            cargo.args(["--target", triple]);
        }
        run(&mut cargo)?;
        let folder = triple.map_or_else(|| target.to_owned(), |triple| target.join(triple));
        Ok(Self { path: folder.join("release/kernel-probe"), runner: Vec::new() })
    }

    /// The same program, run by an emulator.
    pub(crate) fn under(&self, runner: Vec<String>) -> Self {
        Self { path: self.path.clone(), runner }
    }

    /// The command that runs it. No setting of the caller's environment may lower the tier unseen.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = match self.runner.split_first() {
            None => Command::new(&self.path),
            Some((emulator, options)) => {
                let mut command = Command::new(emulator);
                command.args(options).arg(&self.path);
                command
            }
        };
        command.args(arguments).env_remove(simd_kernels::TIER_VARIABLE);
        command
    }

    /// What it prints, as lines of fields.
    pub(crate) fn ask(&self, arguments: &[&str]) -> Outcome<Vec<Vec<String>>> {
        Ok(fields(&capture(&mut self.command(arguments))?))
    }

    /// The kernels of all tiers, with a planted fault or without.
    pub(crate) fn table(&self, fault: Option<&str>) -> Outcome<Table> {
        let mut table = Table::default();
        for line in self.ask(&[&["table"][..], fault.as_slice()].concat())? {
            match line.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
                ["tier", tier, state] => table.tiers.push((tier.parse()?, *state == "available")),
                ["kernel", tier, name, offset] => table.kernels.push(Kernel {
                    tier: tier.parse()?,
                    name: (*name).to_owned(),
                    offset: offset.parse()?,
                }),
                _ => {}
            }
        }
        if table.kernels.is_empty() {
            return Err(format!("{} lists no kernels", self.path.display()).into());
        }
        Ok(table)
    }

    /// Which tier it chooses when `NIGH_SIMD` holds `asked`.
    pub(crate) fn choice(&self, asked: Option<&str>) -> Outcome<Choice> {
        let mut command = self.command(&["tier"]);
        if let Some(asked) = asked {
            command.env(simd_kernels::TIER_VARIABLE, asked);
        }
        let (succeeded, text) = capture_any(&mut command)?;
        for line in fields(&text) {
            match line.as_slice() {
                [key, tier] if key == "active" && succeeded => return Ok(Choice::Active(tier.parse()?)),
                [key, message] if key == "error" && !succeeded => {
                    return Ok(Choice::Refused(message.clone()));
                }
                _ => {}
            }
        }
        Err(format!("{} says {text:?} about its tier", self.path.display()).into())
    }
}

fn fields(text: &str) -> Vec<Vec<String>> {
    text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}
