//! Every way of a filtered search by itself, against a scan of the matches.

use simd_kernels::Rows;

use super::*;
use crate::labels::Labels;
use crate::{BuildParams, Metric, Storage};

const DIM: usize = 16;
const ROWS: usize = 4000;
const CLUSTERS: usize = 8;

/// Row `i` lies around center `i % CLUSTERS`.
fn vectors(rows: usize, seed: u64) -> Vec<f32> {
    let value = |seed, at: usize| (mix(seed, at as u64) >> 40) as f32 / (1u64 << 24) as f32;
    (0..rows * DIM).map(|at| 2.0 * value(1, at / DIM % CLUSTERS * DIM + at % DIM) + value(seed, at)).collect()
}

/// The parts of a frozen index.
type Frozen<'a> = Parts<'a, f32, layouts::Adjacency<layouts::Storage<u32>>>;

/// Makes a query ready, with room for results.
fn ready(parts: &Frozen<'_>, searcher: &mut Searcher<f32>, query: &[f32], params: &SearchParams) -> bool {
    reset(&mut searcher.results, params.k, parts.names.len()).unwrap();
    begin(parts, &mut searcher.scratch, query, params, None).unwrap()
}

/// One way of a filtered search, for a query that is ready.
fn by<R>(
    parts: &Frozen<'_>,
    searcher: &mut Searcher<f32>,
    query: &[f32],
    filter: &impl Fn(u32) -> bool,
    go: impl FnOnce(
        &mut Filtered<
            '_,
            f32,
            layouts::Adjacency<layouts::Storage<u32>>,
            Labels,
            OfIds<'_, &dyn Fn(u32) -> bool>,
            layouts::TopK<f32>,
        >,
    ) -> Result<R, Error>,
) -> R {
    let Searcher { scratch, results, .. } = searcher;
    let filter: &dyn Fn(u32) -> bool = filter;
    let condition = &OfIds { labels: parts.names, filter: &filter };
    go(&mut Filtered { parts, condition, scratch, results, query }).unwrap()
}

#[test]
fn the_cheapest_way_is_taken() {
    assert_eq!(regime(0.5, 1_000_000, 40, 0.0), Regime::Traverse);
    assert_eq!(regime(1.0, 1_000_000, 40, 0.0), Regime::Traverse);
    assert_eq!(regime(0.05, 10_000_000, 40, 0.0), Regime::TwoHop);
    assert_eq!(regime(0.001, 1_000_000, 40, 0.0), Regime::Scan);
    assert_eq!(regime(0.1, 100_000, 80, 0.0), Regime::Scan);
    assert_eq!(regime(0.0, 1_000_000, 40, 0.0), Regime::Scan);
}

#[test]
fn every_way_finds_the_matches() {
    let base = vectors(ROWS, 2);
    let build = |storage| {
        let rows = Rows::new(&base, DIM).unwrap();
        Hnsw::build(rows, Metric::L2, &BuildParams::new().storage(storage)).unwrap()
    };
    let index = [build(Storage::Lines(1)), build(Storage::Full)];
    let mut searcher = Searcher::new().unwrap();
    let queries = vectors(4 * CLUSTERS, 3);
    let params = SearchParams::new(10, 48);
    for share in [0.5, 0.2, 0.1] {
        for (way, index) in [0, 1, 2, 3].iter().flat_map(|way| index.iter().map(move |index| (way, index))) {
            let parts = index.parts().unwrap();
            let filter = |id: u32| (mix(9, u64::from(id)) >> 11) as f64 / ((1u64 << 53) as f64) < share;
            let (mut hits, mut all) = (0, 0);
            for query in queries.chunks_exact(DIM) {
                assert!(ready(&parts, &mut searcher, query, &params));
                match way {
                    0 => by(&parts, &mut searcher, query, &filter, |way| way.scan(None)),
                    1 => by(&parts, &mut searcher, query, &filter, |way| way.scan(Some(48))),
                    2 => by(&parts, &mut searcher, query, &filter, |way| way.walk_matches(48)),
                    _ => {
                        let met = by(&parts, &mut searcher, query, &filter, |way| way.walk_all(48, share));
                        assert!(met >= 24, "{met}");
                    }
                }
                let found = searcher.results.sorted().to_vec();
                searcher.results.clear();
                by(&parts, &mut searcher, query, &filter, |way| way.scan(None));
                let truth = searcher.results.sorted();
                assert!(found.iter().all(|neighbor| filter(neighbor.id)));
                hits += found.iter().filter(|neighbor| truth.contains(neighbor)).count();
                all += truth.len();
            }
            let recall = hits as f64 / all as f64;
            assert!(recall >= if *way == 0 { 1.0 } else { 0.95 }, "way {way}, share {share}: {recall}");
        }
    }
}

#[test]
fn a_walk_over_matches_crosses_to_where_they_are() {
    let base = vectors(ROWS, 2);
    let index = Hnsw::build(
        Rows::new(&base, DIM).unwrap(),
        Metric::L2,
        &BuildParams::new().storage(Storage::Lines(1)),
    )
    .unwrap();
    let (parts, mut searcher) = (index.parts().unwrap(), Searcher::new().unwrap());
    let params = SearchParams::new(10, 48);
    let (mut hits, mut all) = (0, 0);
    for (cluster, query) in vectors(CLUSTERS, 3).chunks_exact(DIM).enumerate() {
        let filter = |id: u32| id as usize % CLUSTERS == (cluster + 3) % CLUSTERS;
        assert!(ready(&parts, &mut searcher, query, &params));
        // Around the query there are none, and the plain walk says so.
        assert!(2 * by(&parts, &mut searcher, query, &filter, |way| way.walk_all(48, 0.125)) < 48);
        searcher.results.clear();
        by(&parts, &mut searcher, query, &filter, |way| way.walk_matches(48));
        let found = searcher.results.sorted().to_vec();
        searcher.results.clear();
        by(&parts, &mut searcher, query, &filter, |way| way.scan(None));
        hits += found.iter().filter(|neighbor| searcher.results.sorted().contains(neighbor)).count();
        all += 10;
    }
    assert!(hits as f64 >= 0.95 * f64::from(all), "{hits} of {all}");
}

#[test]
fn of_equal_vectors_only_accepted_ids_are_found() {
    let base = vectors(400, 2);
    let rows = Rows::new(&base, DIM).unwrap();
    let mut index = Hnsw::build(rows, Metric::L2, &BuildParams::new().storage(Storage::Lines(1))).unwrap();
    // Every vector stands for two ids, its own and one 400 higher.
    let ids: Vec<u32> = index.labels.ids.iter().flat_map(|&id| [id, id + 400]).collect();
    let starts: Vec<u32> = (0..=400).map(|row| 2 * row).collect();
    let memory = |numbers: &[u32]| layouts::Storage::from(layouts::AlignedVec::from_slice(numbers).unwrap());
    index.labels = Labels::new(Some(memory(&starts)), memory(&ids), 400).unwrap();
    let (parts, mut searcher) = (index.parts().unwrap(), Searcher::new().unwrap());
    let filter = |id: u32| !(5..400).contains(&id);
    let params = SearchParams::new(3, 32);
    for row in [2, 77, 399] {
        let query = &base[row * DIM..][..DIM];
        for way in 0..3 {
            assert!(ready(&parts, &mut searcher, query, &params));
            match way {
                0 => by(&parts, &mut searcher, query, &filter, |way| way.scan(Some(32))),
                1 => by(&parts, &mut searcher, query, &filter, |way| way.walk_matches(32)),
                _ => assert!(by(&parts, &mut searcher, query, &filter, |way| way.walk_all(32, 1.0)) >= 32),
            }
            let found = searcher.results.sorted();
            let own = if row < 5 { vec![row as u32, row as u32 + 400] } else { vec![row as u32 + 400] };
            assert!(found.iter().take(own.len()).map(|neighbor| neighbor.id).eq(own), "{way}: {found:?}");
            assert!(found.iter().all(|neighbor| filter(neighbor.id)), "{way}: {found:?}");
        }
    }
}
