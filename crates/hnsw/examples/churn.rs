//! What change costs on real data: rounds of turnover beside fresh builds, and readers beside a writer.
//!
//! `cargo run --release -p hnsw --example churn -- BASE.bvecs QUERY.bvecs ROWS SECONDS`: the base is to hold at least
//! twice as many rows, the second half of which comes while the first goes.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a program to be read off the screen"
)]

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hnsw::{BuildParams, Hnsw, LiveHnsw, LiveParams, LiveSearcher, Metric, SearchParams, Searcher};
use simd_kernels::Rows;

const K: usize = 10;

fn read(path: &str, rows: usize) -> (usize, Vec<u8>) {
    let bytes = std::fs::read(path).unwrap();
    let dim = u32::from_le_bytes(bytes[..4].try_into().unwrap()) as usize;
    (dim, bytes.chunks_exact(dim + 4).take(rows).flat_map(|row| row[4..].to_vec()).collect())
}

fn distance(a: &[u8], b: &[u8]) -> i64 {
    a.iter().zip(b).map(|(&a, &b)| i64::from((i32::from(a) - i32::from(b)).pow(2))).sum()
}

/// The true k-th distance of every query among rows `keys` of the base.
fn truth(base: &[u8], keys: std::ops::Range<usize>, queries: &[u8], dim: usize) -> Vec<f32> {
    let one = |query: &[u8]| {
        let mut all: Vec<i64> = base[keys.start * dim..keys.end * dim]
            .chunks_exact(dim)
            .map(|row| distance(query, row))
            .collect();
        all.select_nth_unstable(K - 1);
        all[K - 1] as f32
    };
    queries.chunks_exact(dim).map(one).collect()
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [base, query, rows, seconds] = &arguments[..] else { panic!("BASE QUERY ROWS SECONDS") };
    let (rows, seconds): (usize, f64) = (rows.parse().unwrap(), seconds.parse().unwrap());
    let (dim, base) = read(base, 2 * rows);
    let (_, queries) = read(query, 500);
    let vectors =
        |range: std::ops::Range<usize>| Rows::new(&base[range.start * dim..range.end * dim], dim).unwrap();
    let build = BuildParams::new();
    let begun = Instant::now();
    let fresh =
        [0..rows, rows..2 * rows].map(|range| Hnsw::build(vectors(range), Metric::L2, &build).unwrap());
    println!("bulk build: {:.0} rows/s", 2.0 * rows as f64 / begun.elapsed().as_secs_f64());
    let truths = [0..rows, rows..2 * rows].map(|range| truth(&base, range, &queries, dim));
    let efs = [16, 32, 64, 128];

    let frozen = |index: &Hnsw<u8>, truth: &[f32], ef| {
        let mut searcher = Searcher::new().unwrap();
        let (mut hits, begun) = (0, Instant::now());
        for (query, limit) in queries.chunks_exact(dim).zip(truth) {
            let found = index.search(&mut searcher, query, &SearchParams::new(K, ef)).unwrap();
            hits += found.iter().filter(|found| found.distance <= *limit).count();
        }
        (hits as f64 / (K * truth.len()) as f64, begun.elapsed().as_secs_f64() / truth.len() as f64)
    };
    let live = |index: &LiveHnsw<u8>, truth: &[f32], ef| {
        let (mut searcher, mut reader) = (LiveSearcher::new().unwrap(), index.readers().reader().unwrap());
        let (mut hits, begun) = (0, Instant::now());
        for (query, limit) in queries.chunks_exact(dim).zip(truth) {
            let found = reader.search(&mut searcher, query, &SearchParams::new(K, ef)).unwrap();
            hits += found.iter().filter(|found| found.distance <= *limit).count();
        }
        (hits as f64 / (K * truth.len()) as f64, begun.elapsed().as_secs_f64() / truth.len() as f64)
    };
    let report = |name: &str, index: &LiveHnsw<u8>, half: usize| {
        print!("{name:28} unreachable {}  ", index.snapshot().unreachable());
        for ef in efs {
            // Alternating, the better of three each.
            let runs =
                [(); 3].map(|()| (live(index, &truths[half], ef), frozen(&fresh[half], &truths[half], ef)));
            let best = |times: [f64; 3]| times.into_iter().fold(f64::INFINITY, f64::min) * 1e6;
            let (a, b) = (best(runs.map(|run| run.0.1)), best(runs.map(|run| run.1.1)));
            print!(
                "| ef {ef}: {:.4} ({:+.4}) {a:.0} us x{:.2} ",
                runs[0].0.0,
                runs[0].0.0 - runs[0].1.0,
                a / b
            );
        }
        println!();
    };

    let params = LiveParams::new(build.clone());
    let keys: Vec<u64> = (0..2 * rows as u64).collect();
    let bulk = Hnsw::build(vectors(0..rows), Metric::L2, &build).unwrap();
    let mut index = LiveHnsw::from_frozen(bulk, &keys[..rows], &params).unwrap();
    report("thawed", &index, 0);
    let step = rows / 10;
    for round in 0..5 {
        let (from, to) = if round % 2 == 0 { (0, rows) } else { (rows, 0) };
        let (mut removing, mut inserting) = (Duration::ZERO, Duration::ZERO);
        for at in (0..rows).step_by(step) {
            let end = (at + step).min(rows);
            let begun = Instant::now();
            index.remove_batch(&keys[from + at..from + end]).unwrap();
            removing += begun.elapsed();
            let begun = Instant::now();
            index.insert_batch(&keys[to + at..to + end], vectors(to + at..to + end)).unwrap();
            inserting += begun.elapsed();
        }
        let rate = |time: Duration| rows as f64 / time.as_secs_f64();
        println!("round {round}: {:.0} removed/s, {:.0} inserted/s", rate(removing), rate(inserting));
        report(&format!("after round {round}"), &index, usize::from(round % 2 == 0));
    }
    index.compact().unwrap();
    report("compacted", &index, 1);
    let (thawed, sorted) = index.to_frozen().unwrap();
    assert_eq!(sorted, keys[rows..]);
    println!("frozen again at ef 32: {:.4}", frozen(&thawed, &truths[1], 32).0);

    let mut empty = LiveHnsw::new(dim, Metric::L2, &params).unwrap();
    let begun = Instant::now();
    for at in (rows..2 * rows).step_by(1000) {
        let end = (at + 1000).min(2 * rows);
        empty.insert_batch(&keys[at..end], vectors(at..end)).unwrap();
    }
    println!("from empty by 1000: {:.0} inserted/s", rows as f64 / begun.elapsed().as_secs_f64());
    report("from empty", &empty, 1);

    let one_by_one = 2000.min(rows);
    for publish in [true, false] {
        let mut index = LiveHnsw::from_frozen(
            Hnsw::build(vectors(rows..2 * rows), Metric::L2, &build).unwrap(),
            &keys[rows..],
            &params.clone().publish_each_call(publish).compact_at(None),
        )
        .unwrap();
        let begun = Instant::now();
        for key in 0..one_by_one {
            index.insert(key as u64, &base[key * dim..][..dim]).unwrap();
        }
        let inserting = begun.elapsed();
        let begun = Instant::now();
        for key in 0..one_by_one {
            index.remove(key as u64).unwrap();
        }
        let rate = |time: Duration| one_by_one as f64 / time.as_secs_f64();
        println!(
            "one by one, published each {publish}: {:.0} inserted/s, {:.0} removed/s",
            rate(inserting),
            rate(begun.elapsed())
        );
    }

    // A writer that goes round and round, and two readers that check every answer against a snapshot.
    let (stop, searches, versions) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let readers = index.readers();
    std::thread::scope(|scope| {
        for seed in 0..2usize {
            let (readers, stop, searches, queries, base) =
                (readers.clone(), &stop, &searches, &queries, &base);
            scope.spawn(move || {
                let (mut searcher, mut reader) = (LiveSearcher::new().unwrap(), readers.reader().unwrap());
                let mut at = seed * 37;
                while !stop.load(Ordering::Relaxed) {
                    let snapshot = reader.snapshot();
                    let there: HashSet<u64> = snapshot.keys().into_iter().collect();
                    assert_eq!((there.len(), snapshot.unreachable()), (snapshot.len(), 0));
                    for turn in 0..400 {
                        at = (at + 1) % 500;
                        let query = &queries[at * dim..][..dim];
                        let params = SearchParams::new(K, 64);
                        // Every other search is of whatever is published.
                        let of_snapshot = turn % 2 == 0;
                        let found = if of_snapshot {
                            snapshot.search(&mut searcher, query, &params).unwrap()
                        } else {
                            reader.search(&mut searcher, query, &params).unwrap()
                        };
                        assert_eq!(found.len(), K);
                        let rising = |pair: &[hnsw::Found]| {
                            (pair[0].distance, pair[0].key) < (pair[1].distance, pair[1].key)
                        };
                        assert!(found.windows(2).all(rising), "not sorted, or not unique: {found:?}");
                        for found in found {
                            let true_distance = distance(query, &base[found.key as usize * dim..][..dim]);
                            assert_eq!(found.distance, true_distance as f32);
                            assert!(!of_snapshot || there.contains(&found.key), "not in the snapshot");
                        }
                    }
                    searches.fetch_add(400, Ordering::Relaxed);
                }
            });
        }
        let begun = Instant::now();
        let mut at = 0;
        while begun.elapsed().as_secs_f64() < seconds {
            // Single ones, batches and replacements by turns; all of one half goes, all of the other comes.
            let size = [1, 1, 1, 50, 1, 400][at % 6];
            let start = (at * 127) % rows;
            let end = (start + size).min(rows);
            let (gone, come) = if at % 2 == 0 { (rows, 0) } else { (0, rows) };
            index.remove_batch(&keys[gone + start..gone + end]).unwrap();
            index.upsert_batch(&keys[come + start..come + end], vectors(come + start..come + end)).unwrap();
            at += 1;
            versions.fetch_add(2, Ordering::Relaxed);
        }
        stop.store(true, Ordering::Relaxed);
    });
    println!(
        "{seconds} s of load: {} searches checked, {} versions, {} rows, unreachable {}",
        searches.load(Ordering::Relaxed),
        versions.load(Ordering::Relaxed),
        index.len(),
        index.snapshot().unreachable()
    );
}
