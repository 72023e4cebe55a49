//! Searches by the caller's own distance: exact with all candidates, good with few where the graph fits, each id asked
//! about once, and the same of a changing index that has lost rows.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use crate::sets::{build, clustered, elements, walked};
use hnsw::{Error, LiveHnsw, LiveParams, LiveSearcher, Metric, Neighbor, SearchParams, Searcher};
use simd_kernels::Rows;

const DIM: usize = 8;

/// City-block, every other column counting thrice: near to what L2 says, but not the same.
fn weighted(a: &[f32], b: &[f32]) -> f32 {
    (0..).zip(a.iter().zip(b)).map(|(j, (a, b))| (1 + j % 2 * 2) as f32 * (a - b).abs()).sum()
}

fn exact(data: &[f32], distance: impl Fn(&[f32]) -> f32) -> Vec<Neighbor> {
    let rows = (0..).zip(data.chunks_exact(DIM));
    let mut all: Vec<Neighbor> = rows.map(|(id, row)| Neighbor::new(id, distance(row))).collect();
    all.sort_unstable();
    all
}

fn row(data: &[f32], id: usize) -> &[f32] {
    &data[id * DIM..][..DIM]
}

#[test]
fn a_beam_of_all_rows_is_exact_and_asks_once() {
    let mut data: Vec<f32> = elements(&clustered(700, DIM, 5));
    // Equal vectors, which are one row, but not equal to this distance, which adds to odd ids.
    let twins = data[..40 * DIM].to_vec();
    data.extend(twins);
    let index = build(&data, DIM, Metric::L2, &walked());
    let mut searcher = Searcher::new().unwrap();
    for at in [3, 250, 699] {
        let query = row(&data, at).to_vec();
        let own = |id: u32, vector: &[f32]| weighted(&query, vector) + (id % 2) as f32;
        let mut asked = vec![0; 740];
        let params = SearchParams::new(740, 740);
        let found = index.search_by(&mut searcher, &params, |id| {
            asked[id as usize] += 1;
            own(id, row(&data, id as usize))
        });
        let mut all: Vec<Neighbor> =
            (0..740).map(|id| Neighbor::new(id, own(id, row(&data, id as usize)))).collect();
        all.sort_unstable();
        assert_eq!(found.unwrap(), all);
        assert!(asked.iter().all(|&times| times == 1));
    }
}

#[test]
fn few_candidates_find_most_where_the_graph_fits() {
    let data: Vec<f32> = elements(&clustered(4000, DIM, 6));
    let index = build(&data, DIM, Metric::L2, &walked());
    let mut searcher = Searcher::new().unwrap();
    let (mut hits, mut asked) = (0, 0);
    for at in 0..50 {
        let query: Vec<f32> = row(&data, at * 79).iter().map(|x| x + 0.05).collect();
        let truth = exact(&data, |vector| weighted(&query, vector));
        let found = index
            .search_by(&mut searcher, &SearchParams::new(10, 60), |id| {
                asked += 1;
                weighted(&query, row(&data, id as usize))
            })
            .unwrap();
        assert!(found.windows(2).all(|pair| pair[0] < pair[1]));
        hits += found.iter().filter(|found| truth[..10].contains(found)).count();
    }
    assert!(hits >= 475, "{hits} of 500");
    assert!(asked / 50 < 2000, "{} of 4,000 rows a query", asked / 50);
}

#[test]
fn what_is_no_distance_is_refused() {
    let data: Vec<f32> = elements(&clustered(300, DIM, 7));
    let index = build(&data, DIM, Metric::L2, &walked());
    let mut searcher = Searcher::new().unwrap();
    let nan = index.search_by(&mut searcher, &SearchParams::new(3, 20), |_| f32::NAN);
    assert!(matches!(nan, Err(Error::Parameter { argument: "distance", .. })));
    let recall = index.search_by(&mut searcher, &SearchParams::recall(3, 0.9), |_| 0.0);
    assert!(matches!(recall, Err(Error::NotCalibrated)));
    // Infinities are distances; ties go to the lower id; the searcher serves again after an error.
    let found = index.search_by(&mut searcher, &SearchParams::new(3, 300), |id| match id {
        7 => f32::NEG_INFINITY,
        _ => f32::INFINITY,
    });
    assert_eq!(found.unwrap().iter().map(|found| found.id).collect::<Vec<_>>(), [7, 0, 1]);
    assert!(index.search_by(&mut searcher, &SearchParams::new(0, 9), |_| 0.0).unwrap().is_empty());
    let empty = build::<f32>(&[], DIM, Metric::L2, &walked());
    assert!(empty.search_by(&mut searcher, &SearchParams::new(3, 9), |_| 0.0).unwrap().is_empty());
}

#[test]
fn a_changing_index_is_searched_through_what_it_lost() {
    let data: Vec<f32> = elements(&clustered(900, DIM, 8));
    let params = LiveParams::new(walked().seeds(16)).training(300);
    let mut index = LiveHnsw::new(DIM, Metric::L2, &params).unwrap();
    let mut searcher = LiveSearcher::new().unwrap();
    // Before it has learned, and after.
    for (from, to) in [(0, 200), (200, 900)] {
        let keys: Vec<u64> = (from as u64..to as u64).collect();
        index.insert_batch(&keys, Rows::new(&data[from * DIM..to * DIM], DIM).unwrap()).unwrap();
        let gone: Vec<u64> = (from as u64..to as u64).filter(|key| key % 3 != 0).collect();
        index.remove_batch(&gone).unwrap();
        let left: Vec<u64> = (0..to as u64).filter(|key| key % 3 == 0).collect();
        let snapshot = index.snapshot();
        for at in [0, 100] {
            let query = row(&data, at);
            let own = |key: u64| {
                assert_eq!(key % 3, 0, "asked about a key that is gone");
                weighted(query, row(&data, key as usize))
            };
            let mut truth: Vec<(f32, u64)> = left.iter().map(|&key| (own(key), key)).collect();
            truth.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            let found = snapshot.search_by(&mut searcher, &SearchParams::new(left.len(), 900), own).unwrap();
            let found: Vec<(f32, u64)> = found.iter().map(|found| (found.distance, found.key)).collect();
            assert_eq!(found, truth);
            let few = snapshot.search_by(&mut searcher, &SearchParams::new(5, 40), own).unwrap();
            assert_eq!(few.len(), 5);
            let (mut reader, mut other) = (index.readers().reader().unwrap(), LiveSearcher::new().unwrap());
            let same = reader.search_by(&mut other, &SearchParams::new(5, 40), own);
            assert_eq!(same.unwrap(), few);
        }
    }
}
