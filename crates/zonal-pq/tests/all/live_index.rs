//! The changing index against a map and an exact scan, and what it says to bad input.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};

use simd_kernels::Rows;
use zonal_pq::quantiser::SymbolBits;
use zonal_pq::{
    BuildParams, Error, Found, LiveBatchSearcher, LiveParams, LiveSearcher, LiveZonal, Metric, NOT_FOUND,
    Refine, ScanCode, SearchParams, ZonalPq,
};

const DIM: usize = 12;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }
    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
    /// Around one of forty centres.
    fn vector(&mut self, centres: usize) -> Vec<f32> {
        let centre = self.below(centres) as f32;
        (0..DIM)
            .map(|j| (centre * (j + 1) as f32).sin() * 10.0 + self.below(2000) as f32 / 1000.0 - 1.0)
            .collect()
    }
}

fn distance(metric: Metric, a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(x * y)).sum::<f64>();
    let found = match metric {
        Metric::L2 => a.iter().zip(b).map(|(x, y)| f64::from(x - y).powi(2)).sum(),
        Metric::InnerProduct => -dot(a, b),
        _ => 1.0 - dot(a, b) / (dot(a, a) * dot(b, b)).sqrt(),
    };
    found as f32
}

/// Every zone is visited and every vector measured.
fn everything(k: usize) -> SearchParams {
    SearchParams::new(k, usize::MAX).rerank(usize::MAX)
}

fn agrees(found: &[Found], model: &BTreeMap<u64, Vec<f32>>, metric: Metric, query: &[f32], k: usize) {
    let mut exact: Vec<(f32, u64)> =
        model.iter().map(|(&key, vector)| (distance(metric, query, vector), key)).collect();
    exact.sort_by(|a, b| a.0.total_cmp(&b.0));
    assert_eq!(found.len(), k.min(model.len()));
    for (found, exact) in found.iter().zip(&exact) {
        assert!((found.distance - exact.0).abs() <= 1e-4 * exact.0.abs().max(1.0), "{found:?} {exact:?}");
        let own = distance(metric, query, &model[&found.key]);
        assert!((found.distance - own).abs() <= 1e-4 * own.abs().max(1.0), "{found:?} {own}");
    }
    assert!(found.windows(2).all(|x| (x[0].distance, x[0].key) < (x[1].distance, x[1].key)));
}

fn model_test(metric: Metric, params: &LiveParams, seed: u64) {
    let mut random = Random(seed);
    let mut index = LiveZonal::<f32>::new(DIM, metric, params).unwrap();
    let mut model = BTreeMap::new();
    let mut searcher = LiveSearcher::new().unwrap();
    for step in 0..60 {
        // It grows, shrinks nearly away, and grows again; the centres move on.
        let (most, centres) = if (25..40).contains(&step) { (20, 4) } else { (200, 40) };
        let keys: Vec<u64> = (0..1 + random.below(most)).map(|_| random.next() % 3000).collect();
        let mut keys = keys;
        keys.sort_unstable();
        keys.dedup();
        let vectors: Vec<Vec<f32>> = keys.iter().map(|_| random.vector(centres)).collect();
        let flat = vectors.concat();
        let rows = Rows::new(&flat, DIM).unwrap();
        let known = keys.iter().filter(|key| model.contains_key(*key)).count();
        if known == 0 || step % 3 > 0 {
            assert_eq!(index.upsert_batch(&keys, rows).unwrap(), known);
            model.extend(keys.into_iter().zip(vectors));
        } else {
            assert!(matches!(index.insert_batch(&keys, rows), Err(Error::DuplicateKey { .. })));
        }
        let share = if (25..40).contains(&step) { 3 } else { 12 };
        let gone: Vec<u64> = model.keys().copied().filter(|_| random.below(share) == 0).collect();
        assert_eq!(index.remove_batch(&gone).unwrap(), gone.len());
        gone.iter().for_each(|key| assert!(model.remove(key).is_some() && !index.contains(*key)));
        if step == 45 {
            index.rebuild().unwrap();
        }
        let checked = index.check().unwrap();
        assert_eq!((index.len(), checked.rows), (model.len(), model.len()));
        assert_eq!(index.snapshot().keys(), model.keys().copied().collect::<Vec<_>>());
        for _ in 0..3 {
            let (query, k) = (random.vector(centres), 1 + random.below(12));
            let snapshot = index.snapshot();
            agrees(
                snapshot.search(&mut searcher, &query, &everything(k)).unwrap(),
                &model,
                metric,
                &query,
                k,
            );
        }
        // Few zones to begin with: all that match are found for all that.
        let (query, some) = (random.vector(centres), |key: u64| key % 7 == 3);
        let matching: BTreeMap<u64, Vec<f32>> =
            model.iter().filter(|x| some(*x.0)).map(|(&key, vector)| (key, vector.clone())).collect();
        let params = SearchParams::new(5, 1).rerank(usize::MAX);
        let found = index.snapshot();
        let found = found.search_filtered(&mut searcher, &query, &params, &some).unwrap();
        agrees(found, &matching, metric, &query, 5);
        // Of the nearest eight those within the distance of the sixth, and nothing else.
        let snapshot = index.snapshot();
        let near = snapshot.search(&mut searcher, &query, &everything(8)).unwrap().to_vec();
        if let Some(sixth) = near.get(5) {
            let zones = usize::MAX;
            let found = snapshot.search_range(&mut searcher, &query, sixth.distance, zones).unwrap();
            let expected = near.iter().filter(|found| found.distance <= sixth.distance).count();
            assert!(found.len() >= expected && found[..6] == near[..6], "{found:?} {near:?}");
            assert!(found.iter().all(|found| found.distance <= sixth.distance));
            let few = everything(2);
            let found = snapshot.search_within(&mut searcher, &query, sixth.distance, &few).unwrap();
            assert_eq!(found, &near[..2]);
        }
        if let Some((&key, vector)) = model.iter().nth(random.below(model.len().max(1))) {
            assert_eq!(index.get(key), Some(&vector[..]));
        }
    }
    let checked = index.check().unwrap();
    assert!(checked.misplaced * 50 <= checked.rows, "{checked:?}");
    let all: Vec<u64> = model.keys().copied().collect();
    assert_eq!(index.remove_batch(&all).unwrap(), all.len());
    assert_eq!(index.check().unwrap().rows, 0);
    let query = [1.0; DIM];
    assert!(index.snapshot().search(&mut searcher, &query, &everything(3)).unwrap().is_empty());
    index.insert(7, &query).unwrap();
    assert_eq!(index.snapshot().search(&mut searcher, &query, &everything(3)).unwrap()[0].key, 7);
}

#[test]
fn answers_are_those_of_a_model() {
    model_test(Metric::L2, &LiveParams::new(BuildParams::new().refine(Refine::Bytes)), 1);
    model_test(Metric::InnerProduct, &LiveParams::new(BuildParams::new().refine(Refine::Bytes)), 2);
    model_test(Metric::Cosine, &LiveParams::new(BuildParams::new().refine(Refine::Vectors)), 3);
    // Small zones, so that they are split and merged all the time.
    model_test(Metric::L2, &LiveParams::default().zone_rows(1, 16), 4);
    model_test(Metric::Cosine, &LiveParams::default().zone_rows(2, 32).neighbours(8).upkeep(1), 5);
}

/// Codes that lie by rows and by planes, of one, two and three columns of factors.
fn codes() -> [ScanCode; 6] {
    let product = |bits| ScanCode::Product { subspaces: 6, bits };
    [
        ScanCode::Rabitq { bits: 1 },
        ScanCode::Rabitq { bits: 4 },
        ScanCode::Lvq { bits: 4 },
        ScanCode::Lvq { bits: 8 },
        product(SymbolBits::Four),
        product(SymbolBits::Eight),
    ]
}

#[test]
fn codes_of_every_kind_change() {
    for (code, seed) in codes().into_iter().zip(20..) {
        let params = LiveParams::new(BuildParams::new().code(code)).zone_rows(2, 100);
        model_test(Metric::L2, &params, seed);
    }
}

/// Codes are what is scanned: with few candidates most of the nearest are found only if they are those of the rows.
#[test]
fn moved_codes_are_still_those_of_their_rows() {
    for code in codes().into_iter().chain([ScanCode::Components { dims: 8 }]) {
        let mut random = Random(30);
        let params = LiveParams::new(BuildParams::new().code(code));
        let mut index = LiveZonal::<f32>::new(DIM, Metric::L2, &params).unwrap();
        let mut model = BTreeMap::new();
        for _ in 0..10 {
            let keys: Vec<u64> =
                (0..400).map(|_| random.next() % 2000).collect::<BTreeSet<_>>().into_iter().collect();
            let data: Vec<f32> = keys.iter().flat_map(|_| random.vector(40)).collect();
            let rows = Rows::new(&data, DIM).unwrap();
            index.upsert_batch(&keys, rows).unwrap();
            model.extend(keys.iter().copied().zip(rows.iter().map(<[f32]>::to_vec)));
            let gone: Vec<u64> =
                (0..200).map(|_| random.next() % 2000).filter(|key| model.remove(key).is_some()).collect();
            index.remove_batch(&gone).unwrap();
        }
        let mut searcher = LiveSearcher::new().unwrap();
        let (mut met, snapshot) = (0, index.snapshot());
        for _ in 0..40 {
            let query = random.vector(40);
            let mut exact: Vec<(f32, u64)> =
                model.iter().map(|(&key, vector)| (distance(Metric::L2, &query, vector), key)).collect();
            exact.sort_by(|a, b| a.0.total_cmp(&b.0));
            let params = SearchParams::new(10, usize::MAX).rerank(100);
            let found = snapshot.search(&mut searcher, &query, &params).unwrap();
            met += exact[..10].iter().filter(|(_, key)| found.iter().any(|x| x.key == *key)).count();
        }
        assert!(met >= 380, "{code:?}: {met} of 400");
    }
}

/// Like data in `u8`, of which no integer rows are kept beside the vectors.
fn bytes(random: &mut Random, rows: usize) -> Vec<u8> {
    (0..rows).flat_map(|_| random.vector(40)).map(|x| (128.0 + x * 10.0) as u8).collect()
}

#[test]
fn a_frozen_index_goes_on_living() {
    let mut random = Random(6);
    let data = bytes(&mut random, 6000);
    let rows = Rows::new(&data, DIM).unwrap();
    // Some are in two zones, of which one is given up.
    let frozen =
        ZonalPq::build(rows.slice(0, 4000).unwrap(), Metric::L2, &BuildParams::new().second(0.3)).unwrap();
    let keys: Vec<u64> = (0..4000).map(|id| 5 * id + 1).collect();
    let mut index = LiveZonal::from_frozen(frozen, &keys, &LiveParams::default()).unwrap();
    let checked = index.check().unwrap();
    assert_eq!((checked.rows, checked.misplaced), (4000, 0));
    let more: Vec<u64> = (0..2000).map(|id| 5 * id + 2).collect();
    index.insert_batch(&more, rows.slice(4000, 6000).unwrap()).unwrap();
    let done = index.maintain(usize::MAX).unwrap();
    assert_eq!(done.left, 0);
    let checked = index.check().unwrap();
    assert!(checked.rows == 6000 && checked.misplaced < 60 && checked.due == 0, "{checked:?}");
    let mut searcher = LiveSearcher::new().unwrap();
    let snapshot = index.snapshot();
    for (row, query) in rows.iter().enumerate().step_by(97) {
        let key = if row < 4000 { 5 * row as u64 + 1 } else { 5 * (row as u64 - 4000) + 2 };
        let found = snapshot.search(&mut searcher, query, &SearchParams::new(5, 8)).unwrap();
        let same = found.iter().any(|x| x.key == key && x.distance == 0.0);
        // Equal vectors may be nearer by their key.
        assert!(same || found[4].distance == 0.0, "{row}: {found:?}");
    }
}

/// Versions leave holes behind them; upkeep closes these and changes nothing that a search could see.
#[test]
fn upkeep_packs_what_changes_have_scattered() {
    let mut random = Random(16);
    let data: Vec<u8> = (0..8000 * 256).map(|_| random.below(256) as u8).collect();
    let rows = Rows::new(&data, 256).unwrap();
    let keys: Vec<u64> = (0..8000).collect();
    let frozen = ZonalPq::build(rows, Metric::L2, &BuildParams::new()).unwrap();
    let mut index = LiveZonal::from_frozen(frozen, &keys, &LiveParams::default()).unwrap();
    let fresh = index.memory_bytes();
    for step in 0..6 {
        // Every zone loses and gets back some of its rows, so that all of them are copied twice.
        let part: Vec<u64> = (0..8000).filter(|key| key % 6 == step).collect();
        let back: Vec<u8> = part.iter().flat_map(|&key| rows.row(key as usize).unwrap().to_vec()).collect();
        index.remove_batch(&part).unwrap();
        index.insert_batch(&part, Rows::new(&back, 256).unwrap()).unwrap();
    }
    let scattered = index.memory_bytes();
    assert!(scattered > fresh + fresh / 2, "{scattered} {fresh}");
    let before = index.snapshot();
    let done = index.maintain(usize::MAX).unwrap();
    assert!(done.packed && done.left == 0, "{done:?}");
    let packed = index.memory_bytes();
    assert!(packed < fresh + fresh / 8, "{packed} {fresh}");
    assert!(!index.maintain(usize::MAX).unwrap().packed);
    index.check().unwrap();
    let after = index.snapshot();
    assert_eq!(before.zone_sizes(), after.zone_sizes());
    let mut searcher = LiveSearcher::new().unwrap();
    for query in rows.iter().step_by(397) {
        let params = SearchParams::new(10, 8);
        let found = before.search(&mut searcher, query, &params).unwrap().to_vec();
        assert_eq!(found, after.search(&mut searcher, query, &params).unwrap());
    }
}

/// The same for any number of threads, single or in batches.
#[test]
fn threads_do_not_matter() {
    let run = || {
        let mut random = Random(7);
        let mut index = LiveZonal::<u8>::new(DIM, Metric::L2, &LiveParams::default()).unwrap();
        for step in 0..12u64 {
            let data = bytes(&mut random, 700);
            let keys: Vec<u64> = (0..700).map(|i| (step * 500 + i) * 3).collect();
            index.upsert_batch(&keys, Rows::new(&data, DIM).unwrap()).unwrap();
            let gone: Vec<u64> = (0..300).map(|_| random.next() % 20_000).collect();
            index.remove_batch(&gone).unwrap();
        }
        let queries = bytes(&mut random, 150);
        let queries = Rows::new(&queries, DIM).unwrap();
        let params = SearchParams::new(7, 4);
        let mut out = vec![NOT_FOUND; 7 * 150];
        let snapshot = index.snapshot();
        snapshot.search_batch(&mut LiveBatchSearcher::new(), queries, &params, &mut out).unwrap();
        let mut searcher = LiveSearcher::new().unwrap();
        for (query, found) in queries.iter().zip(out.chunks(7)) {
            assert_eq!(snapshot.search(&mut searcher, query, &params).unwrap(), found);
        }
        (out, snapshot.zone_sizes(), index.check().unwrap())
    };
    let expected = run();
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let (out, sizes, checked) = pool.install(run);
        assert!(out == expected.0 && sizes == expected.1 && checked == expected.2);
    }
}

#[test]
fn bad_input_is_refused_and_changes_nothing() {
    let mut index = LiveZonal::<f32>::new(3, Metric::Cosine, &LiveParams::default()).unwrap();
    let mut searcher = LiveSearcher::new().unwrap();
    let params = SearchParams::new(3, 4);
    assert!(index.snapshot().search(&mut searcher, &[1.0, 0.0, 0.0], &params).unwrap().is_empty());
    assert!(!index.remove(5).unwrap());
    assert_eq!(index.maintain(10).unwrap().splits, 0);
    index.rebuild().unwrap();
    index.insert_batch(&[1, 2], Rows::new(&[1.0, 2.0, 3.0, 3.0, 2.0, 1.0], 3).unwrap()).unwrap();
    let before = index.check().unwrap();

    let two = |data: &'static [f32]| Rows::new(data, 3).unwrap();
    let fine = two(&[1.0, 2.0, 3.0, 3.0, 2.0, 1.0]);
    assert!(matches!(index.insert(1, &[1.0; 3]), Err(Error::DuplicateKey { key: 1 })));
    assert!(matches!(index.insert_batch(&[4, 4], fine), Err(Error::DuplicateKey { key: 4 })));
    assert!(matches!(index.upsert_batch(&[4, 4], fine), Err(Error::DuplicateKey { key: 4 })));
    assert!(matches!(index.insert_batch(&[4], fine), Err(Error::Layout(_))));
    let wrong = index.insert(4, &[1.0; 2]);
    assert!(matches!(wrong, Err(Error::Dimension { argument: "vector", expected: 3, actual: 2 })));
    let wrong = index.insert_batch(&[4], Rows::new(&[1.0; 2], 2).unwrap());
    assert!(matches!(wrong, Err(Error::Dimension { argument: "vectors", expected: 3, actual: 2 })));
    let wrong = index.insert_batch(&[4, 5], two(&[1.0, 2.0, 3.0, 4.0, f32::NAN, 5.0]));
    assert!(matches!(wrong, Err(Error::NotFinite { argument: "vectors", row: 1, column: 1 })));
    assert!(matches!(index.upsert(4, &[0.0; 3]), Err(Error::ZeroVector { argument: "vectors", row: 0 })));
    let snapshot = index.snapshot();
    assert!(matches!(snapshot.search(&mut searcher, &[1.0; 2], &params), Err(Error::Dimension { .. })));
    let nobody = snapshot.search_filtered(&mut searcher, &[1.0; 3], &params, &|_| false);
    assert!(nobody.unwrap().is_empty());
    let recall = SearchParams::recall(3, 0.9);
    assert!(matches!(snapshot.search(&mut searcher, &[1.0; 3], &recall), Err(Error::NotCalibrated)));
    assert!(matches!(snapshot.search(&mut searcher, &[f32::NAN; 3], &params), Err(Error::NotFinite { .. })));
    assert_eq!(snapshot.search(&mut searcher, &[1.0; 3], &params).unwrap().len(), 2);
    let fits = snapshot.search_batch(&mut LiveBatchSearcher::new(), fine, &params, &mut [NOT_FOUND; 5]);
    assert!(matches!(fits, Err(Error::Parameter { argument: "out", .. })));
    let mut out = [Found { key: 0, distance: 0.0 }; 6];
    snapshot.search_batch(&mut LiveBatchSearcher::new(), fine, &params, &mut out).unwrap();
    assert_eq!((out[0].key, out[2], out[5], out[3].key), (1, NOT_FOUND, NOT_FOUND, 2));
    assert_eq!(index.check().unwrap(), before);
    assert!(!index.contains(4) && index.get(1) == Some(&[1.0, 2.0, 3.0]) && index.get(4).is_none());
    // A key twice in a removal is one key.
    assert_eq!(index.remove_batch(&[1, 1, 9]).unwrap(), 1);

    let refused = |params: LiveParams| {
        matches!(LiveZonal::<f32>::new(3, Metric::L2, &params), Err(Error::Parameter { .. }))
    };
    assert!(
        refused(LiveParams::default().zone_rows(2, 16)) && refused(LiveParams::default().zone_rows(0, 8))
    );
    assert!(
        refused(LiveParams::default().neighbours(5000)) && refused(LiveParams::default().zone_rows(1, 0))
    );
    assert!(LiveZonal::<f32>::new(0, Metric::L2, &LiveParams::default()).is_err());
    let none = Rows::new(&[0.0f32; 0], 3).unwrap();
    assert!(LiveZonal::with_sample(none, Metric::L2, &LiveParams::default()).is_err());
    let frozen = || ZonalPq::build(fine, Metric::L2, &BuildParams::new()).unwrap();
    let from = |keys: &[u64]| LiveZonal::from_frozen(frozen(), keys, &LiveParams::default());
    assert!(matches!(from(&[3, 3]), Err(Error::DuplicateKey { key: 3 })));
    assert!(matches!(from(&[3]), Err(Error::Layout(_))));
}

/// More equal vectors than a zone may hold.
#[test]
fn equal_vectors_find_room() {
    let data = vec![7u8; 80_000 * 8];
    let mut index = LiveZonal::<u8>::new(8, Metric::L2, &LiveParams::default()).unwrap();
    let rows = Rows::new(&data, 8).unwrap();
    index.insert_batch(&(0..50_000).collect::<Vec<_>>(), rows.slice(0, 50_000).unwrap()).unwrap();
    index.insert_batch(&(50_000..80_000).collect::<Vec<_>>(), rows.slice(0, 30_000).unwrap()).unwrap();
    index.insert(90_000, &[7, 7, 7, 7, 7, 7, 7, 8]).unwrap();
    let checked = index.check().unwrap();
    assert!(checked.rows == 80_001 && checked.misplaced <= 1 && checked.largest <= 32_768, "{checked:?}");
    let mut searcher = LiveSearcher::new().unwrap();
    let found =
        index.snapshot().search(&mut searcher, &[7; 8], &SearchParams::new(50, 100)).unwrap().to_vec();
    assert!(found.len() == 50 && found.iter().all(|x| x.distance == 0.0));
    assert_eq!(index.remove_batch(&(0..79_990).collect::<Vec<_>>()).unwrap(), 79_990);
    index.maintain(usize::MAX).unwrap();
    let checked = index.check().unwrap();
    assert!(checked.rows == 11 && checked.zones < 5, "{checked:?}");
}

/// Zones from a sample stay while there are no vectors for them.
#[test]
fn a_sample_shapes_an_empty_index() {
    let mut random = Random(8);
    let data = bytes(&mut random, 5000);
    let rows = Rows::new(&data, DIM).unwrap();
    let mut index = LiveZonal::with_sample(rows, Metric::L2, &LiveParams::default()).unwrap();
    let zones = index.zones();
    assert!(index.is_empty() && zones > 20);
    index.insert_batch(&[5, 6], rows.slice(5, 7).unwrap()).unwrap();
    index.maintain(usize::MAX).unwrap();
    let checked = index.check().unwrap();
    assert_eq!((checked.zones, checked.rows, checked.misplaced), (zones, 2, 0));
    let mut searcher = LiveSearcher::new().unwrap();
    let snapshot = index.snapshot();
    let found = snapshot.search(&mut searcher, rows.row(6).unwrap(), &SearchParams::new(1, zones)).unwrap();
    assert_eq!((found[0].key, found[0].distance), (6, 0.0));
}
