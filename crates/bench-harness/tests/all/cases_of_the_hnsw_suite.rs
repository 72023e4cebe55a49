//! The cases of the hnsw suite measure what they say, with peers where they take part.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::time::Duration;

use bench_harness::dataset::Dataset;
use bench_harness::engine::Suite;
use bench_harness::open::{OpenOptions, open};
use bench_harness::peers::{Limits, PeerCommand, PeerSettings};
use bench_harness::progress::Quiet;
use bench_harness::protocol::{Clock, Mode};
use bench_harness::record::Record;
use bench_harness::run::{Run, Settings};
use bench_harness::table;
use simd_kernels::Kernels;

fn set() -> Dataset {
    let options = OpenOptions { k: 1, ..OpenOptions::default() };
    open("synth:sift?n=600&q=4&d=16&clusters=5", &options).unwrap().set
}

fn settings(case: &str) -> Settings {
    Settings {
        graphs: Vec::new(),
        zonals: Vec::new(),
        cases: vec![case.to_owned()],
        suites: vec![Suite::Hnsw],
        k: 1,
        threads: 1,
        runs: 1,
        modes: vec![Mode::Single, Mode::Batch],
        dtypes: None,
        tier: Kernels::active().unwrap().tier(),
        quick: true,
        clock: Clock::Wall,
        peers: None,
        ..Settings::default()
    }
}

fn most(records: &[&Record]) -> f64 {
    records.iter().filter_map(|record| record.recall_tie).fold(0.0, f64::max)
}

/// Every filter is a set of its own, with the truth of its matches; a peer is told which filter is meant.
#[test]
fn filters_are_measured_beside_peers() {
    let folder = tempfile::tempdir().unwrap();
    let set = set();
    let missing: Vec<u8> = [u32::MAX; 4].iter().flat_map(|id| id.to_le_bytes()).collect();
    for name in ["answers.all", "answers.half"] {
        std::fs::write(folder.path().join(name), &missing).unwrap();
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fake_peer.sh");
    let answers = folder.path().join("answers");
    let command = PeerCommand {
        name: "filters".to_owned(),
        program: "sh".into(),
        arguments: vec![script.display().to_string(), "filters".to_owned(), answers.display().to_string()],
    };
    let limits = Limits { build: Duration::from_secs(5), pass: Duration::from_secs(5) };
    let work = folder.path().to_owned();
    let peers = Some(PeerSettings { commands: vec![command], work, limits, builders: 1 });
    let run = Run::perform(&Settings { peers, ..settings("filters") }, &[set], &Quiet).unwrap();
    assert!(run.records.iter().all(|record| record.case.as_deref() == Some("filters")));
    let mut names: Vec<&str> = run.records.iter().map(|record| record.dataset.as_str()).collect();
    names.dedup();
    assert_eq!(names.len(), 7, "{names:?}");
    for name in names {
        let ours: Vec<&Record> =
            run.records.iter().filter(|record| record.dataset == name && record.peer.is_none()).collect();
        assert_eq!(most(&ours), 1.0, "{name}");
    }
    // It finds nothing, so no point of it counts; of the filters that it refused the first is named.
    let refused =
        |notice: &String| notice.contains("peer filters refused") && notice.contains("another filter");
    assert!(run.notices.iter().any(refused), "{:?}", run.notices);
    let text = table::cases(&run).unwrap();
    assert!(text.contains("50 % at random") && text.contains("in a ball"), "{text}");
}

#[test]
fn parts_are_compared_with_the_default() {
    let graphs = ["-", "storage=full", "reorder=off", "scan=off"].map(|spec| spec.parse().unwrap()).to_vec();
    let run = Run::perform(&Settings { graphs, ..settings("parts") }, &[set()], &Quiet).unwrap();
    let of = |build: &str| -> Vec<&Record> { run.records.iter().filter(|r| r.build == build).collect() };
    for build in ["-", "storage=full", "reorder=off", "scan=off"] {
        assert_eq!(most(&of(build)), 1.0, "{build}");
        assert!(of(build).iter().any(|record| record.mode == "batch"));
    }
    // The default scans so small a set and computes every distance; a walk does not.
    let least = |build: &str| {
        of(build).iter().filter_map(|record| record.distances_per_query).fold(f64::INFINITY, f64::min)
    };
    assert!(least("scan=off") < least("-"), "{} {}", least("scan=off"), least("-"));
    assert!(table::cases(&run).unwrap().contains("x first"));
}

#[test]
fn memory_is_more_with_codes() {
    let run = Run::perform(&settings("memory"), &[set()], &Quiet).unwrap();
    let bytes = |build: &str| run.records.iter().find(|r| r.build == build).unwrap().index_bytes.unwrap();
    assert!(
        bytes("storage=full") < bytes("storage=bits") && bytes("storage=bits") < bytes("storage=lines:1")
    );
}

#[test]
fn builds_say_what_they_cost() {
    let run = Run::perform(&settings("build"), &[set()], &Quiet).unwrap();
    assert!(run.records.iter().all(|record| record.build_s > Some(0.0) && record.build_cpu_s > Some(0.0)));
}

#[test]
fn change_is_judged_beside_fresh_builds() {
    let run = Run::perform(&settings("churn"), &[set()], &Quiet).unwrap();
    let judged: Vec<&Record> = run.records.iter().filter(|record| record.recall_drift.is_some()).collect();
    assert_eq!(judged.len(), 18, "thawed and five rounds, at three efforts");
    assert_eq!(most(&judged), 1.0);
    assert!(run.notices.iter().any(|notice| notice.contains("unreachable afterwards 0")));
    assert!(table::cases(&run).unwrap().contains("round 5 ef=16"));
}

#[test]
fn a_case_that_does_not_exist_is_refused() {
    let error = Run::perform(&settings("nonsense"), &[set()], &Quiet).unwrap_err().to_string();
    assert!(error.contains("nonsense") && error.contains("churn"), "{error}");
}
