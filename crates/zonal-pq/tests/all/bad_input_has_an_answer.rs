//! Input that is wrong or odd: a typed error that names the argument, or a defined result.
#![allow(clippy::unwrap_used, reason = "tests fail by it")]
use crate::sets::{clustered, elements};
use simd_kernels::Rows;
use zonal_pq::{
    BatchSearcher, BuildParams, Error, Metric, NO_NEIGHBOR, ScanCode, SearchParams, Searcher, ZonalPq,
};

fn small() -> (Vec<f32>, ZonalPq<f32>) {
    let data: Vec<f32> = elements(&clustered(300, 8, 5));
    let index =
        ZonalPq::build(Rows::new(&data, 8).unwrap(), Metric::L2, &BuildParams::new().zones(10)).unwrap();
    (data, index)
}

#[test]
fn numbers_that_are_none_are_named() {
    let mut data: Vec<f32> = elements(&clustered(300, 8, 5));
    data[8 * 17 + 3] = f32::NAN;
    let rows = Rows::new(&data, 8).unwrap();
    let error = ZonalPq::build(rows, Metric::L2, &BuildParams::new()).unwrap_err();
    assert!(matches!(error, Error::NotFinite { argument: "vectors", row: 17, column: 3 }), "{error}");
    let (_, index) = small();
    let mut searcher = Searcher::new().unwrap();
    let mut query = [1.0f32; 8];
    query[2] = f32::INFINITY;
    let error = index.search(&mut searcher, &query, &SearchParams::new(3, 3)).unwrap_err();
    assert!(matches!(error, Error::NotFinite { argument: "query", column: 2, .. }), "{error}");
    let mut out = vec![NO_NEIGHBOR; 6];
    let queries = [[0.0f32; 8], query].concat();
    let rows = Rows::new(&queries, 8).unwrap();
    let error =
        index.search_batch(&BatchSearcher::new(), rows, &SearchParams::new(3, 3), &mut out).unwrap_err();
    assert!(matches!(error, Error::NotFinite { argument: "queries", row: 1, column: 2 }), "{error}");
}

#[test]
fn wrong_shapes_are_named() {
    let (data, index) = small();
    let mut searcher = Searcher::new().unwrap();
    let error = index.search(&mut searcher, &data[..7], &SearchParams::new(3, 3)).unwrap_err();
    assert!(matches!(error, Error::Dimension { argument: "query", expected: 8, actual: 7 }), "{error}");
    let mut out = vec![NO_NEIGHBOR; 5];
    let rows = Rows::new(&data[..16], 8).unwrap();
    let error =
        index.search_batch(&BatchSearcher::new(), rows, &SearchParams::new(3, 3), &mut out).unwrap_err();
    assert!(matches!(error, Error::Parameter { argument: "out", .. }), "{error}");
    let rows = Rows::new(&data[..14], 7).unwrap();
    let mut out = vec![NO_NEIGHBOR; 6];
    let error =
        index.search_batch(&BatchSearcher::new(), rows, &SearchParams::new(3, 3), &mut out).unwrap_err();
    assert!(matches!(error, Error::Dimension { argument: "queries", expected: 8, actual: 7 }), "{error}");
}

#[test]
fn parameters_out_of_range_are_named() {
    let data: Vec<f32> = elements(&clustered(300, 8, 5));
    let rows = Rows::new(&data, 8).unwrap();
    let refused = |params: BuildParams, name: &str| {
        let error = ZonalPq::build(rows, Metric::L2, &params).unwrap_err();
        assert!(matches!(&error, Error::Parameter { argument, .. } if *argument == name), "{error}");
    };
    refused(BuildParams::new().zones(usize::MAX), "zones");
    refused(BuildParams::new().code(ScanCode::Components { dims: 12 }), "code dims");
    refused(BuildParams::new().second(1.5), "second");
    refused(BuildParams::new().second(f32::NAN), "second");
    let bytes = vec![1u8; 80];
    let error = ZonalPq::build(Rows::new(&bytes, 8).unwrap(), Metric::Hamming, &BuildParams::new());
    assert!(matches!(error, Err(Error::Parameter { argument: "metric", .. })));
    let (_, index) = small();
    let mut searcher = Searcher::new().unwrap();
    for reach in [f32::NAN, -1.0] {
        let params = SearchParams::new(3, 3).reach(reach);
        let error = index.search(&mut searcher, &data[..8], &params).unwrap_err();
        assert!(matches!(error, Error::Parameter { argument: "reach", .. }), "{error}");
    }
    let error = index.search_range(&mut searcher, &data[..8], f32::NAN, 3).unwrap_err();
    assert!(matches!(error, Error::Parameter { argument: "radius", .. }), "{error}");
}

#[test]
fn a_vector_without_direction_has_no_cosine() {
    let mut data: Vec<f32> = elements(&clustered(300, 8, 5));
    data[8 * 4..8 * 5].fill(0.0);
    let rows = Rows::new(&data, 8).unwrap();
    let error = ZonalPq::build(rows, Metric::Cosine, &BuildParams::new()).unwrap_err();
    assert!(matches!(error, Error::ZeroVector { argument: "vectors", row: 4 }), "{error}");
    // Under inner product it is as good as any other, as is a query of zeros.
    let index = ZonalPq::build(rows, Metric::InnerProduct, &BuildParams::new()).unwrap();
    let mut searcher = Searcher::new().unwrap();
    let found = index.search(&mut searcher, &[0.0; 8], &SearchParams::new(4, 100)).unwrap();
    assert_eq!(found.len(), 4);
    assert!(found.iter().all(|neighbor| neighbor.distance == 0.0));
}

#[test]
fn nothing_and_little_can_be_searched() {
    let mut searcher = Searcher::new().unwrap();
    for metric in [Metric::L2, Metric::Cosine, Metric::InnerProduct] {
        let none = ZonalPq::build(Rows::<f32>::new(&[], 5).unwrap(), metric, &BuildParams::new()).unwrap();
        assert!(none.is_empty() && none.zones() == 0);
        assert!(none.search(&mut searcher, &[1.0; 5], &SearchParams::new(3, 3)).unwrap().is_empty());
        assert!(none.search_range(&mut searcher, &[1.0; 5], 3.0, 9).unwrap().is_empty());
        assert!(
            none.search_filtered(&mut searcher, &[1.0; 5], &SearchParams::new(3, 3), &|_| true)
                .unwrap()
                .is_empty()
        );
        let one = [1.0f32, 2.0, 3.0, 4.0, 5.0];
        let index = ZonalPq::build(Rows::new(&one, 5).unwrap(), metric, &BuildParams::new()).unwrap();
        let found = index.search(&mut searcher, &one, &SearchParams::new(3, 3)).unwrap();
        assert_eq!(found.iter().map(|neighbor| neighbor.id).collect::<Vec<_>>(), [0]);
    }
    let (data, index) = small();
    assert!(index.search(&mut searcher, &data[..8], &SearchParams::new(0, 3)).unwrap().is_empty());
    // More neighbours than there are, no probes, more probes than zones.
    let found = index.search(&mut searcher, &data[..8], &SearchParams::new(1000, 1000)).unwrap();
    assert_eq!(found.len(), 300);
    assert!(!index.search(&mut searcher, &data[..8], &SearchParams::new(5, 0)).unwrap().is_empty());
    let filtered =
        index.search_filtered(&mut searcher, &data[..8], &SearchParams::new(5, 2), &|_| false).unwrap();
    assert!(filtered.is_empty());
    let empty = zonal_pq::IdSet::new();
    let filtered = index.search_filtered(&mut searcher, &data[..8], &SearchParams::new(5, 2), &empty);
    assert!(filtered.unwrap().is_empty());
}

#[test]
fn more_zones_than_vectors_are_not_made() {
    let data: Vec<f32> = elements(&clustered(20, 8, 5));
    let index =
        ZonalPq::build(Rows::new(&data, 8).unwrap(), Metric::L2, &BuildParams::new().zones(500)).unwrap();
    assert!(index.zones() <= 20);
    assert!(index.zone_sizes().iter().all(|&size| size > 0));
    let mut searcher = Searcher::new().unwrap();
    for (id, row) in data.chunks_exact(8).enumerate() {
        let found = index.search(&mut searcher, row, &SearchParams::new(1, 20)).unwrap();
        assert_eq!((found[0].id, found[0].distance), (id as u32, 0.0));
    }
}

#[test]
fn equal_vectors_by_the_thousand_are_all_found() {
    // More than a zone may hold, so one place has several zones.
    let rows = 40_000;
    let data = vec![3u8; rows * 4];
    let index =
        ZonalPq::build(Rows::new(&data, 4).unwrap(), Metric::L2, &BuildParams::new().zones(8)).unwrap();
    let mut searcher = Searcher::new().unwrap();
    let params = SearchParams::new(20, index.zones()).rerank(rows);
    let found = index.search(&mut searcher, &[3, 3, 3, 4], &params).unwrap();
    let ids: Vec<u32> = found.iter().map(|neighbor| neighbor.id).collect();
    assert_eq!(ids, (0..20).collect::<Vec<_>>());
    assert!(found.iter().all(|neighbor| neighbor.distance == 1.0));
    assert_eq!(index.search_range(&mut searcher, &[3; 4], 0.5, 100).unwrap().len(), rows);
}

#[test]
fn vectors_at_both_ends_of_the_range_are_ordered() {
    for scale in [1e-30f32, 1e30] {
        let data: Vec<f32> = elements::<f32>(&clustered(500, 6, 5)).iter().map(|x| x * scale).collect();
        for metric in [Metric::L2, Metric::Cosine, Metric::InnerProduct] {
            let rows = Rows::new(&data, 6).unwrap();
            let index = ZonalPq::build(rows, metric, &BuildParams::new().zones(10)).unwrap();
            let mut searcher = Searcher::new().unwrap();
            let mut own = 0;
            for (id, row) in data.chunks_exact(6).enumerate().step_by(25) {
                let found = index.search(&mut searcher, row, &SearchParams::new(5, 10)).unwrap();
                assert_eq!(found.len(), 5);
                own += usize::from(found.iter().any(|neighbor| neighbor.id == id as u32));
            }
            // Squares of these leave the range of `f32` under L2 and inner product: ties, but an answer.
            assert!(metric != Metric::Cosine || own == 20, "{} {scale}: {own}", metric.name());
        }
    }
}
