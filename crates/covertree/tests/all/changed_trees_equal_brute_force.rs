//! After any series of insertions and removals a tree answers as brute force over what is left.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::common::{Random, assert_same, measure, nearest};
use covertree::{BuildOptions, CoverTree, Error, Search, Searcher, VectorMetric, VectorTree};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rows_come_and_go(seed: u64, n in 1usize..300, rounds in 1usize..8, narrow: bool) {
        let mut random = Random(seed);
        // Narrow: everything new in one corner, where leaves overflow again and again.
        let mut more = |n: usize| -> Vec<f64> {
            let scale = if narrow { 1e-3 } else { 1.0 };
            random.rows(n, 2).into_iter().map(|x| (x * scale * 50.0).round() / 50.0).collect()
        };
        let mut rows = more(n);
        let mut alive: Vec<u32> = (0..n as u32).collect();
        let options = BuildOptions::new().leaf(16);
        let mut tree = VectorTree::from_rows_with(&rows, 2, VectorMetric::L2, options).unwrap();
        let stale = tree.filter(|_| true);
        for round in 0..rounds {
            let new = more(40 * round);
            let ids = tree.insert(&new).unwrap();
            prop_assert_eq!(ids.clone(), rows.len() as u32 / 2..(rows.len() + new.len()) as u32 / 2);
            rows.extend(new);
            alive.extend(ids);
            let gone: Vec<u32> = alive.iter().copied().filter(|id| (id * 7 + round as u32) % 5 < 2).collect();
            tree.remove(&gone).unwrap();
            alive.retain(|id| !gone.contains(id));
            prop_assert_eq!(tree.len(), alive.len());
            let mut ids: Vec<u32> = tree.ids().collect();
            ids.sort();
            prop_assert_eq!(&ids, &alive);
            prop_assert!(tree.depth() <= 12);
            let mut searcher = Searcher::new();
            for query in more(5).chunks_exact(2) {
                let each = alive.iter().map(|&id| (id, measure(VectorMetric::L2, query, &rows[id as usize * 2..][..2])));
                let expected = nearest(each, 9, f64::INFINITY, |_| true);
                assert_same(tree.search(&mut searcher, query, &Search::nearest(9)).unwrap(), &expected, "rows");
            }
            let all = tree.all_predecessors(&Search::nearest(3)).unwrap();
            for (position, &id) in alive.iter().enumerate().step_by(11) {
                prop_assert_eq!(all.of(id as usize).len(), position.min(3));
            }
            if let Some(gone) = gone.first() {
                prop_assert!(all.of(*gone as usize).is_empty());
            }
        }
        let refused = tree.search_batch(&[0.0, 0.0], &Search::nearest(1).filter(&stale));
        prop_assert!(matches!(refused, Err(Error::StaleFilter)));
    }

    #[test]
    fn items_come_and_go(seed: u64, n in 1usize..200, rounds in 1usize..6, leaf in 1usize..20) {
        let mut random = Random(seed);
        let mut items: Vec<i64> = (0..n).map(|_| random.below(400) as i64).collect();
        let mut alive: Vec<u32> = (0..n as u32).collect();
        let metric = |a: &i64, b: &i64| (a - b).abs() as f64;
        let mut tree = CoverTree::from_items_with(items.clone(), metric, BuildOptions::new().leaf(leaf)).unwrap();
        for round in 0..rounds {
            let new: Vec<i64> = (0..30 * round).map(|_| 500 - random.below(400) as i64).collect();
            alive.extend(tree.insert(new.clone()).unwrap());
            items.extend(new);
            let gone: Vec<u32> = alive.iter().copied().filter(|_| random.below(4) == 0).collect();
            tree.remove(&gone).unwrap();
            alive.retain(|id| !gone.contains(id));
            prop_assert_eq!(tree.len(), alive.len());
            let mut searcher = Searcher::new();
            for query in [0, 77, 450] {
                let each = alive.iter().map(|&id| (id, (metric(&query, &items[id as usize]), 0.0)));
                let each = each.map(|(id, (distance, _))| (id, (distance, distance)));
                let expected = nearest(each.clone(), 6, f64::INFINITY, |_| true);
                assert_same(tree.search(&mut searcher, &query, &Search::nearest(6)).unwrap(), &expected, "items");
                let expected = nearest(each, 999, 30.0, |_| true);
                assert_same(tree.search(&mut searcher, &query, &Search::within(30.0)).unwrap(), &expected, "within");
            }
        }
    }
}

#[test]
fn a_tree_may_become_empty_and_be_filled_again() {
    let mut tree = VectorTree::from_rows(&[1.0, 2.0], 1, VectorMetric::L1).unwrap();
    tree.remove(&[1, 0, 1]).unwrap();
    assert!(tree.is_empty() && tree.depth() == 0);
    assert!(tree.search_batch(&[1.0], &Search::nearest(3)).unwrap().of(0).is_empty());
    assert!(matches!(tree.remove(&[1]), Err(Error::UnknownId { argument: "ids", id: 1 })));
    assert_eq!(tree.insert(&[7.0]).unwrap(), 2..3);
    assert_eq!(tree.search_batch(&[1.0], &Search::nearest(3)).unwrap().of(0)[0].id, 2);

    let mut tree = CoverTree::from_items(vec![1.0f64], |a: &f64, b: &f64| (a - b).abs()).unwrap();
    tree.remove(&[0]).unwrap();
    assert_eq!(tree.insert(vec![4.0, 5.0]).unwrap(), 1..3);
    let refused = tree.insert(vec![f64::NAN; 200]);
    assert!(matches!(refused, Err(Error::Metric { .. })));
    assert_eq!(tree.len(), 2);
    assert_eq!(tree.search_batch(&[4.6], &Search::nearest(3)).unwrap().of(0)[0].id, 2);
}
