//! Whatever is built from or searched for: a typed error that names the argument, or a result that is defined.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use crate::sets::{Random, build, clustered, elements, expect_sound, modes, recall, search, truth};
use hnsw::{BuildParams, Error, Hnsw, Metric, SearchParams, Searcher, Storage};
use simd_kernels::{Element, Rows, bf16, f16};

const FLOATS: [Metric; 3] = [Metric::L2, Metric::InnerProduct, Metric::Cosine];

fn refusal<T: Element>(data: &[T], dim: usize, metric: Metric, params: &BuildParams) -> Error {
    Hnsw::build(Rows::new(data, dim).unwrap(), metric, params).map(|_| ()).unwrap_err()
}

fn query_refusal<T: Element>(index: &Hnsw<T>, query: &[T]) -> Error {
    let mut searcher = Searcher::new().unwrap();
    index.search(&mut searcher, query, &SearchParams::new(3, 10)).map(|_| ()).unwrap_err()
}

#[test]
fn numbers_that_are_none_are_named_by_row_and_column() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for metric in FLOATS {
            let mut data: Vec<f32> = elements(&clustered(9000, 7, 1));
            let index = build(&data[..700], 7, metric, &BuildParams::new());
            // The first of two in other blocks, whichever thread is quicker.
            data[4100 * 7 + 3] = bad;
            data[8500 * 7 + 1] = bad;
            for _ in 0..3 {
                let error = refusal(&data, 7, metric, &BuildParams::new());
                assert!(
                    matches!(error, Error::NotFinite { argument: "vectors", row: 4100, column: 3 }),
                    "{metric:?}, {bad}: {error}"
                );
            }
            let mut query = data[..7].to_vec();
            query[5] = bad;
            let error = query_refusal(&index, &query);
            assert!(
                matches!(error, Error::NotFinite { argument: "query", row: 0, column: 5 }),
                "{metric:?}, {bad}: {error}"
            );
        }
    }
    let half = [f16::from_f64(1.0), f16::INFINITY, f16::from_f64(2.0), f16::NAN];
    assert!(matches!(
        refusal(&half, 2, Metric::L2, &BuildParams::new()),
        Error::NotFinite { row: 0, column: 1, .. }
    ));
}

#[test]
fn a_vector_of_zeros_has_no_angle() {
    let mut data: Vec<f32> = elements(&clustered(50, 6, 2));
    data[17 * 6..18 * 6].fill(0.0);
    for (params, _) in modes(Metric::Cosine) {
        let error = refusal(&data, 6, Metric::Cosine, &params);
        assert!(matches!(error, Error::ZeroVector { argument: "vectors", row: 17 }), "{error}");
        let index = build(&data[..60], 6, Metric::Cosine, &params);
        let error = query_refusal(&index, &[0.0, -0.0, 0.0, 0.0, 0.0, 0.0]);
        assert!(matches!(error, Error::ZeroVector { argument: "query", row: 0 }), "{error}");
        // The other metrics compare it.
        for metric in [Metric::L2, Metric::InnerProduct] {
            let index = build(&data, 6, metric, &params);
            for query in [&data[..6], &[0.0; 6]] {
                let found = search(&index, query, 10, 50);
                assert_eq!(found.len(), 10);
                expect_sound(&found, metric, &data, query, 10, "with a vector of zeros");
            }
        }
    }
    assert!(matches!(
        refusal(&[0u8; 8], 4, Metric::Cosine, &BuildParams::new()),
        Error::ZeroVector { row: 0, .. }
    ));
}

#[test]
fn a_query_of_another_dimension_is_refused() {
    let data: Vec<f32> = elements(&clustered(40, 6, 3));
    for metric in FLOATS {
        let index = build(&data, 6, metric, &BuildParams::new());
        for wrong in [0, 1, 5, 7, 4096] {
            let error = query_refusal(&index, &vec![1.0; wrong]);
            assert!(
                matches!(error, Error::Dimension { argument: "query", expected: 6, actual } if actual == wrong),
                "{error}"
            );
        }
    }
}

#[test]
fn parameters_out_of_range_are_named() {
    let data: Vec<f32> = elements(&clustered(40, 6, 3));
    let new = BuildParams::new;
    for (params, name) in [
        (new().degree(0), "degree"),
        (new().degree(3), "degree"),
        (new().degree(257), "degree"),
        (new().degree(usize::MAX), "degree"),
        (new().seeds(0), "seeds"),
        (new().seeds(usize::MAX), "seeds"),
        (new().storage(Storage::Lines(0)), "storage lines"),
        (new().storage(Storage::Lines(17)), "storage lines"),
        (new().storage(Storage::Lines(usize::MAX)), "storage lines"),
    ] {
        for rows in [0, 1, 40] {
            let error = refusal(&data[..rows * 6], 6, Metric::L2, &params);
            assert!(matches!(error, Error::Parameter { argument, .. } if argument == name), "{error}");
            assert!(error.to_string().contains(name), "{error}");
        }
    }
    for storage in [Storage::Lines(1), Storage::Bytes, Storage::Bits] {
        let error = refusal(&[1u8, 2, 3], 3, Metric::Hamming, &new().storage(storage));
        assert!(matches!(error, Error::Parameter { argument: "storage", .. }), "{error}");
    }
    for lines in [1, 16] {
        let index = build(&data, 6, Metric::L2, &new().degree(4).storage(Storage::Lines(lines)));
        assert_eq!(search(&index, &data[..6], 1, 20)[0].id, 0);
    }
}

#[test]
fn bits_are_bytes_and_nothing_else() {
    fn refused<T: Element>() {
        let data: Vec<T> = elements(&clustered(10, 4, 1));
        let error = refusal(&data, 4, Metric::Hamming, &BuildParams::new());
        assert!(
            matches!(error, Error::Metric { metric: "hamming", element } if element == T::NAME),
            "{error}"
        );
    }
    refused::<f32>();
    refused::<f64>();
    refused::<f16>();
    refused::<bf16>();
    refused::<i8>();
    // Distances are `f32`.
    let error = refusal(&[1.0f64, 2.0], 2, Metric::L2, &BuildParams::new());
    assert!(matches!(error, Error::Metric { metric: "l2", element: "f64" }), "{error}");
}

#[test]
fn any_k_and_any_ef_is_answered() {
    let data: Vec<f32> = elements(&clustered(200, 9, 4));
    let query = &data[..9];
    for metric in FLOATS {
        for (params, _) in modes(metric) {
            let index = build(&data, 9, metric, &params);
            for (k, ef) in
                [(0, 0), (0, 10), (1, 0), (10, 1), (200, 1), (201, 7), (usize::MAX, 0), (3, usize::MAX)]
            {
                let found = search(&index, query, k, ef);
                let what = format!("{metric:?}, {params:?}, k {k}, ef {ef}");
                expect_sound(&found, metric, &data, query, k, &what);
                // An ef below k is raised to k.
                assert_eq!(found.len(), k.min(200), "{what}");
            }
        }
    }
}

/// Every metric that `T` can have, every mode, and as many rows as given: what was found is sound and nearly all.
fn small<T: Element>(rows: usize, dim: usize) {
    let data: Vec<T> = elements(&clustered(rows, dim, 5));
    for metric in Metric::ALL {
        if metric == Metric::Hamming && T::NAME != "u8" {
            continue;
        }
        for (params, faithful) in modes(metric) {
            let index = build(&data, dim, metric, &params);
            let query: Vec<T> = elements(&clustered(1, dim, 6));
            for k in [1, 2, 5, 1000] {
                let found = search(&index, &query, k, 64);
                let what = format!("{rows} rows of {dim} {}, {metric:?}, {params:?}, k {k}", T::NAME);
                expect_sound(&found, metric, &data, &query, k, &what);
                let recall = recall(&found, &truth(metric, &data, &query), k.min(rows));
                // A beam of all rows meets all rows, whatever it walks by.
                let least = if rows <= 64 || k >= rows { 1.0 } else { 0.8 };
                assert!(recall >= least || !(faithful || least == 1.0), "{what}: recall {recall}");
            }
        }
    }
}

#[test]
fn few_rows_are_an_index() {
    for rows in [0, 1, 2, 3, 7] {
        small::<f32>(rows, 5);
        small::<u8>(rows, 3);
        small::<f16>(rows, 8);
    }
    // Fewer rows than seeds, and about as many as a leaf of the order has.
    for rows in [63, 64, 65, 255] {
        small::<f32>(rows, 5);
        small::<i8>(rows, 4);
    }
}

#[test]
fn an_empty_index_still_checks_its_queries() {
    for metric in FLOATS {
        let index = build::<f32>(&[], 4, metric, &BuildParams::new());
        assert!(search(&index, &[1.0; 4], 10, 100).is_empty());
        assert!(matches!(query_refusal(&index, &[1.0; 3]), Error::Dimension { .. }));
        assert!(matches!(query_refusal(&index, &[f32::NAN; 4]), Error::NotFinite { .. }));
    }
}

#[test]
fn odd_dimensions_are_searched() {
    for dim in [1, 2, 3, 17, 61, 129] {
        small::<f32>(150, dim);
        small::<u8>(100, dim);
        small::<bf16>(80, dim);
    }
}

#[test]
fn equal_rows_are_all_found() {
    for rows in [2, 30, 300, 3000] {
        let row: Vec<f32> = elements(&clustered(1, 12, 7));
        let data = row.repeat(rows);
        for metric in FLOATS {
            for (params, _) in modes(metric) {
                let index = build(&data, 12, metric, &params);
                let found = search(&index, &row, 10, 100);
                let what = format!("{rows} equal rows, {metric:?}, {params:?}");
                expect_sound(&found, metric, &data, &row, 10, &what);
                assert_eq!(found.len(), 10.min(rows), "{what}");
            }
        }
    }
}

/// Rows and queries at `size`: ordered as they are at size 1, with what an `f32` can say of their distances.
fn sized(size: f64) {
    const DIM: usize = 16;
    let plain = clustered(400, DIM, 8);
    let largest = plain.iter().fold(0.0f64, |largest, x| largest.max(x.abs()));
    let data: Vec<f32> = plain.iter().map(|x| (x / largest * size) as f32).collect();
    for metric in FLOATS {
        for (params, faithful) in modes(metric) {
            let index = build(&data, DIM, metric, &params);
            let mut total = 0.0;
            for row in (0..400).step_by(40) {
                let query = &data[row * DIM..][..DIM];
                let found = search(&index, query, 10, 100);
                let what = format!("size {size:e}, {metric:?}, {params:?}");
                assert_eq!(found.len(), 10, "{what}");
                assert!(found.iter().all(|neighbor| !neighbor.distance.is_nan()), "{what}: {found:?}");
                // Sums of squares below the smallest number have no digits to compare.
                if size > 1e-15 {
                    expect_sound(&found, metric, &data, query, 10, &what);
                }
                let truth = truth(metric, &data, query);
                let nearest: Vec<u32> = truth[..10].iter().map(|&(_, id)| id).collect();
                total += found.iter().filter(|found| nearest.contains(&found.id)).count() as f64 / 100.0;
            }
            // Where every distance is 0 or infinite, any rows are the nearest.
            let sayable = metric == Metric::Cosine || (1e-15..1e18).contains(&size);
            assert!(
                !(sayable && faithful) || total > 0.9,
                "size {size:e}, {metric:?}, {params:?}: recall {total}"
            );
        }
    }
}

#[test]
fn huge_and_tiny_numbers_are_searched() {
    for size in [1.0, f64::from(f32::MAX), 1e30, 1e17, 1e-14, 1e-30, 1e-38, 3e-42] {
        sized(size);
    }
}

#[test]
fn one_huge_row_among_small_ones_is_found() {
    let mut random = Random(9);
    let mut data: Vec<f32> = (0..300 * 8).map(|_| random.uniform() as f32).collect();
    data[123 * 8..124 * 8].fill(f32::MAX);
    data[200 * 8..201 * 8].fill(f32::MIN);
    for metric in FLOATS {
        for (params, _) in modes(metric) {
            let index = build(&data, 8, metric, &params);
            for query in [&[f32::MAX; 8][..], &[f32::MIN; 8], &[1e-45; 8], &data[..8]] {
                let found = search(&index, query, 5, 300);
                let what = format!("{metric:?}, {params:?}, {query:?}");
                assert_eq!(found.len(), 5, "{what}");
                expect_sound(&found, metric, &data, query, 5, &what);
            }
        }
    }
}

#[test]
fn cosine_is_never_negative() {
    let mut random = Random(10);
    let mut data: Vec<f32> = (0..500 * 37).map(|_| random.uniform() as f32).collect();
    // Multiples of one vector, whose cosines round to about one.
    for row in 0..100 {
        for j in 0..37 {
            data[row * 37 + j] = data[j] * (1.0 + row as f32 / 7.0);
        }
    }
    let index = build(&data, 37, Metric::Cosine, &BuildParams::new());
    for row in 0..100 {
        let query = &data[row * 37..][..37];
        let found = search(&index, query, 50, 120);
        expect_sound(&found, Metric::Cosine, &data, query, 50, "multiples");
        assert!(found[0].distance < 1e-6);
    }
}
