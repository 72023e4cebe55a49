//! Every answer under a metric of the user's is that of brute force: edit distances, random tree metrics, the
//! discrete metric, and numbers on a line.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::common::{Random, assert_same, nearest};
use covertree::{BuildOptions, CoverTree, Metric, Search, Searcher, Traversal};
use proptest::prelude::*;

/// The edit distance of Levenshtein.
fn edits(a: &String, b: &String) -> f64 {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = corner + usize::from(x != y);
            corner = row[j + 1];
            row[j + 1] = substituted.min(corner + 1).min(row[j] + 1);
        }
    }
    row[b.len()] as f64
}

/// Distances between the nodes of a random weighted tree: node `i` hangs below `parents[i]` by an edge `edges[i]`.
struct TreeMetric {
    parents: Vec<usize>,
    edges: Vec<f64>,
}

impl Metric<usize> for TreeMetric {
    fn distance(&self, &a: &usize, &b: &usize) -> f64 {
        let (mut a, mut b, mut length) = (a, b, 0.0);
        while a != b {
            // Parents have lower numbers, so the higher of the two climbs.
            let climber = if a > b { &mut a } else { &mut b };
            length += self.edges[*climber];
            *climber = self.parents[*climber];
        }
        length
    }
}

fn check<P: Clone + Send + Sync, M: Metric<P> + Clone>(
    items: &[P],
    queries: &[P],
    metric: M,
    k: usize,
    leaf: usize,
) {
    let n = items.len();
    let tree =
        CoverTree::from_items_with(items.to_vec(), metric.clone(), BuildOptions::new().leaf(leaf)).unwrap();
    let measured = |query: &P| {
        let query = query.clone();
        let metric = metric.clone();
        let each = (0u32..).zip(items);
        each.map(move |(id, item)| (id, (metric.distance(&query, item), metric.distance(&query, item))))
            .collect::<Vec<_>>()
            .into_iter()
    };
    let mut searcher = Searcher::new();
    let filter = tree.filter(|id| id % 2 == 0);
    for query in queries {
        let plain = nearest(measured(query), k, f64::INFINITY, |_| true);
        let radius = plain[plain.len() / 2].distance;
        for traversal in [Traversal::DepthFirst, Traversal::BestFirst, Traversal::LevelSynchronous] {
            let mut search = |search: Search<'_>| {
                let found = tree.search(&mut searcher, query, &search.traversal(traversal)).unwrap().to_vec();
                assert!(searcher.certificate().exact && searcher.certificate().distances <= n as u64);
                found
            };
            assert_same(&search(Search::nearest(k)), &plain, "nearest");
            let expected = nearest(measured(query), n, radius, |_| true);
            assert_same(&search(Search::within(radius)), &expected, "within");
            let before = n as u32 / 2;
            let expected = nearest(measured(query), k, f64::INFINITY, |id| id < before);
            assert_same(&search(Search::nearest(k).before(before)), &expected, "before");
            let expected = nearest(measured(query), k, f64::INFINITY, |id| id % 2 == 0);
            assert_same(&search(Search::nearest(k).filter(&filter)), &expected, "filter");
        }
    }
    let batch = tree.search_batch(queries, &Search::nearest(k)).unwrap();
    let all = tree.all_nearest(&Search::nearest(k)).unwrap();
    let before = tree.all_predecessors(&Search::nearest(k)).unwrap();
    for (at, query) in queries.iter().enumerate() {
        assert_same(batch.of(at), &nearest(measured(query), k, f64::INFINITY, |_| true), "batch");
    }
    for id in (0..n).step_by(7) {
        let own = id as u32;
        let expected = nearest(measured(&items[id]), k, f64::INFINITY, |other| other != own);
        assert_same(all.of(id), &expected, "all");
        let expected = nearest(measured(&items[id]), k, f64::INFINITY, |other| other < own);
        assert_same(before.of(id), &expected, "predecessors");
    }
}

impl Clone for TreeMetric {
    fn clone(&self) -> Self {
        Self { parents: self.parents.clone(), edges: self.edges.clone() }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn words_by_edit_distance(seed: u64, n in 1usize..250, k in 1usize..15, leaf in 1usize..40) {
        let mut random = Random(seed);
        let mut words = |n| -> Vec<String> {
            (0..n).map(|_| (0..random.below(9)).map(|_| ['a', 'b', 'c'][random.below(3)]).collect()).collect()
        };
        check(&words(n), &words(4), edits, k, leaf);
    }

    #[test]
    fn nodes_of_a_tree(seed: u64, n in 1usize..300, k in 1usize..15, leaf in 1usize..40, deep: bool) {
        let mut random = Random(seed);
        let parents = (0..n).map(|i| if deep { i.saturating_sub(1 + random.below(2)) } else { random.below(i.max(1)) });
        let metric = TreeMetric { parents: parents.collect(), edges: Vec::new() };
        // Edges of zero too: different nodes at distance 0.
        let edges = (0..n).map(|_| random.below(4) as f64 * 0.3).collect();
        let metric = TreeMetric { edges, ..metric };
        let nodes: Vec<usize> = (0..n).collect();
        check(&nodes, &nodes[..n.min(4)], metric, k, leaf);
    }

    #[test]
    fn where_nothing_can_be_told_apart(n in 1usize..300, k in 1usize..15, leaf in 1usize..40) {
        let items: Vec<u32> = (0..n as u32).map(|i| i % 200).collect();
        check(&items, &items[..n.min(3)], |a: &u32, b: &u32| f64::from(u8::from(a != b)), k, leaf);
    }

    #[test]
    fn numbers_on_a_line_of_any_scale(seed: u64, n in 1usize..400, k in 1usize..15, leaf in 1usize..40) {
        let mut random = Random(seed);
        let items: Vec<f64> = (0..n).map(|i| 1.5f64.powi(i as i32 % 60) * random.unit()).collect();
        check(&items, &items[..n.min(4)], |a: &f64, b: &f64| (a - b).abs(), k, leaf);
    }
}
