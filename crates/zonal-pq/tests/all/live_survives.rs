//! The changing index on disk: what was acknowledged survives kill -9, torn logs and checkpoints; damage is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use simd_kernels::Rows;
use zonal_pq::quantiser::SymbolBits;
use zonal_pq::{
    BuildParams, Durability, Error, LiveParams, LiveSearcher, LiveZonal, Metric, ScanCode, SearchParams,
};

const DIM: usize = 6;
/// Where the child of the kill test finds its folder.
const FOLDER: &str = "NIGH_TEST_KILL_FOLDER";

type Model = BTreeMap<u64, Vec<u8>>;

/// Step `step` of a life: what both the child and the one who looks after it can work out.
enum Step {
    Put(Vec<u64>, Vec<u8>),
    Remove(Vec<u64>),
}

fn step(step: u64) -> Step {
    let mix = |x: u64| {
        let x = (x ^ (x >> 31)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (x ^ (x >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 32
    };
    let mut keys: Vec<u64> = (0..1 + mix(step) % 60).map(|i| mix(1000 * step + i) % 900).collect();
    keys.sort_unstable();
    keys.dedup();
    if step % 3 == 2 {
        return Step::Remove(keys);
    }
    let data = keys.iter().flat_map(|&key| (0..DIM as u64).map(move |j| mix(77 * key + 13 * step + j) as u8));
    let data = data.collect();
    Step::Put(keys, data)
}

fn apply(index: &mut LiveZonal<u8>, at: u64) {
    match step(at) {
        Step::Put(keys, data) => {
            index.upsert_batch(&keys, Rows::new(&data, DIM).unwrap()).unwrap();
        }
        Step::Remove(keys) => {
            index.remove_batch(&keys).unwrap();
        }
    }
}

fn model(steps: u64) -> Model {
    let mut model = Model::new();
    for at in 0..steps {
        match step(at) {
            Step::Put(keys, data) => {
                model.extend(keys.into_iter().zip(data.chunks(DIM).map(<[u8]>::to_vec)));
            }
            Step::Remove(keys) => keys.iter().for_each(|key| {
                model.remove(key);
            }),
        }
    }
    model
}

fn is(index: &LiveZonal<u8>, model: &Model) -> bool {
    index.len() == model.len() && model.iter().all(|(&key, vector)| index.get(key) == Some(&vector[..]))
}

fn open(folder: &Path) -> Result<LiveZonal<u8>, Error> {
    LiveZonal::open(folder, &params(), Durability::System)
}

fn params() -> LiveParams {
    LiveParams::default().zone_rows(1, 20)
}

/// Not a test: the process that is killed.
#[test]
fn lives_until_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let folder = Path::new(&folder);
    let mut index = match open(folder) {
        Ok(index) => index,
        Err(_) => {
            let mut index = LiveZonal::new(DIM, Metric::L2, &params()).unwrap();
            index.keep_in(folder, Durability::System).unwrap();
            index
        }
    };
    let start: u64 = std::fs::read_to_string(folder.join("start")).unwrap().parse().unwrap();
    let mut out = std::io::stderr();
    for at in start.. {
        apply(&mut index, at);
        // One write: a line that is torn by the kill would tell a wrong step.
        out.write_all(format!("step {at}\n").as_bytes()).unwrap();
        if at % 17 == 0 {
            index.maintain(5).unwrap();
        }
        if at % 23 == 0 {
            index.checkpoint().unwrap();
        }
    }
}

#[test]
fn killed_at_any_moment_it_keeps_what_it_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let mut done = 0u64;
    let mut cuts = 0;
    let begun = Instant::now();
    for round in 0..25u64 {
        if begun.elapsed() > Duration::from_secs(12) && round >= 6 {
            break;
        }
        std::fs::write(folder.path().join("start"), done.to_string()).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "live_survives::lives_until_killed", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        // Let it do something, then a random while, then no more.
        let mut last = done;
        let mut note = |line: String| {
            if let Some(at) = line.strip_prefix("step ") {
                last = at.parse::<u64>().unwrap() + 1;
            }
        };
        for _ in 0..1 + round % 5 {
            if let Some(line) = lines.next() {
                note(line.unwrap());
            }
        }
        std::thread::sleep(Duration::from_micros((round * 7919) % 20_000));
        child.kill().unwrap();
        child.wait().unwrap();
        lines.map_while(Result::ok).for_each(note);

        let mut index = open(folder.path()).unwrap();
        index.check().unwrap();
        cuts += u64::from(index.recovery().unwrap().cut > 0);
        // Everything that was acknowledged, and at most the one step after that.
        if is(&index, &model(last)) {
            done = last;
        } else {
            assert!(is(&index, &model(last + 1)), "round {round}: lost something of {last} steps");
            done = last + 1;
        }
    }
    assert!(done > 30, "{done} steps, {cuts} torn records");
}

/// A log cut anywhere is what it was before the record that was cut.
#[test]
fn a_torn_log_is_a_shorter_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut index = LiveZonal::new(DIM, Metric::L2, &params()).unwrap();
    index.keep_in(folder.path(), Durability::Every(3)).unwrap();
    let mut ends = vec![index.log_bytes()];
    for at in 0..6 {
        apply(&mut index, at);
        ends.push(index.log_bytes());
    }
    index.sync().unwrap();
    assert!(matches!(open(folder.path()), Err(Error::Io { action: "lock", .. })));
    drop(index);
    let log = folder.path().join("log.0");
    let whole = std::fs::read(&log).unwrap();
    assert_eq!(whole.len() as u64, ends[6]);
    let first = ends[3] as usize;
    for len in (first..whole.len()).step_by(41).chain([whole.len() - 1, whole.len()]) {
        std::fs::write(&log, &whole[..len]).unwrap();
        let index = open(folder.path()).unwrap();
        let steps = ends.iter().filter(|&&end| end <= len as u64).count() as u64 - 1;
        assert!(is(&index, &model(steps)), "cut at {len}");
        let recovery = index.recovery().unwrap();
        // A step that removed nothing has no record.
        let records = (1..=steps as usize).filter(|&at| ends[at] > ends[at - 1]).count() as u64;
        assert_eq!((recovery.changes, recovery.cut), (records, len as u64 - ends[steps as usize]));
        drop(index);
        // It was cut on disk as well.
        assert_eq!(std::fs::metadata(&log).unwrap().len(), ends[steps as usize]);
    }
}

#[test]
fn damage_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut index = LiveZonal::new(DIM, Metric::L2, &params()).unwrap();
    index.keep_in(folder.path(), Durability::Always).unwrap();
    (0..5).for_each(|at| apply(&mut index, at));
    let other = tempfile::tempdir().unwrap();
    assert!(matches!(
        LiveZonal::<u8>::open(other.path(), &params(), Durability::Always),
        Err(Error::Container(_))
    ));
    let mut second = LiveZonal::<u8>::new(DIM, Metric::L2, &params()).unwrap();
    assert!(matches!(
        second.keep_in(folder.path(), Durability::Always),
        Err(Error::Io { action: "lock", .. })
    ));
    assert!(matches!(second.checkpoint(), Err(Error::Parameter { argument: "folder", .. })));
    drop(index);
    assert!(matches!(
        second.keep_in(folder.path(), Durability::Always),
        Err(Error::Io { action: "create", .. })
    ));

    let (log, file) = (folder.path().join("log.0"), folder.path().join("index.nigh"));
    let whole = std::fs::read(&log).unwrap();
    let refused = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 4;
        std::fs::write(&log, &bytes).unwrap();
        open(folder.path())
    };
    for at in (0..200).step_by(7) {
        assert!(matches!(refused(at), Err(Error::Damaged { section: "log", .. })), "{at}");
    }
    // In the last record it may be what a crash has left.
    assert!(is(&refused(whole.len() - 3).unwrap(), &model(4)));
    std::fs::write(&log, &whole).unwrap();
    let wrong = LiveZonal::<i8>::open(folder.path(), &params(), Durability::Always);
    assert!(matches!(wrong, Err(Error::Element { expected: "i8", .. })));
    let mut index = open(folder.path()).unwrap();
    assert!(is(&index, &model(5)));
    index.checkpoint().unwrap();
    assert!(!log.exists() && folder.path().join("log.1").exists());
    drop(index);
    assert!(is(&open(folder.path()).unwrap(), &model(5)));
    // Without its log a checkpoint is not the whole index.
    std::fs::rename(folder.path().join("log.1"), folder.path().join("gone")).unwrap();
    assert!(matches!(open(folder.path()), Err(Error::Io { action: "open", .. })));
    std::fs::rename(folder.path().join("gone"), folder.path().join("log.1")).unwrap();
    let saved = std::fs::read(&file).unwrap();
    for at in (0..saved.len()).step_by(97) {
        let mut bytes = saved.clone();
        bytes[at] ^= 1;
        std::fs::write(&file, &bytes).unwrap();
        assert!(matches!(open(folder.path()), Err(Error::Container(_))), "{at}");
    }
}

/// Every metric and kind of code comes back as it was, and goes on.
#[test]
fn files_bring_back_what_was_saved() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("one.nigh");
    let data: Vec<f32> = (0..9000).map(|x| ((x * x % 7919) as f32 * 0.37).sin()).collect();
    let rows = Rows::new(&data, 9).unwrap();
    let product = ScanCode::Product { subspaces: 3, bits: SymbolBits::Four };
    let others = [ScanCode::Rabitq { bits: 2 }, ScanCode::Lvq { bits: 8 }, product];
    let metrics = [Metric::L2, Metric::InnerProduct, Metric::Cosine];
    for (metric, code) in
        metrics.map(|metric| (metric, ScanCode::Auto)).into_iter().chain(metrics.into_iter().zip(others))
    {
        let params = LiveParams::new(BuildParams::new().code(code));
        let mut index = LiveZonal::new(9, metric, &params).unwrap();
        index.insert_batch(&(500..1500).collect::<Vec<_>>(), rows).unwrap();
        index.remove_batch(&(600..700).collect::<Vec<_>>()).unwrap();
        index.save(&path).unwrap();
        let mut again = LiveZonal::load(&path, &params).unwrap();
        assert_eq!((again.metric(), again.dim(), again.recovery()), (metric, 9, None));
        assert_eq!(again.snapshot().keys(), index.snapshot().keys());
        assert_eq!(again.check().unwrap(), index.check().unwrap());
        let mut searcher = LiveSearcher::new().unwrap();
        let params = SearchParams::new(9, 1000).rerank(1000);
        for query in rows.iter().step_by(101) {
            let expected = index.snapshot().search(&mut searcher, query, &params).unwrap().to_vec();
            assert_eq!(again.snapshot().search(&mut searcher, query, &params).unwrap(), expected);
        }
        again.insert_batch(&(600..700).collect::<Vec<_>>(), rows.slice(0, 100).unwrap()).unwrap();
        assert_eq!(again.check().unwrap().rows, 1000);
    }
}
