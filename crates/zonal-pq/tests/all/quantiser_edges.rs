//! Inputs at the edge: odd dimensions, vectors at the centroid, equal vectors, and what is refused.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use crate::quantiser_support::{gaussian, l2_squared};
use simd_kernels::Kernels;
use zonal_pq::quantiser::{
    Access, Codes, Encoding, Error, Factors, Layout, Lvq, Metric, Prepared, ProductParams, ProductQuantiser,
    Quantiser, Rabitq, RabitqParams, Rotation, Scratch, SymbolBits, Zone, mean,
};

const DIMS: [usize; 6] = [1, 2, 7, 25, 100, 129];

fn quantisers(rows: &[f32], dim: usize) -> Vec<Box<dyn Quantiser>> {
    let kernels = Kernels::active().unwrap();
    let mut all: Vec<Box<dyn Quantiser>> = Vec::new();
    let encodings = [Encoding::Constant, Encoding::Exact, Encoding::CoordinateDescent { rounds: 3 }];
    for (i, bits) in (1..=8).enumerate() {
        let access = if i % 2 == 0 { Access::Blocks } else { Access::Rows };
        let params = RabitqParams { bits, seed: 1, encoding: encodings[i % 3], access };
        all.push(Box::new(Rabitq::new(dim, &params).unwrap()));
    }
    for bits in [4, 8] {
        all.push(Box::new(Lvq::new(dim, bits).unwrap()));
    }
    for bits in [SymbolBits::Four, SymbolBits::Six, SymbolBits::Eight] {
        for rotation in [None, Some(3)] {
            let params = ProductParams { subspaces: dim.min(5), bits, rotation, ..Default::default() };
            all.push(Box::new(ProductQuantiser::train(kernels, rows, dim, &params).unwrap()));
        }
    }
    all
}

fn estimates(codes: &Codes, quantiser: &dyn Quantiser, query: &[f32]) -> Vec<f32> {
    let mut out = vec![f32::NAN; codes.len()];
    codes.estimate(Kernels::active().unwrap(), quantiser, query, &mut Prepared::default(), &mut out).unwrap();
    out
}

#[test]
fn any_dimension_works() {
    let kernels = Kernels::active().unwrap();
    for dim in DIMS {
        let rows = gaussian(70, dim, 1);
        for quantiser in quantisers(&rows, dim) {
            let codes = Codes::encode(kernels, &*quantiser, &rows, None, Metric::L2Squared).unwrap();
            let own = estimates(&codes, &*quantiser, &rows[..dim]);
            let length = l2_squared(&rows[..dim], &vec![0.0; dim]);
            // One bit and 100 dimensions: a deviation of 2 |q| |o| 0.076.
            assert!(f64::from(own[0].abs()) < 2.0 * length, "{dim} {quantiser:?}: {} {length}", own[0]);
            assert!(own.iter().all(|x| x.is_finite()));
        }
    }
}

#[test]
fn a_vector_at_the_centroid_has_the_distance_of_the_centroid() {
    let kernels = Kernels::active().unwrap();
    for dim in DIMS {
        let (rows, query) = (gaussian(70, dim, 2), gaussian(1, dim, 3));
        for quantiser in quantisers(&rows, dim) {
            for metric in [Metric::L2Squared, Metric::InnerProduct] {
                let centre = &rows[..dim];
                let codes = Codes::encode(kernels, &*quantiser, &rows, Some(centre), metric).unwrap();
                let (mut rotated_query, mut rotated_centre) = (vec![0.0; dim], vec![0.0; dim]);
                quantiser.transform(kernels, &query, &mut rotated_query).unwrap();
                quantiser.transform(kernels, centre, &mut rotated_centre).unwrap();
                let zone = Zone::new(metric, &rotated_query, Some(&rotated_centre)).unwrap();
                assert_eq!(estimates(&codes, &*quantiser, &query)[0], zone.add, "{quantiser:?}");
                assert_eq!(codes.factors().error[0], 0.0);
                // A query there is off by what its own rounding takes, and by nothing else.
                let (mut prepared, mut own) = (Prepared::default(), vec![0.0; 70]);
                let zone = codes.estimate(kernels, &*quantiser, centre, &mut prepared, &mut own).unwrap();
                assert_eq!(zone.distance, 0.0);
                let mut margins = vec![0.0; 70];
                codes.margins(&prepared, zone, 5.0, &mut margins).unwrap();
                for ((estimate, margin), row) in own.iter().zip(&margins).zip(rows.chunks_exact(dim)) {
                    let exact = match metric {
                        Metric::InnerProduct => -crate::quantiser_support::dot(centre, row),
                        _ => l2_squared(centre, row),
                    };
                    let size = crate::quantiser_support::dot(centre, centre)
                        + crate::quantiser_support::dot(row, row);
                    let off = (f64::from(*estimate) - exact).abs();
                    assert!(
                        off <= f64::from(*margin) + 1e-4 * size,
                        "{dim} {quantiser:?} {metric:?}: {off} {margin}"
                    );
                }
            }
        }
    }
}

#[test]
fn equal_vectors_get_equal_codes_and_estimates() {
    let kernels = Kernels::active().unwrap();
    for dim in DIMS {
        let one = gaussian(1, dim, 4);
        let rows = one.repeat(130);
        for quantiser in quantisers(&rows, dim) {
            let codes = Codes::encode(kernels, &*quantiser, &rows, None, Metric::L2Squared).unwrap();
            let own = estimates(&codes, &*quantiser, &gaussian(1, dim, 5));
            assert!(own.iter().all(|x| x.is_finite() && *x == own[0]), "{quantiser:?}");
        }
    }
}

#[test]
fn queries_of_equal_values_and_of_zeros_are_answered() {
    let kernels = Kernels::active().unwrap();
    for dim in DIMS {
        let rows = gaussian(70, dim, 6);
        for quantiser in quantisers(&rows, dim) {
            let codes = Codes::encode(kernels, &*quantiser, &rows, None, Metric::L2Squared).unwrap();
            for (estimate, row) in
                estimates(&codes, &*quantiser, &vec![0.0; dim]).iter().zip(rows.chunks_exact(dim))
            {
                let exact = crate::quantiser_support::dot(row, row);
                assert!((f64::from(*estimate) - exact).abs() <= 1e-5 * exact, "{quantiser:?}");
            }
            for value in [-0.5, 1e-30, 1e-42] {
                let own = estimates(&codes, &*quantiser, &vec![value; dim]);
                assert!(own.iter().all(|x| x.is_finite()), "{value} {quantiser:?}");
            }
        }
        // Vectors of equal values have no range of their own.
        let flat: Vec<f32> = (0..10).flat_map(|i| vec![i as f32; dim]).collect();
        for quantiser in quantisers(&flat, dim) {
            let codes = Codes::encode(kernels, &*quantiser, &flat, None, Metric::L2Squared).unwrap();
            let own = estimates(&codes, &*quantiser, &vec![1.0; dim]);
            assert!(own.iter().all(|x| x.is_finite()), "{quantiser:?}");
            if let Layout::Rows8 { .. } = codes.layout() {
                assert!((own[5] - 16.0 * dim as f32).abs() < 0.5 * dim as f32, "{quantiser:?} {}", own[5]);
            }
        }
    }
}

#[test]
fn values_that_are_no_numbers_are_refused_and_named() {
    let (kernels, dim) = (Kernels::active().unwrap(), 25);
    let rows = gaussian(70, dim, 7);
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut spoilt = rows.clone();
        spoilt[3 * dim + 4] = bad;
        let is_named =
            |error: Error| matches!(error, Error::NotFinite { argument: "rows", row: 3, column: 4 });
        assert!(is_named(mean(&spoilt, dim).unwrap_err()));
        let params = ProductParams { subspaces: 5, ..Default::default() };
        assert!(is_named(ProductQuantiser::train(kernels, &spoilt, dim, &params).unwrap_err()));
        for quantiser in quantisers(&rows, dim) {
            let error = Codes::encode(kernels, &*quantiser, &spoilt, None, Metric::L2Squared).unwrap_err();
            assert!(is_named(error));
            let centre = &spoilt[3 * dim..4 * dim];
            let error =
                Codes::encode(kernels, &*quantiser, &rows, Some(centre), Metric::L2Squared).unwrap_err();
            assert!(matches!(error, Error::NotFinite { argument: "centroid", column: 4, .. }));
            let codes = Codes::encode(kernels, &*quantiser, &rows, None, Metric::L2Squared).unwrap();
            let (mut prepared, mut out) = (Prepared::default(), vec![0.0; 70]);
            let error = codes.estimate(kernels, &*quantiser, centre, &mut prepared, &mut out).unwrap_err();
            assert!(matches!(error, Error::NotFinite { argument: "query", column: 4, .. }));
            let error = quantiser.prepare(centre, &mut prepared).unwrap_err();
            assert!(matches!(error, Error::NotFinite { argument: "query", column: 4, .. }));
            let mut code = vec![0; codes.layout().symbols()];
            let mut encode = |residual: &[f32]| {
                let scratch = &mut Scratch::default();
                quantiser.encode(kernels, residual, None, Metric::L2Squared, scratch, &mut code)
            };
            assert!(matches!(encode(centre), Err(Error::NotFinite { column: 4, .. })), "{quantiser:?}");
            // Finite, but their squares are not.
            assert!(matches!(encode(&[1e30; 25]), Err(Error::TooLarge { .. })), "{quantiser:?}");
            let error = quantiser.transform(kernels, centre, &mut [0.0; 25]).unwrap_err();
            assert!(matches!(error, Error::NotFinite { argument: "vector", column: 4, .. }));
        }
    }
    let huge = vec![f32::MAX; 50];
    let params = ProductParams { subspaces: 5, rotation: Some(1), ..Default::default() };
    assert!(ProductQuantiser::train(kernels, &huge, dim, &params).is_err());
}

#[test]
fn lengths_that_do_not_fit_are_refused_and_named() {
    let (kernels, dim) = (Kernels::active().unwrap(), 25);
    let rows = gaussian(70, dim, 8);
    let length = |name: &str, error: Error| match error {
        Error::Length { argument, .. } => assert_eq!(argument, name),
        other => panic!("{other}"),
    };
    length("rows", mean(&rows[1..], dim).unwrap_err());
    for quantiser in quantisers(&rows, dim) {
        let quantiser = &*quantiser;
        let encode = |rows: &[f32], centre: Option<&[f32]>| {
            Codes::encode(kernels, quantiser, rows, centre, Metric::L2Squared)
        };
        length("rows", encode(&rows[1..], None).unwrap_err());
        length("centroid", encode(&rows, Some(&rows[..24])).unwrap_err());
        let codes = encode(&rows, None).unwrap();
        let mut prepared = Prepared::default();
        let mut estimate = |query: &[f32], out: &mut [f32]| {
            codes.estimate(kernels, quantiser, query, &mut prepared, out).unwrap_err()
        };
        length("query", estimate(&rows[..24], &mut [0.0; 70]));
        length("out", estimate(&rows[..25], &mut [0.0; 69]));
        length("query", quantiser.prepare(&rows[..24], &mut prepared).unwrap_err());
        quantiser.prepare(&rows[..25], &mut prepared).unwrap();
        let bytes = codes.as_bytes();
        length("blocks", prepared.scan(kernels, &bytes[1..], &mut [0; 128]).unwrap_err());
        length("sums", prepared.scan(kernels, bytes, &mut [0; 127]).unwrap_err());
        let zone = Zone::default();
        let factors = codes.factors();
        length("sums", prepared.estimates(zone, factors, &[0; 69], &mut [0.0; 70]).unwrap_err());
        length("factors.add", prepared.estimates(zone, factors, &[0; 69], &mut [0.0; 69]).unwrap_err());
        length("factors.rescale", prepared.margins(zone, factors, 1.0, &mut [0.0; 69]).unwrap_err());
        let layout = codes.layout();
        let mut code = vec![0; layout.symbols()];
        let mut block = vec![0; layout.block_bytes()];
        length("code", layout.write(&mut block, 0, &code[1..]).unwrap_err());
        length("block", layout.read(&block[1..], 0, &mut code).unwrap_err());
        assert!(matches!(layout.write(&mut block, 64, &code), Err(Error::Parameter { argument: "row", .. })));
        length(
            "out",
            quantiser.decode(&code, Factors::default(), Metric::L2Squared, &mut [0.0]).unwrap_err(),
        );
        length("vector", quantiser.transform(kernels, &rows[..24], &mut [0.0; 25]).unwrap_err());
        length("out", quantiser.transform(kernels, &rows[..25], &mut [0.0; 24]).unwrap_err());
        let scratch = &mut Scratch::default();
        let metric = Metric::L2Squared;
        length(
            "residual",
            quantiser.encode(kernels, &rows[..24], None, metric, scratch, &mut code).unwrap_err(),
        );
        length(
            "centroid",
            quantiser.encode(kernels, &rows[..25], Some(&[0.0]), metric, scratch, &mut code).unwrap_err(),
        );
        length(
            "code",
            quantiser.encode(kernels, &rows[..25], None, metric, scratch, &mut code[1..]).unwrap_err(),
        );
        // A query for other codes.
        let other = Lvq::new(26, 8).unwrap();
        let mut out = [0.0; 70];
        let error = codes.estimate(kernels, &other, &[0.0; 26], &mut prepared, &mut out).unwrap_err();
        assert!(matches!(error, Error::Layout));
    }
    length(
        "query",
        Zone::new(Metric::L2Squared, &[0.0; 3], Some(&[0.0; 2]))
            .map(|_| ())
            .map_err(|error| match error {
                Error::Length { expected, actual, .. } => {
                    Error::Length { argument: "query", expected, actual }
                }
                other => other,
            })
            .unwrap_err(),
    );
}

#[test]
fn parameters_out_of_range_are_refused_and_named() {
    let kernels = Kernels::active().unwrap();
    let parameter = |name: &str, error: Error| match error {
        Error::Parameter { argument, .. } => assert_eq!(argument, name),
        other => panic!("{other}"),
    };
    parameter("dim", Rotation::new(0, 1).unwrap_err());
    parameter("dim", Rotation::new(32_769, 1).unwrap_err());
    parameter("dim", Lvq::new(0, 8).unwrap_err());
    parameter("bits", Lvq::new(8, 5).unwrap_err());
    parameter("dim", Rabitq::new(0, &RabitqParams::default()).unwrap_err());
    for bits in [0, 9] {
        parameter("bits", Rabitq::new(8, &RabitqParams { bits, ..Default::default() }).unwrap_err());
    }
    parameter("dim", mean(&[], 0).unwrap_err());
    assert!(matches!(mean(&[], 3), Err(Error::Empty { argument: "rows" })));
    let train = |rows: &[f32], dim, params: ProductParams| {
        ProductQuantiser::train(kernels, rows, dim, &params).map(|_| ()).unwrap_err()
    };
    let params = ProductParams::default();
    parameter("dim", train(&[], 0, params));
    parameter("subspaces", train(&[0.0; 8], 8, ProductParams { subspaces: 0, ..params }));
    parameter("subspaces", train(&[0.0; 8], 8, ProductParams { subspaces: 9, ..params }));
    parameter("sample_per_centroid", train(&[0.0; 8], 8, ProductParams { sample_per_centroid: 0, ..params }));
    assert!(matches!(train(&[], 8, params), Error::Empty { argument: "rows" }));
    assert!(matches!(train(&[0.0; 9], 8, params), Error::Length { argument: "rows", .. }));
}

#[test]
fn no_vectors_are_no_codes() {
    let kernels = Kernels::active().unwrap();
    for quantiser in quantisers(&gaussian(20, 7, 9), 7) {
        let codes = Codes::encode(kernels, &*quantiser, &[], None, Metric::L2Squared).unwrap();
        assert!(codes.is_empty() && codes.as_bytes().is_empty());
        assert!(estimates(&codes, &*quantiser, &[1.0; 7]).is_empty());
        assert!(codes.decode(&*quantiser, 0).unwrap().is_none());
    }
}
