//! Whatever is wrong with an argument is an error that names it, or has a defined result; and results and trees do
//! not depend on the number of threads.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::common::Random;
use covertree::{BuildOptions, CoverTree, Error, Search, Searcher, Traversal, VectorMetric, VectorTree};

fn tree() -> VectorTree {
    VectorTree::from_rows(&[0.0, 0.0, 1.0, 1.0, 2.0, 2.0], 2, VectorMetric::L2).unwrap()
}

#[test]
fn rows() {
    let build = |rows: &[f64], dim, metric| VectorTree::from_rows(rows, dim, metric).unwrap_err();
    let l2 = VectorMetric::L2;
    assert!(matches!(build(&[], 2, l2), Error::Empty { argument: "rows" }));
    assert!(matches!(build(&[1.0], 0, l2), Error::Zero { argument: "dim" }));
    assert!(matches!(build(&[1.0], 1 << 30, l2), Error::Length { argument: "dim", .. }));
    assert!(matches!(build(&[1.0, 2.0, 3.0], 2, l2), Error::Length { argument: "rows", actual: 3, .. }));
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let error = build(&[1.0, 2.0, 3.0, bad], 2, l2);
        assert!(matches!(error, Error::NotFinite { argument: "rows", row: 1, column: 1 }));
    }
    let error = build(&[1.0, 2.0, 0.0, 0.0], 2, VectorMetric::Angular);
    assert!(matches!(error, Error::Direction { argument: "rows", row: 1 }));
    assert!(matches!(build(&[91.0, 2.0], 2, VectorMetric::EARTH_KM), Error::Latitude { row: 0, .. }));
    assert!(matches!(build(&[1.0; 3], 3, VectorMetric::EARTH_KM), Error::Length { argument: "dim", .. }));
    for radius in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let error = build(&[1.0; 2], 2, VectorMetric::GreatCircle { radius });
        assert!(matches!(error, Error::Parameter { argument: "radius", .. }));
    }
    let options = BuildOptions::new().leaf(0);
    let error = VectorTree::from_rows_with(&[1.0], 1, l2, options).unwrap_err();
    assert!(matches!(error, Error::Zero { argument: "leaf" }));
    assert_eq!(build(&[], 2, l2).to_string(), "`rows` is empty");
}

#[test]
fn queries() {
    let tree = tree();
    let mut searcher = Searcher::new();
    let mut ask = |query: &[f64], search: Search<'_>| tree.search(&mut searcher, query, &search).unwrap_err();
    let good = [1.0, 1.0];
    assert!(matches!(ask(&good, Search::nearest(0)), Error::Zero { argument: "k" }));
    assert!(matches!(ask(&good, Search::nearest(1).budget(0)), Error::Zero { argument: "budget" }));
    assert!(matches!(ask(&[1.0], Search::nearest(1)), Error::Length { argument: "query", actual: 1, .. }));
    let error = ask(&[1.0, f64::NAN], Search::nearest(1));
    assert!(matches!(error, Error::NotFinite { argument: "query", column: 1, .. }));
    for radius in [-1.0, f64::NAN] {
        assert!(matches!(ask(&good, Search::within(radius)), Error::Parameter { argument: "radius", .. }));
    }
    let batch = |queries: &[f64]| tree.search_batch(queries, &Search::nearest(1)).unwrap_err();
    assert!(matches!(batch(&[1.0; 3]), Error::Length { argument: "queries", actual: 3, .. }));
    let error = batch(&[1.0, 1.0, f64::INFINITY, 1.0]);
    assert!(matches!(error, Error::NotFinite { argument: "queries", row: 1, column: 0 }));
    assert!(matches!(tree.all_nearest(&Search::nearest(0)), Err(Error::Zero { argument: "k" })));
    let other = VectorTree::from_rows(&[1.0, 1.0], 2, VectorMetric::L2).unwrap();
    let filter = other.filter(|_| true);
    assert!(matches!(ask(&good, Search::nearest(1).filter(&filter)), Error::StaleFilter));
}

#[test]
fn what_is_more_than_there_is_gives_what_there_is() {
    let tree = tree();
    let mut searcher = Searcher::new();
    assert_eq!(tree.search(&mut searcher, &[0.0, 0.0], &Search::nearest(usize::MAX)).unwrap().len(), 3);
    assert_eq!(tree.search(&mut searcher, &[0.0, 0.0], &Search::within(f64::INFINITY)).unwrap().len(), 3);
    assert_eq!(tree.search(&mut searcher, &[9.0, 9.0], &Search::within(1.0)).unwrap().len(), 0);
    assert!(tree.search_batch(&[], &Search::nearest(1)).unwrap().is_empty());
    assert!(tree.search_batch(&[1.0, 1.0], &Search::nearest(1)).unwrap().of(7).is_empty());
    let one = VectorTree::from_rows(&[4.0f32], 1, VectorMetric::L1).unwrap();
    assert!(one.all_nearest(&Search::nearest(5)).unwrap().of(0).is_empty());
}

#[test]
fn metrics_that_are_none() {
    let build = |value: f64| {
        let items: Vec<u32> = (0..100).collect();
        CoverTree::from_items(items, move |a: &u32, b: &u32| if a == b { 0.0 } else { value }).map(|_| ())
    };
    assert!(matches!(build(f64::NAN), Err(Error::Metric { value }) if value.is_nan()));
    assert!(matches!(build(-1.0), Err(Error::Metric { value: -1.0 })));
    assert!(build(1.0).is_ok());
    let tree = CoverTree::from_items(vec![1.0f64, 2.0], |a: &f64, b: &f64| (a - b).abs()).unwrap();
    assert!(matches!(
        tree.search(&mut Searcher::new(), &f64::NAN, &Search::nearest(1)),
        Err(Error::Metric { .. })
    ));
    assert!(matches!(CoverTree::from_items(Vec::new(), |_: &u8, _: &u8| 0.0), Err(Error::Empty { .. })));
}

#[test]
fn a_budget_is_kept_and_told() {
    let mut random = Random(3);
    let data = random.rows(20_000, 8);
    let tree = VectorTree::from_rows(&data, 8, VectorMetric::L2).unwrap();
    let mut searcher = Searcher::new();
    let query = random.rows(1, 8);
    let exact = tree.search(&mut searcher, &query, &Search::nearest(10)).unwrap().to_vec();
    let full = searcher.certificate();
    assert!(full.exact && full.gap(exact[9].distance) == 0.0 && full.distances > 600);
    for traversal in [Traversal::DepthFirst, Traversal::BestFirst, Traversal::LevelSynchronous] {
        let search = Search::nearest(10).budget(300).traversal(traversal);
        let found = tree.search(&mut searcher, &query, &search).unwrap().to_vec();
        let certificate = searcher.certificate();
        assert!(!certificate.exact && (300..340).contains(&certificate.distances), "{certificate:?}");
        // Whatever lies below the bound is what an exact search finds there.
        for (found, exact) in
            found.iter().zip(&exact).take_while(|pair| pair.1.distance < certificate.unexplored)
        {
            assert_eq!(found, exact);
        }
        assert!(certificate.gap(found[9].distance) > 0.0);
        let search = Search::nearest(10).budget(1 << 40).traversal(traversal);
        tree.search(&mut searcher, &query, &search).unwrap();
        assert!(searcher.certificate().exact);
    }
}

#[test]
fn threads_change_nothing() {
    let mut random = Random(9);
    let data = random.rows(30_000, 3);
    let words: Vec<u64> = (0..3000).map(|_| random.next() >> 40).collect();
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let tree = VectorTree::from_rows(&data, 3, VectorMetric::L2).unwrap();
            let batch = tree.search_batch(&data[..3000], &Search::nearest(5)).unwrap();
            let all = tree.all_predecessors(&Search::nearest(4)).unwrap();
            let bits =
                CoverTree::from_items(words.clone(), |a: &u64, b: &u64| f64::from((a ^ b).count_ones()));
            let bits = bits.unwrap();
            let found = bits.search_batch(&words[..200], &Search::nearest(5)).unwrap();
            // Certificates count what was done: the trees are the same, too.
            let ids: Vec<u32> = tree.ids().chain(bits.ids()).collect();
            let results = [batch.neighbors(), all.neighbors()].concat();
            (ids, results, found.neighbors().to_vec(), bits.depth(), found.certificate())
        })
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(5));
}
