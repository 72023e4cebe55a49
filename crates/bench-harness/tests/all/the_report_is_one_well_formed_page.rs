//! The report has every section, is well-formed, asks for nothing from outside, and survives hostile names.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use bench_harness::bar::Bar;
use bench_harness::baseline::Baseline;
use bench_harness::dtype::Dtype;
use bench_harness::engine::Suite;
use bench_harness::open::{OpenOptions, open};
use bench_harness::protocol::{Clock, Mode};
use bench_harness::report::page;
use bench_harness::run::{Run, Settings};
use simd_kernels::Kernels;

fn settings(suites: &[Suite]) -> Settings {
    Settings {
        graphs: Vec::new(),
        zonals: Vec::new(),
        suites: suites.to_vec(),
        k: 5,
        threads: 1,
        runs: 2,
        modes: vec![Mode::Single, Mode::Batch],
        dtypes: Some(vec![Dtype::F32, Dtype::U8, Dtype::Bits]),
        tier: Kernels::active().unwrap().tier(),
        quick: true,
        clock: Clock::Wall,
        peers: None,
        cases: Vec::new(),
        ..Settings::default()
    }
}

fn small_run() -> Run {
    let names = ["synth:sift?n=300&q=8&d=16&clusters=5", "synth:bits?n=300&q=8&d=64&clusters=5"];
    let options = OpenOptions { k: 5, ..OpenOptions::default() };
    let sets: Vec<_> = names.iter().map(|name| open(name, &options).unwrap().set).collect();
    Run::perform(&settings(&Suite::BUILT), &sets, &Bar::new()).unwrap()
}

/// Walks the tags; every one that opens must close, in order.
fn assert_well_formed(page: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = page;
    while let Some(start) = rest.find('<') {
        let tag = &rest[start + 1..];
        let end = tag.find('>').expect("a tag that does not end");
        let (inside, after) = (&tag[..end], &tag[end + 1..]);
        assert!(!inside.contains('<'), "a tag inside a tag: {inside}");
        let name =
            inside.trim_start_matches('/').split(|c: char| c.is_whitespace() || c == '/').next().unwrap();
        if inside.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "before {:?}", after.get(..60));
        } else if !inside.starts_with('!') && !inside.ends_with('/') {
            open.push(name);
        }
        rest = if name == "style" && !inside.starts_with('/') {
            &after[after.find("</style>").unwrap()..]
        } else {
            after
        };
    }
    assert!(open.is_empty(), "left open: {open:?}");
}

#[test]
fn the_page_has_every_section_and_nothing_from_outside() {
    let mut run = small_run();
    let earlier: Vec<_> = run.records.clone();
    run.baseline = Some(("earlier <results>.jsonl".into(), Baseline::new(earlier)));
    run.records[0].params = "<script>alert(\"&\")</script>".into();
    run.notices.push("a <b> notice".into());
    let page = page(&run);
    assert_well_formed(&page);
    for id in ["speed", "recall", "cost", "latency", "kernels", "history", "results", "circumstances"] {
        assert!(page.contains(&format!("<section id=\"{id}\">")), "{id}");
    }
    for outside in ["http:", "https:", "<script", "<link", "@import", "url(", "src="] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(!page.contains("NaN") && !page.contains("inf\""), "a place that is no number");
    assert!(page.contains("prefers-color-scheme: dark") && page.contains("@media print"));
    for dtype in ["exact f32", "exact u8", "exact bits"] {
        assert!(page.contains(dtype), "{dtype}");
    }
}

#[test]
fn a_page_without_records_is_still_a_page() {
    let page = page(&Run::default());
    assert_well_formed(&page);
    assert!(page.contains("No earlier run was given"));
}

#[test]
fn a_run_finds_everything_in_every_type_and_says_what_it_is() {
    let run = small_run();
    let exact: Vec<_> = run.records.iter().filter(|record| record.suite == "exact").collect();
    // f32 and u8 of the numbers, bits of the bits, each in two modes.
    assert_eq!(exact.len(), 6);
    for record in exact {
        assert_eq!((record.recall_id, record.recall_eps), (Some(1.0), Some(1.0)), "{record:?}");
        assert_eq!((record.k, record.n, record.runs, record.qps_runs.len()), (5, 300, 2, 2));
        assert!(record.bound_share.unwrap() > 0.0 && !record.cpu.is_empty() && !record.tier.is_empty());
        assert_eq!(record.p50_us.is_some(), record.mode == "single");
    }
    for fact in ["machine", "kernels", "limits", "state", "build", "dataset", "protocol"] {
        assert!(run.facts.iter().any(|(name, _)| *name == fact), "{fact}");
    }
}

#[test]
fn a_type_that_cannot_hold_the_data_is_an_error_or_a_notice() {
    let options = OpenOptions { k: 5, ..OpenOptions::default() };
    let set = open("synth:gaussian?n=50&q=2&d=4", &options).unwrap().set;
    let only = |dtypes| Settings { dtypes: Some(dtypes), ..settings(&[Suite::Exact]) };
    let error = Run::perform(&only(vec![Dtype::U8]), std::slice::from_ref(&set), &Bar::new()).unwrap_err();
    assert!(error.to_string().contains("u8"), "{error}");
    let run = Run::perform(&only(vec![Dtype::F32, Dtype::U8]), &[set], &Bar::new()).unwrap();
    assert!(run.notices.iter().any(|notice| notice.contains("u8 left out")), "{:?}", run.notices);
}
