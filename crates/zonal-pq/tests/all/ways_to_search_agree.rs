//! Vectors lent, threads sharing a query, ends set by the clock: what is found is what a plain search finds.
#![allow(clippy::unwrap_used, reason = "tests fail by it")]

use std::time::Duration;

use crate::sets::{build, clustered, elements};
use simd_kernels::{Element, Rows, f16};
use zonal_pq::{
    BatchSearcher, BuildParams, DiskIndex, Error, LiveParams, LiveZonal, Metric, NO_NEIGHBOR, Refine,
    SearchParams, Searcher, ZonalPq,
};

const DIM: usize = 24;

fn lent_finds_the_same<T: Element>(metric: Metric, params: BuildParams) {
    let what = format!("{} {metric:?} {params:?}", T::NAME);
    let data: Vec<T> = elements(&clustered(3000, DIM, 1));
    let rows = Rows::new(&data, DIM).unwrap();
    let owner = build(&data, DIM, metric, &params);
    let built = build(&data, DIM, metric, &params.clone().lent_vectors());
    assert!(built.memory_bytes() + 3000 * DIM * size_of::<T>() <= owner.memory_bytes(), "{what}");
    // The file says that there are none.
    let opened = ZonalPq::<T>::from_bytes(built.to_bytes().unwrap()).unwrap();
    let (mut a, mut b) = (Searcher::new().unwrap(), Searcher::new().unwrap());
    for index in [&built, &opened] {
        let lent = index.with_vectors(rows).unwrap();
        for query in rows.iter().step_by(97) {
            let params = SearchParams::new(7, 5);
            let expected = owner.search(&mut a, query, &params).unwrap();
            assert_eq!(lent.search(&mut b, query, &params).unwrap(), expected, "{what}");
            let mut out = [NO_NEIGHBOR; 7];
            let asked = Rows::new(query, DIM).unwrap();
            lent.search_batch(&BatchSearcher::new(), asked, &params, &mut out).unwrap();
            assert_eq!(&out[..], expected, "{what}");
            assert_eq!(lent.search_spread(&BatchSearcher::new(), query, &params, &mut out).unwrap(), 7);
            assert_eq!(&out[..], expected, "{what}");
            let radius = expected[3].distance;
            let near = owner.search_within(&mut a, query, radius, &params).unwrap();
            assert_eq!(lent.search_within(&mut b, query, radius, &params).unwrap(), near, "{what}");
            let near = owner.search_range(&mut a, query, radius, 9).unwrap();
            assert_eq!(lent.search_range(&mut b, query, radius, 9).unwrap(), near, "{what}");
            // Many matches are walked to, few are measured one by one.
            for every in [3, 700] {
                let filter = |id: u32| id % every == 1;
                let near = owner.search_filtered(&mut a, query, &params, &filter).unwrap();
                assert!(!near.is_empty());
                assert_eq!(lent.search_filtered(&mut b, query, &params, &filter).unwrap(), near, "{what}");
            }
        }
    }
    let mut calibrated = owner;
    let own = calibrated.calibrate(None).unwrap().clone();
    assert_eq!(built.with_vectors(rows).unwrap().calibrate(None).unwrap(), own, "{what}");
}

#[test]
fn lent_vectors_are_as_good_as_own_ones() {
    let zones = || BuildParams::new().zones(40).refine(Refine::Bytes);
    lent_finds_the_same::<f32>(Metric::L2, zones());
    lent_finds_the_same::<f16>(Metric::Cosine, zones().second(0.5));
    lent_finds_the_same::<u8>(Metric::InnerProduct, zones());
}

#[test]
fn what_needs_vectors_refuses_an_index_without() {
    let data: Vec<f32> = elements(&clustered(500, DIM, 1));
    let mut index = build(&data, DIM, Metric::L2, &BuildParams::new().lent_vectors());
    let (query, params) = (&data[..DIM], SearchParams::new(3, 4));
    let mut searcher = Searcher::new().unwrap();
    let none = |result: Result<(), Error>| assert!(matches!(result, Err(Error::NoVectors)), "{result:?}");
    none(index.search(&mut searcher, query, &params).map(drop));
    none(index.search_filtered(&mut searcher, query, &params, &|_| true).map(drop));
    none(index.search_range(&mut searcher, query, 1.0, 4).map(drop));
    none(index.search_within(&mut searcher, query, 1.0, &params).map(drop));
    let mut out = [NO_NEIGHBOR; 3];
    none(index.search_spread(&BatchSearcher::new(), query, &params, &mut out).map(drop));
    none(index.search_batch(&BatchSearcher::new(), Rows::new(query, DIM).unwrap(), &params, &mut out));
    none(index.calibrate(None).map(drop));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.nigh");
    none(index.save_by_zone(&path));
    assert!(!path.exists());
    // A file of another kind stays one.
    index.save(&path).unwrap();
    assert!(DiskIndex::<f32>::open(&path, 0).is_err());
    let short = Rows::new(&data[..499 * DIM], DIM).unwrap();
    let error = index.with_vectors(short).unwrap_err();
    assert!(matches!(error, Error::Parameter { argument: "vectors", .. }), "{error}");
    let narrow = Rows::new(&data, DIM / 2).unwrap();
    let error = index.with_vectors(narrow).unwrap_err();
    assert!(matches!(error, Error::Dimension { argument: "vectors", actual: 12, .. }), "{error}");
    let keys: Vec<u64> = (0..500).collect();
    none(LiveZonal::from_frozen(index, &keys, &LiveParams::default()).map(drop));
}

#[test]
fn threads_that_share_a_query_find_what_one_finds() {
    let data: Vec<f32> = elements(&clustered(20_000, DIM, 1));
    for (metric, second) in [(Metric::L2, 0.0), (Metric::Cosine, 0.5), (Metric::InnerProduct, 0.0)] {
        let index = build(&data, DIM, metric, &BuildParams::new().zones(500).second(second));
        let (mut searcher, scratch) = (Searcher::new().unwrap(), BatchSearcher::new());
        for params in [
            SearchParams::new(10, 3),
            SearchParams::new(10, 200),
            SearchParams::new(20, 500).rerank(900),
            SearchParams::new(10, 400).reach(2.0),
            SearchParams::new(10, 400).budget(5000),
            SearchParams::new(0, 9),
        ] {
            for query in data.chunks_exact(DIM).step_by(4001) {
                let expected = index.search(&mut searcher, query, &params).unwrap().to_vec();
                for threads in [1, 2, 5] {
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                    let mut out = vec![NO_NEIGHBOR; params.k];
                    let found =
                        pool.install(|| index.search_spread(&scratch, query, &params, &mut out)).unwrap();
                    assert_eq!(
                        (found, &out[..found]),
                        (expected.len(), &expected[..]),
                        "{threads} {params:?}"
                    );
                }
            }
        }
        let mut out = [NO_NEIGHBOR; 3];
        let error =
            index.search_spread(&scratch, &data[..DIM], &SearchParams::new(4, 9), &mut out).unwrap_err();
        assert!(matches!(error, Error::Parameter { argument: "out", .. }), "{error}");
    }
}

#[test]
fn time_ends_the_visit_of_zones() {
    let data: Vec<f32> = elements(&clustered(20_000, DIM, 1));
    let index = build(&data, DIM, Metric::L2, &BuildParams::new().zones(400).second(0.3));
    let mut searcher = Searcher::new().unwrap();
    let query = &data[..DIM];
    let all = SearchParams::new(5, 400);
    let expected = index.search(&mut searcher, query, &all).unwrap().to_vec();
    // With time enough it is a search like any other, with none it is one of the two nearest zones.
    let long = all.time(Duration::from_secs(3600));
    assert_eq!(index.search(&mut searcher, query, &long).unwrap(), expected);
    let two = index.search(&mut searcher, query, &SearchParams::new(5, 2)).unwrap().to_vec();
    let (before, _) = searcher.work();
    assert_eq!(index.search(&mut searcher, query, &all.time(Duration::ZERO)).unwrap(), two);
    assert!(searcher.work().0 - before < 20_000 / 20);
    // Where no clock is looked at none may be set.
    let refused = |result: Result<(), Error>| {
        assert!(matches!(result, Err(Error::Parameter { argument: "time", .. })), "{result:?}");
    };
    refused(index.search_filtered(&mut searcher, query, &long, &|_| true).map(drop));
    refused(index.search_within(&mut searcher, query, 1.0, &long).map(drop));
    let mut out = [NO_NEIGHBOR; 5];
    refused(index.search_spread(&BatchSearcher::new(), query, &long, &mut out).map(drop));
    refused(index.search_batch(&BatchSearcher::new(), Rows::new(query, DIM).unwrap(), &long, &mut out));
}
