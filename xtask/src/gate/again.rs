//! Measuring again what seems lost: by a copy of this program, and beside it by the one that the baseline was made with.

use std::error::Error;
use std::path::Path;
use std::process::{Command, Stdio};

use bench_harness::bar::Bar;
use bench_harness::dataset::Dataset;
use bench_harness::gate::{Judgement, Rules, Wanted, judge};
use bench_harness::record::{Record, read_records, write_records};
use bench_harness::run::{Run, Settings};

use super::earlier::Earlier;
use crate::say;

/// How often a suspect is measured again where there is no program of the baseline, after the first time.
const ALONE: usize = 2;
/// The least share of the speed that counts as lost there. 15 % called two of ten runs of unchanged code lost: a scan from
/// the third-level cache had found better places in memory for its one baseline.
const ALONE_LEAST_LOSS: f64 = 0.2;
/// How often it is measured beside that program. A case that has one of two speeds by the process that it runs in is the
/// slower one by chance in a quarter of such pairs.
const BESIDE: usize = 5;
/// The name of what was measured again, among the results.
const AGAIN: &str = "again.jsonl";

/// A run and what it is compared with.
pub(super) struct Suspicion<'a> {
    /// The records of the baseline.
    pub(super) earlier: &'a [Record],
    /// The file that they are in.
    pub(super) baseline: &'a Path,
    /// What was measured.
    pub(super) run: &'a [Record],
    /// When a difference is a loss.
    pub(super) rules: &'a Rules,
    /// The folder for results.
    pub(super) out: &'a Path,
}

impl Suspicion<'_> {
    /// Compares, and measures the suspects again, until none is left or they were lost each time.
    ///
    /// Best in turns with the program of the baseline, because a machine can be another one than it was an hour ago in ways
    /// that no pace tells. Where that is yet to be built, suspects are compared with the records once more before: most
    /// are cleared by that.
    pub(super) fn judge(&self) -> Result<Judgement, Box<dyn Error>> {
        // What is to be measured in turns needs no forgiving.
        let strict = Rules { most_disturbed: 1.0, ..*self.rules };
        let mut found = Earlier::beside(self.baseline, self.earlier);
        let rules = if found.is_some() { &strict } else { self.rules };
        let mut judgement = judge(self.earlier, self.run, rules);
        if found.is_none() && !judgement.suspects().is_empty() {
            self.measure(&mut judgement, None, rules)?;
        }
        if judgement.suspects().is_empty() {
            return Ok(judgement);
        }
        let found = found.take().map_or_else(|| Earlier::built(self.earlier), Ok);
        judgement.notices.push(match &found {
            Ok(program) => format!("what seemed lost was measured in turns with {}", program.origin()),
            Err(why) => format!(
                "what seemed lost was compared with records of another hour alone, less than {:.0} % forgiven: {why}",
                100.0 * ALONE_LEAST_LOSS
            ),
        });
        let rules = match &found {
            Ok(_) => strict,
            Err(_) => Rules { least_loss: self.rules.least_loss.max(ALONE_LEAST_LOSS), ..*self.rules },
        };
        for attempt in 0..if found.is_ok() { BESIDE } else { ALONE } {
            let count = judgement.suspects().len();
            // Who begins changes, for what changes with time.
            let beside = found.as_ref().ok().map(|program| (program, attempt % 2 == 0));
            self.measure(&mut judgement, beside, &rules)?;
            // When a quarter is lost, that is no neighbour: once is enough.
            if judgement.suspects().is_empty() || count * 4 > judgement.compared {
                break;
            }
        }
        Ok(judgement)
    }

    /// Measures the suspects once more: alone, or in turns with the earlier program, which may be the first of the two.
    fn measure(
        &self,
        judgement: &mut Judgement,
        beside: Option<(&Earlier, bool)>,
        rules: &Rules,
    ) -> Result<(), Box<dyn Error>> {
        let wanted = judgement.suspects();
        say::note(format!("{} speeds seem lost: measuring them again", wanted.len()));
        let suspects: Vec<Record> = self.run.iter().filter(|&record| wanted.has(record)).cloned().collect();
        let program = std::env::current_exe()?;
        let ours = || measured(&program, &suspects, self.out, |_| ());
        let again = match beside {
            None => judge(self.earlier, &ours()?, rules),
            Some((earlier, is_first)) => {
                let theirs = || {
                    measured(earlier.program(), &suspects, self.out, |command| earlier.prepare(command))
                        .map_err(|error| format!("the program of the baseline: {error}"))
                };
                let (then, now) = if is_first {
                    (theirs()?, ours()?)
                } else {
                    let now = ours()?;
                    (theirs()?, now)
                };
                judge(&then, &now, rules)
            }
        };
        judgement.confirm(&again);
        Ok(())
    }
}

/// Measures the cases of some records, in a process of a copy of a program that is given this one's arguments.
///
/// A copy, because where a program's pages happen to lie in memory can slow down a single kernel for as long as they lie
/// there, in every process that runs the same file: once it was 5 times on unchanged code.
fn measured(
    program: &Path,
    suspects: &[Record],
    out: &Path,
    prepare: impl FnOnce(&mut Command),
) -> Result<Vec<Record>, Box<dyn Error>> {
    let (asked, answer) = (out.join("suspects.jsonl"), out.join(AGAIN));
    write_records(&asked, suspects)?;
    let copy = std::env::current_exe()?.with_file_name(format!("xtask-again-{}", std::process::id()));
    std::fs::copy(program, &copy).map_err(|error| format!("{}: {error}", copy.display()))?;
    let mut command = Command::new(&copy);
    command.args(std::env::args_os().skip(1)).arg("--again").arg(&asked);
    prepare(&mut command);
    let output = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).output();
    std::fs::remove_file(&copy)?;
    let output = output?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        return Err(format!("measuring again ended with {}: {}", output.status, words.trim()).into());
    }
    Ok(read_records(&answer)?)
}

/// The other side of [`measured`]: measures nothing but the cases of the records in `asked`.
pub(crate) fn again(
    asked: &Path,
    out: &Path,
    (settings, sets): (&Settings, &[Dataset]),
    bar: &Bar,
) -> Result<(), Box<dyn Error>> {
    let wanted = Some(Wanted::of(&read_records(asked)?));
    let run = Run::perform(&Settings { wanted, ..settings.clone() }, sets, bar)?;
    Ok(write_records(&out.join(AGAIN), &run.records)?)
}
