//! Peers are measured in turns with ours; one that fails, in whatever way, is named and the others go on.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::time::Duration;

use bench_harness::dataset::Dataset;
use bench_harness::dtype::Dtype;
use bench_harness::engine::Suite;
use bench_harness::open::{OpenOptions, open};
use bench_harness::peers::standing::standings;
use bench_harness::peers::{Limits, PeerCommand, PeerSettings};
use bench_harness::progress::Quiet;
use bench_harness::protocol::{Clock, Mode};
use bench_harness::record::Record;
use bench_harness::run::{Run, Settings};
use bench_harness::{report, table};
use simd_kernels::Kernels;

const QUERIES: usize = 4;
const RUNS: usize = 2;

fn set() -> Dataset {
    let options = OpenOptions { k: 1, ..OpenOptions::default() };
    open("synth:sift?n=200&q=4&d=16&clusters=5", &options).unwrap().set
}

fn settings(work: &Path, kinds: &[&str]) -> Settings {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fake_peer.sh");
    let command = |kind: &&str| PeerCommand {
        name: (*kind).to_owned(),
        program: if *kind == "nobody" { "/nowhere/python".into() } else { "sh".into() },
        arguments: vec![
            script.display().to_string(),
            (*kind).to_owned(),
            work.join("answers").display().to_string(),
        ],
    };
    let limits = Limits { build: Duration::from_secs(2), pass: Duration::from_millis(1500) };
    let commands = kinds.iter().map(command).collect();
    Settings {
        graphs: Vec::new(),
        zonals: Vec::new(),
        cases: Vec::new(),
        suites: vec![Suite::Exact],
        k: 1,
        threads: 1,
        runs: RUNS,
        modes: vec![Mode::Single, Mode::Batch],
        dtypes: Some(vec![Dtype::F32, Dtype::U8]),
        tier: Kernels::active().unwrap().tier(),
        quick: true,
        clock: Clock::Wall,
        peers: Some(PeerSettings { commands, work: work.to_owned(), limits, builders: 1 }),
        ..Settings::default()
    }
}

/// The true neighbours of all queries, and of every other one, as peers write them.
fn write_answers(work: &Path, set: &Dataset) {
    let truth = set.truth.as_ref().unwrap();
    let ids: Vec<u32> = (0..QUERIES).map(|query| truth.query(query).unwrap().0[0]).collect();
    let bytes = |keep: &dyn Fn(usize) -> bool| -> Vec<u8> {
        let word = |(at, &id): (usize, &u32)| if keep(at) { id } else { u32::MAX }.to_le_bytes();
        ids.iter().enumerate().flat_map(word).collect()
    };
    std::fs::write(work.join("answers.all"), bytes(&|_| true)).unwrap();
    std::fs::write(work.join("answers.half"), bytes(&|at| at % 2 == 0)).unwrap();
}

fn run(kinds: &[&str]) -> Run {
    let (work, set) = (tempfile::tempdir().unwrap(), set());
    write_answers(work.path(), &set);
    let run = Run::perform(&settings(work.path(), kinds), &[set], &Quiet).unwrap();
    let left = std::fs::read_dir(work.path()).unwrap().count();
    assert_eq!(left, 2, "only the answers are left in the work folder");
    run
}

fn of<'a>(run: &'a Run, name: &str) -> Vec<&'a Record> {
    let index = format!("peer:{name}");
    run.records.iter().filter(|record| record.index == index).collect()
}

#[test]
fn peers_and_ours_are_measured_alike_and_stand_in_table_and_report() {
    let run = run(&["good", "batch", "picky"]);
    let ours: Vec<_> = run.records.iter().filter(|record| record.suite == "exact").collect();
    assert_eq!(ours.len(), 4, "two element types in two modes");
    for record in &ours {
        assert_eq!((record.recall_id, record.qps_runs.len(), record.peer.is_none()), (Some(1.0), RUNS, true));
    }
    // A native loop is timed once and stands for both modes.
    let good = of(&run, "good");
    let figures: Vec<_> =
        good.iter().map(|r| (r.params.as_str(), r.mode.as_str(), r.recall_id, r.qps)).collect();
    assert_eq!(
        figures,
        [
            ("M=4 ef=1", "single", Some(0.5), 4000.0),
            ("M=4 ef=1", "batch", Some(0.5), 4000.0),
            ("M=4 ef=2", "single", Some(1.0), 1000.0),
            ("M=4 ef=2", "batch", Some(1.0), 1000.0),
        ]
    );
    assert_eq!(good[0].how.as_deref(), Some("native loop"));
    assert_eq!((good[0].peer.as_deref(), good[0].dtype.as_str()), (Some("fake 1.0"), "i4"));
    assert_eq!(
        (good[0].build_s, good[0].index_bytes, good[0].resident_bytes),
        (Some(0.5), Some(1 << 20), Some(2 << 20))
    );
    assert_eq!((good[0].p50_us, good[0].p99_us), (Some(20.0), Some(40.0)), "latencies are calls");
    assert_eq!((good[1].p50_us, good[1].runs, good[1].qps_runs.len()), (None, RUNS, RUNS));
    // What shares work among queries is a batch; its single queries are calls.
    let hows: Vec<_> = of(&run, "batch").iter().map(|r| (r.mode.clone(), r.how.clone().unwrap())).collect();
    assert_eq!(hows[0], ("single".to_owned(), "Python calls".to_owned()));
    assert_eq!(hows[1], ("batch".to_owned(), "native batch".to_owned()));
    // A refused setting costs that setting only.
    assert!(of(&run, "picky").iter().all(|record| record.params == "M=4 ef=2"));
    assert_eq!(of(&run, "picky").len(), 2);
    let notice =
        |words: &str| assert!(run.notices.iter().any(|n| n.contains(words)), "{words}: {:?}", run.notices);
    notice("peer picky refused 1 settings, the first: ef=1: ef must be at least k");
    notice("timed as Python calls pay for the call");
    notice("peer good: fake 1.0; a note");

    let standing = &standings(&run.records)[0];
    let ratio = standing.ratio(&standing.rows[0], 0.95).unwrap();
    assert!(ratio.low > 0.0 && ratio.low <= ratio.median && ratio.median <= ratio.high, "{ratio:?}");
    let text = table::peers(&run).unwrap();
    assert!(text.contains("peer:good i4") && text.contains("over the best peer"), "{text}");
    let page = report::page(&run);
    for part in
        ["<section id=\"peers\">", "peer:good i4", "curve other theirs", "over the best peer", "fake 1.0"]
    {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn peers_that_build_together_stand_in_the_order_of_the_list() {
    let (work, set) = (tempfile::tempdir().unwrap(), set());
    write_answers(work.path(), &set);
    let mut settings = settings(work.path(), &["good", "nobody", "batch", "picky"]);
    settings.peers.as_mut().unwrap().builders = 3;
    let run = Run::perform(&settings, &[set], &Quiet).unwrap();
    let mut names: Vec<&str> = run.records.iter().filter_map(|r| r.index.strip_prefix("peer:")).collect();
    names.dedup();
    assert_eq!(names, ["good", "batch", "picky"]);
    let has = |words: &str| run.notices.iter().any(|notice| notice.contains(words));
    assert!(has("peer nobody not measured"), "{:?}", run.notices);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    assert_eq!(has("at a time, so their build times felt each other"), cores > 1, "{:?}", run.notices);
}

#[test]
fn a_peer_that_fails_is_named_and_the_others_go_on() {
    let words = [
        ("nobody", "not measured: cannot start /nowhere/python"),
        ("absent", "not measured: not installed: no module named fake"),
        ("unfit", "not measured: refused: does not compare by this metric"),
        ("dead", "not measured: ended (exit status: 3): Illegal instruction"),
        ("chatty", "not measured: said \"Loading the index ...\", which is no answer"),
        ("endless", "not measured: said \"a line without end\", which is no answer"),
        ("silent", "not measured: was ended: building took more than 2 s"),
        ("stuck", "nothing of it is kept: was ended: searching took more than 1.5 s"),
        ("dies", "nothing of it is kept: ended (exit status: 9): out of memory"),
        ("lost", "nothing of it is kept: answered 3 queries of 4"),
        ("torn", "nothing of it is kept: answered 0 queries of 4"),
        ("liar", "nothing of it is kept: gave an answer that cannot be judged"),
        ("fades", "left in round 2, its figures up to there are kept: ended"),
    ];
    let kinds: Vec<&str> = words.iter().map(|(kind, _)| *kind).chain(["good"]).collect();
    let run = run(&kinds);
    for (kind, words) in words {
        let found = run.notices.iter().find(|notice| notice.contains(&format!("peer {kind} ")));
        assert!(found.is_some_and(|notice| notice.contains(words)), "{kind}: {words}: {:?}", run.notices);
        assert_eq!(of(&run, kind).len(), if kind == "fades" { 4 } else { 0 }, "{kind}");
    }
    assert_eq!(of(&run, "good").len(), 4);
    assert_eq!(run.records.iter().filter(|record| record.suite == "exact").count(), 4);
}

#[test]
fn what_cannot_be_compared_is_said_before_anything_is_measured() {
    let work = tempfile::tempdir().unwrap();
    let several = Settings { threads: 2, ..settings(work.path(), &["good"]) };
    let error = Run::perform(&several, &[set()], &Quiet).unwrap_err().to_string();
    assert!(error.contains("one thread"), "{error}");
    let several = Settings { clock: Clock::Cpu, peers: None, ..several };
    let error = Run::perform(&several, &[set()], &Quiet).unwrap_err().to_string();
    assert!(error.contains("CPU time"), "{error}");
}
