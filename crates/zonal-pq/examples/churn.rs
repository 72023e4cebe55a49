//! Half of an index replaced step by step, against an index built afresh from what is there in the end.
//!
//! `cargo run --release -p zonal-pq --example churn -- base.bvecs query.bvecs [rows] [steps]`
#![allow(clippy::print_stdout, missing_docs)]

use std::error::Error;
use std::io::Read;
use std::time::Instant;

use simd_kernels::{Kernels, Measure, Rows};
use zonal_pq::{
    BuildParams, Durability, LiveParams, LiveSearcher, LiveZonal, Metric, SearchParams, Searcher, ZonalPq,
};

const K: usize = 10;
/// Times that all queries are asked of each index, in turn.
const PASSES: usize = 41;

/// The first rows of a file of byte vectors, each after its length.
fn bvecs(path: &str, rows: usize) -> Result<(Vec<u8>, usize), Box<dyn Error>> {
    let mut file =
        std::io::BufReader::new(std::fs::File::open(path).map_err(|error| format!("{path}: {error}"))?);
    let (mut data, mut dim) = (Vec::new(), 0);
    let mut head = [0; 4];
    while data.len() < rows * dim.max(1) && file.read_exact(&mut head).is_ok() {
        dim = u32::from_le_bytes(head) as usize;
        let at = data.len();
        data.resize(at + dim, 0);
        file.read_exact(data.get_mut(at..).unwrap_or_default())?;
    }
    Ok((data, dim))
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, or: usize| args.get(at).and_then(|x| x.parse().ok()).unwrap_or(or);
    let (rows, steps) = (number(2, 100_000), number(3, 10));
    let none = String::new();
    let (data, dim) = bvecs(args.first().unwrap_or(&none), rows + rows / 2)?;
    let (queries, _) = bvecs(args.get(1).unwrap_or(&none), 1000)?;
    let (all, queries) = (Rows::new(&data, dim)?, Rows::new(&queries, dim)?);
    let part = |from: usize, to: usize| all.slice(from, to).ok_or("fewer rows than asked for");

    let start = Instant::now();
    let frozen = ZonalPq::build(part(0, rows)?, Metric::L2, &BuildParams::new())?;
    println!("build of {rows}: {:.2} s, {} zones", start.elapsed().as_secs_f64(), frozen.zones());
    let keys: Vec<u64> = (0..rows as u64).collect();
    let mut index = LiveZonal::from_frozen(frozen, &keys, &LiveParams::default())?;
    // Removed are rows in a scattered order, so that what stays is no part of the file.
    let half = rows / 2;
    let mut order: Vec<u64> = (0..rows as u64).collect();
    order.sort_unstable_by_key(|key| key.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let gone = order.get(..half).unwrap_or_default();
    let (mut removing, mut inserting) = (0.0, 0.0);
    for step in 0..steps {
        let (from, to) = (half * step / steps, half * (step + 1) / steps);
        let start = Instant::now();
        index.remove_batch(gone.get(from..to).unwrap_or_default())?;
        removing += start.elapsed().as_secs_f64();
        let start = Instant::now();
        let keys: Vec<u64> = (from..to).map(|at| (rows + at) as u64).collect();
        index.insert_batch(&keys, part(rows + from, rows + to)?)?;
        inserting += start.elapsed().as_secs_f64();
    }
    let rate = |seconds: f64| half as f64 / seconds;
    println!(
        "batches of {}: {:.0} removed/s, {:.0} inserted/s",
        half / steps,
        rate(removing),
        rate(inserting)
    );
    let start = Instant::now();
    let done = index.maintain(usize::MAX)?;
    println!("maintain: {:.3} s, {done:?}", start.elapsed().as_secs_f64());
    println!("{:?}", index.check()?);

    // What is there in the end, built afresh, with the same keys.
    let mut keys = index.snapshot().keys();
    keys.sort_unstable();
    let mut flat = Vec::with_capacity(rows * dim);
    keys.iter().for_each(|&key| flat.extend_from_slice(all.row(key as usize).unwrap_or_default()));
    let base = Rows::new(&flat, dim)?;
    let start = Instant::now();
    let fresh = ZonalPq::build(base, Metric::L2, &BuildParams::new())?;
    println!("fresh build: {:.2} s, {} zones", start.elapsed().as_secs_f64(), fresh.zones());
    let thawed = LiveZonal::from_frozen(
        ZonalPq::build(base, Metric::L2, &BuildParams::new())?,
        &keys,
        &LiveParams::default(),
    )?;

    let l2 = Kernels::active()?.forms::<u8>(Measure::L2Squared);
    let mut distances = vec![0i32; keys.len()];
    let mut truth = Vec::new();
    for query in queries.iter() {
        l2.rows(query, base, &mut distances)?;
        let mut best: Vec<(i32, u64)> = distances.iter().copied().zip(keys.iter().copied()).collect();
        best.select_nth_unstable(K);
        best.truncate(K);
        best.sort_unstable();
        truth.push(best.last().map_or(0, |x| x.0) as f32);
    }
    let (churned, thawed) = (index.snapshot(), thawed.snapshot());
    println!(
        "memory: churned {} fresh {} bytes a vector",
        churned.memory_bytes() / rows,
        thawed.memory_bytes() / rows
    );
    println!(
        "nprobe | recall churned, live fresh, frozen fresh | rows scanned | µs a query | \
         churned / live fresh, quartiles | churned / frozen fresh, quartiles"
    );
    for nprobe in [2, 4, 8, 16, 32, 64] {
        let params = SearchParams::new(K, nprobe);
        // One for both: where its own memory lies makes up to 4 % of a query.
        let mut live_searcher = LiveSearcher::new()?;
        let mut searcher = Searcher::new()?;
        let mut times: [Vec<f64>; 3] = Default::default();
        let mut found = [(0, 0); 3];
        for _ in 0..PASSES {
            for (at, snapshot) in [&churned, &thawed].into_iter().enumerate() {
                let (mut hits, before, start) = (0, live_searcher.work().0, Instant::now());
                for (query, &limit) in queries.iter().zip(&truth) {
                    let found = snapshot.search(&mut live_searcher, query, &params)?;
                    hits += found.iter().filter(|x| x.distance <= limit).count();
                }
                times[at].push(start.elapsed().as_secs_f64());
                found[at] = (hits, live_searcher.work().0 - before);
            }
            let (mut hits, before, start) = (0, searcher.work().0, Instant::now());
            for (query, &limit) in queries.iter().zip(&truth) {
                let found = fresh.search(&mut searcher, query, &params)?;
                hits += found.iter().filter(|x| x.distance <= limit).count();
            }
            times[2].push(start.elapsed().as_secs_f64());
            found[2] = (hits, searcher.work().0 - before);
        }
        // Each pass beside those of the same moment, since the clock of a shared machine changes with the minute.
        let ratio = |other: usize| {
            let mut ratios: Vec<f64> = times[0].iter().zip(&times[other]).map(|(a, b)| a / b).collect();
            ratios.sort_unstable_by(f64::total_cmp);
            [ratios[PASSES / 4], ratios[PASSES / 2], ratios[PASSES * 3 / 4]]
        };
        let (to_live, to_frozen) = (ratio(1), ratio(2));
        let middle = |times: &mut Vec<f64>| {
            times.sort_unstable_by(f64::total_cmp);
            times[PASSES / 2] * 1e6 / queries.len() as f64
        };
        let micros = times.each_mut().map(middle);
        let recall = found.map(|x| x.0 as f64 / (K * queries.len()) as f64);
        let scanned = found.map(|x| x.1 / queries.len() as u64);
        println!("{nprobe:6} | {recall:.4?} | {scanned:?} | {micros:.1?} | {to_live:.3?} | {to_frozen:.3?}");
    }

    for (name, durability) in [
        ("no log", None),
        ("log, system", Some(Durability::System)),
        ("log, every call", Some(Durability::Always)),
    ] {
        let folder = std::env::temp_dir().join(format!("nigh-churn-{}", std::process::id()));
        if let Some(durability) = durability {
            index.keep_in(&folder, durability)?;
        }
        let mut times = [Vec::new(), Vec::new()];
        for at in 0..300u64 {
            let vector = all.row(at as usize * 97).unwrap_or_default();
            let start = Instant::now();
            index.insert(1 << 40 | at, vector)?;
            times[0].push(start.elapsed().as_secs_f64() * 1e6);
        }
        for at in 0..300u64 {
            let start = Instant::now();
            index.remove(1 << 40 | at)?;
            times[1].push(start.elapsed().as_secs_f64() * 1e6);
        }
        times.iter_mut().for_each(|times| times.sort_by(f64::total_cmp));
        println!(
            "one at a time, {name}: insert {:.0} µs, remove {:.0} µs (medians)",
            times[0][150], times[1][150]
        );
        if durability.is_some() {
            let start = Instant::now();
            index.checkpoint()?;
            let saved = start.elapsed().as_secs_f64();
            index.leave();
            let start = Instant::now();
            let again = LiveZonal::<u8>::open(&folder, &LiveParams::default(), Durability::System)?;
            println!("checkpoint {saved:.2} s, open {:.2} s", start.elapsed().as_secs_f64());
            drop(again);
            std::fs::remove_dir_all(&folder)?;
        }
    }
    Ok(())
}
