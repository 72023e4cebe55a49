//! A writer and two readers at the same time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use simd_kernels::Rows;
use zonal_pq::{LiveParams, LiveSearcher, LiveZonal, Metric, SearchParams};

const DIM: usize = 8;
/// Most keys that come at a time.
const STEP: u64 = 40;

/// The vector of a key says which key it is.
fn vector(key: u64) -> Vec<f32> {
    (0..DIM as u32)
        .map(|j| ((key >> (2 * j)) % 4) as f32 * 3.0 + ((key * 31 + u64::from(j)) % 7) as f32 * 0.1)
        .collect()
}

#[test]
fn readers_see_whole_versions() {
    let mut index = LiveZonal::new(DIM, Metric::L2, &LiveParams::default().zone_rows(2, 48)).unwrap();
    let width = 400u64;
    let window = |from: u64| {
        let keys: Vec<u64> = (from..from + width).collect();
        let data: Vec<f32> = keys.iter().flat_map(|&key| vector(key)).collect();
        (keys, data)
    };
    let (keys, data) = window(0);
    index.insert_batch(&keys, Rows::new(&data, DIM).unwrap()).unwrap();
    let (stop, searches, steps) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let readers = index.readers();
    std::thread::scope(|scope| {
        for at in 0..2u64 {
            let (readers, stop, searches) = (readers.clone(), &stop, &searches);
            scope.spawn(move || {
                let mut reader = readers.reader().unwrap();
                let mut searcher = LiveSearcher::new().unwrap();
                let (mut round, mut since) = (at, 0);
                while !stop.load(Ordering::Relaxed) {
                    round += 1;
                    let query = vector(round * 7919 % 5000);
                    let all = round.is_multiple_of(16);
                    let params = if all {
                        SearchParams::new(1000, usize::MAX).rerank(usize::MAX)
                    } else {
                        SearchParams::new(10, 4)
                    };
                    let found = reader.search(&mut searcher, &query, &params).unwrap();
                    assert!(found.windows(2).all(|x| (x[0].distance, x[0].key) < (x[1].distance, x[1].key)));
                    // Each is measured as what it is, and all are of one version: a window of keys.
                    for found in found {
                        let own =
                            vector(found.key).iter().zip(&query).map(|(x, y)| (x - y) * (x - y)).sum::<f32>();
                        assert!((found.distance - own).abs() < 1e-3, "{found:?} {own}");
                    }
                    let mut keys: Vec<u64> = found.iter().map(|found| found.key).collect();
                    keys.sort_unstable();
                    keys.dedup();
                    assert_eq!(keys.len(), found.len());
                    let (first, last) = (keys[0], keys[keys.len() - 1]);
                    assert!(last < first + width + STEP);
                    if all {
                        let held = last + 1 - first;
                        assert!(keys.len() as u64 == held && (width..=width + STEP).contains(&held));
                        assert!(first >= since, "back in time");
                        since = first;
                    }
                    searches.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let begun = Instant::now();
        let mut from = 0;
        while begun.elapsed() < Duration::from_millis(1500) || searches.load(Ordering::Relaxed) < 100 {
            // The window goes on: first what comes, then what leaves, each a version. Those who stay come anew.
            let step = 1 + from % STEP;
            let (keys, data) = window(from + step);
            let snapshot = index.snapshot();
            let gone: Vec<u64> = (from..from + step).collect();
            let replaced = index.upsert_batch(&keys, Rows::new(&data, DIM).unwrap()).unwrap();
            assert_eq!(replaced as u64, width - step);
            assert_eq!(index.remove_batch(&gone).unwrap() as u64, step);
            assert_eq!(snapshot.len() as u64, width);
            from += step;
            if from % 5 == 0 {
                index.maintain(3).unwrap();
            }
            steps.fetch_add(1, Ordering::Relaxed);
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(steps.load(Ordering::Relaxed) > 20 && index.check().unwrap().rows as u64 == width);
}
