//! Truth equals what the definition says, whichever way it was computed, cached or shipped.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests fail as tests do")]

use std::sync::atomic::{AtomicU64, Ordering};

use bench_harness::dataset::{Dataset, Metric};
use bench_harness::dtype::Dtype;
use bench_harness::generate::{Kind, Spec, generate};
use bench_harness::progress::{Progress, Quiet};
use bench_harness::truth::{self, Cache, CacheError, Oracle, TruthError, check_shipped};
use bench_harness::vectors::{Matrix, Vectors};
use proptest::prelude::*;

/// The definition of ann-benchmarks, written without regard for speed or for the library's own code.
fn defined_distance(metric: Metric, a: &[f64], b: &[f64]) -> f64 {
    let sum = |f: fn(f64, f64) -> f64| a.iter().zip(b).map(|(&x, &y)| f(x, y)).sum::<f64>();
    match metric {
        Metric::L2 => sum(|x, y| (x - y).powi(2)).sqrt(),
        Metric::InnerProduct => -sum(|x, y| x * y),
        Metric::Cosine => 1.0 - sum(|x, y| x * y) / (sum(|x, _| x * x).sqrt() * sum(|_, y| y * y).sqrt()),
        Metric::L1 => sum(|x, y| (x - y).abs()),
        Metric::Hamming => sum(|x, y| f64::from(x != y)),
        _ => {
            let any = sum(|x, y| x.max(y));
            if any == 0.0 { 0.0 } else { 1.0 - sum(|x, y| x.min(y)) / any }
        }
    }
}

fn row(vectors: &Vectors, row: usize) -> Vec<f64> {
    (0..vectors.dim()).map(|column| vectors.get(row, column).unwrap()).collect()
}

/// Sets of every type and metric that go together, small values so that there are ties.
fn sets() -> Vec<Dataset> {
    let mut sets = Vec::new();
    for metric in Metric::ALL {
        let dtypes: &[Dtype] = if metric.is_on_bits() { &[Dtype::Bits] } else { &Dtype::ALL[..6] };
        for &dtype in dtypes {
            let spec =
                format!("synth:bits?n=700&q=37&d=19&clusters=40&flip=0.2&metric=hamming&seed={}", sets.len());
            let mut set = generate(&spec.parse().unwrap()).unwrap();
            set.metric = metric;
            set.base = set.base.convert(dtype).unwrap().vectors;
            set.queries = set.queries.convert(dtype).unwrap().vectors;
            sets.push(set);
        }
    }
    sets
}

#[test]
fn the_oracle_keeps_to_the_definition() {
    for set in sets() {
        let truth = Oracle::new(set.metric, &set.base, &set.queries).unwrap().truth(9, &Quiet).unwrap();
        for query in 0..set.queries.len() {
            let q = row(&set.queries, query);
            let mut all: Vec<f64> =
                (0..set.base.len()).map(|id| defined_distance(set.metric, &q, &row(&set.base, id))).collect();
            let (ids, distances) = truth.query(query).unwrap();
            for (&id, &distance) in ids.iter().zip(distances) {
                assert!((all[id as usize] - distance).abs() < 1e-12, "{} {}", set.metric, set.base.dtype());
            }
            all.sort_by(f64::total_cmp);
            for (place, &distance) in distances.iter().enumerate() {
                assert!((all[place] - distance).abs() < 1e-12, "{} {}", set.metric, set.base.dtype());
            }
        }
    }
}

#[test]
fn ties_break_by_lower_id() {
    for set in sets() {
        let truth = Oracle::new(set.metric, &set.base, &set.queries).unwrap().truth(50, &Quiet).unwrap();
        let mut ties = 0;
        for query in 0..truth.len() {
            let (ids, distances) = truth.query(query).unwrap();
            for i in 1..ids.len() {
                assert!(distances[i - 1] <= distances[i]);
                if distances[i - 1] == distances[i] && set.metric != Metric::L2 {
                    ties += 1;
                    assert!(ids[i - 1] < ids[i]);
                }
            }
        }
        assert!(ties > 0 || set.metric == Metric::L2, "no ties to test: {}", set.metric);
    }
}

#[test]
fn kernels_and_oracle_agree_in_every_type_and_metric() {
    for set in sets() {
        let oracle = Oracle::new(set.metric, &set.base, &set.queries).unwrap();
        for k in [1, 10, 700, 1000] {
            let fast = truth::by_kernels(&oracle, k, &Quiet).unwrap().expect("kernels take these");
            assert_eq!(fast, oracle.truth(k, &Quiet).unwrap(), "{} {} {k}", set.metric, set.base.dtype());
        }
    }
}

#[test]
fn kernels_and_oracle_agree_on_generated_sets() {
    for kind in Kind::ALL {
        let mut spec = Spec::of(kind);
        (spec.n, spec.q, spec.clusters) = (3000, 33, 20);
        let set = generate(&spec).unwrap();
        let oracle = Oracle::new(set.metric, &set.base, &set.queries).unwrap();
        let fast = truth::by_kernels(&oracle, 10, &Quiet).unwrap().unwrap();
        assert_eq!(fast, oracle.truth(10, &Quiet).unwrap(), "{kind:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Values over the whole range of f32: sums that overflow, vanish or cancel.
    #[test]
    fn no_rounding_hides_a_neighbour(
        values in prop::collection::vec(prop_oneof![
            any::<f32>().prop_filter("finite", |x| x.is_finite()),
            (-8i8..8).prop_map(|x| 1000.0 + f32::from(x) * 1e-4),
            (-1.0f32..1.0),
            (-1.0f32..1.0).prop_map(|x| x * 1e-40),
        ], 3 * 60),
        metric in prop::sample::select(&Metric::ALL[..4]),
        k in 1usize..20,
    ) {
        let base = Vectors::F32(Matrix::new(values.clone(), 3).unwrap());
        let queries = Vectors::F32(Matrix::new(values[..60].to_vec(), 3).unwrap());
        let oracle = Oracle::new(metric, &base, &queries).unwrap();
        let fast = truth::by_kernels(&oracle, k, &Quiet).unwrap().unwrap();
        prop_assert_eq!(fast, oracle.truth(k, &Quiet).unwrap());
    }
}

#[test]
fn large_sets_go_through_the_kernels_and_stay_exact() {
    let set = generate(&"synth:clustered?n=20000&d=64&q=100&clusters=50".parse().unwrap()).unwrap();
    let oracle = Oracle::new(set.metric, &set.base, &set.queries).unwrap();
    assert_eq!(truth::exact(&set, 10, &Quiet).unwrap(), oracle.truth(10, &Quiet).unwrap());
}

#[test]
fn threads_do_not_matter() {
    let set = generate(&"synth:gp-grid?n=3000&q=50".parse().unwrap()).unwrap();
    let oracle = Oracle::new(set.metric, &set.base, &set.queries).unwrap();
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| truth::by_kernels(&oracle, 20, &Quiet).unwrap())
    };
    assert_eq!(with(1), with(5));
}

#[test]
fn k_of_zero_and_k_beyond_the_set_are_defined() {
    let set = generate(&"synth:uniform?n=7&q=3&d=2".parse().unwrap()).unwrap();
    let none = truth::exact(&set, 0, &Quiet).unwrap();
    assert_eq!((none.k(), none.len()), (0, 0));
    let all = truth::exact(&set, 100, &Quiet).unwrap();
    assert_eq!((all.k(), all.len()), (7, 3));
    let mut ids = all.query(0).unwrap().0.to_vec();
    ids.sort_unstable();
    assert_eq!(ids, [0, 1, 2, 3, 4, 5, 6]);
}

#[test]
fn vectors_that_do_not_fit_are_refused() {
    let mut set = generate(&"synth:uniform?n=7&q=3&d=2".parse().unwrap()).unwrap();
    set.metric = Metric::Jaccard;
    assert!(matches!(truth::exact(&set, 1, &Quiet), Err(TruthError::Dataset(_))));
    set.metric = Metric::L2;
    let oracle = Oracle::new(set.metric, &set.base, &set.queries).unwrap();
    assert!(matches!(oracle.distances(0, &[7]), Err(TruthError::Id { id: 7, rows: 7, .. })));
    assert!(matches!(oracle.distances(3, &[0]), Err(TruthError::Query { query: 3, queries: 3 })));
}

struct Impatient(AtomicU64);

impl Progress for Impatient {
    fn start(&self, _what: &str, _total: u64) {}
    fn advance(&self, steps: u64) {
        self.0.fetch_add(steps, Ordering::Relaxed);
    }
    fn finish(&self) {}
    fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= 20
    }
}

#[test]
fn work_can_be_cancelled() {
    let set = generate(&"synth:uniform?n=2000&q=400&d=4".parse().unwrap()).unwrap();
    let oracle = Oracle::new(set.metric, &set.base, &set.queries).unwrap();
    assert!(matches!(oracle.truth(3, &Impatient(AtomicU64::new(0))), Err(TruthError::Cancelled)));
    let fast = truth::by_kernels(&oracle, 3, &Impatient(AtomicU64::new(0)));
    assert!(matches!(fast, Err(TruthError::Cancelled)));
}

#[test]
fn the_cache_gives_back_what_was_computed_and_survives_damage() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(folder.path().join("deep/er"));
    let set = generate(&"synth:uniform?n=300&q=4&d=3".parse().unwrap()).unwrap();
    let (computed, notices) = cache.exact(&set, 5, &Quiet).unwrap();
    assert!(notices.is_empty(), "{notices:?}");
    let path = cache.path(&set, 5);
    let bytes = std::fs::read(&path).unwrap();

    // A hit: nothing is computed, as a progress that cancels at once shows.
    let never = Impatient(AtomicU64::new(1000));
    assert_eq!(cache.exact(&set, 5, &never).unwrap().0, computed);

    let mut damaged: Vec<Vec<u8>> = (0..bytes.len())
        .map(|at| {
            let mut bytes = bytes.clone();
            bytes[at] ^= 0x10;
            bytes
        })
        .collect();
    damaged.extend((0..bytes.len()).map(|len| bytes[..len].to_vec()));
    damaged.push([&bytes[..], &[0; 40_000]].concat());
    for bytes in damaged {
        std::fs::write(&path, bytes).unwrap();
        let (again, notices) = cache.exact(&set, 5, &Quiet).unwrap();
        assert_eq!(again, computed);
        assert!(matches!(notices[..], [CacheError::Damaged { .. }]), "{notices:?}");
    }
    assert_eq!(std::fs::read(&path).unwrap(), bytes, "the damaged file was replaced");
    let names: Vec<_> = std::fs::read_dir(path.parent().unwrap()).unwrap().collect();
    assert_eq!(names.len(), 1, "{names:?}");
}

#[test]
fn another_set_metric_or_k_has_another_place_in_the_cache() {
    let cache = Cache::new("unused");
    let set = generate(&"synth:uniform?n=300&q=4&d=3".parse().unwrap()).unwrap();
    let mut paths = vec![cache.path(&set, 5), cache.path(&set, 6)];
    let mut other = set.clone();
    other.metric = Metric::L1;
    paths.push(cache.path(&other, 5));
    other = set.clone();
    other.queries.truncate(3);
    paths.push(cache.path(&other, 5));
    other = set.clone();
    other.base = set.base.convert(Dtype::F64).unwrap().vectors;
    paths.push(cache.path(&other, 5));
    let count = paths.len();
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), count);
    assert_eq!(cache.path(&set, 300), cache.path(&set, 400), "both are all of it");
}

#[test]
fn a_cache_that_cannot_be_written_is_a_notice() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, b"in the way").unwrap();
    let set = generate(&"synth:uniform?n=30&q=4&d=3".parse().unwrap()).unwrap();
    let (truth, notices) = Cache::new(file).exact(&set, 5, &Quiet).unwrap();
    assert_eq!(truth, truth::exact(&set, 5, &Quiet).unwrap());
    assert!(!notices.is_empty() && notices.iter().all(|notice| matches!(notice, CacheError::Io { .. })));
}

#[test]
fn shipped_truth_is_checked() {
    let set = generate(&"synth:gp-grid?n=400&q=12".parse().unwrap()).unwrap();
    let truth = truth::exact(&set, 6, &Quiet).unwrap();
    let matrix = |ids: Vec<u32>| Matrix::new(ids, 6).unwrap();
    let ids = truth.ids().to_vec();
    assert_eq!(check_shipped(&set, &matrix(ids.clone()), &Quiet).unwrap(), truth);

    // Ties in another order are as true.
    let tied = (0..12)
        .flat_map(|query| (1..6).map(move |place| (query, place)))
        .find(|&(query, place)| {
            let (_, distances) = truth.query(query).unwrap();
            distances[place] == distances[place - 1]
        })
        .expect("a grid has ties");
    let mut swapped = ids.clone();
    swapped.swap(tied.0 * 6 + tied.1, tied.0 * 6 + tied.1 - 1);
    assert_eq!(check_shipped(&set, &matrix(swapped), &Quiet).unwrap().distances(), truth.distances());

    let farthest = *truth::exact(&set, 400, &Quiet).unwrap().query(5).unwrap().0.last().unwrap();
    let mut wrong = ids.clone();
    wrong[5 * 6 + 5] = farthest;
    assert!(matches!(
        check_shipped(&set, &matrix(wrong), &Quiet),
        Err(TruthError::Disagreement { query: 5, place: 5, .. })
    ));
    let mut reversed = ids.clone();
    reversed[..6].reverse();
    assert!(matches!(
        check_shipped(&set, &matrix(reversed), &Quiet),
        Err(TruthError::Disagreement { query: 0, .. })
    ));
    let mut twice = ids.clone();
    twice[13] = twice[12];
    assert!(matches!(
        check_shipped(&set, &matrix(twice), &Quiet),
        Err(TruthError::Duplicate { query: 2, .. })
    ));
    let mut outside = ids;
    outside[8] = 400;
    assert!(matches!(
        check_shipped(&set, &matrix(outside), &Quiet),
        Err(TruthError::Id { query: 1, id: 400, .. })
    ));
    let few = Matrix::new(vec![0; 6], 6).unwrap();
    assert!(matches!(check_shipped(&set, &few, &Quiet), Err(TruthError::Dataset(_))));
}
