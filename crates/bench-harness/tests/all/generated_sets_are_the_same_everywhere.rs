//! A specification and a seed give the same bytes in every run, on every platform.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests fail as tests do")]

use bench_harness::dataset::Metric;
use bench_harness::dtype::Dtype;
use bench_harness::generate::{GenerateError, Kind, Spec, generate};
use xxhash_rust::xxh3::xxh3_64;

fn small(kind: Kind) -> Spec {
    let mut spec = Spec::of(kind);
    (spec.n, spec.q, spec.clusters) = (500, 20, 7);
    if spec.d > 48 {
        spec.d = 48;
    }
    spec
}

#[test]
fn every_kind_gives_a_valid_set_that_its_source_makes_again() {
    for kind in Kind::ALL {
        let set = generate(&small(kind)).unwrap();
        assert_eq!(set.validate(), Ok(()), "{kind:?}");
        assert_eq!((set.base.len(), set.queries.len()), (500, 20));
        assert_eq!(generate(&set.source.parse().unwrap()).unwrap(), set, "{}", set.source);
        let mut other = small(kind);
        other.seed = 43;
        assert_ne!(generate(&other).unwrap().base, set.base, "{kind:?}");
    }
}

/// Sums over little-endian bytes, computed on x86-64 Linux. If this fails elsewhere, a generator uses what platforms differ in; if it
/// fails here, a change has made every cached truth and recorded figure about other data.
#[test]
fn bytes_do_not_change() {
    let sums: Vec<(&str, u64)> = Kind::ALL
        .into_iter()
        .map(|kind| (kind.name(), xxh3_64(generate(&small(kind)).unwrap().base.as_bytes())))
        .collect();
    let expected = [
        ("uniform", 14124233160190518586),
        ("gaussian", 7640036819218336399),
        ("clustered", 10119450701644737257),
        ("subspace", 12517804673969241437),
        ("sift", 14497599346794783815),
        ("bits", 11967146021165869241),
        ("gp-uniform", 5113464372193738325),
        ("gp-normal", 17419017193197680931),
        ("gp-grid", 16056381070469813445),
    ];
    assert_eq!(sums, expected);
}

#[test]
fn a_smaller_set_is_the_beginning_of_a_larger_one() {
    for kind in Kind::ALL.into_iter().filter(|&kind| kind != Kind::GpGrid) {
        let large = generate(&small(kind)).unwrap();
        let mut spec = small(kind);
        (spec.n, spec.q) = (100, 5);
        let less = generate(&spec).unwrap();
        assert_eq!((large.base.prefix(100), large.queries.prefix(5)), (less.base, less.queries), "{kind:?}");
    }
}

#[test]
fn sift_like_vectors_are_like_sift() {
    let set = generate(&small(Kind::Sift)).unwrap();
    assert_eq!(set.base.dtype(), Dtype::U8);
    for row in 0..set.base.len() {
        let norm = (0..48).map(|i| set.base.get(row, i).unwrap().powi(2)).sum::<f64>().sqrt();
        assert!((norm - 512.0).abs() < 16.0, "{norm}");
    }
}

#[test]
fn what_is_not_known_is_refused_by_name() {
    let refused = |text: &str| text.parse::<Spec>().unwrap_err();
    assert!(matches!(refused("synth:clusterd"), GenerateError::Kind { .. }));
    assert!(matches!(refused("synth:uniform?m=3"), GenerateError::Key { .. }));
    assert!(matches!(refused("synth:uniform?clusters=3"), GenerateError::Key { .. }));
    assert!(matches!(refused("synth:uniform?n"), GenerateError::Value { .. }));
    for bad in ["n=0", "q=0", "d=0", "d=2000000", "n=-1", "n=5000000000", "metric=far", "dtype=f8", "d=1e3"] {
        assert!(matches!(refused(&format!("synth:uniform?{bad}")), GenerateError::Value { .. }), "{bad}");
    }
    assert!(matches!(refused("synth:subspace?d=8&intrinsic=9"), GenerateError::Value { .. }));
    assert!(matches!(refused("synth:bits?flip=1.5"), GenerateError::Value { .. }));
    assert!(matches!(refused("synth:bits?metric=l2"), GenerateError::Combination { .. }));
    assert!(matches!(refused("synth:uniform?dtype=bits"), GenerateError::Combination { .. }));
    assert!(refused("synth:uniform?m=3").to_string().contains("seed"));
}

#[test]
fn more_than_memory_is_an_error() {
    let spec: Spec = "synth:uniform?n=4000000000&d=1000000".parse().unwrap();
    assert!(matches!(generate(&spec), Err(GenerateError::Memory { .. })));
}

#[test]
fn the_default_is_the_quick_bench() {
    let spec: Spec = "synth".parse().unwrap();
    assert_eq!(
        (spec.kind, spec.n, spec.d, spec.q, spec.metric),
        (Kind::Clustered, 100_000, 96, 1_000, Metric::L2)
    );
}

#[test]
fn a_type_that_cannot_hold_the_values_is_an_error() {
    let spec: Spec = "synth:gaussian?n=10&q=1&dtype=u8".parse().unwrap();
    assert!(matches!(generate(&spec), Err(GenerateError::Convert(_))));
    let spec: Spec = "synth:gaussian?n=10&q=1&dtype=f16&metric=angular".parse().unwrap();
    assert_eq!(generate(&spec).unwrap().base.dtype(), Dtype::F16);
}
