//! `cargo xtask ci`: everything that must hold before a change is merged, step by step, in one command that a
//! person runs as a machine does.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::process::{Outcome, cargo, exists, shown, target};
use crate::{layering, say};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Leave out a step, by name; may be given several times.
    #[arg(long, value_name = "STEP")]
    skip: Vec<String>,
    /// Run only this step; may be given several times.
    #[arg(long, value_name = "STEP")]
    only: Vec<String>,
}

/// One thing to check.
struct Step {
    name: &'static str,
    about: &'static str,
    how: How,
}

enum How {
    Layering,
    /// Arguments of cargo, and flags of rustdoc.
    Cargo(&'static [&'static str]),
    Xtask(&'static [&'static str]),
    /// A cargo command of a tool that need not be there.
    Optional(&'static str, &'static [&'static str]),
}

const STEPS: &[Step] = &[
    Step { name: "fmt", about: "formatting", how: How::Cargo(&["fmt", "--all", "--check"]) },
    Step { name: "layering", about: "crates depend only on those below them", how: How::Layering },
    Step {
        name: "clippy",
        about: "lints, in all targets",
        how: How::Cargo(&["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"]),
    },
    Step {
        name: "test",
        about: "all tests and the examples of the documentation",
        how: How::Cargo(&["test", "--workspace"]),
    },
    Step {
        name: "doc",
        about: "the documentation builds without a broken link",
        how: How::Cargo(&["doc", "--quiet", "--workspace", "--no-deps"]),
    },
    Step { name: "loom", about: "interleavings of the concurrent parts", how: How::Xtask(&["loom"]) },
    Step {
        name: "aarch64",
        about: "every aarch64 kernel, on an emulated CPU",
        how: How::Xtask(&["aarch64", "--quick"]),
    },
    Step {
        name: "dispatch-check",
        about: "every kernel is what its tier says (without the builds for other x86 CPUs)",
        how: How::Xtask(&["dispatch-check", "--quick"]),
    },
    Step {
        name: "dispatch-self-test",
        about: "and the check sees every planted fault",
        how: How::Xtask(&["dispatch-check", "--self-test"]),
    },
    Step {
        name: "bench",
        about: "the benchmark runs from end to end",
        how: How::Xtask(&["bench", "--quick"]),
    },
    Step {
        name: "deny",
        about: "licences and duplicates (cargo-deny)",
        how: How::Optional("cargo-deny", &["deny", "check", "bans", "licenses"]),
    },
];

/// What proptest takes its seed from.
const PROPERTY_SEED: &str = "PROPTEST_RNG_SEED";

/// Tests that passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) passed: u64,
    failed: u64,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome<()> {
    for name in arguments.skip.iter().chain(&arguments.only) {
        if STEPS.iter().all(|step| step.name != name) {
            let known: Vec<_> = STEPS.iter().map(|step| step.name).collect();
            return Err(format!("there is no step {name:?}: the steps are {}", known.join(", ")).into());
        }
    }
    let wanted = |name: &str| {
        (arguments.only.is_empty() || arguments.only.iter().any(|only| only == name))
            && !arguments.skip.iter().any(|skip| skip == name)
    };
    let mut total = Count::default();
    let mut skipped = Vec::new();
    let mut failed = None;
    let start = Instant::now();
    for step in STEPS {
        if !wanted(step.name) {
            skipped.push(format!("{} (as asked)", step.name));
            continue;
        }
        say::line(format!("\n==> {}: {}", step.name, step.about));
        let begun = Instant::now();
        let outcome = take(step)?;
        let seconds = begun.elapsed().as_secs_f64();
        match outcome {
            Done::Passed(count) => {
                say::line(format!("<== {} passed in {seconds:.0} s", step.name));
                // A step without tests of its own is one.
                total.passed += count.passed.max(1);
                total.failed += count.failed;
            }
            Done::Skipped(why) => {
                say::line(format!("<== {} SKIPPED: {why}", step.name));
                skipped.push(format!("{} ({why})", step.name));
            }
            Done::Failed(count, why) => {
                total.passed += count.passed;
                total.failed += count.failed.max(1);
                failed = Some(format!("step {} failed after {seconds:.0} s: {why}", step.name));
                break;
            }
        }
    }
    say::line(format!("\n{:.0} s in all", start.elapsed().as_secs_f64()));
    if !skipped.is_empty() {
        say::line(format!("skipped: {}", skipped.join(", ")));
    }
    if let Some(why) = &failed {
        say::line(format!("FAILED: {why}"));
    }
    say::line(format!("{} passed, {} failed", total.passed, total.failed));
    // Everything was said; the count is to stay the last line.
    if failed.is_some() { Err(String::new().into()) } else { Ok(()) }
}

enum Done {
    Passed(Count),
    Skipped(String),
    Failed(Count, String),
}

fn take(step: &Step) -> Outcome<Done> {
    let mut command = match step.how {
        How::Layering => {
            return Ok(match layering::check() {
                Ok(()) => Done::Passed(Count::default()),
                Err(error) => Done::Failed(Count::default(), error.to_string()),
            });
        }
        How::Cargo(arguments) => {
            let mut cargo = cargo();
            cargo.args(arguments).env("RUSTDOCFLAGS", "-D warnings");
            // Property tests draw new cases wherever else they run; here a run must be one that can be had again.
            if std::env::var_os(PROPERTY_SEED).is_none() {
                cargo.env(PROPERTY_SEED, "1");
            }
            cargo
        }
        How::Xtask(arguments) => {
            let mut xtask = Command::new(std::env::current_exe()?);
            xtask.args(arguments).current_dir(crate::process::root());
            if arguments.first() == Some(&"bench") {
                xtask.arg("--out").arg(target().join("ci-bench"));
            }
            xtask
        }
        How::Optional(tool, arguments) => {
            if !exists(tool) {
                return Ok(Done::Skipped(format!(
                    "{tool} is not installed: `cargo install --locked {tool}`"
                )));
            }
            let mut cargo = cargo();
            cargo.args(arguments);
            cargo
        }
    };
    let (succeeded, count) = watch(&mut command)?;
    Ok(if succeeded && count.failed == 0 {
        Done::Passed(count)
    } else {
        Done::Failed(count, format!("{} did not succeed", shown(&command)))
    })
}

/// Runs a command, passes on what it prints, and counts the tests that it reports.
pub(crate) fn watch(command: &mut Command) -> Outcome<(bool, Count)> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start {}: {error}", shown(command)))?;
    let mut count = Count::default();
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).split(b'\n') {
            let line = line?;
            let line = String::from_utf8_lossy(&line);
            say::line(&line);
            if let Some(of_line) = count_of(&line) {
                count.passed += of_line.passed;
                count.failed += of_line.failed;
            }
        }
    }
    Ok((child.wait()?.success(), count))
}

/// The count in a line such as `test result: ok. 3 passed; 0 failed; ...` or `3 passed, 0 failed`.
fn count_of(line: &str) -> Option<Count> {
    let rest = match line.strip_prefix("test result: ") {
        Some(result) => result.split_once(". ")?.1,
        None => line,
    };
    let (passed, rest) = rest.split_once(" passed")?;
    let failed = rest.strip_prefix("; ").or_else(|| rest.strip_prefix(", "))?.split_once(" failed")?.0;
    Some(Count { passed: passed.parse().ok()?, failed: failed.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_counted_in_both_notations() {
        let of_libtest = "test result: FAILED. 31 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out";
        assert_eq!(count_of(of_libtest), Some(Count { passed: 31, failed: 2 }));
        assert_eq!(count_of("5 passed, 1 failed"), Some(Count { passed: 5, failed: 1 }));
        for other in ["<== fmt passed in 3 s", "test a ... ok", "all passed, none failed", ""] {
            assert_eq!(count_of(other), None, "{other}");
        }
    }

    #[test]
    fn step_names_differ() {
        let mut names: Vec<_> = STEPS.iter().map(|step| step.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), STEPS.len());
    }
}
