//! An index larger than the memory that it is given: builds one of `.bvecs` vectors and searches it from its file.
//!
//! ```text
//! disk build  DATA_FOLDER INDEX      # INDEX.zones and INDEX.mapped of base.bvecs
//! disk search DATA_FOLDER INDEX CACHE_MIB [QUERIES]
//! disk mapped DATA_FOLDER INDEX [QUERIES]
//! ```
//! Give `search` less than it would take: `(ulimit -v 44000; disk search ...)`, or a memory cgroup, which also
//! bounds what the system caches of the file. Without one, `dd if=INDEX.zones iflag=nocache count=0` makes the system
//! forget it first.

#![allow(clippy::print_stdout, reason = "what an example is for")]

use std::error::Error;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Instant;

use layouts::container::{Checks, OpenOptions};
use simd_kernels::Rows;
use zonal_pq::{
    BuildParams, DiskIndex, DiskSearcher, Metric, Neighbor, Reads, SearchParams, Searcher, ZonalPq,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const K: usize = 10;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["build", data, index] => build(Path::new(data), index),
        ["search", data, index, cache] => search(Path::new(data), index, cache.parse()?, 1000),
        ["search", data, index, cache, queries] => {
            search(Path::new(data), index, cache.parse()?, queries.parse()?)
        }
        ["mapped", data, index] => mapped(Path::new(data), index, 1000),
        ["mapped", data, index, queries] => mapped(Path::new(data), index, queries.parse()?),
        _ => {
            Err("disk build DATA INDEX | search DATA INDEX CACHE_MIB [QUERIES] | mapped DATA INDEX [QUERIES]"
                .into())
        }
    }
}

/// The first rows of a `.bvecs` or `.ivecs` file, elements of `width` bytes, and their dimension.
fn read(path: &Path, width: usize, rows: usize) -> Result<(Vec<u8>, usize)> {
    let open = || File::open(path).map_err(|error| format!("{}: {error}", path.display()));
    let mut file = open()?;
    let mut dim = [0; 4];
    file.read_exact(&mut dim)?;
    let dim = u32::from_le_bytes(dim) as usize;
    let record = 4 + dim * width;
    let rows = rows.min(usize::try_from(file.metadata()?.len())? / record);
    let mut file = std::io::BufReader::new(open()?);
    let (mut one, mut all) = (vec![0; record], Vec::with_capacity(rows * dim * width));
    for _ in 0..rows {
        file.read_exact(&mut one)?;
        all.extend_from_slice(&one[4..]);
    }
    Ok((all, dim))
}

fn file(index: &str, ending: &str) -> PathBuf {
    PathBuf::from(format!("{index}.{ending}"))
}

fn build(data: &Path, index: &str) -> Result<()> {
    let (base, dim) = read(&data.join("base.bvecs"), 1, usize::MAX)?;
    let start = Instant::now();
    let built = ZonalPq::build(Rows::new(&base, dim)?, Metric::L2, &BuildParams::new())?;
    println!("{} vectors, {} zones, built in {:.1?}", built.len(), built.zones(), start.elapsed());
    let start = Instant::now();
    built.save_by_zone(&file(index, "zones"))?;
    println!("saved by zone in {:.1?}", start.elapsed());
    let start = Instant::now();
    built.save(&file(index, "mapped"))?;
    println!("saved to be mapped in {:.1?}", start.elapsed());
    let start = Instant::now();
    ZonalPq::<u8>::open(&file(index, "mapped"))?;
    println!("mapped and checked in {:.1?}", start.elapsed());
    for ending in ["zones", "mapped"] {
        println!("{} bytes in .{ending}", std::fs::metadata(file(index, ending))?.len());
    }
    Ok(())
}

/// Queries and, for each, the ids of its true neighbours.
struct Asked {
    queries: Vec<u8>,
    dim: usize,
    truth: Vec<u8>,
    depth: usize,
}

impl Asked {
    fn read(data: &Path, queries: usize) -> Result<Self> {
        let (asked, dim) = read(&data.join("query.bvecs"), 1, queries)?;
        let (truth, depth) = read(&data.join("groundtruth.ivecs"), 4, queries)?;
        Ok(Self { queries: asked, dim, truth, depth })
    }

    /// Asks everything once; recall at 10 by id, and the times of all queries, sorted, in microseconds.
    fn ask(
        &self,
        mut search: impl FnMut(&[u8], &mut Vec<Neighbor>) -> Result<()>,
    ) -> Result<(f64, Vec<f64>)> {
        let (mut hits, mut times, mut found) = (0, Vec::new(), Vec::new());
        let truths = self.truth.chunks_exact(4 * self.depth);
        for (query, truth) in self.queries.chunks_exact(self.dim).zip(truths) {
            let start = Instant::now();
            search(query, &mut found)?;
            times.push(start.elapsed().as_secs_f64() * 1e6);
            let truth: Vec<u32> = truth
                .chunks_exact(4)
                .take(K)
                .map(|id| u32::from_le_bytes([id[0], id[1], id[2], id[3]]))
                .collect();
            hits += found.iter().filter(|found| truth.contains(&found.id)).count();
        }
        let recall = hits as f64 / (K * times.len()) as f64;
        times.sort_by(f64::total_cmp);
        Ok((recall, times))
    }
}

/// What a run took of each query: mean, middle and the slowest hundredth.
fn line(name: &str, recall: f64, times: &[f64]) -> String {
    let mean = times.iter().sum::<f64>() / times.len() as f64;
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    format!("{name:<26} recall {recall:.4}  mean {mean:.0} us  p50 {:.0}  p99 {:.0}", at(0.5), at(0.99))
}

fn search(data: &Path, index: &str, cache: usize, queries: usize) -> Result<()> {
    let index = DiskIndex::<u8>::open(&file(index, "zones"), cache << 20)?;
    let asked = Asked::read(data, queries)?;
    println!(
        "{} vectors in {} zones, a file of {:.1} MiB, {:.1} MiB in memory before the first query",
        index.len(),
        index.zones(),
        index.file_bytes() as f64 / 1048576.0,
        index.memory_bytes() as f64 / 1048576.0
    );
    let mut searcher = DiskSearcher::new()?;
    let each = |reads: Reads| {
        let n = reads.searches.max(1) as f64;
        format!(
            "  reads {:.1}  KiB {:.0}  cache {:.0} %  rows {:.0}",
            reads.reads as f64 / n,
            reads.bytes as f64 / n / 1024.0,
            100.0 * reads.hits as f64 / reads.zones.max(1) as f64,
            reads.rows as f64 / n
        )
    };
    let whole = usize::MAX;
    for (nprobe, rerank, pages) in [
        (8, 40, whole),
        (12, 40, whole),
        (16, 40, whole),
        (24, 40, whole),
        (32, 60, whole),
        (64, 60, whole),
        (24, 40, 2),
        (24, 40, 1),
    ] {
        let params = SearchParams::new(K, nprobe).rerank(rerank);
        let (recall, times) = asked.ask(|query, found| {
            found.clear();
            found.extend_from_slice(index.search_pages(&mut searcher, query, &params, pages)?);
            Ok(())
        })?;
        let name = match pages {
            whole if whole == usize::MAX => format!("nprobe {nprobe} rerank {rerank}"),
            pages => format!("nprobe {nprobe} rerank {rerank} pages {pages}"),
        };
        println!("{}{}", line(&name, recall, &times), each(searcher.take_reads()));
    }
    println!("{:.1} MiB in memory at the end", index.memory_bytes() as f64 / 1048576.0);
    memory();
    Ok(())
}

fn mapped(data: &Path, index: &str, queries: usize) -> Result<()> {
    let options = OpenOptions::new().checks(Checks::OnFirstUse);
    let index = ZonalPq::<u8>::open_with(&file(index, "mapped"), options)?;
    let asked = Asked::read(data, queries)?;
    let mut searcher = Searcher::new()?;
    for (nprobe, rerank) in [(8, 40), (12, 40), (16, 40), (24, 40), (32, 60), (64, 60)] {
        let params = SearchParams::new(K, nprobe).rerank(rerank);
        let (recall, times) = asked.ask(|query, found| {
            found.clear();
            found.extend_from_slice(index.search(&mut searcher, query, &params)?);
            Ok(())
        })?;
        println!("{}", line(&format!("nprobe {nprobe} rerank {rerank}"), recall, &times));
    }
    memory();
    Ok(())
}

/// What the system says the process took at most.
fn memory() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    for line in status.lines().filter(|line| line.starts_with("VmPeak") || line.starts_with("VmHWM")) {
        println!("{line}");
    }
}
