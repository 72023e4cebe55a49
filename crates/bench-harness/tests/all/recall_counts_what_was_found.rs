//! Recall by id, by distance and by tie, on answers whose recall is known by construction.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests fail as tests do")]

use bench_harness::dataset::{Dataset, Metric, Truth};
use bench_harness::recall::{RecallError, recall};
use bench_harness::truth::TruthError;
use bench_harness::vectors::{Matrix, Vectors};

/// Points 0, 1, 2, ... on a line, with the query at 0. Point 3 lies where 2 does, and 4 a hair beyond.
fn line() -> Dataset {
    let base = vec![0.0, 1.0, 2.0, 2.0, 2.0005, 5.0];
    Dataset {
        name: "line".into(),
        metric: Metric::L2,
        base: Vectors::F64(Matrix::new(base, 1).unwrap()),
        queries: Vectors::F64(Matrix::new(vec![0.0], 1).unwrap()),
        truth: Some(Truth::new(4, vec![0, 1, 2, 3], vec![0.0, 1.0, 2.0, 2.0]).unwrap()),
        source: String::new(),
    }
}

fn figures(k: usize, answer: &[u32]) -> (f64, f64, f64) {
    let recall = recall(&line(), k, &[answer]).unwrap();
    (recall.by_id, recall.by_distance, recall.by_tie)
}

#[test]
fn a_full_answer_in_any_order_is_all_of_it() {
    assert_eq!(figures(3, &[0, 1, 2]), (1.0, 1.0, 1.0));
    assert_eq!(figures(3, &[2, 0, 1]), (1.0, 1.0, 1.0));
}

#[test]
fn a_tie_at_the_last_place_counts_by_distance_only() {
    let third = 1.0 / 3.0;
    assert_eq!(figures(3, &[0, 1, 3]), (2.0 * third, 1.0, 1.0));
    assert_eq!(figures(3, &[0, 1, 4]), (2.0 * third, 1.0, 2.0 * third), "within 1e-3, but no tie");
    assert_eq!(figures(3, &[0, 1, 5]), (2.0 * third, 2.0 * third, 2.0 * third));
}

#[test]
fn missing_answers_are_misses() {
    assert_eq!(figures(4, &[0]), (0.25, 0.25, 0.25));
    assert_eq!(figures(4, &[]), (0.0, 0.0, 0.0));
}

#[test]
fn what_cannot_be_an_answer_is_an_error() {
    let set = line();
    assert!(matches!(recall(&set, 0, &[[0u32; 0]]), Err(RecallError::ZeroK)));
    assert!(matches!(recall(&set, 2, &[[1, 1]]), Err(RecallError::Duplicate { query: 0, id: 1 })));
    assert!(matches!(recall(&set, 2, &[[0, 6]]), Err(RecallError::Oracle(TruthError::Id { id: 6, .. }))));
    assert!(matches!(recall(&set, 2, &[[0, 1, 2]]), Err(RecallError::TooMany { found: 3, k: 2, .. })));
    assert!(matches!(recall(&set, 2, &[[0], [0]]), Err(RecallError::Answers { answers: 2, queries: 1 })));
    assert!(matches!(recall(&set, 5, &[[0]]), Err(RecallError::Truth { k: 5, known: 4 })));
    let mut blind = line();
    blind.truth = None;
    assert!(matches!(recall(&blind, 2, &[[0]]), Err(RecallError::Truth { known: 0, .. })));
}

#[test]
fn k_beyond_the_set_asks_for_all_of_it() {
    let mut set = line();
    set.base = set.base.prefix(4);
    let all = recall(&set, 100, &[[3, 2, 1, 0]]).unwrap();
    assert_eq!((all.by_id, all.by_tie), (1.0, 1.0));
    assert_eq!(recall(&set, 100, &[[3, 2]]).unwrap().by_id, 0.5);
}
