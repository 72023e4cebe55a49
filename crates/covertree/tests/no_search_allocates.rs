//! A search by residual correlation with the caller's buffers allocates nothing once they have grown.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use covertree::residual::{
    Covariance, CovarianceModel, Eligible, Factor, Neighborhoods, Pruning, ResidualIndex, SearchScratch,
};

/// The system's allocator, counting the calls of each thread.
struct Counting;

thread_local! {
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    // A thread that is ending has no counter any more, and nothing to count.
    let _ = CALLS.try_with(|calls| calls.set(calls.get() + 1));
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn calls_of(work: impl FnOnce()) -> usize {
    let before = CALLS.get();
    work();
    CALLS.get() - before
}

/// Both kinds of bounds, blocks related and not, and no bounds, members and points, all and predecessors.
#[test]
fn a_second_search_allocates_nothing() {
    let n = 1500;
    let at = |i: u32, step: u32| f64::from(i.wrapping_mul(step) % 1009) / 1009.0;
    let coords: Vec<f64> = (0..n).flat_map(|i| [at(i, 7919), at(i, 104_729)]).collect();
    let rank = 3;
    // Any rows will do for V that leave enough of the variance: no result is looked at here.
    let v: Vec<f64> = coords.chunks(2).flat_map(|x| [0.3 * x[0], 0.3 * x[1], 0.2]).collect();
    let p: Vec<f64> = v.chunks(rank).map(|v| 1.0 - v.iter().map(|v| v * v).sum::<f64>()).collect();
    let factor = Factor { v: &v, rank, p: &p };
    let ids: Vec<u32> = (0..n).step_by(3).collect();
    let (smooth, rough) = ((Covariance::Rbf, 0.3), (Covariance::Matern12, 0.05));
    for ((covariance, length), related) in [(smooth, false), (smooth, true), (rough, false)] {
        let model = CovarianceModel::new(covariance, &[length], 1.0);
        let mut index = ResidualIndex::from_factor(&coords, 2, &model, factor).unwrap();
        assert!(!related || index.relate_blocks().unwrap());
        let (mut scratch, mut found) = (SearchScratch::new(), Neighborhoods::new());
        let mut search = |pruning, eligible| {
            index.search_members_with(&mut scratch, &ids, 10, eligible, pruning, &mut found).unwrap();
            index.search_points_with(&mut scratch, &coords, factor, 10, pruning, &mut found).unwrap();
        };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        pool.install(|| {
            for pruning in [Pruning::Bounds, Pruning::None] {
                for eligible in [Eligible::All, Eligible::Predecessors] {
                    let first = calls_of(|| search(pruning, eligible));
                    let second = calls_of(|| search(pruning, eligible));
                    assert_eq!(second, 0, "{covariance:?}, {pruning:?}, {eligible:?}: {first} at first");
                }
            }
        });
    }
}
