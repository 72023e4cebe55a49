//! A run of the gate has a pace beside every speed, and the speed of building and updating as records of their own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use bench_harness::engine::Suite;
use bench_harness::gate::Wanted;
use bench_harness::open::{OpenOptions, open};
use bench_harness::progress::Quiet;
use bench_harness::record::{BUILDING, Record, UPDATING};
use bench_harness::run::{Run, Settings};
use bench_harness::table;
use simd_kernels::Kernels;

fn run(suites: &[Suite], cases: &[&str], wanted: Option<Wanted>) -> Run {
    let settings = Settings {
        suites: suites.to_vec(),
        cases: cases.iter().map(|&case| case.to_owned()).collect(),
        k: 1,
        runs: 2,
        passes: 2,
        points: Some(1),
        tier: Kernels::active().unwrap().tier(),
        quick: true,
        gate: true,
        wanted,
        ..Settings::default()
    };
    let options = OpenOptions { k: 1, ..OpenOptions::default() };
    let set = open("synth:sift?n=600&q=4&d=16&clusters=5", &options).unwrap().set;
    Run::perform(&settings, &[set], &Quiet).unwrap()
}

fn making(run: &Run) -> Vec<(&str, &str, usize)> {
    let records = run.records.iter().filter(|record| record.is_making());
    records.map(|r| (r.index.as_str(), r.case.as_deref().unwrap(), r.qps_runs.len())).collect()
}

fn has_a_pace(record: &Record) -> bool {
    let counts = [&record.qps_runs, &record.pace_near, &record.pace_far].map(Vec::len);
    counts[0] > 0 && counts.iter().all(|&count| count == counts[0]) && record.qps > 0.0
}

#[test]
fn building_an_index_is_a_record_and_can_be_measured_alone() {
    let all = run(&[Suite::Exact, Suite::Hnsw, Suite::ZonalPq], &[], None);
    assert_eq!(
        making(&all),
        [("hnsw", BUILDING, 2), ("zonal-pq", BUILDING, 2)],
        "one a pass, none of the scan"
    );
    assert!(all.records.iter().all(has_a_pace));
    assert!(!table::indexes(&all).contains(BUILDING) && table::cases(&all).is_none());
    let zones: Vec<Record> =
        all.records.iter().filter(|r| r.is_making() && r.index == "zonal-pq").cloned().collect();
    let alone = run(&[Suite::Exact, Suite::Hnsw, Suite::ZonalPq], &[], Some(Wanted::of(&zones)));
    assert_eq!((alone.records.len(), making(&alone)), (1, vec![("zonal-pq", BUILDING, 2)]));
}

#[test]
fn building_updating_and_ordering_of_cover_trees_are_records() {
    let all = run(&[Suite::Covertree], &["gp-matern12-3d", "uniform-2d"], None);
    assert_eq!(making(&all), [("residual", BUILDING, 14), ("residual", UPDATING, 14)]);
    assert!(all.records.iter().any(|record| record.index.starts_with("order ")));
    for record in &all.records {
        assert!(has_a_pace(record), "{} {}", record.dataset, record.index);
    }
    assert!(!table::covertree(&all).unwrap().contains(BUILDING));
}
