//! Random changes to an index and to a plain map: with as many candidates as rows the answers are the same, and
//! nothing that was refused shows.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeMap;

use hnsw::{
    BuildParams, Error, Found, LiveBatchSearcher, LiveHnsw, LiveParams, LiveSearcher, Metric, NO_KEY,
    SearchParams, Snapshot, Storage,
};
use proptest::prelude::*;
use simd_kernels::Rows;

const DIM: usize = 3;

#[derive(Clone, Debug)]
enum Step {
    Insert(Vec<(u64, [u8; DIM])>),
    Upsert(Vec<(u64, [u8; DIM])>),
    Remove(Vec<u64>),
    Compact,
    Rebuild,
    Thaw,
}

/// Few keys and few values: so that keys are met again, and vectors equal one another.
fn step() -> impl Strategy<Value = Step> {
    let row = || (0..120u64, prop::array::uniform3(0..5u8));
    prop_oneof![
        6 => prop::collection::vec(row(), 1..40).prop_map(Step::Insert),
        4 => prop::collection::vec(row(), 1..12).prop_map(Step::Upsert),
        4 => prop::collection::vec(0..120u64, 1..30).prop_map(Step::Remove),
        1 => Just(Step::Compact),
        1 => Just(Step::Rebuild),
        1 => Just(Step::Thaw),
    ]
}

type Model = BTreeMap<u64, [u8; DIM]>;

fn unique(rows: &[(u64, [u8; DIM])]) -> bool {
    let mut keys: Vec<u64> = rows.iter().map(|row| row.0).collect();
    keys.sort_unstable();
    keys.windows(2).all(|pair| pair[0] != pair[1])
}

fn split(rows: &[(u64, [u8; DIM])]) -> (Vec<u64>, Vec<u8>) {
    (rows.iter().map(|row| row.0).collect(), rows.iter().flat_map(|row| row.1).collect())
}

/// Does one step to both; they must agree on whether it can be done.
fn apply(index: &mut LiveHnsw<u8>, model: &mut Model, step: &Step, params: &LiveParams) {
    match step {
        Step::Insert(rows) => {
            let (keys, vectors) = split(rows);
            let fits = unique(rows) && keys.iter().all(|key| !model.contains_key(key));
            match index.insert_batch(&keys, Rows::new(&vectors, DIM).unwrap()) {
                Ok(()) => {
                    assert!(fits);
                    model.extend(rows.iter().copied());
                }
                Err(Error::DuplicateKey { key }) => assert!(!fits && keys.contains(&key)),
                Err(error) => panic!("{error}"),
            }
        }
        Step::Upsert(rows) => {
            let (keys, vectors) = split(rows);
            match index.upsert_batch(&keys, Rows::new(&vectors, DIM).unwrap()) {
                Ok(replaced) => {
                    assert_eq!(replaced, keys.iter().filter(|key| model.contains_key(key)).count());
                    model.extend(rows.iter().copied());
                }
                Err(_) => assert!(!unique(rows)),
            }
        }
        Step::Remove(keys) => {
            let before = model.len();
            model.retain(|key, _| !keys.contains(key));
            assert_eq!(index.remove_batch(keys).unwrap(), before - model.len());
        }
        Step::Compact => {
            index.compact().unwrap();
            assert_eq!(index.removed(), 0);
        }
        Step::Rebuild => index.rebuild().unwrap(),
        Step::Thaw if !model.is_empty() => {
            let (frozen, keys) = index.to_frozen().unwrap();
            *index = LiveHnsw::from_frozen(frozen, &keys, params).unwrap();
        }
        Step::Thaw => {}
    }
}

/// All of a map, as a search of everything would find it.
fn in_order(model: &Model, query: [u8; DIM]) -> Vec<Found> {
    let distance =
        |row: &[u8; DIM]| row.iter().zip(&query).map(|(&a, &b)| f32::from(a.abs_diff(b)).powi(2)).sum();
    let mut all: Vec<Found> =
        model.iter().map(|(&key, row)| Found { key, distance: distance(row) }).collect();
    all.sort_by(|a, b| a.distance.total_cmp(&b.distance).then(a.key.cmp(&b.key)));
    all
}

/// Filters, ranges, batches and iterators: with as many candidates as rows they are exact too.
fn other_searches(
    snapshot: &Snapshot<u8>,
    model: &Model,
    searcher: &mut LiveSearcher<u8>,
    query: [u8; DIM],
    k: usize,
) {
    let (all, params) = (in_order(model, query), SearchParams::new(k, 4096));
    for (modulus, rest) in [(1, 0), (2, 1), (7, 3), (120, 5), (3, 8)] {
        let filter = |key: u64| key % modulus == rest;
        let expected: Vec<Found> = all.iter().copied().filter(|found| filter(found.key)).take(k).collect();
        assert_eq!(snapshot.search_filtered(searcher, &query, &params, filter).unwrap(), expected);
        let few = snapshot.search_filtered(searcher, &query, &SearchParams::new(k, 1), filter).unwrap();
        assert_eq!(few.len(), expected.len());
        assert!(few.iter().all(|found| filter(found.key) && all.contains(found)));
    }
    for radius in [-1.0, 0.0, 6.0, f32::INFINITY] {
        let expected: Vec<Found> = all.iter().copied().filter(|found| found.distance <= radius).collect();
        assert_eq!(snapshot.search_range(searcher, &query, radius, 4096).unwrap(), expected);
        let nearest = snapshot.search_within(searcher, &query, radius, &params).unwrap();
        assert_eq!(nearest, &expected[..k.min(expected.len())]);
    }
    let one_by_one: Vec<Found> = snapshot.iter(searcher, &query, 4096).unwrap().map(Result::unwrap).collect();
    assert_eq!(one_by_one, all);
    let queries = [query, [1, 1, 1], query].concat();
    let mut out = vec![NO_KEY; 3 * k];
    let scratch = LiveBatchSearcher::new();
    for ef in [1, 4096] {
        let params = SearchParams::new(k, ef);
        snapshot.search_batch(&scratch, Rows::new(&queries, DIM).unwrap(), &params, &mut out).unwrap();
        for (query, out) in queries.chunks_exact(DIM).zip(out.chunks_exact(k)) {
            let found = snapshot.search(searcher, query, &params).unwrap();
            assert_eq!(&out[..found.len()], found);
            assert!(out[found.len()..].iter().all(|&none| none == NO_KEY));
        }
    }
}

fn check(index: &LiveHnsw<u8>, model: &Model, searcher: &mut LiveSearcher<u8>) {
    let snapshot = index.snapshot();
    assert_eq!((index.len(), snapshot.len()), (model.len(), model.len()));
    assert_eq!(snapshot.keys(), model.keys().copied().collect::<Vec<_>>());
    assert_eq!(snapshot.unreachable(), 0);
    for (&key, vector) in model {
        assert_eq!(index.get(key), Some(&vector[..]));
    }
    for query in [[0u8, 0, 0], [2, 3, 1], [4, 4, 4]] {
        for k in [1, 7, 200] {
            let mut expected = in_order(model, query);
            expected.truncate(k);
            let found = snapshot.search(searcher, &query, &SearchParams::new(k, 4096)).unwrap();
            assert_eq!(found, expected);
            // However few candidates: never fewer answers than there are, and every one true.
            let found = snapshot.search(searcher, &query, &SearchParams::new(k, 1)).unwrap();
            assert_eq!(found.len(), k.min(model.len()));
            assert!(
                found
                    .windows(2)
                    .all(|pair| { (pair[0].distance, pair[0].key) < (pair[1].distance, pair[1].key) })
            );
            assert!(found.iter().all(|found| model.contains_key(&found.key)));
            other_searches(&snapshot, model, searcher, query, k);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_sequence_of_changes(
        steps in prop::collection::vec(step(), 1..25),
        compact_at in prop_oneof![Just(None), Just(Some(0.1f32)), Just(Some(0.6))],
        storage in prop_oneof![Just(Storage::Full), Just(Storage::Lines(1)), Just(Storage::Bytes)],
        sampled in any::<bool>(),
    ) {
        let build = BuildParams::new().degree(6).storage(storage).seeds(8);
        let params = LiveParams::new(build).training(24).ef_insert(16).compact_at(compact_at);
        let sample: Vec<u8> = (0..150).map(|x| (x * 7 % 5) as u8).collect();
        let mut index = if sampled {
            LiveHnsw::with_sample(Rows::new(&sample, DIM).unwrap(), Metric::L2, &params).unwrap()
        } else {
            LiveHnsw::new(DIM, Metric::L2, &params).unwrap()
        };
        let (mut model, mut searcher) = (Model::new(), LiveSearcher::new().unwrap());
        check(&index, &model, &mut searcher);
        for step in &steps {
            apply(&mut index, &mut model, step, &params);
            check(&index, &model, &mut searcher);
        }
    }
}
