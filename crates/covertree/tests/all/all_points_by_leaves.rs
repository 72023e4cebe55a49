//! The neighbours of all points, a leaf at a time, are those of one search after the other, bit for bit.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::common::{Random, assert_same, brute_force};
use covertree::{BuildOptions, Search, VectorMetric, VectorTree};

/// Both ways; returns how many nodes each opened.
fn check(tree: &VectorTree, search: Search<'static>, what: &str) -> [u64; 2] {
    let by_leaves = tree.all_nearest(&search).unwrap();
    // A budget, be it endless, is each point's own.
    let one_by_one = tree.all_nearest(&search.budget(u64::MAX)).unwrap();
    assert_eq!(by_leaves.starts(), one_by_one.starts(), "{what}");
    for id in 0..by_leaves.len() {
        assert_same(by_leaves.of(id), one_by_one.of(id), what);
    }
    assert!(by_leaves.certificate().exact);
    [by_leaves.certificate().nodes, one_by_one.certificate().nodes]
}

/// Spread out, a grid of ties, clusters with points far outside, all in one place.
fn rows(kind: usize, n: usize, dim: usize) -> Vec<f64> {
    let mut random = Random(kind as u64);
    match kind {
        0 => random.rows(n, dim),
        1 => (0..n * dim).map(|_| random.below(12) as f64).collect(),
        2 => (0..n)
            .flat_map(|point| {
                let scale = if point % 97 == 0 { 50.0 } else { 0.01 };
                let cluster = (point % 3) as f64;
                (0..dim).map(|_| cluster + scale * random.unit()).collect::<Vec<_>>()
            })
            .collect(),
        _ => vec![0.5; n * dim],
    }
}

#[test]
fn every_kind_of_points() {
    for kind in 0..4 {
        for dim in 1..=4 {
            let n = if kind == 3 { 300 } else { 1500 };
            let data = rows(kind, n, dim);
            for (leaf, k) in [(16, 1), (16, 20), (32, 5), (32, 31), (64, 70)] {
                let options = BuildOptions::new().leaf(leaf);
                let tree = VectorTree::from_rows_with(&data, dim, VectorMetric::L2, options).unwrap();
                let what = format!("kind {kind}, {dim}-D, leaf {leaf}, k {k}");
                let [shared, single] = check(&tree, Search::nearest(k), &what);
                // The walk is shared, and only in few dimensions.
                if dim == 4 {
                    assert_eq!(shared, single, "{what}");
                }
                if kind == 0 && dim < 4 && k < leaf {
                    assert!(2 * shared < single, "{what}: {shared} and {single} nodes");
                }
                let all = tree.all_nearest(&Search::nearest(k)).unwrap();
                for id in (0..n).step_by(331) {
                    let (query, itself) = (&data[id * dim..(id + 1) * dim], id as u32);
                    let expected =
                        brute_force(&data, dim, VectorMetric::L2, query, k, f64::INFINITY, |id| id != itself);
                    assert_same(all.of(id), &expected, &what);
                }
            }
        }
    }
}

#[test]
fn metrics_radii_and_removed_points() {
    let data = rows(0, 1200, 2);
    for metric in [VectorMetric::L2, VectorMetric::L1, VectorMetric::Angular, VectorMetric::EARTH_KM] {
        let mut tree = VectorTree::from_rows(&data, 2, metric).unwrap();
        tree.remove(&(0..1200).step_by(7).collect::<Vec<_>>()).unwrap();
        let radius = if matches!(metric, VectorMetric::GreatCircle { .. }) { 5.0 } else { 0.05 };
        check(&tree, Search::nearest(6), "nearest");
        check(&tree, Search::within(radius), "within");
        check(&tree, Search::nearest(6).radius(radius), "nearest within");
        check(&tree, Search::nearest(2000), "all there are");
    }
}

#[test]
fn a_list_of_leaves_that_grows_too_long_is_given_up() {
    // A ring, and three points in the middle of it, as near to every leaf of it as to their k-th neighbour.
    let mut random = Random(8);
    let mut data: Vec<f64> = (0..5000)
        .flat_map(|_| {
            let (sin, cos) = (random.unit() * std::f64::consts::TAU).sin_cos();
            [10.0 * cos, 10.0 * sin]
        })
        .collect();
    data.extend([0.0, 0.0, 0.1, 0.0, 0.0, 0.1]);
    let tree = VectorTree::from_rows_with(&data, 2, VectorMetric::L2, BuildOptions::new().leaf(16)).unwrap();
    for k in [2, 3, 8, 16] {
        check(&tree, Search::nearest(k), "a ring");
    }
    // An outlier in the leaf of a cluster.
    let tree = VectorTree::from_rows(&rows(2, 6000, 2), 2, VectorMetric::L2).unwrap();
    check(&tree, Search::nearest(8), "outliers");
}

#[test]
fn threads_change_nothing() {
    let tree = VectorTree::from_rows(&rows(2, 4000, 3), 3, VectorMetric::L2).unwrap();
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| tree.all_nearest(&Search::nearest(9)).unwrap())
    };
    let (one, three) = (run(1), run(3));
    assert_eq!((one.starts(), one.neighbors()), (three.starts(), three.neighbors()));
    assert_eq!(one.certificate(), three.certificate());
}
