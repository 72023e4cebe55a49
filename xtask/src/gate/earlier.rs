//! The program that a baseline was measured with: left beside its records by the gate, or built from their commit.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

use bench_harness::record::Record;
use simd_kernels::{Kernels, TIER_VARIABLE, Tier};

use crate::process::{capture, root, run, target};
use crate::say;

/// The name of a run's program beside its records.
const PROGRAM: &str = "program";

/// A program, and the tier that it chose then.
#[derive(Debug)]
pub(super) struct Earlier {
    program: PathBuf,
    origin: String,
    tier: Option<Tier>,
}

impl Earlier {
    /// The program that was left beside the records in the file `baseline`, if there is one.
    pub(super) fn beside(baseline: &Path, records: &[Record]) -> Option<Self> {
        let program = baseline.with_file_name(PROGRAM);
        let origin = "the program beside the baseline".to_owned();
        program.is_file().then(|| Self { program, origin, tier: tier(records) })
    }

    /// The program of the records' commit, or why it cannot be built.
    pub(super) fn built(records: &[Record]) -> Result<Self, String> {
        let commit = commit(records)?;
        let program = built(commit).map_err(|error| format!("commit {commit} cannot be built: {error}"))?;
        Ok(Self { program, origin: format!("the program of its commit {commit}"), tier: tier(records) })
    }

    /// Where it is.
    pub(super) fn program(&self) -> &Path {
        &self.program
    }

    /// Where it comes from, in words.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// Has it choose the tier that it chose then, whatever this run is told: what is compared with is the earlier run.
    pub(super) fn prepare(&self, command: &mut Command) {
        match self.tier {
            Some(tier) => command.env(TIER_VARIABLE, tier.name()),
            None => command.env_remove(TIER_VARIABLE),
        };
    }
}

/// Leaves this program beside a run's records, where [`Earlier::beside`] will look for it.
pub(crate) fn leave_program(out: &Path) -> Result<(), Box<dyn Error>> {
    let file = out.join(PROGRAM);
    std::fs::copy(std::env::current_exe()?, &file).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(())
}

/// Removes the program that another run left: it is not that of the records any more.
pub(crate) fn remove_program(out: &Path) {
    // It is only there after a run of the gate.
    let _ = std::fs::remove_file(out.join(PROGRAM));
}

/// The highest tier of our records, if this CPU has it.
fn tier(records: &[Record]) -> Option<Tier> {
    let is_theirs =
        |tier: &&Tier| records.iter().any(|record| record.peer.is_none() && record.tier == tier.name());
    Tier::ALL.iter().rev().find(is_theirs).copied().filter(|&tier| Kernels::for_tier(tier).is_some())
}

/// The commit that all records are of.
fn commit(records: &[Record]) -> Result<&str, String> {
    let commit = records.first().map_or("", |record| record.commit.as_str());
    if records.iter().any(|record| record.commit != commit) {
        return Err("the records are of several commits".to_owned());
    }
    if commit.ends_with("-dirty") {
        return Err(format!("there is no program beside them, and no commit holds the changes of {commit}"));
    }
    let is_id = commit.len() >= 7 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_id {
        Ok(commit)
    } else {
        Err(format!("there is no program beside them, and {commit:?} is no commit"))
    }
}

/// The program of a commit, built in a clone of its own at first use.
fn built(commit: &str) -> Result<PathBuf, Box<dyn Error + Send + Sync>> {
    let folder = std::path::absolute(target().join("gate"))?;
    let program = folder.join(format!("xtask-{commit}"));
    if program.is_file() {
        return Ok(program);
    }
    say::note(format!("building the program of the baseline, commit {commit}: some minutes, once"));
    std::fs::create_dir_all(&folder)?;
    let tree = folder.join("tree");
    if !tree.join(".git").exists() {
        capture(
            Command::new("git")
                .args(["clone", "--quiet", "--shared", "--no-checkout"])
                .arg(root())
                .arg(&tree),
        )?;
    }
    let mut checkout = Command::new("git");
    capture(checkout.arg("-C").arg(&tree).args(["checkout", "--quiet", "--force", "--detach", commit]))?;
    let build = folder.join("build");
    let mut cargo = Command::new("cargo");
    cargo.current_dir(&tree).args([
        "build",
        "--quiet",
        "--locked",
        "--release",
        "--package",
        "xtask",
        "--target-dir",
    ]);
    // Set by the cargo that started this program, these would lead past the commit's own toolchain.
    for variable in ["RUSTUP_TOOLCHAIN", "CARGO", "RUSTC", "RUSTDOC"] {
        cargo.env_remove(variable);
    }
    run(cargo.arg(&build))?;
    std::fs::copy(build.join("release/xtask"), &program)?;
    Ok(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(commit: &str, tier: &str) -> Record {
        Record { commit: commit.to_owned(), tier: tier.to_owned(), ..Record::default() }
    }

    #[test]
    fn a_program_is_found_beside_its_records_until_another_run_leaves_none() {
        let folder = std::env::temp_dir().join(format!("nigh-earlier-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let baseline = folder.join("results.jsonl");
        let records = [record("0123456789ab-dirty", "baseline")];
        assert!(Earlier::beside(&baseline, &records).is_none());
        leave_program(&folder).unwrap();
        let earlier = Earlier::beside(&baseline, &records).unwrap();
        let bytes = |path: &Path| std::fs::read(path).unwrap();
        assert!(bytes(earlier.program()) == bytes(&std::env::current_exe().unwrap()));
        remove_program(&folder);
        assert!(Earlier::beside(&baseline, &records).is_none());
        assert!(Earlier::built(&records).unwrap_err().contains("0123456789ab-dirty"));
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn only_a_commit_can_be_built() {
        let of = |commits: &[&str]| {
            let records: Vec<Record> = commits.iter().map(|commit| record(commit, "baseline")).collect();
            commit(&records).map(str::to_owned)
        };
        assert_eq!(of(&["0123456789ab", "0123456789ab"]), Ok("0123456789ab".to_owned()));
        for commits in
            [&[][..], &["unknown"], &["--help"], &["0123456789ab-dirty"], &["0123456789ab", "0123456"]]
        {
            assert!(of(commits).is_err(), "{commits:?}");
        }
        assert!(built("0000000").is_err(), "there is no such commit, and perhaps no repository");
    }

    #[test]
    fn it_runs_on_the_tier_of_its_records_whatever_this_one_is_told() {
        let lowest = Tier::ALL[0];
        let here = Kernels::active().unwrap().tier();
        let told = |tier| {
            let mut command = Command::new("true");
            command.env(TIER_VARIABLE, "planted");
            Earlier { program: PathBuf::new(), origin: String::new(), tier }.prepare(&mut command);
            let value =
                command.get_envs().find(|(name, _)| *name == TIER_VARIABLE).and_then(|(_, value)| value);
            value.map(|value| value.to_string_lossy().into_owned())
        };
        let records = [record("", here.name()), record("", lowest.name())];
        assert_eq!(told(tier(&records)), Some(here.name().to_owned()));
        let peer = Record { peer: Some("other".to_owned()), ..record("", here.name()) };
        assert_eq!(tier(&[peer, record("", lowest.name())]), Some(lowest));
        assert_eq!(told(tier(&[record("", "of another machine")])), None);
    }
}
