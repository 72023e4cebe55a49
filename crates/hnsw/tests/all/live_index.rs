//! A changing index on generated data: recall under turnover, what stays reachable, what is refused, what readers see.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hnsw::{
    BuildParams, Error, Found, Hnsw, LiveHnsw, LiveParams, LiveSearcher, Metric, SearchParams, Searcher,
    Snapshot, Storage,
};
use simd_kernels::Rows;

const DIM: usize = 24;
const K: usize = 10;

fn random(state: &mut u64) -> f32 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
}

/// Rows of a few overlapping clusters in a space that is thinner in its later dimensions.
fn generated(rows: usize, seed: u64, shift: f32) -> Vec<f32> {
    let mut state = 17;
    let centres: Vec<f32> = (0..20 * DIM).map(|_| 2.0 * random(&mut state)).collect();
    let mut state = seed * 0x9E37_79B9 + 1;
    for _ in 0..4 {
        random(&mut state);
    }
    let mut data = Vec::new();
    for _ in 0..rows {
        let centre = ((random(&mut state) + 0.5) * 20.0) as usize % 20;
        for dim in 0..DIM {
            let spread = 2.0 / (1.0 + dim as f32 * 0.3);
            data.push((centres[centre * DIM + dim] + 2.0 * random(&mut state)) * spread + shift);
        }
    }
    data
}

fn rows(data: &[f32]) -> Rows<'_, f32> {
    Rows::new(data, DIM).unwrap()
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a - b).powi(2)).sum()
}

/// The share of the true nearest that `search` finds.
fn recall(data: &[f32], queries: &[f32], mut search: impl FnMut(&[f32]) -> Vec<f32>) -> f64 {
    let mut hits = 0;
    for query in queries.chunks_exact(DIM) {
        let mut all: Vec<f64> = data.chunks_exact(DIM).map(|row| distance(query, row)).collect();
        all.select_nth_unstable_by(K - 1, f64::total_cmp);
        let limit = all[K - 1] * (1.0 + 1e-5);
        hits += search(query).into_iter().filter(|&distance| f64::from(distance) <= limit).count();
    }
    hits as f64 / (queries.len() / DIM * K) as f64
}

fn live_recall(index: &Snapshot<f32>, data: &[f32], queries: &[f32], ef: usize) -> f64 {
    let mut searcher = LiveSearcher::new().unwrap();
    recall(data, queries, |query| {
        let found = index.search(&mut searcher, query, &SearchParams::new(K, ef)).unwrap();
        found.iter().map(|found| found.distance).collect()
    })
}

fn fresh_recall(data: &[f32], queries: &[f32], ef: usize, build: &BuildParams) -> f64 {
    let index = Hnsw::build(rows(data), Metric::L2, build).unwrap();
    let thawed = LiveHnsw::from_frozen(
        index,
        &(0..(data.len() / DIM) as u64).collect::<Vec<_>>(),
        &LiveParams::default(),
    );
    live_recall(&thawed.unwrap().snapshot(), data, queries, ef)
}

fn small() -> BuildParams {
    BuildParams::new().degree(16).storage(Storage::Lines(1)).seeds(32)
}

#[test]
fn five_rounds_of_turnover_cost_no_recall() {
    const ROWS: usize = 2000;
    let build = small();
    let queries = generated(100, 999, 0.0);
    let mut data = generated(ROWS, 1, 0.0);
    let keys = |round: usize| (0..ROWS as u64).map(move |key| round as u64 * ROWS as u64 + key);
    let mut index = LiveHnsw::new(DIM, Metric::L2, &LiveParams::new(build.clone())).unwrap();
    index.insert_batch(&keys(0).collect::<Vec<_>>(), rows(&data)).unwrap();
    for round in 1..=5 {
        let next = generated(ROWS, round as u64 + 1, 0.0);
        let (old, new): (Vec<u64>, Vec<u64>) = (keys(round - 1).collect(), keys(round).collect());
        for part in 0..10 {
            let part = part * ROWS / 10..(part + 1) * ROWS / 10;
            assert_eq!(index.remove_batch(&old[part.clone()]).unwrap(), part.len());
            let vectors = rows(&next[part.start * DIM..part.end * DIM]);
            index.insert_batch(&new[part], vectors).unwrap();
        }
        assert_eq!((index.len(), index.snapshot().unreachable()), (ROWS, 0));
        data = next;
    }
    assert_eq!(index.snapshot().keys(), keys(5).collect::<Vec<_>>());
    // Over several efforts, as one alone is as noisy as what is to be shown is small.
    let mean = |recall: &dyn Fn(usize) -> f64| [10, 16, 24, 32].into_iter().map(recall).sum::<f64>() / 4.0;
    let churned = mean(&|ef| live_recall(&index.snapshot(), &data, &queries, ef));
    let fresh = mean(&|ef| fresh_recall(&data, &queries, ef, &build));
    assert!(churned >= fresh - 0.005, "{churned} after turnover, {fresh} fresh");
    assert!(fresh > 0.8, "{fresh}: the comparison says something");
}

#[test]
fn rows_one_by_one_are_found_as_well_as_in_bulk() {
    let (data, queries) = (generated(1000, 3, 0.0), generated(60, 4, 0.0));
    let build = small();
    let params = LiveParams::new(build.clone()).training(64).publish_each_call(false);
    let mut index = LiveHnsw::new(DIM, Metric::L2, &params).unwrap();
    for (key, row) in data.chunks_exact(DIM).enumerate() {
        index.insert(key as u64, row).unwrap();
    }
    assert!(index.snapshot().is_empty());
    index.publish().unwrap();
    let (grown, fresh) =
        (live_recall(&index.snapshot(), &data, &queries, 24), fresh_recall(&data, &queries, 24, &build));
    assert!(grown >= fresh - 0.02, "{grown} one by one, {fresh} in bulk");
    assert_eq!(index.snapshot().unreachable(), 0);
}

#[test]
fn equal_vectors_are_no_trap() {
    // Half of everything is one vector; most others lie around it.
    let mut data = generated(900, 5, 0.0);
    let one: Vec<f32> = data[..DIM].to_vec();
    for row in data.chunks_exact_mut(DIM).step_by(2) {
        row.copy_from_slice(&one);
    }
    // And some that only rounding makes equal: rows of their own, at distance 0 for the graph.
    for (at, row) in data.chunks_exact_mut(DIM).skip(1).step_by(4).enumerate() {
        row.copy_from_slice(&one);
        row[0] += (at + 1) as f32 * 1e-6;
    }
    let params = LiveParams::new(small()).training(32).compact_at(None);
    let mut index = LiveHnsw::new(DIM, Metric::L2, &params).unwrap();
    for (part, chunk) in data.chunks(100 * DIM).enumerate() {
        let keys: Vec<u64> =
            (0..chunk.len() as u64 / DIM as u64).map(|key| part as u64 * 100 + key).collect();
        index.insert_batch(&keys, rows(chunk)).unwrap();
    }
    let queries = generated(40, 6, 0.0);
    assert_eq!(index.snapshot().unreachable(), 0);
    assert!(live_recall(&index.snapshot(), &data, &queries, 64) > 0.9);
    let mut searcher = LiveSearcher::new().unwrap();
    let snapshot = index.snapshot();
    let found = snapshot.search(&mut searcher, &one, &SearchParams::new(450, 450)).unwrap();
    assert!(found.iter().filter(|found| found.distance == 0.0).count() >= 450);
    // One of them goes: the others stay.
    assert!(index.remove(0).unwrap());
    let snapshot = index.snapshot();
    let found = snapshot.search(&mut searcher, &one, &SearchParams::new(3, 10)).unwrap();
    assert_eq!(found.iter().map(|found| found.key).collect::<Vec<_>>(), [2, 4, 6]);
}

#[test]
fn rows_that_only_rounding_makes_equal_leave_ways_out() {
    // The root, the only seed, lies in their midst.
    let mut data = generated(800, 5, 0.0);
    let one: Vec<f32> = data[..DIM].to_vec();
    for (at, row) in data.chunks_exact_mut(DIM).take(400).enumerate() {
        row.copy_from_slice(&one);
        row[0] += at as f32 * 1e-6;
    }
    let params = LiveParams::new(small().seeds(1)).compact_at(None);
    let mut index = LiveHnsw::with_sample(rows(&data), Metric::L2, &params).unwrap();
    index.insert_batch(&(0..800).collect::<Vec<_>>(), rows(&data)).unwrap();
    assert_eq!(index.snapshot().unreachable(), 0);
    let others = live_recall(&index.snapshot(), &data, &data[700 * DIM..], 32);
    assert!(others > 0.9, "{others}");
}

#[test]
fn a_batch_far_from_everything_is_linked_within() {
    let (here, there) = (generated(600, 18, 0.0), generated(60, 19, 1.5));
    let params = LiveParams::new(small().seeds(4)).training(100).compact_at(None);
    let mut index = LiveHnsw::new(DIM, Metric::L2, &params).unwrap();
    index.insert_batch(&(0..600).collect::<Vec<_>>(), rows(&here)).unwrap();
    index.insert_batch(&(600..660).collect::<Vec<_>>(), rows(&there)).unwrap();
    let found = live_recall(&index.snapshot(), &there, &generated(50, 20, 1.5), 16);
    assert!(found > 0.9, "{found}");
}

#[test]
fn data_that_leave_the_scale_are_learned_anew() {
    let (here, there) = (generated(600, 18, 0.0), generated(200, 19, 8.0));
    let mut index = LiveHnsw::new(DIM, Metric::L2, &LiveParams::new(small()).training(100)).unwrap();
    index.insert_batch(&(0..600).collect::<Vec<_>>(), rows(&here)).unwrap();
    index.insert_batch(&(600..800).collect::<Vec<_>>(), rows(&there)).unwrap();
    let found = live_recall(&index.snapshot(), &there, &generated(50, 20, 8.0), 32);
    assert!(found > 0.9, "{found}");
    assert_eq!((index.len(), index.snapshot().unreachable()), (800, 0));
}

#[test]
fn entry_points_go_with_the_data() {
    let mut index =
        LiveHnsw::new(DIM, Metric::L2, &LiveParams::new(small()).training(100).compact_at(None)).unwrap();
    let (here, there) = (generated(600, 7, 0.0), generated(600, 8, 3.0));
    index.insert_batch(&(0..600).collect::<Vec<_>>(), rows(&here)).unwrap();
    index.insert_batch(&(600..1200).collect::<Vec<_>>(), rows(&there)).unwrap();
    // All that was there goes, every first seed among it.
    for part in 0..6 {
        index.remove_batch(&(part * 100..part * 100 + 100).collect::<Vec<_>>()).unwrap();
        assert_eq!(index.snapshot().unreachable(), 0);
    }
    let queries = generated(50, 9, 3.0);
    assert!(live_recall(&index.snapshot(), &there, &queries, 40) > 0.9);
    index.compact().unwrap();
    assert_eq!((index.removed(), index.snapshot().unreachable()), (0, 0));
    assert!(live_recall(&index.snapshot(), &there, &queries, 40) > 0.9);
    index.rebuild().unwrap();
    assert!(live_recall(&index.snapshot(), &there, &queries, 40) > 0.95);
    // And all at once.
    assert_eq!(index.remove_batch(&(600..1200).collect::<Vec<_>>()).unwrap(), 600);
    let mut searcher = LiveSearcher::new().unwrap();
    assert!(
        index.snapshot().search(&mut searcher, &there[..DIM], &SearchParams::new(5, 5)).unwrap().is_empty()
    );
    index.compact().unwrap();
    index.insert(1, &there[..DIM]).unwrap();
    assert_eq!(
        index.snapshot().search(&mut searcher, &there[..DIM], &SearchParams::new(5, 5)).unwrap().len(),
        1
    );
}

#[test]
fn what_is_refused_changes_nothing() {
    let data = generated(300, 10, 0.0);
    let params = LiveParams::new(small()).training(100);
    for metric in [Metric::L2, Metric::Cosine, Metric::InnerProduct] {
        let mut index = LiveHnsw::new(DIM, metric, &params).unwrap();
        index.insert_batch(&(0..300).collect::<Vec<_>>(), rows(&data)).unwrap();
        let keys = index.snapshot().keys();
        let mut bad = data[..3 * DIM].to_vec();
        bad[DIM + 5] = f32::NAN;
        let found = index.insert_batch(&[400, 401, 402], rows(&bad));
        assert!(matches!(found, Err(Error::NotFinite { row: 1, column: 5, .. })), "{found:?}");
        bad[DIM + 5] = f32::INFINITY;
        assert!(matches!(index.upsert_batch(&[0, 401, 402], rows(&bad)), Err(Error::NotFinite { .. })));
        bad[DIM..2 * DIM].fill(0.0);
        let zero = index.upsert_batch(&[0, 401, 402], rows(&bad));
        if metric == Metric::Cosine {
            assert!(matches!(zero, Err(Error::ZeroVector { row: 1, .. })), "{zero:?}");
        } else {
            assert_eq!(zero.unwrap(), 1);
            assert_eq!(index.remove_batch(&[401, 402]).unwrap(), 2);
        }
        let row = &data[..DIM];
        assert!(matches!(index.insert(7, row), Err(Error::DuplicateKey { key: 7 })));
        let twice = index.upsert_batch(&[500, 501, 500], rows(&data[..3 * DIM]));
        assert!(matches!(twice, Err(Error::DuplicateKey { key: 500 })));
        let few = index.insert_batch(&[500], rows(&data[..3 * DIM]));
        assert!(matches!(few, Err(Error::Layout(layouts::Error::Length { argument: "keys", .. }))));
        assert!(matches!(index.insert(500, &row[1..]), Err(Error::Dimension { actual: 23, .. })));
        assert!(matches!(index.insert(500, &[]), Err(Error::Dimension { actual: 0, .. })));
        assert!(!index.remove(500).unwrap());
        assert_eq!(index.remove_batch(&[]).unwrap(), 0);
        index.insert_batch(&[], rows(&[])).unwrap();
        assert_eq!((index.snapshot().keys(), index.len()), (keys, 300));
        let mut searcher = LiveSearcher::new().unwrap();
        let mut reader = index.readers().reader().unwrap();
        let mut search = |query: &[f32]| {
            reader.search(&mut searcher, query, &SearchParams::new(5, 20)).map(<[Found]>::len)
        };
        assert!(matches!(search(&row[1..]), Err(Error::Dimension { argument: "query", .. })));
        assert!(matches!(search(&bad[..0]), Err(Error::Dimension { .. })));
        assert!(matches!(search(&[f32::NAN; DIM]), Err(Error::NotFinite { .. })));
        assert_eq!(search(row).unwrap(), 5);
    }
    assert!(LiveHnsw::<f32>::new(0, Metric::L2, &params).is_err());
    let hamming = LiveHnsw::<f32>::new(3, Metric::Hamming, &LiveParams::default());
    assert!(matches!(hamming, Err(Error::Metric { .. })));
    let none = LiveHnsw::<f32>::with_sample(rows(&[]), Metric::L2, &params);
    assert!(matches!(none, Err(Error::Parameter { argument: "sample", .. })));
    for wrong in [
        params.clone().ef_insert(1),
        params.clone().training(0),
        params.clone().compact_at(Some(0.0)),
        params.clone().compact_at(Some(f32::NAN)),
    ] {
        assert!(matches!(LiveHnsw::<f32>::new(3, Metric::L2, &wrong), Err(Error::Parameter { .. })));
    }
    let frozen = || Hnsw::build(rows(&data), Metric::L2, &small()).unwrap();
    assert!(matches!(LiveHnsw::from_frozen(frozen(), &[1, 2], &params), Err(Error::Layout(_))));
    let same: Vec<u64> = (0..300).map(|key| key / 2).collect();
    assert!(matches!(LiveHnsw::from_frozen(frozen(), &same, &params), Err(Error::DuplicateKey { key: 0 })));
}

#[test]
fn a_frozen_copy_answers_alike() {
    let data = generated(1200, 11, 0.0);
    for metric in [Metric::L2, Metric::Cosine, Metric::InnerProduct] {
        let mut index = LiveHnsw::new(DIM, metric, &LiveParams::new(small()).training(200)).unwrap();
        let keys: Vec<u64> = (0..1200).map(|key| u64::MAX - 3 * key).collect();
        index.insert_batch(&keys, rows(&data)).unwrap();
        index.remove_batch(&keys[..500]).unwrap();
        let (frozen, sorted) = index.to_frozen().unwrap();
        assert_eq!(sorted, index.snapshot().keys());
        let thawed =
            LiveHnsw::from_frozen(index.to_frozen().unwrap().0, &sorted, &LiveParams::default()).unwrap();
        let (mut plain, mut live) = (Searcher::new().unwrap(), LiveSearcher::new().unwrap());
        for query in generated(20, 12, 0.0).chunks_exact(DIM) {
            let params = SearchParams::new(20, 700);
            let a: Vec<(u64, f32)> = frozen
                .search(&mut plain, query, &params)
                .unwrap()
                .iter()
                .map(|found| (sorted[found.id as usize], found.distance))
                .collect();
            for snapshot in [index.snapshot(), thawed.snapshot()] {
                let b = snapshot.search(&mut live, query, &params).unwrap();
                assert_eq!(a, b.iter().map(|found| (found.key, found.distance)).collect::<Vec<_>>());
            }
        }
    }
}

#[cfg(feature = "rayon")]
#[test]
fn the_number_of_threads_changes_no_answer() {
    let (data, queries) = (generated(1000, 13, 0.0), generated(30, 14, 0.0));
    let answers = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut index =
                LiveHnsw::new(DIM, Metric::Cosine, &LiveParams::new(small()).training(300)).unwrap();
            for part in 0..5u64 {
                let chunk = &data[part as usize * 200 * DIM..][..200 * DIM];
                index.insert_batch(&(part * 200..part * 200 + 200).collect::<Vec<_>>(), rows(chunk)).unwrap();
                index.remove_batch(&(part * 200..part * 200 + 50).collect::<Vec<_>>()).unwrap();
            }
            let (snapshot, mut searcher) = (index.snapshot(), LiveSearcher::new().unwrap());
            let mut all = Vec::new();
            for query in queries.chunks_exact(DIM) {
                all.extend_from_slice(
                    snapshot.search(&mut searcher, query, &SearchParams::new(K, 12)).unwrap(),
                );
            }
            (all, searcher.work())
        })
    };
    // The work as well: another graph would hardly cost as much.
    assert_eq!(answers(1), answers(3));
}

#[test]
fn a_snapshot_outlives_everything() {
    let data = generated(800, 15, 0.0);
    let mut index = LiveHnsw::new(DIM, Metric::L2, &LiveParams::new(small()).training(100)).unwrap();
    index.insert_batch(&(0..400).collect::<Vec<_>>(), rows(&data[..400 * DIM])).unwrap();
    let (kept, readers) = (index.snapshot(), index.readers());
    let mut searcher = LiveSearcher::new().unwrap();
    let answer = |searcher: &mut LiveSearcher<f32>| {
        kept.search(searcher, &data[..DIM], &SearchParams::new(K, 50)).unwrap().to_vec()
    };
    let before = answer(&mut searcher);
    index.remove_batch(&(0..390).collect::<Vec<_>>()).unwrap();
    index.insert_batch(&(1000..1400).collect::<Vec<_>>(), rows(&data[400 * DIM..])).unwrap();
    index.compact().unwrap();
    index.upsert(395, &data[..DIM]).unwrap();
    assert_eq!(answer(&mut searcher), before);
    assert_eq!((kept.keys(), kept.unreachable()), ((0..400).collect::<Vec<_>>(), 0));
    drop(index);
    assert_eq!(answer(&mut searcher), before);
    let mut reader = readers.reader().unwrap();
    let found = reader.search(&mut searcher, &data[..DIM], &SearchParams::new(1, 50)).unwrap();
    assert_eq!((found[0].key, found[0].distance), (395, 0.0));
    assert_eq!(readers.snapshot().unwrap().len(), 410);
}

#[test]
fn readers_and_a_writer_at_once() {
    const ROWS: usize = 1200;
    let data = generated(2 * ROWS, 16, 0.0);
    let mut index = LiveHnsw::new(DIM, Metric::L2, &LiveParams::new(small()).training(200)).unwrap();
    index.insert_batch(&(0..ROWS as u64).collect::<Vec<_>>(), rows(&data[..ROWS * DIM])).unwrap();
    let (stop, searches, readers) = (AtomicBool::new(false), AtomicUsize::new(0), index.readers());
    struct Stopping<'a>(&'a AtomicBool);
    impl Drop for Stopping<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let mut changes = 0;
    std::thread::scope(|scope| {
        for seed in 0..2 {
            let (readers, stop, searches, data) = (readers.clone(), &stop, &searches, &data);
            scope.spawn(move || {
                let queries = generated(64, 20 + seed, 0.0);
                let (mut searcher, mut reader) = (LiveSearcher::new().unwrap(), readers.reader().unwrap());
                while !stop.load(Ordering::Relaxed) {
                    let snapshot = reader.snapshot();
                    let there: HashSet<u64> = snapshot.keys().into_iter().collect();
                    assert_eq!((there.len(), snapshot.unreachable()), (snapshot.len(), 0));
                    for (turn, query) in queries.chunks_exact(DIM).enumerate() {
                        let params = SearchParams::new(K, 24);
                        let of_snapshot = turn % 2 == 0;
                        let found = if of_snapshot {
                            snapshot.search(&mut searcher, query, &params).unwrap()
                        } else {
                            reader.search(&mut searcher, query, &params).unwrap()
                        };
                        assert_eq!(found.len(), K);
                        assert!(
                            found.windows(2).all(|pair| {
                                (pair[0].distance, pair[0].key) < (pair[1].distance, pair[1].key)
                            }),
                            "not sorted, or not unique: {found:?}"
                        );
                        for found in found {
                            let is = distance(query, &data[found.key as usize * DIM..][..DIM]);
                            assert!((f64::from(found.distance) - is).abs() <= 1e-4 * is.max(1.0));
                            assert!(!of_snapshot || there.contains(&found.key));
                        }
                        searches.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        let stopping = Stopping(&stop);
        let begun = Instant::now();
        let keys: Vec<u64> = (0..2 * ROWS as u64).collect();
        // On a busy machine it takes longer until enough has happened.
        let enough = |changes: usize| changes > 10 && searches.load(Ordering::Relaxed) > 200;
        while begun.elapsed() < Duration::from_millis(1200)
            || (!enough(changes) && begun.elapsed() < Duration::from_secs(60))
        {
            let size = [1, 30, 1, 100][changes % 4];
            let start = (changes * 61) % (ROWS - size);
            let (gone, come) = if changes / 40 % 2 == 0 { (0, ROWS) } else { (ROWS, 0) };
            index.remove_batch(&keys[gone + start..gone + start + size]).unwrap();
            let come = come + start..come + start + size;
            index.upsert_batch(&keys[come.clone()], rows(&data[come.start * DIM..come.end * DIM])).unwrap();
            changes += 1;
        }
        drop(stopping);
    });
    let searches = searches.load(Ordering::Relaxed);
    assert!(changes > 10 && searches > 100, "{changes} changes, {searches} searches");
    assert_eq!(index.snapshot().unreachable(), 0);
}
