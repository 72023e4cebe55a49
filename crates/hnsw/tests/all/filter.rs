//! Filtered searches against brute force over the matches.
#![allow(clippy::unwrap_used)]

use crate::common::{DIM, Random, build, clustered, exact, recall, sorted_and_unique};
use hnsw::{Hnsw, IdFilter, IdSet, Metric, Neighbor, SearchParams, Searcher, Storage};

const ROWS: usize = 6000;
const CLUSTERS: usize = 30;

/// The mean recall of the filtered truth over queries near each cluster.
fn measure(
    index: &Hnsw<f32>,
    base: &[f32],
    metric: Metric,
    params: &SearchParams,
    filter: &dyn Fn(usize) -> Box<dyn IdFilter>,
) -> f64 {
    let queries = clustered(CLUSTERS, CLUSTERS, 7);
    let mut searcher = Searcher::new().unwrap();
    let mut sum = 0.0;
    for (cluster, query) in queries.chunks_exact(DIM).enumerate() {
        let filter = filter(cluster);
        let mut truth = exact(base, query, metric);
        truth.retain(|neighbor| filter.accepts(neighbor.id));
        truth.truncate(params.k);
        let found = index.search_filtered(&mut searcher, query, params, &*filter).unwrap();
        assert!(sorted_and_unique(found));
        assert!(found.iter().all(|neighbor| filter.accepts(neighbor.id)));
        assert_eq!(found.len(), truth.len());
        sum += recall(found, &truth);
    }
    sum / CLUSTERS as f64
}

/// Whether an id is drawn into a share.
fn drawn(id: u32, share: f64) -> bool {
    (Random(u64::from(id)).next() >> 11) as f64 / ((1u64 << 53) as f64) < share
}

#[test]
fn any_share_of_matches_is_found() {
    let base = clustered(ROWS, CLUSTERS, 1);
    for (metric, storage) in [
        (Metric::L2, Storage::Lines(1)),
        (Metric::Cosine, Storage::Full),
        (Metric::InnerProduct, Storage::Lines(1)),
    ] {
        let index = build(&base, metric, storage);
        for share in [1.0, 0.5, 0.1, 0.01, 0.001, 0.0] {
            let ids = || (0..ROWS as u32).filter(|&id| drawn(id, share));
            let params = SearchParams::new(10, 24);
            let set = measure(&index, &base, metric, &params, &|_| Box::new(IdSet::from_ids(ids()).unwrap()));
            let closure = measure(&index, &base, metric, &params, &|_| Box::new(move |id| drawn(id, share)));
            assert!(set >= 0.95 && closure >= 0.95, "{metric:?} {storage:?} {share}: {set} {closure}");
        }
    }
}

#[test]
fn matches_far_from_the_query_are_found() {
    let base = clustered(ROWS, CLUSTERS, 2);
    let index = build(&base, Metric::L2, Storage::Lines(1));
    // Only other clusters: one, five, and half of them.
    for others in [1, 5, 15] {
        let recall = measure(&index, &base, Metric::L2, &SearchParams::new(10, 24), &|cluster| {
            Box::new(
                IdSet::from_ids((0..ROWS as u32).filter(|&id| {
                    let gap = (id as usize + CLUSTERS - cluster) % CLUSTERS;
                    gap >= 3 && gap < 3 + others
                }))
                .unwrap(),
            )
        });
        assert!(recall >= 0.95, "{others}: {recall}");
    }
}

#[test]
fn a_wrong_count_costs_no_results() {
    #[derive(Debug)]
    struct Wrong(usize);
    impl IdFilter for Wrong {
        fn accepts(&self, id: u32) -> bool {
            id % 500 == 3
        }
        fn count_hint(&self) -> Option<usize> {
            Some(self.0)
        }
    }
    let base = clustered(ROWS, CLUSTERS, 3);
    let index = build(&base, Metric::L2, Storage::Lines(1));
    let mut searcher = Searcher::new().unwrap();
    for count in [0, 1, 12, 600, ROWS, usize::MAX] {
        for k in [1, 10, 12, 100] {
            let found = index
                .search_filtered(&mut searcher, &base[..DIM], &SearchParams::new(k, 16), &Wrong(count))
                .unwrap();
            assert_eq!(found.len(), k.min(12), "{count} {k}");
        }
    }
}

#[test]
fn equal_vectors_are_told_apart_by_the_filter() {
    let mut base = clustered(400, 4, 4);
    let copies = base.clone();
    base.extend_from_slice(&copies);
    let index = build(&base, Metric::L2, Storage::Lines(1));
    let mut searcher = Searcher::new().unwrap();
    let second = |id: u32| id >= 400;
    for row in [0, 17, 399] {
        let query = &base[row * DIM..][..DIM];
        let found = index.search_filtered(&mut searcher, query, &SearchParams::new(1, 32), &second).unwrap();
        assert_eq!(found, [Neighbor::new(row as u32 + 400, 0.0)]);
    }
}
