//! Threads that share a bound find what one thread without it finds: under every interleaving in a model
//! (`RUSTFLAGS="--cfg loom"`), and with real threads otherwise.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use layouts::{Neighbor, SharedBound, TopK};

/// One thread's part of a search: its rows, its pool, the bound of all.
fn scan(rows: &[Neighbor], k: usize, bound: &SharedBound) -> Vec<Neighbor> {
    let mut best = TopK::new(k).unwrap();
    let mut seen = f32::INFINITY;
    for &row in rows {
        let now = bound.get();
        assert!(now <= seen, "the bound rose from {seen} to {now}");
        seen = now;
        if !bound.prunes(row.distance) && best.push(row) {
            bound.lower(best.threshold());
        }
    }
    best.into_sorted()
}

fn merge(parts: Vec<Vec<Neighbor>>, k: usize) -> Vec<Neighbor> {
    let mut all = parts.concat();
    all.sort();
    all.truncate(k);
    all
}

#[cfg(loom)]
#[test]
fn under_every_interleaving_the_result_is_that_of_one_thread() {
    // Ties across the threads, and in each a row that the other's bound prunes.
    let parts = [
        vec![Neighbor::new(3, 2.0), Neighbor::new(1, 1.0), Neighbor::new(5, 4.0)],
        vec![Neighbor::new(4, 1.0), Neighbor::new(0, 2.0), Neighbor::new(2, 1.0)],
    ];
    for k in 1..=2 {
        let (parts, expected) = (parts.clone(), merge(parts.to_vec(), k));
        loom::model(move || {
            let bound = loom::sync::Arc::new(SharedBound::new());
            let threads = parts.clone().map(|rows: Vec<Neighbor>| {
                let bound = bound.clone();
                loom::thread::spawn(move || scan(&rows, k, &bound))
            });
            let found = threads.map(|thread| thread.join().unwrap());
            assert_eq!(merge(found.to_vec(), k), expected);
        });
    }
}

#[cfg(not(loom))]
#[test]
fn real_threads_find_what_one_thread_finds() {
    for round in 0..20u32 {
        // A small range of distances, so that ties decide.
        let distance = |id: u32| f32::from((id.wrapping_mul(2_654_435_761 + round) >> 24) as u8 % 50);
        let rows: Vec<Neighbor> = (0..4000).map(|id| Neighbor::new(id, distance(id))).collect();
        let k = 1 + round as usize * 5;
        let bound = SharedBound::new();
        let parts = std::thread::scope(|scope| {
            let threads: Vec<_> =
                rows.chunks(1000).map(|part| scope.spawn(|| scan(part, k, &bound))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        let found = merge(parts, k);
        assert_eq!(found, merge(vec![rows], k));
        assert!(!bound.prunes(found[k - 1].distance));
    }
}

#[cfg(not(loom))]
#[test]
fn a_bound_keeps_every_value_and_order_of_its_type() {
    let values =
        [f32::NEG_INFINITY, f32::MIN, -1.5, -f32::MIN_POSITIVE, 0.0, 1e-45, 1.0, 3.4e38, f32::INFINITY];
    for (at, &high) in values.iter().enumerate() {
        for &low in &values[..at] {
            let mut bound = SharedBound::<f32>::new();
            bound.lower(high);
            assert_eq!(bound.get(), high);
            bound.lower(f32::NAN);
            bound.lower(low);
            assert_eq!(bound.get(), low);
            bound.lower(high);
            assert!(bound.get() == low && bound.prunes(high) && !bound.prunes(low));
            bound.reset();
            assert_eq!(bound.get(), f32::INFINITY);
        }
    }
    let bound = SharedBound::<i32>::new();
    assert!(!bound.prunes(i32::MAX));
    for value in [i32::MAX, 7, -7, i32::MIN] {
        bound.lower(value);
        assert_eq!(bound.get(), value);
    }
    let zero = SharedBound::<f64>::new();
    zero.lower(-0.0);
    assert!(!zero.prunes(0.0));
}
