//! Euclidean nearest neighbours beside kiddo, the fastest k-d tree in Rust: same points, same queries, one thread,
//! in turns, asked one at a time and in a batch. Each measurement follows one of the other library, and is then
//! repeated at once: the first finds the caches as the other left them, the second as it left them itself.
//!
//! `cargo run --release --manifest-path benches/peers/kiddo/Cargo.toml -- [FOLDER]... [--k 1,10,30]
//! [--rounds 7]`; with `RUSTFLAGS="-C target-cpu=native"` too, by which kiddo gains its wide registers
//!
//! FOLDER is a set such as `geo-modis-lst-148k` (coords.npy or xyz.npy of float64, gt_base_rows.npy,
//! gt_query_rows.npy); without one, uniform points in two, three and ten dimensions and clustered ones in ten are made. Every set is asked for each k. Distances are compared, so
//! that ties may be broken differently.

use std::error::Error;
use std::num::NonZero;
use std::path::Path;

use covertree::{Search, Searcher, VectorMetric, VectorTree};
use kiddo::{ImmutableKdTree, SquaredEuclidean};

/// Seconds that this process has had a core: both libraries run one thread.
fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

struct Set {
    name: String,
    dim: usize,
    base: Vec<f64>,
    queries: Vec<f64>,
}

/// The values of a little-endian .npy file of rank 1 or 2, by the letters of its type, and its columns.
fn npy(path: &Path, kind: &str) -> Result<(Vec<u8>, usize), Box<dyn Error>> {
    let bytes = std::fs::read(path)?;
    let len = u16::from_le_bytes([bytes[8], bytes[9]]) as usize;
    let header = std::str::from_utf8(&bytes[10..10 + len])?;
    if !header.contains(kind) || header.contains("'fortran_order': True") {
        return Err(format!("{}: expected {kind}, found {header}", path.display()).into());
    }
    let shape = header.split('(').nth(1).and_then(|rest| rest.split(')').next()).unwrap_or_default();
    let columns = shape.split(',').nth(1).and_then(|text| text.trim().parse().ok()).unwrap_or(1);
    Ok((bytes[10 + len..].to_vec(), columns))
}

fn read(folder: &Path) -> Result<Set, Box<dyn Error>> {
    let file = if folder.join("xyz.npy").exists() { "xyz.npy" } else { "coords.npy" };
    let (bytes, dim) = npy(&folder.join(file), "<f8")?;
    let all: Vec<f64> =
        bytes.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap_or_default())).collect();
    let pick = |file: &str| -> Result<Vec<f64>, Box<dyn Error>> {
        let (bytes, _) = npy(&folder.join(file), "<i4")?;
        let rows =
            bytes.chunks_exact(4).map(|b| u32::from_le_bytes(b.try_into().unwrap_or_default()) as usize);
        Ok(rows.flat_map(|row| all[row * dim..(row + 1) * dim].to_vec()).collect())
    };
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Set { name, dim, base: pick("gt_base_rows.npy")?, queries: pick("gt_query_rows.npy")? })
}

/// Points around so many centres in the unit cube; without a centre, spread evenly in it.
fn generated(n: usize, dim: usize, centres: usize, queries: usize) -> Set {
    let mut state = 42u64;
    let mut unit = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let middles: Vec<f64> = (0..centres * dim).map(|_| unit()).collect();
    let mut draw = |count: usize| {
        let mut rows = Vec::with_capacity(count * dim);
        for _ in 0..count {
            let centre = (unit() * centres as f64) as usize * dim;
            let of_row = rows.len();
            rows.extend((0..dim).map(|_| unit()));
            if centres > 0 {
                // Three uniform numbers are near enough to a normal one.
                for (x, middle) in rows[of_row..].iter_mut().zip(&middles[centre..]) {
                    *x = middle + 0.1 * (*x + unit() + unit() - 1.5);
                }
            }
        }
        rows
    };
    let (base, queries) = (draw(n), draw(queries));
    let spread = if centres > 0 { "clustered" } else { "uniform" };
    Set { name: format!("{spread}-{dim}d-{}k", n / 1000), dim, base, queries }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn compare<const D: usize>(set: &Set, neighbors: usize, rounds: usize) -> Result<(), Box<dyn Error>> {
    let rows = |data: &[f64]| -> Vec<[f64; D]> {
        data.chunks_exact(D).map(|row| row.try_into().unwrap_or([0.0; D])).collect()
    };
    let (base, queries) = (rows(&set.base), rows(&set.queries));
    let k = NonZero::new(neighbors).ok_or("k is 0")?;
    let start = cpu_seconds();
    let theirs: ImmutableKdTree<f64, D> =
        ImmutableKdTree::new_from_slice(&base).map_err(|error| format!("{error:?}"))?;
    let their_build = cpu_seconds() - start;
    let start = cpu_seconds();
    let ours = VectorTree::from_rows(&set.base, D, VectorMetric::L2)?;
    let our_build = cpu_seconds() - start;
    // For one neighbour kiddo has calls of its own.
    let one_of = |query| theirs.query(query).nearest_one::<SquaredEuclidean<f64>>().execute().distance;
    let single = || -> Vec<f64> {
        if neighbors == 1 {
            return queries.iter().map(one_of).collect();
        }
        let search = |query| theirs.query(query).nearest_n::<SquaredEuclidean<f64>>(k).execute();
        queries.iter().flat_map(|query| search(query).into_iter().map(|found| found.distance)).collect()
    };
    let batch = || -> Vec<f64> {
        if neighbors == 1 {
            let all = theirs.query_batch(&queries).nearest_one::<SquaredEuclidean<f64>>().execute();
            return all.into_iter().map(|found| found.distance).collect();
        }
        let all = theirs.query_batch(&queries).nearest_n::<SquaredEuclidean<f64>>(k).execute();
        all.into_iter().flat_map(|found| found.into_iter().map(|found| found.distance)).collect()
    };
    let search = Search::nearest(neighbors);
    let answer = || ours.search_batch(&set.queries, &search);
    let mut searcher = Searcher::new();
    let mut answer_singly = || -> Result<Vec<f64>, covertree::Error> {
        let mut distances = Vec::with_capacity(queries.len() * neighbors);
        for query in &queries {
            distances.extend(ours.search(&mut searcher, query, &search)?.iter().map(|found| found.distance));
        }
        Ok(distances)
    };
    let (one, many, mine) = (single(), batch(), answer()?);
    let all_equal = answer_singly()?.iter().eq(mine.neighbors().iter().map(|found| &found.distance));
    if !all_equal {
        return Err("our own answers differ".into());
    }
    let right = |theirs: &[f64]| {
        let pairs = theirs.iter().zip(mine.neighbors());
        pairs
            .filter(|(squared, found)| {
                (squared.sqrt() - found.distance).abs() <= 1e-12 * (1.0 + found.distance)
            })
            .count()
    };
    let total = queries.len() * neighbors;
    let agreement = [right(&one) as f64 / total as f64, right(&many) as f64 / total as f64];
    // Theirs and ours singly, theirs and ours in a batch; after the other library, and again.
    let (mut over, mut speeds) = ([const { Vec::new() }; 4], [const { Vec::new() }; 8]);
    for _ in 0..rounds {
        let mut seconds = [0.0; 8];
        for (contender, seconds) in seconds.chunks_exact_mut(2).enumerate() {
            for seconds in seconds {
                let start = cpu_seconds();
                match contender {
                    0 => drop(std::hint::black_box(single())),
                    1 => drop(std::hint::black_box(answer_singly()?)),
                    2 => drop(std::hint::black_box(batch())),
                    _ => drop(std::hint::black_box(answer()?)),
                }
                *seconds = cpu_seconds() - start;
            }
        }
        for (over, at) in over.iter_mut().zip([0, 4, 1, 5]) {
            over.push(seconds[at] / seconds[at + 2]);
        }
        speeds.iter_mut().zip(seconds).for_each(|(speeds, s)| speeds.push(queries.len() as f64 / s));
    }
    let range = |values: &mut Vec<f64>| {
        let middle = median(values);
        format!("{middle:.2} ({:.2} to {:.2})", values[0], values[values.len() - 1])
    };
    let [single, batch, single_again, batch_again] = over.each_mut().map(range);
    println!(
        "{}: {} x {D}, {} queries, k {neighbors}; same distances {:.6} (single) {:.6} (batch)",
        set.name,
        base.len(),
        queries.len(),
        agreement[0],
        agreement[1],
    );
    let names = ["kiddo single", "ours single", "kiddo batch", "ours batch"];
    for (name, speeds) in names.into_iter().zip(speeds.chunks_exact_mut(2)) {
        println!("  {name}: {:.0} queries/s, again {:.0}", median(&mut speeds[0]), median(&mut speeds[1]));
    }
    println!(
        "  ours over kiddo: single {single}, batch {batch}; again single {single_again}, batch {batch_again}"
    );
    println!("  build: kiddo {:.1} ms, ours {:.1} ms", 1e3 * their_build, 1e3 * our_build);
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let (mut sets, mut rounds, mut all_k) = (Vec::new(), 7, vec![1, 10, 30]);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--rounds" {
            rounds = arguments.next().ok_or("--rounds needs a number")?.parse()?;
        } else if argument == "--k" {
            let list = arguments.next().ok_or("--k needs numbers")?;
            all_k = list.split(',').map(str::parse).collect::<Result<_, _>>()?;
        } else {
            sets.push(read(Path::new(&argument))?);
        }
    }
    if sets.is_empty() {
        let (even, clustered) = (0, 64);
        sets = vec![
            generated(100_000, 2, even, 5000),
            generated(100_000, 3, even, 5000),
            generated(32_000, 10, even, 5000),
            generated(32_000, 10, clustered, 5000),
        ];
    }
    // Both libraries run in this pool of one thread.
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global()?;
    for (set, k) in sets.iter().flat_map(|set| all_k.iter().map(move |&k| (set, k))) {
        match set.dim {
            2 => compare::<2>(set, k, rounds)?,
            3 => compare::<3>(set, k, rounds)?,
            10 => compare::<10>(set, k, rounds)?,
            dim => return Err(format!("{}: {dim} dimensions, expected 2, 3 or 10", set.name).into()),
        }
    }
    Ok(())
}
