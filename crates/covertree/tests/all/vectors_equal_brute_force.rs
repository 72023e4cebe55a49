//! Every answer about rows of numbers is that of brute force, bit for bit, ties included.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::common::{Random, assert_same, brute_force};
use covertree::{BuildOptions, Search, Searcher, Traversal, VectorMetric, VectorTree};
use proptest::prelude::*;

const TRAVERSALS: [Traversal; 3] = [Traversal::DepthFirst, Traversal::BestFirst, Traversal::LevelSynchronous];

/// Rows of one of several kinds, with many ties in most of them.
fn rows(kind: usize, n: usize, dim: usize, random: &mut Random) -> Vec<f64> {
    match kind {
        // spread out
        0 => random.rows(n, dim),
        // a grid, each place several times
        1 => (0..n * dim).map(|_| random.below(5) as f64 * 0.1).collect(),
        // clusters of very different sizes
        2 => {
            let centres = random.rows(5, dim);
            (0..n)
                .flat_map(|_| {
                    let centre = random.below(5);
                    let scale = 10f64.powi(-2 * centre as i32);
                    (0..dim).map(|j| centres[centre * dim + j] + scale * random.unit()).collect::<Vec<_>>()
                })
                .collect()
        }
        // all the same
        3 => vec![0.25; n * dim],
        // a line, in every dimension at once
        _ => (0..n).flat_map(|i| vec![(i % 120) as f64 * 0.7; dim]).collect(),
    }
}

fn metric(number: usize) -> VectorMetric {
    [VectorMetric::L2, VectorMetric::L1, VectorMetric::Angular, VectorMetric::EARTH_KM][number]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 160, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn searches_of_all_kinds(
        seed: u64, kind in 0usize..5, metric_number in 0usize..4, n in 1usize..700, dim in 1usize..7, k in 1usize..40,
        leaf in prop::sample::select(vec![16usize, 32, 64]),
    ) {
        let metric = metric(metric_number);
        let dim = if metric == VectorMetric::EARTH_KM { 2 } else { dim };
        let mut random = Random(seed);
        let mut data = rows(kind, n, dim, &mut random);
        if metric == VectorMetric::Angular {
            // No row without a direction.
            data.iter_mut().for_each(|x| *x += 0.001);
        }
        let tree = VectorTree::from_rows_with(&data, dim, metric, BuildOptions::new().leaf(leaf)).unwrap();
        prop_assert_eq!(tree.len(), n);
        let filter = tree.filter(|id| id % 3 == 1);
        let mut searcher = Searcher::new();
        for round in 0..6 {
            let query = if round % 2 == 0 {
                let row = random.below(n);
                data[row * dim..][..dim].to_vec()
            } else {
                random.rows(1, dim)
            };
            let traversal = TRAVERSALS[round % 3];
            let plain = brute_force(&data, dim, metric, &query, k, f64::INFINITY, |_| true);
            let search = Search::nearest(k).traversal(traversal);
            assert_same(tree.search(&mut searcher, &query, &search).unwrap(), &plain, "nearest");
            prop_assert!(searcher.certificate().exact);
            prop_assert!(searcher.certificate().distances <= n as u64);

            // A radius that is exactly the distance of some point, and one in between.
            let at = plain[random.below(plain.len())].distance;
            for radius in [at, at * 1.01, 0.0] {
                let expected = brute_force(&data, dim, metric, &query, n, radius, |_| true);
                let search = Search::within(radius).traversal(traversal);
                assert_same(tree.search(&mut searcher, &query, &search).unwrap(), &expected, "within");
                let expected = brute_force(&data, dim, metric, &query, k, radius, |_| true);
                let search = Search::nearest(k).radius(radius).traversal(traversal);
                assert_same(tree.search(&mut searcher, &query, &search).unwrap(), &expected, "both");
            }
            let before = random.below(n + 1) as u32;
            let expected = brute_force(&data, dim, metric, &query, k, f64::INFINITY, |id| id < before);
            let search = Search::nearest(k).before(before).traversal(traversal);
            assert_same(tree.search(&mut searcher, &query, &search).unwrap(), &expected, "before");
            let expected = brute_force(&data, dim, metric, &query, k, f64::INFINITY, |id| id % 3 == 1);
            let search = Search::nearest(k).filter(&filter).traversal(traversal);
            assert_same(tree.search(&mut searcher, &query, &search).unwrap(), &expected, "filter");
        }
    }

    #[test]
    fn batches_and_all_points(seed: u64, kind in 0usize..5, n in 1usize..600, dim in 1usize..4, k in 1usize..12) {
        let mut random = Random(seed);
        let data = rows(kind, n, dim, &mut random);
        let tree = VectorTree::from_rows(&data, dim, VectorMetric::L2).unwrap();
        let queries = random.rows(9, dim);
        let found = tree.search_batch(&queries, &Search::nearest(k)).unwrap();
        prop_assert_eq!(found.len(), 9);
        for (query, found) in queries.chunks_exact(dim).zip(found.iter()) {
            assert_same(found, &brute_force(&data, dim, VectorMetric::L2, query, k, f64::INFINITY, |_| true), "batch");
        }
        let all = tree.all_nearest(&Search::nearest(k)).unwrap();
        let before = tree.all_predecessors(&Search::nearest(k)).unwrap();
        prop_assert_eq!((all.len(), before.len()), (n, n));
        // What one query leaves for the next must hold where some points do not count.
        let filter = tree.filter(|id| id % 3 == 1);
        let filtered = tree.all_nearest(&Search::nearest(k).filter(&filter)).unwrap();
        let half = n as u32 / 2;
        let limited = tree.all_nearest(&Search::nearest(k).before(half)).unwrap();
        for (id, query) in (0u32..).zip(data.chunks_exact(dim)) {
            let expected = brute_force(&data, dim, VectorMetric::L2, query, k, f64::INFINITY, |other| other != id);
            assert_same(all.of(id as usize), &expected, "all");
            let expected = brute_force(&data, dim, VectorMetric::L2, query, k, f64::INFINITY, |other| other < id);
            prop_assert_eq!(expected.len(), k.min(id as usize));
            if id % 5 == 0 {
                let accept = |other| other != id && other % 3 == 1;
                let few = brute_force(&data, dim, VectorMetric::L2, query, k, f64::INFINITY, accept);
                assert_same(filtered.of(id as usize), &few, "all, filtered");
                let accept = |other| other != id && other < half;
                let few = brute_force(&data, dim, VectorMetric::L2, query, k, f64::INFINITY, accept);
                assert_same(limited.of(id as usize), &few, "all, limited");
            }
            assert_same(before.of(id as usize), &expected, "predecessors");
        }
    }
}

#[test]
fn single_precision_is_exact_in_its_own_arithmetic() {
    let mut random = Random(5);
    let data: Vec<f32> = random.rows(900, 5).into_iter().map(|x| x as f32).collect();
    let tree = VectorTree::from_rows(&data, 5, VectorMetric::L2).unwrap();
    let mut searcher = Searcher::new();
    for query in data.chunks_exact(5).take(50) {
        let mut expected: Vec<(f32, u32)> = (0u32..)
            .zip(data.chunks_exact(5))
            .map(|(id, row)| {
                let mut sum = 0.0f32;
                for (a, b) in query.iter().zip(row) {
                    sum += (a - b) * (a - b);
                }
                (sum, id)
            })
            .collect();
        expected.sort_by(|a, b| a.partial_cmp(b).unwrap());
        let found = tree.search(&mut searcher, query, &Search::nearest(20)).unwrap();
        let found: Vec<_> = found.iter().map(|n| (n.id, n.distance)).collect();
        let expected: Vec<_> = expected.iter().take(20).map(|&(sum, id)| (id, sum.sqrt())).collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn numbers_at_the_ends_of_their_range_are_ordered_too() {
    // Squares overflow to infinity and vanish to zero: such distances are equal, and ids decide.
    let data = [1e300, -1e300, 1e-200, -1e-200, 0.0, 1e200, 3.0, f64::MAX, -f64::MAX, 5e-324];
    let many: Vec<f64> = data.iter().cycle().take(200).copied().collect();
    let tree = VectorTree::from_rows_with(&many, 1, VectorMetric::L2, BuildOptions::new().leaf(16)).unwrap();
    let mut searcher = Searcher::new();
    for &query in &data {
        let found = tree.search(&mut searcher, &[query], &Search::nearest(150)).unwrap();
        let expected = brute_force(&many, 1, VectorMetric::L2, &[query], 150, f64::INFINITY, |_| true);
        assert_same(found, &expected, "ends of the range");
    }
}
