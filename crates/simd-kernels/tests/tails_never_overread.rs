//! No kernel touches a byte outside its arguments: every input and output lies between two pages that may not
//! be touched, once flush against the one behind it and once against the one in front.
//!
//! A kernel that reads too far does not fail an assertion here, it ends the process.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "the shapes are right by construction; a refusal must fail the test")]

use bytemuck::Pod;
use simd_kernels::{
    Affine, Band, BandRows, CodeBlocks, CodePanelForms, CodePanels, Distance, Element, Forms, Kernels,
    LEAST_ESTIMATES, LookupForms, LookupTables, Measure, Ordered, Real, Rows, Tier, WordPanels, bf16, f16,
};

/// Whole pages of memory with a forbidden page on either side.
struct Guarded {
    start: *mut u8,
    len: usize,
    page: usize,
}

impl Guarded {
    fn new(bytes: usize) -> Self {
        // SAFETY: asks for a number.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
        let len = bytes.next_multiple_of(page).max(page);
        // SAFETY: a fresh private mapping of `len` bytes and two pages; nobody else knows it.
        let start = unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let start = libc::mmap(std::ptr::null_mut(), len + 2 * page, libc::PROT_NONE, flags, -1, 0);
            assert_ne!(start, libc::MAP_FAILED);
            let start = start.cast::<u8>().add(page);
            assert_eq!(libc::mprotect(start.cast(), len, libc::PROT_READ | libc::PROT_WRITE), 0);
            start
        };
        Self { start, len, page }
    }

    /// `count` elements against the front page, or against the back one.
    fn slice<T: Pod>(&mut self, count: usize, at_end: bool) -> &mut [T] {
        let bytes = count * size_of::<T>();
        assert!(bytes <= self.len);
        let offset = if at_end { self.len - bytes } else { 0 };
        // SAFETY: the bytes lie in the mapping, zeroed or written before; `T` takes any bits, and pages and
        // multiples of its size before their end are aligned for it; the borrow of `self` keeps it alone.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(offset).cast::<T>(), count) }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: unmaps what `new` mapped; no slice outlives its borrow.
        unsafe { libc::munmap(self.start.sub(self.page).cast(), self.len + 2 * self.page) };
    }
}

const ROWS: usize = 6;

/// Calls every form on vectors of every tail length, flush with a forbidden page on either side.
fn walk<Q: Element, E: Element, O: Distance>(forms: &Forms<Q, E, O>, pack: usize, granule: usize) {
    let largest = 200 * size_of::<f64>() * ROWS;
    let (mut query, mut data, mut results) =
        (Guarded::new(largest), Guarded::new(largest), Guarded::new(largest));
    // Granules that are longer than that have whole steps and no tails.
    let dims: Vec<usize> = if granule > 144 {
        (1..=9).map(|count| count * granule).collect()
    } else {
        (1..=144).filter(|dim| dim % granule == 0).collect()
    };
    for dim in dims {
        for at_end in [true, false] {
            let (row_len, queries) = (dim / pack, query.slice::<Q>(2 * dim, at_end));
            let rows = Rows::with_stride(
                data.slice::<E>((ROWS - 1) * (row_len + 1) + row_len, at_end),
                ROWS,
                row_len,
                row_len + 1,
            )
            .unwrap();
            let last = if at_end { &queries[dim..] } else { &queries[..dim] };
            for index in [0, ROWS - 1] {
                let row = rows.row(index).unwrap();
                assert_eq!(forms.pair(last, row).unwrap(), O::default());
            }
            forms.rows(last, rows, results.slice(ROWS, at_end)).unwrap();
            let ids = [5, 0, 5, 1, 2];
            forms.ids(last, rows, &ids, results.slice(ids.len(), at_end)).unwrap();
            let queries = Rows::new(queries, dim).unwrap();
            forms.tile(queries, rows, results.slice(2 * ROWS, at_end)).unwrap();
            assert!(results.slice::<O>(2 * ROWS, at_end).iter().all(|&value| value == O::default()));
        }
    }
}

fn distances<T: Element>(kernels: &'static Kernels) {
    for measure in Measure::ALL {
        walk(kernels.forms::<T>(measure), 1, 1);
    }
    let (mut a, mut b) = (Guarded::new(4096), Guarded::new(4096));
    for dim in 1..=144 {
        for at_end in [true, false] {
            let cosine = kernels.cosine(a.slice::<T>(dim, at_end), b.slice::<T>(dim, at_end)).unwrap();
            assert!(cosine == Default::default());
        }
    }
}

fn available() -> impl Iterator<Item = &'static Kernels> {
    Tier::ALL.iter().filter_map(|&tier| Kernels::for_tier(tier))
}

#[test]
fn floats_stay_inside_their_arguments() {
    for kernels in available() {
        distances::<f32>(kernels);
        distances::<f64>(kernels);
    }
}

#[test]
fn halves_stay_inside_their_arguments() {
    for kernels in available() {
        distances::<f16>(kernels);
        distances::<bf16>(kernels);
    }
}

#[test]
fn bytes_stay_inside_their_arguments() {
    for kernels in available() {
        distances::<u8>(kernels);
        distances::<i8>(kernels);
    }
}

/// Code panels of every tail of a tile, flush with a forbidden page on either side.
fn code_panels<const BITS: usize>(forms: &CodePanelForms<BITS>) {
    let group = CodePanels::<BITS>::GROUP;
    let (mut query, mut data, mut results) =
        (Guarded::new(1 << 13), Guarded::new(1 << 14), Guarded::new(1 << 13));
    for groups in 1..=23 {
        for (queries, panels) in [(1, 1), (1, 5), (2, 3), (4, 2), (8, 3), (15, 2)] {
            for at_end in [true, false] {
                let dim = groups * group;
                // A gap after each query but the last.
                let stride = dim + 1;
                let queries = Rows::with_stride(
                    query.slice::<i8>((queries - 1) * stride + dim, at_end),
                    queries,
                    dim,
                    stride,
                )
                .unwrap();
                let panels = CodePanels::<BITS>::new(data.slice(panels * groups * 64, at_end), dim).unwrap();
                let out = results.slice::<i32>(queries.len() * panels.rows(), at_end);
                out.fill(1);
                forms.inner_product(queries, panels, out).unwrap();
                assert!(out.iter().all(|&value| value == 0));
            }
        }
    }
}

/// Scans by table of a few blocks, flush with a forbidden page on either side.
fn lookups<const BITS: usize>(forms: &LookupForms<BITS>) {
    let (mut tables, mut data, mut results) =
        (Guarded::new((7 * 12) << BITS), Guarded::new(3 * 8 * BITS * 12), Guarded::new(7 * 3 * 128));
    for groups in [4, 8, 12] {
        for (queries, blocks) in [(1, 1), (1, 3), (2, 2), (4, 1), (7, 3)] {
            for at_end in [true, false] {
                for entry in [0, 64] {
                    let tables = tables.slice::<u8>((queries * groups) << BITS, at_end);
                    tables.fill(entry);
                    let tables = LookupTables::<BITS>::new(tables, groups).unwrap();
                    let data = data.slice(blocks * groups * 8 * BITS, at_end);
                    let blocks = CodeBlocks::<BITS>::new(data, groups).unwrap();
                    let out = results.slice::<u16>(queries * blocks.rows(), at_end);
                    out.fill(1);
                    forms.sums(tables, blocks, out).unwrap();
                    assert!(out.iter().all(|&value| usize::from(value) == groups * usize::from(entry)));
                }
            }
        }
    }
}

#[test]
fn lookups_stay_inside_their_arguments() {
    for kernels in available() {
        lookups(kernels.lookup_u4());
        lookups(kernels.lookup_u6());
        lookups(kernels.lookup_u8());
    }
}

#[test]
fn code_panels_stay_inside_their_arguments() {
    for kernels in available() {
        code_panels(kernels.code_panels_u2());
        code_panels(kernels.code_panels_u4());
        code_panels(kernels.code_panels_u8());
    }
}

#[test]
fn word_panels_stay_inside_their_arguments() {
    let (mut queries, mut data, mut results) =
        (Guarded::new(13 * 40 * 2), Guarded::new(3 * 16 * 40 * 2), Guarded::new(13 * 48 * 4));
    for kernels in available() {
        for dim in [2, 4, 6, 30, 40] {
            for (count, panels) in [(1, 1), (1, 3), (4, 2), (13, 3)] {
                for at_end in [true, false] {
                    let queries = queries.slice::<i16>(count * dim, at_end);
                    queries.fill(-3);
                    let data = data.slice::<i16>(panels * 16 * dim, at_end);
                    data.fill(5);
                    let out = results.slice::<i32>(count * panels * 16, at_end);
                    out.fill(1);
                    let view = WordPanels::new(data, dim).unwrap();
                    kernels.word_panels().inner_product(queries, view, out).unwrap();
                    assert!(out.iter().all(|&sum| sum == -15 * dim as i32));
                }
            }
        }
    }
}

#[test]
fn bits_and_codes_stay_inside_their_arguments() {
    for kernels in available() {
        walk(kernels.hamming(), 1, 1);
        walk(kernels.jaccard(), 1, 1);
        walk(kernels.codes_u8(), 1, 1);
        walk(kernels.codes_u4(), 2, 32);
        walk(kernels.codes_mixed(), 5, 320);
    }
}

/// Selections of every length, all of the values below and none.
fn selections<T: Ordered>(kernels: &Kernels) {
    let mut memory: [Guarded; 3] = std::array::from_fn(|_| Guarded::new(200 * size_of::<f64>()));
    for len in 0..=200 {
        for at_end in [true, false] {
            let [values, ids, kept] = &mut memory;
            let values = values.slice::<T>(len, at_end);
            values.fill(T::from_f64(3.0));
            let (ids, kept) = (ids.slice::<u32>(len, at_end), kept.slice::<T>(len, at_end));
            for (threshold, expected) in [(4.0, len), (3.0, 0)] {
                let threshold = T::from_f64(threshold);
                assert_eq!(kernels.select_below(values, threshold, 0, ids, kept), Ok(expected));
            }
            assert_eq!(kernels.argmin(values).map(|least| least.0), (len > 0).then_some(0));
            assert_eq!(kernels.top_k(values, 0, len, ids, kept), Ok(len));
        }
    }
}

/// Estimates likewise.
fn estimates(kernels: &Kernels) {
    let mut memory: [Guarded; 5] = std::array::from_fn(|_| Guarded::new(200 * size_of::<f32>()));
    let line = Affine { base: 5.0, slope: 1.0 };
    for len in 0..=200 {
        for at_end in [true, false] {
            let [sums, adds, ids, kept, least] = &mut memory;
            let (sums, adds) = (sums.slice::<i32>(len, at_end), adds.slice::<f32>(len, at_end));
            sums.fill(2);
            adds.fill(1.0);
            let (ids, kept) = (ids.slice(len, at_end), kept.slice(len, at_end));
            for (threshold, expected) in [(5.0, len), (4.0, 0)] {
                let found = kernels.select_estimates_below(sums, adds, line, threshold, ids, kept);
                assert_eq!(found, Ok(expected));
            }
            let least: &mut [f32; LEAST_ESTIMATES] = least.slice(LEAST_ESTIMATES, at_end).try_into().unwrap();
            kernels.least_estimates(sums, adds, line, least).unwrap();
            let filled = least.iter().filter(|&&estimate| estimate == 4.0).count();
            assert_eq!(filled, len.min(LEAST_ESTIMATES));
        }
    }
}

/// Bands likewise, with minuends and without.
fn bands(kernels: &Kernels) {
    let mut memory: [Guarded; 6] = std::array::from_fn(|_| Guarded::new(200 * size_of::<f32>()));
    let band = Band { weight: 1.0, base: 0.0, slope: 0.5, remainder: 2.0, slack: 1.0 };
    for len in 0..=200 {
        for at_end in [true, false] {
            let [sums, minuends, remainders, scales, ids, uppers] = &mut memory;
            let sums = sums.slice::<i32>(len, at_end);
            let [minuends, remainders, scales] =
                [minuends, remainders, scales].map(|part| part.slice::<f32>(len, at_end));
            sums.fill(2);
            minuends.fill(3.0);
            remainders.fill(0.5);
            scales.fill(2.0);
            let (ids, uppers) = (ids.slice(len, at_end), uppers.slice(len, at_end));
            for (minuends, upper) in [(Some(&*minuends), 7.0), (None, 5.0)] {
                let rows = BandRows { sums, minuends, remainders, scales };
                for (level, expected) in [(upper, len), (upper + 0.5, 0)] {
                    assert_eq!(kernels.select_bands_reaching(rows, band, level, ids, uppers), Ok(expected));
                }
            }
        }
    }
}

/// What of a block is near: every number of panels.
fn near<T: Real + Ordered>(kernels: &Kernels) {
    let largest = 64 * 20 * size_of::<T>();
    let mut memory: [Guarded; 3] = std::array::from_fn(|_| Guarded::new(largest));
    let value = |x: f64| <T as Element>::from_f64(x);
    for dim in 1..=20 {
        for rows in [0, 16, 32, 48, 64] {
            for at_end in [true, false] {
                let [query, panels, out] = &mut memory;
                let query = query.slice::<T>(dim, at_end);
                query.fill(value(1.0));
                let panels = panels.slice::<T>(rows * dim, at_end);
                panels.fill(value(2.0));
                let (limit, all) = (value(dim as f64), ((1u128 << rows) - 1) as u64);
                let distances = out.slice::<T>(rows, at_end);
                assert_eq!(kernels.panel_within(query, panels, limit, distances), Ok(all));
                assert_eq!(kernels.panel_nearest(query, panels, limit, distances), Ok(all));
                if rows == 16 {
                    let bounds = distances.try_into().unwrap();
                    let found = kernels.box_bounds(query, panels, limit, bounds).unwrap();
                    assert_eq!((found.within, found.nearest), (0xffff, 0));
                }
            }
        }
    }
}

#[test]
fn blocks_stay_inside_their_arguments() {
    for kernels in available() {
        near::<f32>(kernels);
        near::<f64>(kernels);
    }
}

#[test]
fn selections_stay_inside_their_arguments() {
    for kernels in available() {
        selections::<f32>(kernels);
        selections::<f64>(kernels);
        selections::<i32>(kernels);
        estimates(kernels);
        bands(kernels);
    }
}
