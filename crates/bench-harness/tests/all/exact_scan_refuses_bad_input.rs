//! What the exact scan does not take is refused with an error that says what was wrong, and changes nothing.
// A test's helper may fail it, as the test itself may.
#![allow(clippy::unwrap_used, clippy::panic)]

use bench_harness::dataset::Metric;
use bench_harness::engine::{EngineError, Index, Neighbor};
use bench_harness::exact::{ExactError, ExactIndex, Scan, Scratch};
use bench_harness::vectors::{Matrix, Vectors};
use simd_kernels::{Kernels, ShapeError};

fn scan(data: &[f32], dim: usize, metric: Metric) -> Result<Scan<f32, f32>, ExactError> {
    Scan::new(Kernels::active().unwrap(), data, dim, metric)
}

/// What `out` holds before a search that fails, and must still hold afterwards.
const BEFORE: [Neighbor; 1] = [Neighbor { id: 77, distance: 7.0 }];

fn refusal(scan: &Scan<f32, f32>, query: &[f32], k: usize) -> ExactError {
    let mut out = BEFORE.to_vec();
    let error = scan.search(&mut Scratch::new(1), query, k, &mut out).unwrap_err();
    assert_eq!(out, BEFORE, "a refused search must leave `out` alone");
    error
}

#[test]
fn queries_that_cannot_be_answered_are_refused() {
    let scan = scan(&[0.0, 1.0, 2.0, 3.0], 2, Metric::L2).unwrap();
    assert_eq!(refusal(&scan, &[0.0, 0.0], 0), ExactError::ZeroK);
    assert_eq!(refusal(&scan, &[0.0], 1), ExactError::Dimension { expected: 2, actual: 1 });
    assert_eq!(refusal(&scan, &[], 1), ExactError::Dimension { expected: 2, actual: 0 });
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let place = ExactError::NotFinite { argument: "query", row: 0, column: 1 };
        assert_eq!(refusal(&scan, &[0.0, bad], 1), place);
    }
}

#[test]
fn a_bad_query_of_a_batch_is_named() {
    let scan = scan(&[0.0, 1.0, 2.0, 3.0], 2, Metric::L2).unwrap();
    let data = [0.0, 0.0, 0.0, f32::NAN];
    let queries = simd_kernels::Rows::new(&data, 2).unwrap();
    let mut out = BEFORE.to_vec();
    let error = scan.search_batch(&mut Scratch::new(1), queries, 1, &mut out).unwrap_err();
    assert_eq!(error, ExactError::NotFinite { argument: "query", row: 1, column: 1 });
    assert_eq!(out, BEFORE);
    let wider = simd_kernels::Rows::new(&data, 4).unwrap();
    let error = scan.search_batch(&mut Scratch::new(1), wider, 1, &mut out).unwrap_err();
    assert_eq!(error, ExactError::Dimension { expected: 2, actual: 4 });
}

#[test]
fn vectors_that_cannot_be_scanned_are_refused() {
    assert!(matches!(
        scan(&[1.0], 0, Metric::L2),
        Err(ExactError::Shape(ShapeError::Dimension { dim: 0, .. }))
    ));
    assert!(matches!(scan(&[1.0; 3], 2, Metric::L2), Err(ExactError::Shape(ShapeError::Data { .. }))));
    let nan = scan(&[1.0, 2.0, f32::NAN, 4.0], 2, Metric::L2).unwrap_err();
    assert_eq!(nan.to_string(), "`vectors` row 1, column 0 is not a finite number");
    let hamming = scan(&[1.0], 1, Metric::Hamming).unwrap_err();
    assert_eq!(hamming, ExactError::Metric { metric: Metric::Hamming, dtype: "f32" });
}

#[test]
fn an_empty_set_finds_nothing() {
    let scan = scan(&[], 3, Metric::Cosine).unwrap();
    let mut out = BEFORE.to_vec();
    scan.search(&mut Scratch::new(2), &[1.0, 2.0, 3.0], 5, &mut out).unwrap();
    assert_eq!(out, []);
    let queries = [1.0, 2.0, 3.0];
    let queries = simd_kernels::Rows::new(&queries, 3).unwrap();
    scan.search_batch(&mut Scratch::new(2), queries, 5, &mut out).unwrap();
    assert_eq!(out, []);
}

#[test]
fn a_row_of_zeros_is_at_cosine_distance_one() {
    let scan = scan(&[0.0, 0.0, 1.0, 0.0, -1.0, 0.0], 2, Metric::Cosine).unwrap();
    let mut out = Vec::new();
    scan.search(&mut Scratch::new(1), &[2.0, 0.0], 3, &mut out).unwrap();
    let expected = [(1, 0.0), (0, 1.0), (2, 2.0)].map(|(id, distance)| Neighbor { id, distance });
    assert_eq!(out, expected);
    scan.search(&mut Scratch::new(1), &[0.0, 0.0], 1, &mut out).unwrap();
    assert_eq!(out, [Neighbor { id: 0, distance: 1.0 }]);
}

#[test]
fn distances_that_overflow_come_last_and_are_still_answers() {
    let scan = scan(&[f32::MAX, f32::MAX, f32::MAX, -f32::MAX, 1.0, 1.0], 2, Metric::InnerProduct).unwrap();
    let mut out = Vec::new();
    scan.search(&mut Scratch::new(1), &[f32::MAX, f32::MAX], 3, &mut out).unwrap();
    assert_eq!(out.iter().map(|n| n.id).collect::<Vec<_>>(), [0, 2, 1]);
    assert_eq!(out[2].distance, f64::INFINITY, "infinity minus infinity is no number");
}

#[test]
fn bits_beyond_the_end_are_refused() {
    let kernels = Kernels::active().unwrap();
    let error = Scan::hamming(kernels, &[0b111, 0b1000], 3).unwrap_err();
    assert_eq!(error, ExactError::Padding { argument: "vectors", row: 1, bits: 3 });
    let scan = Scan::hamming(kernels, &[0b111, 0b000], 3).unwrap();
    let mut out = Vec::new();
    let error = scan.search(&mut Scratch::new(1), &[0b1001], 1, &mut out).unwrap_err();
    assert_eq!(error, ExactError::Padding { argument: "query", row: 0, bits: 3 });
}

#[test]
fn an_index_says_which_point_query_or_type_does_not_exist() {
    let base = Vectors::F32(Matrix::new(vec![1.0; 6], 2).unwrap());
    let bytes = Vectors::U8(Matrix::new(vec![1; 6], 2).unwrap());
    let index = ExactIndex::new(Kernels::active().unwrap(), &base, Metric::L2).unwrap();
    assert!(matches!(
        index.prepare(1, &base, 1, 1).err(),
        Some(EngineError::NoPoint { point: 1, points: 1 })
    ));
    let other = index.prepare(0, &bytes, 1, 1).err();
    assert_eq!(other, Some(ExactError::Dtype { vectors: "f32", queries: "u8" }.into()));
    let mut searcher = index.prepare(0, &base, 1, 1).unwrap();
    let error = searcher.single(3, &mut Vec::new()).unwrap_err();
    assert_eq!(error.to_string(), "there is no query 3: there are 3");
}
