//! An index that is read zone by zone answers bit for bit as the one in memory, whatever the cache holds, and takes
//! no memory that grows with its rows.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

#[path = "all/sets.rs"]
mod sets;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::Path;

use sets::{ASKED, answers, build, clustered, elements};
use simd_kernels::{Element, Rows, bf16, f16};
use zonal_pq::{
    BuildParams, DiskBatchSearcher, DiskIndex, DiskSearcher, Error, Metric, NO_NEIGHBOR, Neighbor, Refine,
    ScanCode, SearchParams, Searcher, ZonalPq, describe, quantiser::SymbolBits,
};

/// Counts what the calling thread has allocated, and the most it ever had at once.
struct Counting;

thread_local! {
    static NOW: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(change: isize) {
    // Fails only while the thread ends, when nothing is measured.
    let _ = NOW.try_with(|now| {
        now.set(now.get() + change);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(now.get())));
    });
}

// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promises are those of the system's allocator.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const DIM: usize = 26;

fn on_disk<T: Element>(index: &ZonalPq<T>, folder: &Path, cache: usize) -> DiskIndex<T> {
    let path = folder.join("index.nigh");
    index.save_by_zone(&path).unwrap();
    DiskIndex::open(&path, cache).unwrap()
}

fn disk_answers<T: Element>(index: &DiskIndex<T>, data: &[T], dim: usize) -> Vec<Vec<Neighbor>> {
    let mut searcher = DiskSearcher::new().unwrap();
    let mut all = Vec::new();
    for params in &ASKED {
        for query in data.chunks_exact(dim).step_by(17) {
            all.push(index.search(&mut searcher, query, params).unwrap().to_vec());
        }
    }
    all
}

fn same<T: Element>(metric: Metric, params: &BuildParams) {
    let what = format!("{} {metric:?} {params:?}", T::NAME);
    let mut data: Vec<T> = elements(&clustered(600, DIM, 1));
    data.copy_within(0..20 * DIM, 50 * DIM);
    let built = build(&data, DIM, metric, params);
    let truth = answers(&built, &data, DIM);
    let folder = tempfile::tempdir().unwrap();
    // Without a cache, with one of a few zones, with one of all.
    for cache in [0, 8 << 10, 1 << 20] {
        let disk = on_disk(&built, folder.path(), cache);
        assert_eq!(disk_answers(&disk, &data, DIM), truth, "{what}, {cache}");
        assert_eq!((disk.len(), disk.dim(), disk.metric()), (600, DIM, metric), "{what}");
        assert_eq!((disk.zones(), disk.params()), (built.zones(), params), "{what}");
        disk.verify().unwrap();
        let queries = Rows::new(&data[..50 * DIM], DIM).unwrap();
        let mut out = vec![NO_NEIGHBOR; 50 * 7];
        let mut scratch = DiskBatchSearcher::new();
        disk.search_batch(&scratch, queries, &ASKED[0], &mut out).unwrap();
        let mut searcher = DiskSearcher::new().unwrap();
        for (query, out) in queries.iter().zip(out.chunks_exact(7)) {
            let found = disk.search(&mut searcher, query, &ASKED[0]).unwrap();
            assert_eq!(&out[..found.len()], found, "{what}");
            assert!(out[found.len()..].iter().all(|&none| none == NO_NEIGHBOR), "{what}");
        }
        let reads = scratch.take_reads();
        assert_eq!((reads.searches, reads.zones), (50, 150), "{what}");
    }
    let path = folder.path().join("index.nigh");
    let found = describe(&path).unwrap();
    assert_eq!((found.element, found.len, found.by_zone), (T::NAME, 600, true), "{what}");
    // The two kinds of file are told apart.
    assert!(ZonalPq::<T>::open(&path).is_err());
    built.save(&path).unwrap();
    assert!(DiskIndex::<T>::open(&path, 0).is_err());
}

#[test]
fn of_every_element_type_and_metric() {
    let plain = BuildParams::new().zones(12).refine(Refine::Bytes);
    for metric in [Metric::L2, Metric::InnerProduct, Metric::Cosine] {
        same::<f32>(metric, &plain);
        same::<f16>(metric, &plain);
        same::<bf16>(metric, &plain);
        same::<u8>(metric, &plain);
        same::<i8>(metric, &plain);
        same::<f32>(metric, &plain.clone().second(0.4));
        same::<u8>(metric, &plain.clone().second(1.0).refine(Refine::Vectors));
    }
    same::<f32>(Metric::L2, &BuildParams::new().zones(80).experiment("graph_from", 40.0));
    let product = ScanCode::Product { subspaces: 5, bits: SymbolBits::Six };
    same::<f32>(Metric::InnerProduct, &plain.clone().code(product));
    same::<f32>(Metric::Cosine, &plain.clone().code(ScanCode::Rabitq { bits: 3 }).second(0.3));
    same::<u8>(Metric::L2, &plain.clone().code(ScanCode::Lvq { bits: 4 }));
}

#[test]
fn what_is_read_is_counted() {
    let data: Vec<f32> = elements(&clustered(2000, DIM, 5));
    let built = build(&data, DIM, Metric::L2, &BuildParams::new().zones(40).refine(Refine::Bytes));
    let folder = tempfile::tempdir().unwrap();
    let disk = on_disk(&built, folder.path(), 4 << 20);
    let mut searcher = DiskSearcher::new().unwrap();
    let params = SearchParams::new(10, 8).rerank(50);
    let first = disk.search(&mut searcher, &data[..DIM], &params).unwrap().to_vec();
    let cold = searcher.take_reads();
    assert_eq!((cold.searches, cold.zones, cold.hits, cold.rows), (1, 8, 0, 50));
    // One read a zone, and at most one a row; fewer where rows are neighbours.
    assert!(cold.reads > 8 && cold.reads <= 58, "{cold:?}");
    // A row is 26 numbers of 4 bytes and 26 bytes, rounded to words.
    assert!(cold.bytes >= 50 * 132, "{cold:?}");
    assert_eq!(disk.search(&mut searcher, &data[..DIM], &params).unwrap(), first);
    let warm = searcher.take_reads();
    assert_eq!((warm.zones, warm.hits, warm.rows), (8, 8, 50));
    assert_eq!(cold.reads - warm.reads, 8);
    assert_eq!(searcher.take_reads().searches, 0);
}

#[test]
fn a_page_limit_reads_less_and_the_cache_does_not_show() {
    let data: Vec<f32> = elements(&clustered(3000, DIM, 5));
    let built = build(&data, DIM, Metric::L2, &BuildParams::new().zones(6));
    let folder = tempfile::tempdir().unwrap();
    let (none, all) = (on_disk(&built, folder.path(), 0), on_disk(&built, folder.path(), 8 << 20));
    let mut searcher = DiskSearcher::new().unwrap();
    let params = SearchParams::new(10, 4).rerank(100);
    let (mut limited, mut whole, mut fewer) = (0, 0, 0);
    for query in data.chunks_exact(DIM).step_by(101) {
        let few = none.search_pages(&mut searcher, query, &params, 1).unwrap().to_vec();
        limited += searcher.take_reads().bytes;
        let many = none.search(&mut searcher, query, &params).unwrap().to_vec();
        whole += searcher.take_reads().bytes;
        assert!(few.iter().zip(&many).all(|(few, many)| few.distance >= many.distance));
        fewer += usize::from(few != many);
        // Read in part, then in whole, then asked for in part again.
        for _ in 0..2 {
            assert_eq!(all.search_pages(&mut searcher, query, &params, 1).unwrap(), few);
            assert_eq!(all.search(&mut searcher, query, &params).unwrap(), many);
        }
        assert_eq!(all.search_pages(&mut searcher, query, &params, 1000).unwrap(), many);
        searcher.take_reads();
    }
    assert!(2 * limited < whole, "{limited} of {whole} bytes");
    assert!(fewer > 0, "a page holds all");
    let refused = none.search_pages(&mut searcher, &data[..DIM], &params, 0).unwrap_err();
    assert!(matches!(refused, Error::Parameter { argument: "pages", .. }), "{refused}");
}

#[test]
fn memory_does_not_grow_with_rows() {
    let dim = 96;
    let data: Vec<f32> = elements(&clustered(12_000, dim, 5));
    let built = build(&data, dim, Metric::L2, &BuildParams::new().zones(64).experiment("sample", 16.0));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.nigh");
    let before = NOW.get();
    PEAK.set(before);
    built.save_by_zone(&path).unwrap();
    let saving = PEAK.get() - before;
    let truth = answers(&built, &data, dim);
    drop(built);
    let file = std::fs::metadata(&path).unwrap().len() as isize;
    let before = NOW.get();
    PEAK.set(before);
    let disk = DiskIndex::<f32>::open(&path, 400 << 10).unwrap();
    let mut searcher = DiskSearcher::new().unwrap();
    let mut at = 0;
    for params in &ASKED[..3] {
        for query in data.chunks_exact(dim).step_by(17) {
            assert_eq!(disk.search(&mut searcher, query, params).unwrap(), truth[at]);
            at += 1;
        }
    }
    let peak = PEAK.get() - before;
    let reads = searcher.take_reads();
    assert!(reads.hits > 0 && reads.hits < reads.zones, "{reads:?}");
    assert!(4 * peak <= file, "{peak} bytes of memory for a file of {file}");
    assert!(10 * saving <= file, "{saving} bytes of memory to save {file}");
    assert!(disk.memory_bytes() <= peak as usize);
}

#[test]
fn filters_and_ranges_answer_as_in_memory() {
    let data: Vec<f32> = elements(&clustered(1500, DIM, 7));
    for (metric, second) in [(Metric::L2, 0.4), (Metric::InnerProduct, 0.0), (Metric::Cosine, 1.0)] {
        let built =
            build(&data, DIM, metric, &BuildParams::new().zones(30).refine(Refine::Bytes).second(second));
        let folder = tempfile::tempdir().unwrap();
        let disk = on_disk(&built, folder.path(), 64 << 10);
        let (mut memory, mut searcher) = (Searcher::new().unwrap(), DiskSearcher::new().unwrap());
        let all = SearchParams::new(8, 30).rerank(1500);
        for query in data.chunks_exact(DIM).step_by(211) {
            let third = |id: u32| id % 3 == 1;
            let truth = built.search_filtered(&mut memory, query, &all, &third).unwrap();
            assert_eq!(disk.search_filtered(&mut searcher, query, &all, &third).unwrap(), truth);
            // Few matches, far from the only zone asked for: found all the same.
            let few = |id: u32| matches!(id, 5 | 700 | 1400);
            let truth = built.search_filtered(&mut memory, query, &all, &few).unwrap();
            let found = disk.search_filtered(&mut searcher, query, &SearchParams::new(8, 1), &few).unwrap();
            assert_eq!((found.len(), found), (3, truth));
            assert!(disk.search_filtered(&mut searcher, query, &all, &|_| false).unwrap().is_empty());

            let radius = disk.search(&mut searcher, query, &all).unwrap()[6].distance;
            let near = built.search_range(&mut memory, query, radius, 9).unwrap();
            assert!(near.len() >= 5, "{}", near.len());
            assert_eq!(disk.search_range(&mut searcher, query, radius, 9).unwrap(), near);
            let near = built.search_within(&mut memory, query, radius, &SearchParams::new(4, 9)).unwrap();
            let found = disk.search_within(&mut searcher, query, radius, &SearchParams::new(4, 9)).unwrap();
            assert_eq!((found.len(), found), (4, near));
        }
        let wrong = disk.search_range(&mut searcher, &data[..DIM], f32::NAN, 9).unwrap_err();
        assert!(matches!(wrong, Error::Parameter { argument: "radius", .. }), "{wrong}");
    }
}

#[test]
fn searchers_share_an_index() {
    let data: Vec<u8> = elements(&clustered(2000, DIM, 9));
    let built = build(&data, DIM, Metric::L2, &BuildParams::new().zones(30));
    let folder = tempfile::tempdir().unwrap();
    let disk = on_disk(&built, folder.path(), 16 << 10);
    let truth = answers(&built, &data, DIM);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(disk_answers(&disk, &data, DIM), truth));
        }
    });
}

#[test]
fn bad_queries_are_refused_as_in_memory() {
    let data: Vec<f32> = elements(&clustered(300, DIM, 9));
    let built = build(&data, DIM, Metric::Cosine, &BuildParams::new());
    let folder = tempfile::tempdir().unwrap();
    let disk = on_disk(&built, folder.path(), 16 << 10);
    let mut searcher = DiskSearcher::new().unwrap();
    let params = SearchParams::new(3, 2);
    let mut query = data[..DIM].to_vec();
    query[3] = f32::NAN;
    let error = disk.search(&mut searcher, &query, &params).unwrap_err();
    assert!(matches!(error, Error::NotFinite { argument: "query", column: 3, .. }), "{error}");
    let error = disk.search(&mut searcher, &query[..5], &params).unwrap_err();
    assert!(matches!(error, Error::Dimension { actual: 5, .. }), "{error}");
    let error = disk.search(&mut searcher, &[0.0; DIM], &params).unwrap_err();
    assert!(matches!(error, Error::ZeroVector { .. }), "{error}");
    let rows = Rows::new(&query, DIM).unwrap();
    let error =
        disk.search_batch(&DiskBatchSearcher::new(), rows, &params, &mut [NO_NEIGHBOR; 3]).unwrap_err();
    assert!(matches!(error, Error::NotFinite { argument: "queries", .. }), "{error}");
    let rows = Rows::new(&data[..DIM], DIM).unwrap();
    let error =
        disk.search_batch(&DiskBatchSearcher::new(), rows, &params, &mut [NO_NEIGHBOR; 4]).unwrap_err();
    assert!(matches!(error, Error::Parameter { argument: "out", .. }), "{error}");
    assert!(disk.search(&mut searcher, &data[..DIM], &SearchParams::new(0, 2)).unwrap().is_empty());
    assert_eq!(disk.search(&mut searcher, &data[..DIM], &params).unwrap()[0].id, 0);
}
