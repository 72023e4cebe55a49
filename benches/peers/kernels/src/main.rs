//! Our kernels beside SimSIMD and NumKong: the same vectors, one process, one thread, alternating.
//!
//! Peers are called as their documentation shows, one pair a call, through their own run-time dispatch. Ours are
//! called one pair a call (`pair`) and once for all rows (`rows`). Blocks of 16 rows keep every dimension but the
//! longest `f32` in the first-level cache. A line shows medians over the rounds, and the median of the ratios of
//! each round with the range of its middle half. Values are compared before anything is timed.

use std::hint::black_box;
use std::time::Instant;

use layouts::AlignedVec;
use simd_kernels::{Distance, Element, Kernels, Measure, Rows};

const DIMS: [usize; 7] = [96, 128, 256, 384, 768, 960, 1024];
const ROWS: usize = 16;
const ROUNDS: usize = 61;
const REPEATS: usize = 200;

type Error = Box<dyn std::error::Error>;

/// What a peer computes of one pair; `None` if it refuses.
type Peer<T> = fn(&[T], &[T]) -> Option<f64>;

fn main() -> Result<(), Error> {
    let kernels = Kernels::active()?;
    println!("ours on tier {}; nanoseconds per row, then how many times faster than the peer", kernels.tier());
    println!("| kernel | peer | dim | pair ns | rows ns | peer ns | pair | rows |");
    println!("|---|---|--:|--:|--:|--:|--:|--:|");
    let (ip, l2) = (Measure::InnerProduct, Measure::L2Squared);
    let float = |at: usize| (at % 13) as f32 * 0.1 - 0.6;
    compare::<f32>(kernels, ip, "SimSIMD", float, |a, b| simsimd::SpatialSimilarity::dot(a, b))?;
    compare::<f32>(kernels, l2, "SimSIMD", float, |a, b| simsimd::SpatialSimilarity::sqeuclidean(a, b))?;
    compare::<f32>(kernels, ip, "NumKong", float, |a, b| numkong::Dot::dot(a, b))?;
    compare::<f32>(kernels, l2, "NumKong", float, |a, b| numkong::Euclidean::sqeuclidean(a, b))?;
    let signed = |at: usize| (at % 251) as u8 as i8;
    compare::<i8>(kernels, ip, "SimSIMD", signed, |a, b| simsimd::SpatialSimilarity::dot(a, b))?;
    compare::<i8>(kernels, l2, "SimSIMD", signed, |a, b| simsimd::SpatialSimilarity::sqeuclidean(a, b))?;
    compare::<i8>(kernels, ip, "NumKong", signed, |a, b| numkong::Dot::dot(a, b).map(f64::from))?;
    compare::<i8>(kernels, l2, "NumKong", signed, |a, b| {
        numkong::Euclidean::sqeuclidean(a, b).map(f64::from)
    })?;
    let unsigned = |at: usize| (at % 251) as u8;
    compare::<u8>(kernels, ip, "NumKong", unsigned, |a, b| numkong::Dot::dot(a, b).map(f64::from))?;
    compare::<u8>(kernels, l2, "NumKong", unsigned, |a, b| {
        numkong::Euclidean::sqeuclidean(a, b).map(f64::from)
    })?;
    Ok(())
}

/// One table line per dimension.
fn compare<T: Element>(
    kernels: &'static Kernels,
    measure: Measure,
    peer_name: &str,
    value: fn(usize) -> T,
    peer: Peer<T>,
) -> Result<(), Error> {
    let forms = kernels.forms::<T>(measure);
    for dim in DIMS {
        let data: Vec<T> = (0..ROWS * dim).map(value).collect();
        let query: Vec<T> = (0..dim).map(|at| value(7 * at)).collect();
        let (data, query) = (AlignedVec::from_slice(&data)?, AlignedVec::from_slice(&query)?);
        let rows = Rows::new(&data, dim)?;
        let mut out = vec![T::Distance::default(); ROWS];
        for row in rows.iter() {
            let (ours, theirs) = (forms.pair(&query, row)?.to_f64(), peer(&query, row).ok_or("peer refused")?);
            if (ours - theirs).abs() > 1e-3 * ours.abs().max(1.0) {
                return Err(format!("{peer_name} disagrees: {theirs} instead of {ours} at dim {dim}").into());
            }
        }
        let (mut pair, mut block, mut other) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            pair.push(time(|| {
                for (row, out) in rows.iter().zip(&mut out) {
                    *out = forms.pair(black_box(&query), row).unwrap_or_default();
                }
                black_box(&mut out);
            }));
            block.push(time(|| {
                let done = forms.rows(black_box(&query), rows, &mut out);
                black_box((&mut out, done.is_ok()));
            }));
            other.push(time(|| {
                let sum: f64 = rows.iter().filter_map(|row| peer(black_box(&query), row)).sum();
                black_box(sum);
            }));
        }
        println!(
            "| {} {} | {peer_name} | {dim} | {:.2} | {:.2} | {:.2} | {} | {} |",
            measure.name(),
            T::NAME,
            quartiles(&pair)[1],
            quartiles(&block)[1],
            quartiles(&other)[1],
            ratio(&other, &pair),
            ratio(&other, &block),
        );
    }
    Ok(())
}

/// Nanoseconds per row.
fn time(mut work: impl FnMut()) -> f64 {
    let start = Instant::now();
    (0..REPEATS).for_each(|_| work());
    start.elapsed().as_secs_f64() * 1e9 / (REPEATS * ROWS) as f64
}

fn ratio(theirs: &[f64], ours: &[f64]) -> String {
    let ratios: Vec<f64> = theirs.iter().zip(ours).map(|(theirs, ours)| theirs / ours).collect();
    let [low, median, high] = quartiles(&ratios);
    format!("{median:.2} ({low:.2} to {high:.2})")
}

fn quartiles(values: &[f64]) -> [f64; 3] {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| sorted[sorted.len() * quarter / 4])
}
