//! The questions that earlier cover trees argued about, on this code: what wins, and by how much.
//!
//! `cargo bench -p covertree --bench experiments [-- --quick] [PART]...`
//!
//! Variants of one question run in turns, on one thread; a row gives the median time that a variant had a core, and the
//! median of the round-by-round ratios to the first one with the range of its middle half. All variants of a question
//! must give the same answers: that is asserted before anything is timed. `docs/covertree-experiments.md` tells the
//! outcome.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program whose output is a table")]

#[path = "covertree/mini.rs"]
mod mini;

use std::hint::black_box;

use covertree::residual::{
    Covariance, CovarianceModel, Eligible, Factor, Neighborhoods, Pruning, ResidualIndex,
};
use covertree::{BuildOptions, Search, Searcher, Traversal, VectorMetric, VectorTree, ordering};
use layouts::Interleaved;
use mini::{Bounds, Mini, Scratch};
use simd_kernels::{Kernels, Measure, PANEL_ROWS, Panels, Rows};

/// Seconds that this thread has had a core: what others do on the machine does not count, but for the caches.
fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// One variant: its name, and a call that does the whole work once and returns what may be compared.
type Variant<'a> = (&'static str, Box<dyn FnMut() -> u64 + 'a>);

/// Runs the variants of a question in turns and prints their rows.
fn compare(question: &str, per: (f64, &str), rounds: usize, mut variants: Vec<Variant<'_>>) {
    let first: Vec<u64> = variants.iter_mut().map(|(_, call)| call()).collect();
    assert!(first.iter().all(|check| *check == first[0]), "{question}: the variants disagree: {first:?}");
    let mut times = vec![Vec::new(); variants.len()];
    for _ in 0..rounds {
        for ((_, call), times) in variants.iter_mut().zip(&mut times) {
            let start = cpu_seconds();
            black_box(call());
            times.push(cpu_seconds() - start);
        }
    }
    let sorted = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values
    };
    for ((name, _), mine) in variants.iter().zip(&times) {
        let ratios = sorted(mine.iter().zip(&times[0]).map(|(mine, base)| mine / base).collect());
        let (low, high) = (ratios[ratios.len() / 4], ratios[ratios.len() * 3 / 4]);
        let middle = sorted(mine.clone())[mine.len() / 2] / per.0 * 1e9;
        println!(
            "| {question} | {name} | {middle:.1} ns a {} | {:.2} ({low:.2} to {high:.2}) |",
            per.1,
            ratios[ratios.len() / 2]
        );
    }
}

/// `n` rows of `dim` numbers in [0, 1).
fn uniform(n: usize, dim: usize, seed: u64) -> Vec<f64> {
    let order = ordering::random(n * dim, seed).unwrap();
    order.order().iter().map(|&value| f64::from(value) / (n * dim) as f64).collect()
}

/// A sum of ids that tells wrong neighbours from right ones.
fn checksum(ids: impl Iterator<Item = u32>) -> u64 {
    ids.enumerate().fold(0, |sum, (at, id)| sum.wrapping_add((at as u64 + 1).wrapping_mul(u64::from(id))))
}

/// Heap best-first, level-synchronous and depth-first, in the library's tree.
fn traversals(n: usize, rounds: usize) {
    for (dim, k) in [(2, 10), (3, 10), (10, 10)] {
        let tree = VectorTree::from_rows(&uniform(n, dim, 1), dim, VectorMetric::L2).unwrap();
        let queries = uniform(if dim == 10 { 100 } else { 1000 }, dim, 2);
        let run = |traversal| {
            let (tree, queries, mut searcher) = (&tree, &queries, Searcher::new());
            Box::new(move || {
                let search = Search::nearest(k).traversal(traversal);
                let ids = queries.chunks_exact(dim).flat_map(|query| {
                    tree.search(&mut searcher, query, &search)
                        .unwrap()
                        .iter()
                        .map(|found| found.id)
                        .collect::<Vec<_>>()
                });
                checksum(ids)
            }) as Box<dyn FnMut() -> u64>
        };
        let variants = vec![
            ("depth-first", run(Traversal::DepthFirst)),
            ("heap best-first", run(Traversal::BestFirst)),
            ("level-synchronous", run(Traversal::LevelSynchronous)),
        ];
        compare(&format!("traversal, {dim}-D"), ((queries.len() / dim) as f64, "query"), rounds, variants);
    }
}

/// Leaf sizes of the library's tree.
fn leaves(n: usize, rounds: usize) {
    for dim in [2, 3, 10] {
        let (points, queries) = (uniform(n, dim, 1), uniform(if dim == 10 { 200 } else { 2000 }, dim, 2));
        let run = |leaf| {
            let tree =
                VectorTree::from_rows_with(&points, dim, VectorMetric::L2, BuildOptions::new().leaf(leaf))
                    .unwrap();
            let queries = &queries;
            Box::new(move || {
                let found = tree.search_batch(queries, &Search::nearest(10)).unwrap();
                checksum(found.neighbors().iter().map(|found| found.id))
            }) as Box<dyn FnMut() -> u64>
        };
        let variants = vec![
            ("32 points", run(32)),
            ("8 points", run(8)),
            ("16 points", run(16)),
            ("64 points", run(64)),
            ("128 points", run(128)),
        ];
        compare(&format!("leaf size, {dim}-D"), ((queries.len() / dim) as f64, "query"), rounds, variants);
    }
}

/// All points' neighbours, one after the other or subtree against subtree; the same small tree for both.
fn dual_tree(n: usize, rounds: usize) {
    for dim in [2, 3, 6] {
        let points = uniform(n, dim, 1);
        let mini = Mini::new(&points, dim);
        let mut scratch = Scratch::new(n);
        let (mini, points) = (&mini, &points);
        let single = move || {
            let mut sum = 0u64;
            for query in 0..n {
                let x = &points[query * dim..(query + 1) * dim];
                mini.search::<{ Bounds::FRAME }, false, false>(x, 10, &mut scratch);
                sum = sum.wrapping_add(mini::fingerprint(scratch.best.sorted()));
            }
            sum
        };
        let dual = move || mini.dual(10);
        let variants: Vec<Variant<'_>> =
            vec![("single-tree", Box::new(single)), ("dual-tree", Box::new(dual))];
        compare(&format!("all-k-NN, {dim}-D"), (n as f64, "point"), rounds, variants);
    }
}

/// The points of a set of coordinates of the data folder, if it is there.
fn coordinates(set: &str, file: &str) -> Option<(Vec<f64>, usize)> {
    let folder = std::path::PathBuf::from(std::env::var_os("NIGH_DATA")?).join(set);
    // Of an .npy file what follows its header.
    let npy = |file: &str| {
        let bytes = std::fs::read(folder.join(file)).ok()?;
        let header = u16::from_le_bytes([*bytes.get(8)?, *bytes.get(9)?]) as usize;
        let text = String::from_utf8_lossy(bytes.get(10..10 + header)?).into_owned();
        let columns = text.split(',').rev().nth(1)?.trim().trim_end_matches([')', '}']).parse().unwrap_or(1);
        Some((bytes[10 + header..].to_vec(), columns))
    };
    let (bytes, dim) = npy(file)?;
    let all: Vec<f64> = bytes.as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect();
    let rows = npy("gt_base_rows.npy")?.0;
    let rows = rows.as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes) as usize);
    Some((rows.flat_map(|row| all[row * dim..(row + 1) * dim].to_vec()).collect(), dim))
}

/// All points' neighbours in the library's tree: each searched by itself, or a leaf of queries at a time.
fn all_nearest(n: usize, rounds: usize) {
    let mut sets: Vec<(String, Vec<f64>, usize)> =
        [2, 3, 4, 6].into_iter().map(|dim| (format!("{dim}-D"), uniform(n, dim, 1), dim)).collect();
    for (name, set, file) in
        [("MODIS", "geo-modis-lst-148k", "coords.npy"), ("Argo", "geo-argo2016-32k", "xyz.npy")]
    {
        match coordinates(set, file) {
            Some((points, dim)) => sets.push((name.to_owned(), points, dim)),
            None => println!("| all-k-NN, {name} | {set} is not in NIGH_DATA: left out | | |"),
        }
    }
    for (name, points, dim) in &sets {
        let tree = VectorTree::from_rows(points, *dim, VectorMetric::L2).unwrap();
        for k in [1, 10, 30] {
            let run = |search: Search<'static>| {
                let tree = &tree;
                Box::new(move || {
                    let found = tree.all_nearest(&search).unwrap();
                    let distances = found.neighbors().iter().map(|found| found.distance.to_bits());
                    let distances = distances.fold(0, u64::wrapping_add);
                    distances ^ checksum(found.neighbors().iter().map(|found| found.id))
                }) as Box<dyn FnMut() -> u64>
            };
            // With a budget, be it endless, each point is searched by itself.
            let single = run(Search::nearest(k).budget(u64::MAX));
            let variants = vec![("single-tree", single), ("by leaves", run(Search::nearest(k)))];
            compare(&format!("all-k-NN, {name}, k = {k}"), (tree.len() as f64, "point"), rounds, variants);
        }
    }
}

/// Where bounds are kept between levels, whether nodes are marked, whether a node allocates.
fn bookkeeping(n: usize, rounds: usize) {
    let dim = 3;
    let (points, queries) = (uniform(n, dim, 1), uniform(1000, dim, 2));
    let mini = Mini::new(&points, dim);
    fn run<'a, const BOUNDS: u8, const VISITED: bool, const ALLOCATE: bool>(
        mini: &'a Mini,
        queries: &'a [f64],
        n: usize,
    ) -> Box<dyn FnMut() -> u64 + 'a> {
        let mut scratch = Scratch::new(n);
        Box::new(move || {
            let each = queries.chunks_exact(3).map(|query| {
                mini.search::<BOUNDS, VISITED, ALLOCATE>(query, 10, &mut scratch);
                mini::fingerprint(scratch.best.sorted())
            });
            each.fold(0, u64::wrapping_add)
        })
    }
    let per = (1000.0, "query");
    let frame = || run::<{ Bounds::FRAME }, false, false>(&mini, &queries, n);
    let variants = vec![
        ("bound beside the node, taken when it is met", frame()),
        (
            "no bound from the parent: measured again",
            run::<{ Bounds::NONE }, false, false>(&mini, &queries, n),
        ),
        (
            "array of all nodes, filled for each query",
            run::<{ Bounds::FILLED }, false, false>(&mini, &queries, n),
        ),
        (
            "array, MIN accumulated, reset where touched",
            run::<{ Bounds::LAZY }, false, false>(&mini, &queries, n),
        ),
    ];
    compare("level cache, 3-D", per, rounds, variants);
    let variants = vec![
        ("none", frame()),
        ("set of met nodes", run::<{ Bounds::FRAME }, true, false>(&mini, &queries, n)),
    ];
    compare("visited set, 3-D", per, rounds, variants);
    let variants = vec![
        ("reused buffers", frame()),
        ("a vector for each node", run::<{ Bounds::FRAME }, false, true>(&mini, &queries, n)),
    ];
    compare("allocation, 3-D", per, rounds, variants);
}

/// Children that follow one another, or are picked by id.
fn gathered(n: usize, rounds: usize) {
    let kernels = Kernels::active().unwrap();
    let forms = kernels.forms::<f64>(Measure::L2Squared);
    for dim in [3, 64, 512] {
        let rows_count = if dim == 512 { n / 8 } else { n };
        let (data, query) = (uniform(rows_count, dim, 1), uniform(1, dim, 2));
        let rows = Rows::new(&data, dim).unwrap();
        let order = ordering::random(rows_count, 3).unwrap();
        let blocks = rows_count / 32;
        let bits = |out: &[f64]| out.iter().fold(0u64, |sum, value| sum.wrapping_add(value.to_bits() >> 20));
        let contiguous = || {
            let mut out = [0.0; 32];
            (0..blocks).fold(0, |sum: u64, block| {
                forms.rows(&query, rows.slice(32 * block, 32 * block + 32).unwrap(), &mut out).unwrap();
                sum.wrapping_add(bits(&out))
            })
        };
        let by_id = |ids: &'static str, order: Vec<u32>| {
            let (query, forms) = (&query, &forms);
            let call = move || {
                let mut out = [0.0; 32];
                order.chunks_exact(32).fold(0u64, |sum, ids| {
                    forms.ids(query, rows, ids, &mut out).unwrap();
                    sum.wrapping_add(bits(&out))
                })
            };
            (ids, Box::new(call) as Box<dyn FnMut() -> u64>)
        };
        let shuffled: Vec<u32> = order.order()[..32 * blocks].to_vec();
        let variants = vec![
            ("contiguous blocks of 32", Box::new(contiguous) as Box<dyn FnMut() -> u64>),
            by_id("the same rows by id", (0..32 * blocks as u32).collect()),
            by_id("scattered rows by id", shuffled),
        ];
        compare(&format!("children, f64 x {dim}"), ((32 * blocks) as f64, "row"), rounds, variants);
    }
}

/// Residual correlations of 48 queries and many points: the stages one after the other over blocks of some size, which
/// for blocks that stay in the first-level cache is what a fused kernel does.
fn fused(n: usize, rounds: usize) {
    let kernels = Kernels::active().unwrap();
    let (rank, dim, queries) = (200, 3, 48);
    let n = n / 4;
    let (v, coords) = (uniform(n, rank, 1), uniform(n, dim, 2));
    let mut panels = Interleaved::<f64, PANEL_ROWS, 1>::new();
    panels.pack(Rows::new(&v, rank).unwrap()).unwrap();
    let axes: Vec<f64> = (0..dim).flat_map(|axis| coords.iter().skip(axis).step_by(dim).copied()).collect();
    let query_rows = Rows::new(&v[..queries * rank], rank).unwrap();
    let (panels, axes, coords, v) = (&panels, &axes, &coords, &v);
    let distances = move |query: usize, start: usize, out: &mut [f64]| {
        out.fill(0.0);
        for (axis, &x) in coords[query * dim..(query + 1) * dim].iter().enumerate() {
            for (sum, &y) in out.iter_mut().zip(&axes[axis * n + start..]) {
                *sum += (x - y) * (x - y);
            }
        }
    };
    let best = |correlations: &[f64]| {
        correlations.iter().fold(0.0f64, |best, &rho| if rho > best { rho } else { best })
    };
    let blocked = |points: usize| {
        let (mut dots, mut k) = (vec![0.0; queries * points], vec![0.0; queries * points]);
        Box::new(move || {
            let mut most = 0.0f64;
            for start in (0..n).step_by(points) {
                let data = &panels.as_slice()[start * rank..(start + points) * rank];
                let panels = Panels::new(data, rank).unwrap();
                kernels.panels::<f64>().inner_product(query_rows, panels, &mut dots).unwrap();
                k.chunks_exact_mut(points).enumerate().for_each(|(query, k)| distances(query, start, k));
                kernels.covariance(Covariance::Matern32, 0.3, 1.0, &mut k).unwrap();
                k.iter_mut().zip(&dots).for_each(|(k, dot)| *k = (*k - 1e-3 * dot).abs());
                most = most.max(best(&k));
            }
            (most * 1e9) as u64
        }) as Box<dyn FnMut() -> u64>
    };
    let by_pair = Box::new(move || {
        let forms = kernels.forms::<f64>(Measure::InnerProduct);
        let mut most = 0.0f64;
        // An eighth of the queries: the rest would only take longer.
        for query in 0..queries / 8 {
            let q = &v[query * rank..(query + 1) * rank];
            for point in 0..n {
                let mut k = [0.0];
                distances(query, point, &mut k);
                kernels.covariance(Covariance::Matern32, 0.3, 1.0, &mut k).unwrap();
                let dot = forms.pair(q, &v[point * rank..(point + 1) * rank]).unwrap();
                most = most.max((k[0] - 1e-3 * dot).abs());
            }
        }
        (most * 1e9) as u64
    }) as Box<dyn FnMut() -> u64>;
    let pairs = (queries * n) as f64;
    let variants = vec![
        ("tiles of 48 x 128", blocked(128)),
        ("tiles of 48 x 16 (one panel: fused)", blocked(16)),
        ("tiles of 48 x 64", blocked(64)),
        ("tiles of 48 x 512", blocked(512)),
        ("tiles of 48 x 2048", blocked(2048)),
        ("each stage over all points (separate)", blocked(n)),
    ];
    compare("residual correlations, r = 200", (pairs, "pair"), rounds, variants);
    compare(
        "fused pair by pair, 6 queries",
        (pairs / 8.0, "pair"),
        rounds.min(3),
        vec![("pair by pair", by_pair)],
    );
}

/// What the bounds of the residual engine save, in the engine itself.
fn pruning(rounds: usize) {
    let (n, dim) = (8192, 2);
    let coords = uniform(n, dim, 1);
    let model = CovarianceModel::new(Covariance::Matern32, &[0.2], 1.0);
    let p = vec![1.0; n];
    let index = ResidualIndex::from_factor(&coords, dim, &model, Factor { v: &[], rank: 0, p: &p }).unwrap();
    let ids: Vec<u32> = (0..n as u32).step_by(16).collect();
    let run = |pruning| {
        let (index, ids, mut found) = (&index, &ids, Neighborhoods::new());
        Box::new(move || {
            index.search_members(ids, 30, Eligible::All, pruning, &mut found).unwrap();
            checksum(found.ids().iter().copied())
        }) as Box<dyn FnMut() -> u64>
    };
    let variants = vec![("by bounds", run(Pruning::Bounds)), ("every point in tiles", run(Pruning::None))];
    compare("plain correlation, 2-D", (ids.len() as f64, "query"), rounds, variants);
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let parts: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with("--")).collect();
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|wanted| *wanted == part);
    let (n, rounds) = if quick { (8192, 3) } else { (32768, 11) };
    println!("| question | variant | median | time over the first |\n|---|---|--:|--:|");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    pool.install(|| {
        let all: [(&str, &dyn Fn()); 8] = [
            ("traversal", &|| traversals(n, rounds)),
            ("leaves", &|| leaves(n, rounds)),
            ("dual", &|| dual_tree(n / 2, rounds.min(5))),
            ("all", &|| all_nearest(n, rounds)),
            ("bookkeeping", &|| bookkeeping(n, rounds)),
            ("gathered", &|| gathered(n, rounds)),
            ("fused", &|| fused(n, rounds)),
            ("pruning", &|| pruning(rounds)),
        ];
        all.iter().filter(|(name, _)| wanted(name)).for_each(|(_, run)| run());
    });
}
