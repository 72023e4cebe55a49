//! The residual engine against an oracle that shares nothing with it: plain loops in `f64`.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use covertree::residual::{
    Certificate, Covariance, CovarianceModel, Eligible, Factor, NO_NEIGHBOR, Neighborhoods, Pruning,
    ResidualError, ResidualIndex,
};

/// Numbers in [0, 1), the same every time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
    fn points(&mut self, n: usize, dim: usize) -> Vec<f64> {
        (0..n * dim).map(|_| self.next()).collect()
    }
}

fn covariance(model: &CovarianceModel, x: &[f64], y: &[f64]) -> f64 {
    let mut squared = 0.0;
    for t in 0..x.len() {
        let length =
            if model.lengthscales.len() == 1 { model.lengthscales[0] } else { model.lengthscales[t] };
        squared += ((x[t] - y[t]) / length).powi(2);
    }
    let r = squared.sqrt();
    let shape = match model.covariance {
        Covariance::Rbf => (-squared / 2.0).exp(),
        Covariance::Matern12 => (-r).exp(),
        Covariance::Matern32 => (1.0 + 3f64.sqrt() * r) * (-(3f64.sqrt()) * r).exp(),
        _ => (1.0 + 5f64.sqrt() * r + 5.0 / 3.0 * squared) * (-(5f64.sqrt()) * r).exp(),
    };
    model.variance * shape
}

/// A set of points and the factor that the first `rank` of them give.
struct Case {
    coords: Vec<f64>,
    dim: usize,
    model: CovarianceModel,
    v: Vec<f64>,
    rank: usize,
    p: Vec<f64>,
}

impl Case {
    fn new(coords: Vec<f64>, dim: usize, rank: usize, model: CovarianceModel) -> Self {
        Self::with_jitter(coords, dim, rank, model, 1e-6)
    }

    fn with_jitter(coords: Vec<f64>, dim: usize, rank: usize, model: CovarianceModel, jitter: f64) -> Self {
        let n = coords.len() / dim;
        let x = |i: usize| &coords[i * dim..(i + 1) * dim];
        let mut lower = vec![0.0; rank * rank];
        for i in 0..rank {
            for j in 0..=i {
                let mut sum =
                    covariance(&model, x(i), x(j)) + if i == j { jitter * model.variance } else { 0.0 };
                for c in 0..j {
                    sum -= lower[i * rank + c] * lower[j * rank + c];
                }
                lower[i * rank + j] = if i == j { sum.sqrt() } else { sum / lower[j * rank + j] };
            }
        }
        let (mut v, mut p) = (vec![0.0; n * rank], Vec::new());
        for (i, row) in v.chunks_exact_mut(rank.max(1)).enumerate() {
            for j in 0..rank {
                let mut sum = covariance(&model, x(i), x(j));
                for c in 0..j {
                    sum -= lower[j * rank + c] * row[c];
                }
                row[j] = sum / lower[j * rank + j];
            }
        }
        for i in 0..n {
            let explained: f64 = v[i * rank..(i + 1) * rank].iter().map(|v| v * v).sum();
            p.push((model.variance + model.nugget - explained).max(1e-9 * model.variance));
        }
        Self { coords, dim, model, v, rank, p }
    }

    fn len(&self) -> usize {
        self.p.len()
    }

    fn factor(&self) -> Factor<'_> {
        Factor { v: &self.v, rank: self.rank, p: &self.p }
    }

    fn index(&self) -> ResidualIndex {
        ResidualIndex::from_factor(&self.coords, self.dim, &self.model, self.factor()).unwrap()
    }

    /// |ρ|, 1 for a point and itself.
    fn correlation(&self, i: usize, j: usize) -> f64 {
        if i == j {
            return 1.0;
        }
        let x = |i: usize| &self.coords[i * self.dim..(i + 1) * self.dim];
        let v = |i: usize| &self.v[i * self.rank..(i + 1) * self.rank];
        let explained: f64 = v(i).iter().zip(v(j)).map(|(a, b)| a * b).sum();
        let left = covariance(&self.model, x(i), x(j)) - explained;
        (left / (self.p[i] * self.p[j]).sqrt()).abs().min(1.0)
    }

    /// Whether `found` are the best of the ids below `limit` for point `i`, up to ties of the certified width.
    fn check(
        &self,
        i: usize,
        limit: usize,
        k: usize,
        found: &[u32],
        distances: &[f64],
        certificate: &Certificate,
    ) {
        let tie = 2.0 * certificate.error + 1e-12;
        let mut all: Vec<f64> = (0..limit).map(|j| self.correlation(i, j)).collect();
        let expected = k.min(limit);
        let ids: Vec<usize> = found.iter().filter(|id| **id != NO_NEIGHBOR).map(|id| *id as usize).collect();
        assert_eq!(ids.len(), expected, "query {i}");
        assert!(ids.iter().all(|&id| id < limit), "query {i}");
        let mut unique = ids.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), expected, "query {i}");
        for (at, &id) in ids.iter().enumerate() {
            let reported = 1.0 - distances[at] * distances[at];
            assert!((reported - all[id]).abs() <= tie, "query {i}: {id} at {reported}, is {}", all[id]);
            assert!(at == 0 || (distances[at - 1], ids[at - 1]) < (distances[at], id), "query {i} unsorted");
        }
        let worst = ids.iter().map(|&id| all[id]).fold(f64::INFINITY, f64::min);
        for id in ids {
            all[id] = f64::NEG_INFINITY;
        }
        let best_left = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        assert!(best_left <= worst + 2.0 * tie, "query {i}: lost {best_left}, kept {worst}");
        assert!(certificate.bound_gap >= -tie - 1e-5, "query {i}: {certificate:?}");
    }

    /// Checks members, every `step`-th, both eligibilities, against the oracle and against brute force bit for bit.
    fn check_members(&self, index: &ResidualIndex, k: usize, step: usize) -> Neighborhoods {
        let ids: Vec<u32> = (0..self.len() as u32).step_by(step).collect();
        let (mut found, mut brute) = (Neighborhoods::new(), Neighborhoods::new());
        for eligible in [Eligible::Predecessors, Eligible::All] {
            index.search_members(&ids, k, eligible, Pruning::Bounds, &mut found).unwrap();
            index.search_members(&ids, k, eligible, Pruning::None, &mut brute).unwrap();
            assert_eq!(found.ids(), brute.ids(), "{:?} {eligible:?}", self.model);
            assert_eq!(found.distances(), brute.distances());
            for (at, &id) in ids.iter().enumerate() {
                let limit = if eligible == Eligible::All { self.len() } else { id as usize };
                let range = at * found.k()..(at + 1) * found.k();
                let certificate = &found.certificates()[at];
                let (ids, distances) = (&found.ids()[range.clone()], &found.distances()[range]);
                self.check(id as usize, limit, k, ids, distances, certificate);
            }
        }
        found
    }
}

#[test]
fn every_covariance_and_lengthscale() {
    let mut random = Random(1);
    for covariance in Covariance::ALL {
        for lengthscale in [0.1, 0.3, 1.0, 3.0] {
            let model = CovarianceModel::new(covariance, &[lengthscale], 1.7);
            let case = Case::new(random.points(2100, 2), 2, 40, model);
            let found = case.check_members(&case.index(), 10, 23);
            for (at, id) in (0..2100).step_by(23).enumerate() {
                let own = found.neighbors(at).find(|neighbor| neighbor.id == id).unwrap();
                assert_eq!(own.distance, 0.0);
            }
        }
    }
}

#[test]
fn separate_lengthscales_and_a_nugget() {
    let mut random = Random(2);
    for (dim, lengthscales) in [(1, vec![0.2]), (3, vec![0.1, 1.0, 3.0]), (4, vec![2.0, 0.5, 0.5, 1.0])] {
        let model = CovarianceModel::new(Covariance::Matern52, &lengthscales, 1.0).with_nugget(0.05);
        let case = Case::new(random.points(1500, dim), dim, 30, model);
        case.check_members(&case.index(), 7, 19);
    }
}

#[test]
fn smooth_covariances_are_pruned_and_say_that_f32_would_fail() {
    let case =
        Case::new(Random(3).points(3000, 2), 2, 120, CovarianceModel::new(Covariance::Rbf, &[0.5], 1.0));
    let index = case.index();
    let found = case.check_members(&index, 20, 37);
    let evaluated: u32 = found.certificates().iter().map(|c| c.pair_evaluations + c.pivot_evaluations).sum();
    assert!((evaluated as usize) < found.len() * case.len() / 3, "{evaluated} evaluations");
    assert!(found.certificates().iter().all(|c| c.error_f32 > 0.1 && c.error < 1e-2));
}

#[test]
fn a_local_covariance_is_pruned_by_its_low_rank_part() {
    let case =
        Case::new(Random(4).points(4000, 2), 2, 60, CovarianceModel::new(Covariance::Matern12, &[0.3], 1.0));
    let found = case.check_members(&case.index(), 20, 53);
    let pairs: u32 = found.certificates().iter().map(|c| c.pair_evaluations).sum();
    assert!((pairs as usize) < found.len() * case.len() / 10, "{pairs} pairs");
}

#[test]
fn inducing_points_are_measured_together_and_nobody_else() {
    // Rank 128 is also one whose rows are put apart.
    let model = CovarianceModel::new(Covariance::Matern12, &[0.3], 1.0);
    let case = Case::new(Random(5).points(4096, 2), 2, 128, model);
    let index = case.index();
    let ids: Vec<u32> = (0..256).collect();
    let (mut found, mut all) = (Neighborhoods::new(), Neighborhoods::new());
    index.search_members(&ids, 10, Eligible::All, Pruning::Bounds, &mut found).unwrap();
    index.search_members(&ids, 10, Eligible::All, Pruning::None, &mut all).unwrap();
    assert!(found.ids() == all.ids() && found.distances() == all.distances());
    // All members, and those that it took to notice.
    let put_off = |certificate: &&Certificate| certificate.pair_evaluations as usize > case.len();
    let (inducing, others) = found.certificates().split_at(128);
    assert!(inducing.iter().all(|certificate| put_off(&certificate) && certificate.pivot_evaluations > 0));
    assert_eq!(others.iter().filter(put_off).count(), 0);
    assert!(found.certificates().iter().all(|certificate| certificate.escalations == 0));
}

#[test]
fn a_grid_with_many_ties_and_duplicates() {
    let mut coords: Vec<f64> =
        (0..1600u32).flat_map(|i| [f64::from(i % 40) / 40.0, f64::from(i / 40) / 40.0]).collect();
    let again: Vec<f64> = coords[..400].to_vec();
    coords.extend(again);
    for covariance in [Covariance::Matern32, Covariance::Rbf] {
        let case = Case::new(coords.clone(), 2, 36, CovarianceModel::new(covariance, &[0.4], 1.0));
        case.check_members(&case.index(), 12, 17);
    }
}

#[test]
fn residual_variances_at_their_floor() {
    // Nearly every point is an inducing point, and explained by itself.
    let model = CovarianceModel::new(Covariance::Matern12, &[1.0], 1.0);
    let case = Case::with_jitter(Random(5).points(220, 2), 2, 200, model, 1e-13);
    assert!(case.p.iter().filter(|p| **p == 1e-9).count() > 100);
    let index = case.index();
    let ids: Vec<u32> = (0..220).collect();
    let (mut found, mut brute) = (Neighborhoods::new(), Neighborhoods::new());
    for eligible in [Eligible::All, Eligible::Predecessors] {
        index.search_members(&ids, 9, eligible, Pruning::Bounds, &mut found).unwrap();
        index.search_members(&ids, 9, eligible, Pruning::None, &mut brute).unwrap();
        assert_eq!((found.ids(), found.distances()), (brute.ids(), brute.distances()));
    }
}

#[test]
fn no_low_rank_part_is_the_plain_correlation() {
    let case =
        Case::new(Random(6).points(1300, 2), 2, 0, CovarianceModel::new(Covariance::Matern32, &[0.2], 2.0));
    case.check_members(&case.index(), 8, 13);
}

#[test]
fn all_predecessors_in_one_pass() {
    let case =
        Case::new(Random(7).points(1200, 2), 2, 30, CovarianceModel::new(Covariance::Matern32, &[0.3], 1.0));
    let mut found = Neighborhoods::new();
    case.index().search_predecessors(15, &mut found).unwrap();
    for i in 0..1200 {
        let range = i * 15..(i + 1) * 15;
        let (ids, distances) = (&found.ids()[range.clone()], &found.distances()[range]);
        case.check(i, i, 15, ids, distances, &found.certificates()[i]);
    }
}

#[test]
fn new_points_find_what_members_at_their_places_find() {
    let case =
        Case::new(Random(8).points(1500, 2), 2, 40, CovarianceModel::new(Covariance::Matern52, &[0.5], 1.0));
    // The index holds all but the last hundred, which are asked for.
    let n = 1400;
    let factor = Factor { v: &case.v[..n * 40], rank: 40, p: &case.p[..n] };
    let index = ResidualIndex::from_factor(&case.coords[..n * 2], 2, &case.model, factor).unwrap();
    let last = Factor { v: &case.v[n * 40..], rank: 40, p: &case.p[n..] };
    let mut found = Neighborhoods::new();
    index.search_points(&case.coords[n * 2..], last, 6, Pruning::Bounds, &mut found).unwrap();
    assert_eq!(found.len(), 100);
    for i in 0..100 {
        let range = i * 6..(i + 1) * 6;
        let (ids, distances) = (&found.ids()[range.clone()], &found.distances()[range]);
        case.check(n + i, n, 6, ids, distances, &found.certificates()[i]);
    }
}

#[test]
fn other_parameters_keep_the_order_and_give_what_a_new_index_gives() {
    let coords = Random(9).points(2500, 2);
    let before = Case::new(coords.clone(), 2, 50, CovarianceModel::new(Covariance::Rbf, &[0.3], 1.0));
    let mut index = before.index();
    for model in [
        CovarianceModel::new(Covariance::Rbf, &[0.6], 2.0),
        CovarianceModel::new(Covariance::Matern12, &[0.2, 0.4], 1.0),
        CovarianceModel::new(Covariance::Rbf, &[0.2], 1.0),
    ] {
        let after = Case::new(coords.clone(), 2, 50, model.clone());
        index.update_factor(&model, after.factor()).unwrap();
        let found = after.check_members(&index, 10, 41);
        let ids: Vec<u32> = (0..2500).step_by(41).collect();
        let mut fresh = Neighborhoods::new();
        after.index().search_members(&ids, 10, Eligible::All, Pruning::Bounds, &mut fresh).unwrap();
        assert_eq!((found.ids(), found.distances()), (fresh.ids(), fresh.distances()));
    }
    // A refused update changes nothing.
    let mut kept = Neighborhoods::new();
    index.search_members(&[5], 10, Eligible::All, Pruning::Bounds, &mut kept).unwrap();
    let bad = CovarianceModel::new(Covariance::Rbf, &[-1.0], 1.0);
    assert!(index.update_factor(&bad, before.factor()).is_err());
    let mut again = Neighborhoods::new();
    index.search_members(&[5], 10, Eligible::All, Pruning::Bounds, &mut again).unwrap();
    assert_eq!(kept, again);
}

#[test]
fn a_factor_that_is_handed_over_gives_what_a_copy_gives() {
    let coords = Random(14).points(2600, 3);
    let ids: Vec<u32> = (0..2600).step_by(13).collect();
    let mut found = Neighborhoods::new();
    let mut expected = Neighborhoods::new();
    let mut index: Option<ResidualIndex> = None;
    let mut kept: Vec<f64> = Vec::new();
    // Ranks with and without room between rows of a copy, both kinds of bounds, a plain correlation in between.
    for (rank, model) in [
        (60, CovarianceModel::new(Covariance::Matern12, &[0.3], 1.0)),
        (128, CovarianceModel::new(Covariance::Rbf, &[0.5], 2.0)),
        (0, CovarianceModel::new(Covariance::Matern32, &[0.1], 1.0)),
        (128, CovarianceModel::new(Covariance::Matern52, &[0.6], 1.0)),
        (40, CovarianceModel::new(Covariance::Matern32, &[0.4, 0.2, 0.3], 1.0)),
    ] {
        let case = Case::new(coords.clone(), 3, rank, model.clone());
        let v = case.v.clone();
        if let Some(index) = &mut index {
            let before = index.update_owned_factor(&model, v, rank, &case.p).unwrap();
            assert_eq!(before, kept, "the V before is given back");
        } else {
            let built = ResidualIndex::from_owned_factor(&coords, 3, &model, v, rank, &case.p).unwrap();
            index = Some(built);
        }
        let index = index.as_ref().unwrap();
        kept.clone_from(&case.v);
        for eligible in [Eligible::All, Eligible::Predecessors] {
            for pruning in [Pruning::Bounds, Pruning::None] {
                index.search_members(&ids, 12, eligible, pruning, &mut found).unwrap();
                case.index().search_members(&ids, 12, eligible, Pruning::None, &mut expected).unwrap();
                assert_eq!((found.ids(), found.distances()), (expected.ids(), expected.distances()));
            }
        }
        case.check_members(index, 10, 97);
        if rank > 0 {
            assert_eq!(index.factor_of(7).unwrap().0, &case.v[7 * rank..8 * rank]);
        }
    }
    // What is refused changes nothing.
    let mut index = index.unwrap();
    let model = index.model().clone();
    index.search_members(&ids, 12, Eligible::All, Pruning::Bounds, &mut expected).unwrap();
    let mut bad = kept.clone();
    bad[40 * 2000 + 3] = f64::NAN;
    let (error, p) = (index.update_owned_factor(&model, bad, 40, &[1.0; 2600]).unwrap_err(), vec![0.0; 2600]);
    assert!(matches!(error, ResidualError::NotFinite { argument: "v", index: 80_003, .. }), "{error}");
    let error = index.update_owned_factor(&model, kept.clone(), 40, &p).unwrap_err();
    assert_eq!(error, ResidualError::NotPositive { argument: "p", index: 0, value: 0.0 });
    let error = index.update_owned_factor(&model, kept, 41, &p).unwrap_err();
    assert!(matches!(error, ResidualError::Length { argument: "v", .. }), "{error}");
    index.search_members(&ids, 12, Eligible::All, Pruning::Bounds, &mut found).unwrap();
    assert_eq!(found, expected);
}

#[cfg(feature = "rayon")]
#[test]
fn results_do_not_depend_on_threads() {
    let case =
        Case::new(Random(10).points(2300, 3), 3, 40, CovarianceModel::new(Covariance::Rbf, &[0.7], 1.0));
    let ids: Vec<u32> = (0..2300).step_by(3).collect();
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut found = Neighborhoods::new();
            case.index().search_members(&ids, 11, Eligible::All, Pruning::Bounds, &mut found).unwrap();
            found
        })
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn more_neighbours_than_points_are_all_points() {
    let case = Case::new(Random(11).points(30, 2), 2, 5, CovarianceModel::new(Covariance::Rbf, &[0.3], 1.0));
    let mut found = Neighborhoods::new();
    case.index().search_members(&[3, 4], 1000, Eligible::All, Pruning::Bounds, &mut found).unwrap();
    assert_eq!((found.k(), found.neighbors(1).count()), (30, 30));
    case.index().search_members(&[], 5, Eligible::All, Pruning::Bounds, &mut found).unwrap();
    assert!(found.is_empty());
}

#[test]
fn bad_input_is_refused_by_name() {
    let model = CovarianceModel::new(Covariance::Rbf, &[1.0], 1.0);
    let build = |coords: &[f64], dim, model: &CovarianceModel, v: &[f64], rank, p: &[f64]| {
        ResidualIndex::from_factor(coords, dim, model, Factor { v, rank, p }).map(drop)
    };
    let good = [0.0, 1.0];
    assert_eq!(build(&good, 1, &model, &[0.1, 0.1], 1, &[1.0, 1.0]), Ok(()));
    let not_finite = |argument| matches!(argument, ResidualError::NotFinite { .. });
    let error = build(&[0.0, f64::NAN], 1, &model, &[0.1, 0.1], 1, &[1.0, 1.0]).unwrap_err();
    assert!(matches!(error, ResidualError::NotFinite { argument: "coords", index: 1, .. }));
    assert!(not_finite(build(&good, 1, &model, &[0.1, f64::INFINITY], 1, &[1.0, 1.0]).unwrap_err()));
    let error = build(&[], 1, &model, &[], 1, &[]).unwrap_err();
    assert_eq!(error, ResidualError::Empty { argument: "coords" });
    let error = build(&good, 1, &model, &[0.1, 0.1, 0.1], 1, &[1.0, 1.0]).unwrap_err();
    assert_eq!(error, ResidualError::Length { argument: "v", expected: 2, actual: 3 });
    let error = build(&good, 1, &model, &[0.1, 0.1], 1, &[1.0]).unwrap_err();
    assert_eq!(error, ResidualError::Length { argument: "p", expected: 2, actual: 1 });
    let error = build(&good, 1, &model, &[0.1, 0.1], 1, &[1.0, 0.0]).unwrap_err();
    assert_eq!(error, ResidualError::NotPositive { argument: "p", index: 1, value: 0.0 });
    assert_eq!(build(&good, 0, &model, &[], 0, &[]).unwrap_err(), ResidualError::Zero { argument: "dim" });
    assert!(matches!(build(&[0.0; 3], 2, &model, &[], 0, &[1.0]), Err(ResidualError::Length { .. })));
    for (lengthscales, variance, nugget, argument) in [
        (vec![0.0], 1.0, 0.0, "lengthscales"),
        (vec![f64::NAN], 1.0, 0.0, "lengthscales"),
        (vec![1.0], -1.0, 0.0, "variance"),
        (vec![1.0], 1.0, -0.1, "nugget"),
    ] {
        let model = CovarianceModel::new(Covariance::Rbf, &lengthscales, variance).with_nugget(nugget);
        let error = build(&good, 1, &model, &[0.1, 0.1], 1, &[1.0, 1.0]).unwrap_err();
        assert!(
            matches!(error, ResidualError::NotPositive { argument: named, .. } if named == argument),
            "{error}"
        );
    }
    let two = CovarianceModel::new(Covariance::Rbf, &[1.0, 1.0], 1.0);
    assert!(matches!(build(&good, 1, &two, &[], 0, &[1.0, 1.0]), Err(ResidualError::Length { .. })));
    let index =
        ResidualIndex::from_factor(&good, 1, &model, Factor { v: &[], rank: 0, p: &[1.0, 1.0] }).unwrap();
    let mut found = Neighborhoods::new();
    let mut search = |ids: &[u32], k| {
        index.search_members(ids, k, Eligible::All, Pruning::Bounds, &mut found).unwrap_err()
    };
    assert_eq!(search(&[0], 0), ResidualError::Zero { argument: "k" });
    assert_eq!(search(&[0, 2], 1), ResidualError::UnknownId { argument: "ids", id: 2, points: 2 });
}

#[cfg(feature = "inducing")]
mod inducing {
    use covertree::residual::InducedFactor;

    use super::*;

    #[test]
    fn the_factor_is_that_of_plain_loops() {
        for rank in [1, 40, 150] {
            let model = CovarianceModel::new(Covariance::Matern32, &[0.5], 1.3).with_nugget(0.01);
            let case = Case::new(Random(12).points(1200, 2), 2, rank, model.clone());
            let index = ResidualIndex::with_inducing(&case.coords, 2, &model, &case.coords[..rank * 2], 1e-6)
                .unwrap();
            for id in (0..1200).step_by(7) {
                let (v, p) = index.factor_of(id as u32).unwrap();
                let expected = &case.v[id * rank..(id + 1) * rank];
                assert!(v.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9), "{id}");
                assert!((p - case.p[id]).abs() < 1e-9 * case.p[id].max(1e-3), "{id}");
            }
            case.check_members(&index, 5, 31);
        }
    }

    #[test]
    fn a_step_of_the_parameters_equals_a_new_index() {
        let case =
            Case::new(Random(13).points(1500, 2), 2, 60, CovarianceModel::new(Covariance::Rbf, &[0.3], 1.0));
        let inducing = &case.coords[..120];
        let mut index = ResidualIndex::with_inducing(&case.coords, 2, &case.model, inducing, 1e-6).unwrap();
        let model = CovarianceModel::new(Covariance::Rbf, &[0.25], 1.5);
        index.update_parameters(&model).unwrap();
        let fresh = ResidualIndex::with_inducing(&case.coords, 2, &model, inducing, 1e-6).unwrap();
        let (mut a, mut b) = (Neighborhoods::new(), Neighborhoods::new());
        index.search_predecessors(9, &mut a).unwrap();
        fresh.search_predecessors(9, &mut b).unwrap();
        assert_eq!((a.ids(), a.distances()), (b.ids(), b.distances()));
        let (mut points, mut members) = (Neighborhoods::new(), Neighborhoods::new());
        index.search_new_points(&case.coords[..20], 4, Pruning::Bounds, &mut points).unwrap();
        index
            .search_points(
                &case.coords[..20],
                Factor { v: &factor_rows(&index, 10), rank: 60, p: &variances(&index, 10) },
                4,
                Pruning::Bounds,
                &mut members,
            )
            .unwrap();
        assert_eq!(points.ids(), members.ids());
    }

    #[test]
    fn a_factor_of_its_own_is_that_of_the_index() {
        let model = CovarianceModel::new(Covariance::Matern52, &[0.4, 0.6], 1.2).with_nugget(0.02);
        let coords = Random(14).points(700, 2);
        let mut factor = InducedFactor::new(&coords, 2, &model, &coords[..100], 1e-6).unwrap();
        for scale in [1.0, 1.5] {
            let model =
                CovarianceModel::new(Covariance::Matern52, &[0.4 * scale, 0.6], 1.2).with_nugget(0.02);
            factor.update(&coords, &model).unwrap();
            let index = ResidualIndex::with_inducing(&coords, 2, &model, &coords[..100], 1e-6).unwrap();
            let Factor { v, rank, p } = factor.as_factor();
            assert_eq!((v.len(), rank, p.len()), (700 * 50, 50, 700));
            let near = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-9;
            assert!(v.iter().zip(&factor_rows(&index, 700)).all(near));
            assert!(p.iter().zip(&variances(&index, 700)).all(near));
        }
        // Fewer points.
        factor.update(&coords[..20], &model).unwrap();
        assert_eq!((factor.as_factor().v.len(), factor.as_factor().p.len()), (10 * 50, 10));
        let kept = factor.as_factor().v.to_vec();
        assert_eq!(
            factor.update(&coords[..3], &model).unwrap_err(),
            ResidualError::Length { argument: "coords", expected: 4, actual: 3 }
        );
        let wrong = CovarianceModel::new(Covariance::Matern52, &[-0.4, 0.6], 1.2);
        assert!(factor.update(&coords, &wrong).is_err());
        assert_eq!(factor.as_factor().v, kept);
        assert_eq!(
            InducedFactor::new(&[], 2, &model, &coords[..4], 1e-6).unwrap_err(),
            ResidualError::Empty { argument: "coords" }
        );
        assert_eq!(
            InducedFactor::new(&coords, 0, &model, &coords[..4], 1e-6).unwrap_err(),
            ResidualError::Zero { argument: "dim" }
        );
    }

    fn factor_rows(index: &ResidualIndex, n: u32) -> Vec<f64> {
        (0..n).flat_map(|id| index.factor_of(id).unwrap().0.to_vec()).collect()
    }

    fn variances(index: &ResidualIndex, n: u32) -> Vec<f64> {
        (0..n).map(|id| index.factor_of(id).unwrap().1).collect()
    }

    #[test]
    fn bad_inducing_points_are_refused() {
        let model = CovarianceModel::new(Covariance::Rbf, &[1.0], 1.0);
        let build = |inducing: &[f64], jitter| {
            ResidualIndex::with_inducing(&[0.0, 1.0], 1, &model, inducing, jitter).map(drop)
        };
        assert_eq!(build(&[0.5, 0.5], 0.0).unwrap_err(), ResidualError::NotPositiveDefinite);
        assert_eq!(build(&[0.5, 0.5], 1e-6), Ok(()));
        assert!(matches!(
            build(&[0.0, 1.0, 2.0], 1e-6),
            Err(ResidualError::TooLarge { argument: "inducing", .. })
        ));
        assert_eq!(build(&[], 1e-6).unwrap_err(), ResidualError::Empty { argument: "inducing" });
        assert!(matches!(
            build(&[f64::NAN], 1e-6),
            Err(ResidualError::NotFinite { argument: "inducing", .. })
        ));
        assert!(matches!(build(&[0.0], -1.0), Err(ResidualError::NotPositive { argument: "jitter", .. })));
        let mut index =
            ResidualIndex::from_factor(&[0.0], 1, &model, Factor { v: &[], rank: 0, p: &[1.0] }).unwrap();
        assert!(matches!(index.update_parameters(&model), Err(ResidualError::NoInducing { .. })));
    }
}
