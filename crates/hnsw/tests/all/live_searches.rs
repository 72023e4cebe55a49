//! Filters, ranges, batches and iterators of a changing index that has lost a third of its rows, against exact scans.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use crate::common::{DIM, Random, clustered};
use hnsw::{
    BuildParams, Error, Found, LiveBatchSearcher, LiveHnsw, LiveParams, LiveSearcher, Metric, NO_KEY,
    SearchParams, Snapshot, Storage,
};
use simd_kernels::Rows;

const ROWS: u64 = 6000;
const CLUSTERS: usize = 30;

/// Keys are ten times the row; every third is removed again, so that dead rows lie everywhere.
fn index(base: &[f32], storage: Storage) -> LiveHnsw<f32> {
    let params = LiveParams::new(BuildParams::new().storage(storage)).compact_at(None);
    let mut index = LiveHnsw::new(DIM, Metric::L2, &params).unwrap();
    let keys: Vec<u64> = (0..ROWS).map(|row| 10 * row).collect();
    index.insert_batch(&keys, Rows::new(base, DIM).unwrap()).unwrap();
    let gone: Vec<u64> = keys.into_iter().filter(|key| key % 30 == 0).collect();
    assert_eq!(index.remove_batch(&gone).unwrap(), gone.len());
    index
}

/// What is there and accepted, nearest first.
fn exact(base: &[f32], query: &[f32], accepts: impl Fn(u64) -> bool) -> Vec<Found> {
    let distance = |row: &[f32]| row.iter().zip(query).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
    let mut all: Vec<Found> = (0u64..)
        .zip(base.chunks_exact(DIM))
        .map(|(row, vector)| Found { key: 10 * row, distance: distance(vector) })
        .filter(|found| found.key % 30 != 0 && accepts(found.key))
        .collect();
    all.sort_by(|a, b| a.distance.total_cmp(&b.distance).then(a.key.cmp(&b.key)));
    all
}

fn hits(found: &[Found], truth: &[Found]) -> usize {
    assert!(found.windows(2).all(|pair| (pair[0].distance, pair[0].key) < (pair[1].distance, pair[1].key)));
    found.iter().filter(|found| truth.iter().any(|truth| truth.key == found.key)).count()
}

/// Shares of matches that each lead another way, and matches in clusters that the query does not lie in.
#[test]
fn any_share_of_matches_is_found() {
    let (base, queries) = (clustered(ROWS as usize, CLUSTERS, 1), clustered(CLUSTERS, CLUSTERS, 7));
    for storage in [Storage::Lines(1), Storage::Full] {
        let index = index(&base, storage);
        let (mut reader, mut searcher) = (index.readers().reader().unwrap(), LiveSearcher::new().unwrap());
        let params = SearchParams::new(10, 24);
        let drawn = |key: u64, share: f64| (Random(key).next() >> 11) as f64 / ((1u64 << 53) as f64) < share;
        for case in 0..8 {
            let (mut found_of, mut all) = (0, 0);
            for (cluster, query) in queries.chunks_exact(DIM).enumerate() {
                let accepts = |key: u64| match case {
                    0..6 => drawn(key, [1.0, 0.5, 0.1, 0.01, 0.001, 0.0][case]),
                    _ => {
                        let gap = ((key / 10) as usize + CLUSTERS - cluster) % CLUSTERS;
                        (3..3 + [1, 15][case - 6]).contains(&gap)
                    }
                };
                let mut truth = exact(&base, query, accepts);
                truth.truncate(10);
                let found = reader.search_filtered(&mut searcher, query, &params, accepts).unwrap();
                assert_eq!(found.len(), truth.len(), "{storage:?} {case}");
                assert!(found.iter().all(|found| accepts(found.key) && found.key % 30 != 0));
                found_of += hits(found, &truth);
                all += truth.len();
            }
            assert!(found_of as f64 >= 0.95 * all as f64, "{storage:?} {case}: {found_of} of {all}");
        }
    }
}

#[test]
fn ranges_and_iterators_meet_what_is_there() {
    let (base, queries) = (clustered(ROWS as usize, CLUSTERS, 2), clustered(CLUSTERS, CLUSTERS, 8));
    let index = index(&base, Storage::Lines(1));
    let (snapshot, mut searcher) = (index.snapshot(), LiveSearcher::new().unwrap());
    let (mut found_of, mut all, mut ordered, mut within) = (0, 0, 0, 0);
    for query in queries.chunks_exact(DIM) {
        let truth = exact(&base, query, |_| true);
        let radius = truth[40].distance * 1.0001;
        let found = snapshot.search_range(&mut searcher, query, radius, 48).unwrap();
        assert!(found.iter().all(|found| found.distance <= radius));
        found_of += hits(found, &truth[..41]);
        all += 41;
        let nearest =
            snapshot.search_within(&mut searcher, query, radius, &SearchParams::new(100, 128)).unwrap();
        assert!(nearest.iter().all(|found| found.distance <= radius));
        within += hits(nearest, &truth[..41]);
        let near: Vec<Found> =
            snapshot.iter(&mut searcher, query, 48).unwrap().take(20).map(Result::unwrap).collect();
        ordered += near.iter().filter(|near| truth[..20].iter().any(|truth| truth.key == near.key)).count();
    }
    assert!(found_of as f64 >= 0.97 * f64::from(all), "{found_of} of {all}");
    assert!(within as f64 >= 0.97 * f64::from(all), "{within} of {all}");
    assert!(ordered as f64 >= 0.97 * (20 * CLUSTERS) as f64, "{ordered}");
    // To the end: everything, once.
    let mut keys: Vec<u64> =
        snapshot.iter(&mut searcher, &queries[..DIM], 8).unwrap().map(|found| found.unwrap().key).collect();
    keys.sort_unstable();
    assert_eq!(keys, snapshot.keys());
}

/// Side by side or alone, on any number of threads, also where removed rows make a search look farther.
#[test]
fn a_batch_answers_as_single_searches_do() {
    let (base, queries) = (clustered(ROWS as usize, CLUSTERS, 3), clustered(101, CLUSTERS, 9));
    let mut index = index(&base, Storage::Lines(1));
    // Around the first query everything goes.
    let near: Vec<u64> =
        exact(&base, &queries[..DIM], |_| true)[..300].iter().map(|found| found.key).collect();
    index.remove_batch(&near).unwrap();
    let (mut reader, mut searcher) = (index.readers().reader().unwrap(), LiveSearcher::new().unwrap());
    let (params, scratch) = (SearchParams::new(10, 16), LiveBatchSearcher::new());
    let mut out = vec![NO_KEY; 1010];
    for threads in [1, 3] {
        out.fill(NO_KEY);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| reader.search_batch(&scratch, Rows::new(&queries, DIM).unwrap(), &params, &mut out))
            .unwrap();
        for (query, out) in queries.chunks_exact(DIM).zip(out.chunks_exact(10)) {
            assert_eq!(reader.search(&mut searcher, query, &params).unwrap(), out);
        }
    }
}

/// What is refused is refused alike before and after the index has learned.
#[test]
fn bad_questions_are_refused() {
    fn refused(snapshot: &Snapshot<f32>) {
        let (mut searcher, scratch) = (LiveSearcher::new().unwrap(), LiveBatchSearcher::new());
        let (params, good, nan) = (SearchParams::new(3, 8), [0.5; DIM], [f32::NAN; DIM]);
        let dimension = |error| matches!(error, Error::Dimension { actual: 2, .. });
        assert!(dimension(
            snapshot.search_filtered(&mut searcher, &[0.0; 2], &params, |_| true).unwrap_err()
        ));
        assert!(dimension(snapshot.search_range(&mut searcher, &[0.0; 2], 1.0, 8).unwrap_err()));
        assert!(dimension(snapshot.search_within(&mut searcher, &[0.0; 2], 1.0, &params).unwrap_err()));
        assert!(dimension(snapshot.iter(&mut searcher, &[0.0; 2], 8).unwrap_err()));
        let not_finite = |error| matches!(error, Error::NotFinite { .. });
        assert!(not_finite(snapshot.search_filtered(&mut searcher, &nan, &params, |_| true).unwrap_err()));
        assert!(not_finite(snapshot.search_range(&mut searcher, &nan, 1.0, 8).unwrap_err()));
        assert!(not_finite(snapshot.iter(&mut searcher, &nan, 8).unwrap_err()));
        let radius = |error| matches!(error, Error::Parameter { argument: "radius", .. });
        assert!(radius(snapshot.search_range(&mut searcher, &good, f32::NAN, 8).unwrap_err()));
        assert!(radius(snapshot.search_within(&mut searcher, &good, f32::NAN, &params).unwrap_err()));
        let rows = |data| Rows::new(data, DIM).unwrap();
        let mut out = [NO_KEY; 6];
        let both = [good, nan].concat();
        let error = snapshot.search_batch(&scratch, rows(&both), &params, &mut out).unwrap_err();
        assert!(matches!(error, Error::NotFinite { argument: "queries", row: 1, .. }), "{error}");
        let error = snapshot.search_batch(&scratch, rows(&good), &params, &mut out).unwrap_err();
        assert!(matches!(error, Error::Shape(_)), "{error}");
        // A changing index has not measured what recall an effort brings.
        let target = SearchParams::recall(3, 0.9);
        assert!(matches!(snapshot.search(&mut searcher, &good, &target), Err(Error::NotCalibrated)));
    }
    let base = clustered(400, 4, 5);
    let params = LiveParams::default().training(300);
    let mut index = LiveHnsw::new(DIM, Metric::L2, &params).unwrap();
    refused(&index.snapshot());
    index.insert_batch(&(0..200).collect::<Vec<_>>(), Rows::new(&base[..200 * DIM], DIM).unwrap()).unwrap();
    refused(&index.snapshot());
    index.insert_batch(&(200..400).collect::<Vec<_>>(), Rows::new(&base[200 * DIM..], DIM).unwrap()).unwrap();
    refused(&index.snapshot());
}
