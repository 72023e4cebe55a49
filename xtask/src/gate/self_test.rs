//! The gate on itself: runs of unchanged code must pass, and a planted fault must not.

use std::error::Error;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use bench_harness::gate::{Difference, Judgement, Quantity};
use bench_harness::record::read_records;
use bench_harness::table;
use simd_kernels::{Kernels, TIER_VARIABLE, Tier};

use super::FILE;
use crate::process::root;

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
        let speed = |loss: &&Difference| loss.quantity == Quantity::Speed && loss.suite == suite;
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
