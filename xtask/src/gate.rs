//! `cargo xtask bench --gate`: measures, compares with an earlier run, and measures again what seems lost; and its
//! self-test, which sees that unchanged code passes and planted faults do not.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use bench_harness::bar::Bar;
use bench_harness::dataset::Dataset;
use bench_harness::gate::{Judgement, Quantity, Rules, Wanted, judge};
use bench_harness::machine::Machine;
use bench_harness::record::{Record, read_records, write_records};
use bench_harness::run::{Run, Settings};
use bench_harness::table;
use simd_kernels::{Kernels, TIER_VARIABLE, Tier};

use crate::process::root;
use crate::say;

/// Generated sets of the gate: integers that every element type holds exactly, what an index makes of clusters, and bits.
pub(crate) const SETS: [&str; 3] =
    ["synth:sift?n=20000&q=200", "synth:clustered?n=20000&d=96&q=200", "synth:bits?n=50000&d=256&q=200"];
/// Search points of an index.
pub(crate) const POINTS: usize = 4;
/// Times that everything is measured from the start, so that a disturbance of some seconds hits one of them.
pub(crate) const PASSES: usize = 5;
/// How often a suspect may be measured again.
const ATTEMPTS: usize = 3;
/// The name of the judgement among the results.
pub(crate) const FILE: &str = "gate.json";
/// The name of what was measured again, there too.
const AGAIN: &str = "again.jsonl";

/// Compares a run with an earlier one; suspects are measured again, by [`measured_again`], before they are called lost.
pub(crate) fn judged(
    earlier: &[Record],
    run: &Run,
    rules: &Rules,
    out: &Path,
    bar: &Bar,
) -> Result<Judgement, Box<dyn Error>> {
    let mut judgement = judge(earlier, &run.records, rules);
    for attempt in 0..ATTEMPTS {
        let suspects = judgement.suspects();
        // When a quarter is lost, that is no neighbour: once more is enough.
        let is_plain = attempt > 0 && suspects.len() * 4 > judgement.compared;
        if suspects.is_empty() || is_plain {
            break;
        }
        bar.clear();
        say::note(format!("{} speeds seem lost: measuring them again", suspects.len()));
        let suspects: Vec<Record> = run.records.iter().filter(|&x| suspects.has(x)).cloned().collect();
        judgement.confirm(&judge(earlier, &measured_again(&suspects, out)?, rules));
    }
    bar.clear();
    Ok(judgement)
}

/// Measures the cases of some records again, in a process of a copy of this program that is given this one's arguments.
///
/// A copy, because where a program's pages happen to lie in memory can slow down a single kernel for as long as they lie
/// there, in every process that runs the same file: once it was 5 times on unchanged code.
fn measured_again(suspects: &[Record], out: &Path) -> Result<Vec<Record>, Box<dyn Error>> {
    let (asked, answer) = (out.join("suspects.jsonl"), out.join(AGAIN));
    write_records(&asked, suspects)?;
    let program = std::env::current_exe()?;
    let copy = program.with_file_name(format!("xtask-again-{}", std::process::id()));
    std::fs::copy(&program, &copy).map_err(|error| format!("{}: {error}", copy.display()))?;
    let mut command = Command::new(&copy);
    command.args(std::env::args_os().skip(1)).arg("--again").arg(&asked);
    let output = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).output();
    std::fs::remove_file(&copy)?;
    let output = output?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        return Err(format!("measuring again ended with {}: {}", output.status, words.trim()).into());
    }
    Ok(read_records(&answer)?)
}

/// The other side of [`measured_again`]: measures nothing but the cases of the records in `asked`.
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

/// Prints a judgement and leaves it among the results.
pub(crate) fn tell(
    judgement: &Judgement,
    out: &Path,
    print: &mut dyn FnMut(&str),
) -> Result<(), Box<dyn Error>> {
    let file = out.join(FILE);
    let text = serde_json::to_string_pretty(judgement)?;
    std::fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))?;
    print(&format!("\n{}", table::gate(judgement).trim_end()));
    Ok(judgement.verdict()?)
}

/// Where `--records` keeps a run: `benches/records/2026-11-21-amd-epyc.jsonl`.
pub(crate) fn records_path(machine: &Machine, is_gate: bool) -> PathBuf {
    let day: String = machine.date.chars().take(10).collect();
    let suffix = if is_gate { "-gate" } else { "" };
    root().join("benches/records").join(format!("{day}-{}{suffix}.jsonl", slug(&machine.cpu)))
}

/// Adds records to those that `path` holds, or puts them in their place if they are to be alone.
pub(crate) fn keep(path: &Path, records: &[Record], alone: bool) -> Result<(), Box<dyn Error>> {
    path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
    // What later runs are compared with is one run; else a day has many, of other sets or after a change.
    let mut all = if !alone && path.exists() { read_records(path)? } else { Vec::new() };
    all.extend_from_slice(records);
    Ok(write_records(path, &all)?)
}

/// A CPU's name as part of a file's: letters and digits, all else a single `-`.
fn slug(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    // What makers decorate names with says nothing.
    let words = words.filter(|word| !matches!(*word, "R" | "TM" | "CPU" | "Processor"));
    words.collect::<Vec<_>>().join("-").to_lowercase()
}

/// Runs the gate on itself: a run to compare with, one on the lowest tier that must not pass, for kernels and for every
/// index, and `rounds` runs of unchanged code that must.
pub(crate) fn self_test(
    (rounds, least_loss): (usize, f64),
    out: &Path,
    print: &mut dyn FnMut(&str),
) -> Result<(), Box<dyn Error>> {
    let lowest = Tier::Baseline;
    if Kernels::active()?.tier() == lowest {
        return Err(format!(
            "this CPU (or {TIER_VARIABLE}) has no tier above {lowest}: nothing can be planted"
        )
        .into());
    }
    // The runs start in the root of the project, wherever this one did.
    let folder = std::path::absolute(out.join("self-test"))?;
    let start = Instant::now();
    let first = folder.join("first");
    gate(&first, None, (None, least_loss))?;
    let baseline = first.join("results.jsonl");
    print(&format!(
        "baseline: {} records, {:.0} s",
        read_records(&baseline)?.len(),
        start.elapsed().as_secs_f64()
    ));
    let mut failed = Vec::new();
    let (passed, judgement) = gate(&folder.join("planted"), Some(&baseline), (Some(lowest), least_loss))?;
    if passed {
        failed.push(format!("the planted tier {lowest} passed"));
    }
    for suite in ["kernels", "exact", "hnsw", "zonal-pq", "covertree"] {
        let speed =
            |loss: &&bench_harness::gate::Difference| loss.quantity == Quantity::Speed && loss.suite == suite;
        let mut ratios: Vec<f64> = judgement.losses.iter().filter(speed).map(|loss| loss.ratio()).collect();
        ratios.sort_by(f64::total_cmp);
        match (ratios.first(), ratios.get(ratios.len() / 2)) {
            (Some(least), Some(median)) => print(&format!(
                "planted {TIER_VARIABLE}={lowest}: {suite}: {} speeds lost, now/then {median:.2} in the middle, {least:.2} at least",
                ratios.len()
            )),
            _ => failed.push(format!("the planted tier {lowest} was not seen in the suite {suite}")),
        }
    }
    for round in 1..=rounds {
        let begun = Instant::now();
        let (passed, judgement) = gate(&folder.join("again"), Some(&baseline), (None, least_loss))?;
        let seconds = begun.elapsed().as_secs_f64();
        print(&format!(
            "unchanged code, run {round} of {rounds}: {}, {} losses, {} cleared, {} compared, {seconds:.0} s",
            if passed { "passed" } else { "FAILED" },
            judgement.losses.len(),
            judgement.cleared,
            judgement.compared
        ));
        if !passed {
            print(table::gate(&judgement).trim_end());
            failed.push(format!("run {round} of unchanged code did not pass"));
        }
    }
    print(&format!("{} passed, {} failed", rounds + 6 - failed.len().min(rounds + 6), failed.len()));
    if failed.is_empty() { Ok(()) } else { Err(failed.join("; ").into()) }
}

/// A run of the gate in a process of its own, since a tier is chosen once: whether it passed, and its judgement.
fn gate(
    out: &Path,
    baseline: Option<&Path>,
    (tier, least_loss): (Option<Tier>, f64),
) -> Result<(bool, Judgement), Box<dyn Error>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["bench", "--gate", "--least-loss", &least_loss.to_string(), "--out"]).arg(out);
    command.current_dir(root());
    match baseline {
        Some(file) => command.arg("--baseline").arg(file),
        None => command.arg("--first"),
    };
    if let Some(tier) = tier {
        command.env(TIER_VARIABLE, tier.name());
    }
    std::fs::create_dir_all(out)?;
    let file = out.join(FILE);
    let _ = std::fs::remove_file(&file);
    let output = command.stdin(Stdio::null()).output()?;
    let code = output.status.code();
    // 1 is a loss; anything else has not judged.
    if !matches!(code, Some(0 | 1)) {
        let words = String::from_utf8_lossy(&output.stderr);
        return Err(format!("a run of the gate ended with {}: {}", output.status, words.trim()).into());
    }
    let judgement = match baseline {
        Some(_) => serde_json::from_str(&std::fs::read_to_string(&file)?)?,
        None => Judgement::default(),
    };
    Ok((code == Some(0), judgement))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_named_by_day_and_cpu() {
        let cpu = "Intel(R) Xeon(R) Platinum 8375C CPU @ 2.90GHz";
        assert_eq!(slug(cpu), "intel-xeon-platinum-8375c-2-90ghz");
        let machine =
            Machine { cpu: "AMD EPYC".into(), date: "2026-11-21T06:30:00Z".into(), ..Machine::default() };
        let names = [false, true].map(|gate| records_path(&machine, gate));
        assert!(names[0].ends_with("benches/records/2026-11-21-amd-epyc.jsonl"), "{names:?}");
        assert!(names[1].ends_with("2026-11-21-amd-epyc-gate.jsonl"), "{names:?}");
    }

    #[test]
    fn a_day_keeps_all_its_runs_and_a_baseline_is_one() {
        let run = read_records(&root().join("benches/records/2026-11-21-amd-epyc.jsonl")).unwrap();
        let folder = std::env::temp_dir().join(format!("nigh-records-{}", std::process::id()));
        let path = folder.join("of-a-day.jsonl");
        let lines = |alone| {
            keep(&path, &run[..3], alone).unwrap();
            read_records(&path).unwrap().len()
        };
        assert_eq!([lines(false), lines(false), lines(true), lines(false)], [3, 6, 3, 6]);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
