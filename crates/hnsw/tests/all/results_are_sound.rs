//! Properties of every answer, over random sets, metrics and parameters: rows that exist, each once, in order, at
//! their true distances; and the truth itself where the beam holds every row.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use crate::sets::{Random, build, clustered, elements, expect_sound, recall, search, truth};
use hnsw::{BuildParams, Metric, Quality, Storage};
use proptest::prelude::*;
use simd_kernels::{Element, bf16, f16};

#[derive(Clone, Debug)]
struct Case {
    rows: usize,
    dim: usize,
    metric: Metric,
    params: BuildParams,
    /// In how many copies rows come, and with that how many ties there are.
    copies: usize,
    k: usize,
    seed: u64,
}

fn cases() -> impl Strategy<Value = Case> {
    let storage = prop_oneof![
        Just(Storage::Auto),
        Just(Storage::Full),
        Just(Storage::Bytes),
        Just(Storage::Bits),
        (1usize..=3).prop_map(Storage::Lines)
    ];
    // Most walk the graph; sets of this size would else be scanned.
    let scan = prop_oneof![3 => Just(0.0), 1 => Just(1e6)];
    let params = (4usize..40, storage, 1usize..300, scan).prop_map(|(degree, storage, seeds, scan)| {
        let params = BuildParams::new().degree(degree).storage(storage).seeds(seeds);
        params.quality(Quality::Fast).experiment("scan_bytes", scan)
    });
    let metric = prop::sample::select(Metric::ALL.to_vec());
    (0usize..400, 1usize..70, metric, params, 1usize..4, 0usize..60, any::<u64>()).prop_map(
        |(rows, dim, metric, params, copies, k, seed)| Case { rows, dim, metric, params, copies, k, seed },
    )
}

/// Vectors that the metric can compare: rounded to bytes, some in few dimensions are zero, and have no direction.
fn vectors<T: Element>(case: &Case, rows: usize, seed: u64) -> Vec<T> {
    let mut data: Vec<T> = elements(&clustered(rows, case.dim, seed));
    if case.metric == Metric::Cosine {
        for row in data.chunks_exact_mut(case.dim) {
            if row.iter().all(|x| x.to_f64() == 0.0) {
                row[0] = T::from_f64(1.0);
            }
        }
    }
    data
}

fn check<T: Element>(case: &Case) {
    let unique: Vec<T> = vectors(case, case.rows.div_ceil(case.copies), case.seed);
    let mut data = unique.repeat(case.copies);
    data.truncate(case.rows * case.dim);
    let index = build(&data, case.dim, case.metric, &case.params);
    let mut random = Random(case.seed);
    for outside in [true, false, false] {
        let query: Vec<T> = if outside || case.rows == 0 {
            vectors(case, 1, case.seed ^ 1)
        } else {
            data[random.below(case.rows) * case.dim..][..case.dim].to_vec()
        };
        let what = format!("{} {case:?}", T::NAME);
        let found = search(&index, &query, case.k, 40);
        expect_sound(&found, case.metric, &data, &query, case.k, &what);
        let found = search(&index, &query, case.rows, case.rows);
        expect_sound(&found, case.metric, &data, &query, case.rows, &what);
        let truth = truth(case.metric, &data, &query);
        // A beam of all rows meets all rows: every row can be reached.
        assert_eq!(found.len(), case.rows, "{what}");
        for k in [case.k, case.rows] {
            assert_eq!(recall(&found, &truth, k), 1.0, "{what}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn of_every_element_type(case in cases()) {
        let bits = Case {
            params: case.params.clone().storage(Storage::Full),
            ..case.clone()
        };
        check::<u8>(if case.metric == Metric::Hamming { &bits } else { &case });
        if case.metric != Metric::Hamming {
            check::<f32>(&case);
            check::<i8>(&case);
            check::<f16>(&case);
            check::<bf16>(&case);
        }
    }
}
