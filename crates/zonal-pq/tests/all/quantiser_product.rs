//! What only product codes have: training, assignment, codebooks, tables of distances.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use crate::quantiser_support::{Random, gaussian, l2_squared};
use simd_kernels::Kernels;
use zonal_pq::quantiser::{
    Codes, Error, Metric, Prepared, ProductParams, ProductQuantiser, Quantiser, Rotation, Scratch, SymbolBits,
};

fn trained(rows: &[f32], dim: usize, subspaces: usize, bits: SymbolBits) -> ProductQuantiser {
    let params = ProductParams { subspaces, bits, ..Default::default() };
    ProductQuantiser::train(Kernels::active().unwrap(), rows, dim, &params).unwrap()
}

fn code_of(product: &ProductQuantiser, vector: &[f32]) -> Vec<u8> {
    let mut code = vec![0; product.subspaces()];
    product.assign(Kernels::active().unwrap(), vector, &mut Scratch::default(), &mut code).unwrap();
    code
}

/// The squared distance of each sub-space to its nearest centroid, the long way.
fn best(product: &ProductQuantiser, vector: &[f32]) -> Vec<f64> {
    let k = product.bits().centroids();
    product
        .starts()
        .windows(2)
        .map(|ends| {
            let book = &product.codebook()[k * ends[0]..k * ends[1]];
            let part = &vector[ends[0]..ends[1]];
            book.chunks_exact(part.len()).map(|c| l2_squared(c, part)).fold(f64::INFINITY, f64::min)
        })
        .collect()
}

#[test]
fn assignments_are_the_nearest_centroids() {
    for (dim, subspaces) in [(1, 1), (7, 3), (24, 6), (100, 9), (64, 1)] {
        let rows = gaussian(600, dim, 1);
        for bits in [SymbolBits::Four, SymbolBits::Six, SymbolBits::Eight] {
            let product = trained(&rows, dim, subspaces, bits);
            let mut decoded = vec![0.0; dim];
            // Beyond the grid too, where centroids are compared one by one.
            for scale in [1.0, 50.0, 1e-3] {
                for row in rows.chunks_exact(dim).take(60) {
                    let vector: Vec<f32> = row.iter().map(|x| x * scale).collect();
                    product.reconstruct(&code_of(&product, &vector), &mut decoded).unwrap();
                    let least = best(&product, &vector);
                    for (ends, least) in product.starts().windows(2).zip(least) {
                        let (a, b) = (&vector[ends[0]..ends[1]], &decoded[ends[0]..ends[1]]);
                        let (own, least) = (l2_squared(a, b).sqrt(), least.sqrt());
                        let span = product.codebook().iter().fold(0.0f32, |span, c| span.max(c.abs()));
                        let grid = f64::from(span) * (ends[1] - ends[0]) as f64 / 1000.0;
                        assert!(own <= least + grid, "{dim}/{subspaces} {bits:?}: {own}, nearest {least}");
                    }
                }
            }
        }
    }
}

#[test]
fn training_lowers_the_error_and_uses_all_centroids() {
    let (dim, rows) = (8, gaussian(3000, 8, 2));
    let error = |iterations| {
        let bits = SymbolBits::Six;
        let params = ProductParams { subspaces: 2, bits, iterations, ..Default::default() };
        let product = ProductQuantiser::train(Kernels::active().unwrap(), &rows, dim, &params).unwrap();
        let mut used = [[false; 64]; 2];
        let sum: f64 = rows
            .chunks_exact(dim)
            .map(|row| {
                for (used, symbol) in used.iter_mut().zip(code_of(&product, row)) {
                    used[usize::from(symbol)] = true;
                }
                best(&product, row).iter().sum::<f64>()
            })
            .sum();
        assert!(used.iter().flatten().all(|used| *used));
        sum
    };
    let errors = [0, 1, 15].map(error);
    assert!(errors[1] < 0.95 * errors[0] && errors[2] < 0.95 * errors[1], "{errors:?}");
}

#[test]
fn empty_centroids_go_where_the_error_is() {
    // Nearly all points are one; sixteen others are far away, each alone.
    let mut rows = vec![0.0f32; 2 * 2000];
    let mut random = Random(3);
    for i in 0..15 {
        rows[2 * (100 * i + 7)] = (10.0 + 90.0 * random.uniform()) as f32;
        rows[2 * (100 * i + 7) + 1] = (i + 1) as f32;
    }
    let product = trained(&rows, 2, 1, SymbolBits::Four);
    let mut decoded = [0.0; 2];
    for row in rows.chunks_exact(2) {
        product.reconstruct(&code_of(&product, row), &mut decoded).unwrap();
        assert!(l2_squared(row, &decoded) < 1e-6, "{row:?} {decoded:?}");
    }
}

#[test]
fn fewer_vectors_than_centroids_are_stored_exactly() {
    for bits in [SymbolBits::Four, SymbolBits::Six, SymbolBits::Eight] {
        for n in [1, 3, 16] {
            let rows = gaussian(n, 7, 4);
            let product = trained(&rows, 7, 3, bits);
            let mut decoded = [0.0; 7];
            for row in rows.chunks_exact(7) {
                product.reconstruct(&code_of(&product, row), &mut decoded).unwrap();
                assert!(l2_squared(row, &decoded) < 1e-9);
            }
        }
    }
}

#[test]
fn a_codebook_makes_the_same_quantiser_again() {
    let kernels = Kernels::active().unwrap();
    let rows = gaussian(300, 10, 5);
    let params = ProductParams { subspaces: 4, rotation: Some(8), ..Default::default() };
    let product = ProductQuantiser::train(kernels, &rows, 10, &params).unwrap();
    let book = product.codebook().to_vec();
    let rotation = product.rotation().map(|rotation| Rotation::new(10, rotation.seed()).unwrap());
    let again =
        ProductQuantiser::from_codebook(10, 4, SymbolBits::Four, rotation.clone(), book.clone()).unwrap();
    let encode = |product: &ProductQuantiser| {
        Codes::encode(kernels, product, &rows, None, Metric::L2Squared).unwrap().as_bytes().to_vec()
    };
    assert_eq!(encode(&product), encode(&again));
    let make =
        |dim, bits, rotation, book| ProductQuantiser::from_codebook(dim, 4, bits, rotation, book).map(|_| ());
    let short = book[1..].to_vec();
    let error = make(10, SymbolBits::Four, None, short).unwrap_err();
    assert!(matches!(error, Error::Length { argument: "codebook", .. }));
    let error = make(10, SymbolBits::Eight, None, book.clone()).unwrap_err();
    assert!(matches!(error, Error::Length { argument: "codebook", .. }));
    let error = make(5, SymbolBits::Four, rotation, book.clone()).unwrap_err();
    assert!(matches!(error, Error::Length { argument: "rotation", .. }));
    let mut spoilt = book;
    spoilt[17] = f32::NAN;
    let error = make(10, SymbolBits::Four, None, spoilt).unwrap_err();
    assert!(matches!(error, Error::NotFinite { argument: "codebook", column: 17, .. }));
}

#[test]
fn symbols_that_name_no_centroid_are_refused() {
    let product = trained(&gaussian(300, 10, 6), 10, 4, SymbolBits::Four);
    let error = product.reconstruct(&[1, 2, 16, 3], &mut [0.0; 10]).unwrap_err();
    assert!(matches!(error, Error::Parameter { argument: "code", value: 16, .. }));
}

#[test]
fn tables_of_distances_measure_to_what_a_code_stands_for() {
    let kernels = Kernels::active().unwrap();
    let (dim, n) = (25, 200);
    let rows = gaussian(n, dim, 7);
    let query = gaussian(1, dim, 8);
    for bits in [SymbolBits::Four, SymbolBits::Six, SymbolBits::Eight] {
        let product = trained(&rows, dim, 6, bits);
        let codes = Codes::encode(kernels, &product, &rows, None, Metric::L2Squared).unwrap();
        let (mut prepared, mut sums) = (Prepared::default(), [0; 256]);
        product.prepare_distances(&query, &mut prepared).unwrap();
        prepared.scan(kernels, codes.as_bytes(), &mut sums).unwrap();
        let mut decoded = vec![0.0; dim];
        for (row, sum) in rows.chunks_exact(dim).zip(sums) {
            product.reconstruct(&code_of(&product, row), &mut decoded).unwrap();
            let exact = l2_squared(&decoded, &query);
            let estimate = f64::from(prepared.scale() * sum as f32 + prepared.offset());
            // Each of six entries is off by at most half a step.
            assert!((estimate - exact).abs() <= 3.01 * f64::from(prepared.scale()), "{bits:?}");
        }
    }
}

#[test]
fn lengths_are_as_documented() {
    let product = trained(&gaussian(300, 10, 9), 10, 4, SymbolBits::Four);
    assert_eq!(product.starts(), [0, 3, 6, 8, 10]);
    assert_eq!(product.layout().block_bytes(), 128);
    assert_eq!(trained(&gaussian(300, 10, 9), 10, 5, SymbolBits::Four).layout().block_bytes(), 256);
    assert_eq!(trained(&gaussian(300, 10, 9), 10, 4, SymbolBits::Six).layout().block_bytes(), 192);
    assert_eq!(trained(&gaussian(300, 10, 9), 10, 4, SymbolBits::Eight).layout().block_bytes(), 256);
}
