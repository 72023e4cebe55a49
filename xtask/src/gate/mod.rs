//! `cargo xtask bench --gate`: measures, compares with an earlier run, and measures again what seems lost; and its
//! self-test, which sees that unchanged code passes and planted faults do not.

mod again;
mod earlier;
mod self_test;

use std::error::Error;
use std::path::{Path, PathBuf};

use bench_harness::bar::Bar;
use bench_harness::gate::{Judgement, Rules};
use bench_harness::machine::Machine;
use bench_harness::record::{Record, read_records, write_records};
use bench_harness::run::Run;
use bench_harness::table;

use crate::process::root;
use again::Suspicion;

pub(crate) use again::again;
pub(crate) use earlier::{leave_program, remove_program};
pub(crate) use self_test::self_test;

/// Generated sets of the gate: integers that every element type holds exactly, what an index makes of clusters, and bits.
pub(crate) const SETS: [&str; 3] =
    ["synth:sift?n=20000&q=200", "synth:clustered?n=20000&d=96&q=200", "synth:bits?n=50000&d=256&q=200"];
/// Search points of an index.
pub(crate) const POINTS: usize = 4;
/// Times that everything is measured from the start, so that a disturbance of some seconds hits one of them.
pub(crate) const PASSES: usize = 5;
/// The name of the judgement among the results.
pub(crate) const FILE: &str = "gate.json";

/// Compares a run with the earlier one in the file `baseline`; suspects are measured again before they are called lost.
pub(crate) fn judged(
    (earlier, baseline): (&[Record], &Path),
    run: &Run,
    rules: &Rules,
    (out, bar): (&Path, &Bar),
) -> Result<Judgement, Box<dyn Error>> {
    bar.clear();
    Suspicion { earlier, baseline, run: &run.records, rules, out }.judge()
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
