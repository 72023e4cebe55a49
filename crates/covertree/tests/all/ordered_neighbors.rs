//! `ordered_neighbors` beside the definition, over orders, dimensions, ties and threads.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use covertree::ordering::{
    self, OrderedNeighbors, OrderedOptions, OrderingError, ordered_neighbors,
    ordered_neighbors_by_correlation, ordered_neighbors_in_tree,
};
use covertree::residual::{Covariance, CovarianceModel, Factor, ResidualIndex};
use covertree::{VectorMetric, VectorTree};
use simd_kernels::Rows;

const ALL: OrderedOptions = OrderedOptions { include_self: false, distances: true };

/// The definition: the nearest predecessors by (squared distance, number), sorted by (distance, number).
fn brute_force(coords: Rows<'_, f64>, m: usize, i: usize) -> Vec<(f64, u32)> {
    let x = coords.row(i).unwrap();
    let squared = |j: u32| {
        coords.row(j as usize).unwrap().iter().zip(x).fold(0.0, |sum, (a, b)| sum + (a - b) * (a - b))
    };
    let mut all: Vec<(f64, u32)> = (0..i as u32).map(|j| (squared(j), j)).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    all.truncate(m);
    // Roots of different squares can be equal.
    all.iter_mut().for_each(|found| found.0 = found.0.sqrt());
    all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    all
}

/// Compares with brute force at every `step`-th point.
fn check(coords: &[f64], dim: usize, m: usize, step: usize) {
    let coords = Rows::new(coords, dim).unwrap();
    let found = ordered_neighbors(coords, m, ALL).unwrap();
    assert_eq!((found.len(), found.width()), (coords.len(), m));
    for i in (0..coords.len()).step_by(step) {
        let expected = brute_force(coords, m, i);
        let got: Vec<(f64, u32)> =
            found.row_distances(i).iter().copied().zip(found.row(i).iter().copied()).collect();
        assert_eq!(got, expected, "point {i} of {}, d = {dim}, m = {m}", coords.len());
        let padding = &found.ids()[i * m + found.row(i).len()..(i + 1) * m];
        assert!(padding.iter().all(|&id| id == OrderedNeighbors::PADDING));
    }
}

/// `n` values below `modulus`, times `scale`.
fn values(n: usize, modulus: u32, scale: f64, seed: u64) -> Vec<f64> {
    let order = ordering::random(n, seed).unwrap();
    order.order().iter().map(|&value| f64::from(value % modulus) * scale).collect()
}

/// Rows of `coords` in another order.
fn reordered(coords: &[f64], dim: usize, order: &[u32]) -> Vec<f64> {
    order.iter().flat_map(|&id| coords[id as usize * dim..][..dim].iter().copied()).collect()
}

#[test]
fn every_point_has_its_nearest_predecessors() {
    for (n, dim, m) in [(1, 2, 1), (2, 1, 2), (40, 3, 40), (3000, 2, 10), (2500, 3, 30), (2100, 10, 5)] {
        check(&values(n * dim, u32::MAX, 1e-4, 1), dim, m, 7);
    }
    // Several segments.
    check(&values(14_000 * 2, u32::MAX, 1e-4, 2), 2, 15, 97);
}

#[test]
fn ties_of_a_grid_and_duplicates_go_to_the_lower_number() {
    let cells = values(6000, u32::MAX, 1.0, 3);
    let grid: Vec<f64> =
        cells.iter().flat_map(|&cell| [(cell % 80.0) * 0.1, (cell / 80.0).floor() * 0.1]).collect();
    check(&grid, 2, 12, 11);
    check(&values(5000 * 2, 20, 0.5, 4), 2, 9, 13);
    check(&vec![1.5; 2300 * 3], 3, 4, 17);
}

#[test]
fn orders_that_follow_space_are_searched_exactly_too() {
    let dim = 2;
    let coords = values(6000 * dim, 1000, 0.01, 5);
    let rows = Rows::new(&coords, dim).unwrap();
    for order in [
        ordering::coordinate(rows, 0).unwrap(),
        ordering::hilbert(rows).unwrap(),
        ordering::maximin(rows, None).unwrap().order,
        ordering::nested(rows).unwrap().order,
    ] {
        check(&reordered(&coords, dim, order.order()), dim, 10, 41);
    }
    // Two far clusters, one after the other: the first points of the second find theirs in the first.
    let mut clusters = values(4000 * dim, 1000, 0.01, 6);
    clusters[2500 * dim..].iter_mut().for_each(|x| *x += 1e6);
    check(&clusters, dim, 20, 1 + 3);
}

#[test]
fn the_point_itself_stands_first_where_it_is_wanted() {
    let coords = values(500 * 2, u32::MAX, 1.0, 7);
    let rows = Rows::new(&coords, 2).unwrap();
    let without = ordered_neighbors(rows, 5, ALL).unwrap();
    let with = ordered_neighbors(rows, 5, OrderedOptions { include_self: true, ..ALL }).unwrap();
    assert_eq!(with.width(), 6);
    for i in 0..500 {
        assert_eq!((with.row(i)[0], &with.row(i)[1..]), (i as u32, without.row(i)));
        assert_eq!((with.row_distances(i)[0], &with.row_distances(i)[1..]), (0.0, without.row_distances(i)));
    }
    let csr = with.to_csr().unwrap();
    assert_eq!(csr.offsets.len(), 501);
    for i in 0..500 {
        assert_eq!(&csr.ids[csr.offsets[i]..csr.offsets[i + 1]], with.row(i));
        assert_eq!(
            &csr.distances.as_ref().unwrap()[csr.offsets[i]..csr.offsets[i + 1]],
            with.row_distances(i)
        );
    }
    assert_eq!((with.row(500), with.row(usize::MAX)), (&[][..], &[][..]));
    let plain = ordered_neighbors(rows, 5, OrderedOptions::default()).unwrap();
    assert_eq!((plain.distances(), plain.ids()), (None, without.ids()));
    assert_eq!(plain.to_csr().unwrap().distances, None);
}

#[cfg(feature = "rayon")]
#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let coords = values(9000 * 2, 300, 0.3, 8);
    let rows = Rows::new(&coords, 2).unwrap();
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| ordered_neighbors(rows, 20, ALL).unwrap())
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn a_tree_gives_the_same_predecessors() {
    let coords = values(3000 * 2, 60, 0.5, 9);
    let rows = Rows::new(&coords, 2).unwrap();
    let tree = VectorTree::from_rows(&coords, 2, VectorMetric::L2).unwrap();
    let options = OrderedOptions { include_self: true, distances: true };
    let by_tree = ordered_neighbors_in_tree(&tree, 8, options).unwrap();
    let expected = ordered_neighbors(rows, 8, options).unwrap();
    assert_eq!(by_tree.ids(), expected.ids());
    assert!(matches!(ordered_neighbors_in_tree(&tree, 0, options), Err(OrderingError::ZeroM)));
    let refused = ordered_neighbors_in_tree(&tree, 3001, options).unwrap_err();
    assert!(matches!(refused, OrderingError::TooManyNeighbors { m: 3001, rows: 3000 }));
}

#[test]
fn a_falling_correlation_gives_the_euclidean_predecessors() {
    // Without a low-rank part the correlation falls with the distance, so that the neighbours are the same.
    let coords = values(1500 * 2, u32::MAX, 1e-3, 10);
    let model = CovarianceModel::new(Covariance::Matern32, &[1.0], 1.0);
    let factor = Factor { v: &[], rank: 0, p: &[1.0; 1500] };
    let index = ResidualIndex::from_factor(&coords, 2, &model, factor).unwrap();
    let found = ordered_neighbors_by_correlation(&index, 6, ALL).unwrap();
    let expected = ordered_neighbors(Rows::new(&coords, 2).unwrap(), 6, ALL).unwrap();
    for i in 0..1500 {
        // By distance, because close distances can have correlations that round to the same number.
        let near = |&j: &u32| {
            (0..2).map(|t| (coords[2 * i + t] - coords[2 * j as usize + t]).powi(2)).sum::<f64>().sqrt()
        };
        let found_at: Vec<f64> = found.row(i).iter().map(near).collect();
        assert_eq!(found_at.len(), expected.row(i).len());
        let pairs = found_at.iter().zip(expected.row_distances(i));
        assert!(pairs.clone().all(|(a, b)| (a - b).abs() < 1e-9), "point {i}: {pairs:?}");
        for (by_correlation, distance) in found.row_distances(i).iter().zip(expected.row_distances(i)) {
            let r = 3f64.sqrt() * distance;
            let correlation = (1.0 + r) * (-r).exp();
            assert!((by_correlation - (1.0 - correlation).sqrt()).abs() < 1e-6);
        }
    }
    assert!(matches!(ordered_neighbors_by_correlation(&index, 0, ALL), Err(OrderingError::ZeroM)));
}

#[test]
fn what_cannot_be_searched_is_named() {
    let rows = |data: &'static [f64]| Rows::new(data, 2).unwrap();
    let refused = |data, m| ordered_neighbors(rows(data), m, ALL).unwrap_err();
    assert!(matches!(refused(&[], 1), OrderingError::Empty));
    assert!(matches!(refused(&[0.0, 0.0], 0), OrderingError::ZeroM));
    assert!(matches!(refused(&[0.0, 0.0], 2), OrderingError::TooManyNeighbors { m: 2, rows: 1 }));
    assert!(matches!(refused(&[0.0, f64::INFINITY], 1), OrderingError::NotFinite { row: 0, column: 1 }));
    assert!(refused(&[0.0, 0.0], 2).to_string().contains("`m` is 2"));
}
