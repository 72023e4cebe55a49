//! Clustering: balanced hierarchical k-means in integers.
//!
//! The sample is cut into parts, each part into parts again in proportion to its size, so that zones come out alike
//! in size, and the leaves are improved together by Lloyd's iterations over all of them (Lloyd, *Least squares
//! quantization in PCM*, 1982). A penalty on full zones, as SPANN has it (Chen et al., NeurIPS 2021), was tried on
//! top and made sizes swing from one iteration to the next: see `docs/benchmarks-zonal.md`.

use simd_kernels::{Kernels, Rows};

use super::assign::Centroids;
use crate::Error;
use crate::parallel::blocks;
use crate::progress::Stages;

/// Most parts that one cut makes.
const BRANCHES: usize = 64;
/// Most cuts one within another: parts that are never alike in size have equal rows in them.
const DEPTH: usize = 12;
/// Iterations of a cut.
const CUT_ITERATIONS: usize = 6;

/// How to cluster.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Zones wanted.
    pub(crate) zones: usize,
    /// Rows of the sample for each.
    pub(crate) sample: usize,
    /// Iterations over all zones at the end.
    pub(crate) iterations: usize,
}

/// Centroids of `rows`, at most `plan.zones` of them, one after another. Fewer only where there are fewer rows.
pub(crate) fn cluster(
    rows: Rows<'_, i8>,
    plan: &Plan,
    kernels: &'static Kernels,
    stages: &mut Stages<'_>,
) -> Result<Vec<i8>, Error> {
    let (dim, zones) = (rows.dim(), plan.zones.min(rows.len()));
    if zones == 0 {
        return Ok(Vec::new());
    }
    stages.begin("cutting space")?;
    let wanted = (plan.sample.max(2) * zones).min(rows.len());
    // A regular sample would follow any period in the data, so places are scattered.
    let picked = spread(rows.len(), wanted);
    let mut sample = Vec::with_capacity(wanted * dim);
    for &row in &picked {
        sample.extend_from_slice(rows.row(row).unwrap_or_default());
    }
    let sample = Rows::new(&sample, dim)?;
    let mut centroids = cut(sample, zones, DEPTH, kernels)?;
    stages.begin("improving zones")?;
    improve(sample, &mut centroids, plan.iterations, kernels)?;
    Ok(centroids)
}

/// `count` different places below `len` in a scattered order.
fn spread(len: usize, count: usize) -> Vec<usize> {
    if count >= len {
        return (0..len).collect();
    }
    // A stride near the golden section of the length and prime to it visits every place once.
    let mut stride = ((len as f64 * 0.618_033_988_75) as usize).max(1);
    while gcd(stride, len) != 1 {
        stride += 1;
    }
    let mut at = 0;
    let mut places: Vec<usize> = (0..count)
        .map(|_| {
            at = (at + stride) % len;
            at
        })
        .collect();
    places.sort_unstable();
    places
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// `zones` centroids of the rows: cut in parts, and every part again.
fn cut(rows: Rows<'_, i8>, zones: usize, depth: usize, kernels: &'static Kernels) -> Result<Vec<i8>, Error> {
    let dim = rows.dim();
    let branches =
        if zones <= BRANCHES { zones } else { BRANCHES.min((zones as f64).sqrt().ceil() as usize) };
    let mut centroids = Vec::with_capacity(branches * dim);
    for place in spread(rows.len(), branches) {
        centroids.extend_from_slice(rows.row(place).unwrap_or_default());
    }
    if zones == 1 {
        let all = vec![(0u32, 0i32); rows.len()];
        move_to_means(rows, &all, &mut centroids);
        return Ok(centroids);
    }
    improve(rows, &mut centroids, CUT_ITERATIONS, kernels)?;
    if zones == branches {
        return Ok(centroids);
    }
    let found = Centroids::new(Rows::new(&centroids, dim)?, |_| 0)?.nearest(rows, kernels)?;
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); branches];
    for (row, &(part, _)) in found.iter().enumerate() {
        if let Some(members) = members.get_mut(part as usize) {
            members.push(row);
        }
    }
    let counts: Vec<usize> = members.iter().map(Vec::len).collect();
    if depth == 0 || counts.contains(&rows.len()) {
        // Equal rows cannot be cut: any of them will do.
        centroids.clear();
        for place in spread(rows.len(), zones) {
            centroids.extend_from_slice(rows.row(place).unwrap_or_default());
        }
        return Ok(centroids);
    }
    let shares = shares(&counts, zones);
    let parts = blocks(branches, 1, |part| {
        let (Some(members), Some(&share)) = (members.get(part.start), shares.get(part.start)) else {
            return Ok(Vec::new());
        };
        if share == 0 {
            return Ok(Vec::new());
        }
        let mut of = Vec::with_capacity(members.len() * dim);
        for &row in members {
            of.extend_from_slice(rows.row(row).unwrap_or_default());
        }
        cut(Rows::new(&of, dim)?, share, depth - 1, kernels)
    })?;
    Ok(parts.concat())
}

/// `total` shared out in proportion to `counts`, none to what has none and at most one for each that it has.
fn shares(counts: &[usize], total: usize) -> Vec<usize> {
    let sum: usize = counts.iter().sum();
    let mut shares: Vec<usize> = counts
        .iter()
        .map(|&count| (count * total / sum.max(1)).clamp(usize::from(count > 0), count.max(1)))
        .collect();
    for (share, &count) in shares.iter_mut().zip(counts) {
        *share = (*share).min(count);
    }
    let mut given: usize = shares.iter().sum();
    while given < total.min(sum) {
        // To whoever has the most rows for each of its shares.
        let next = (0..counts.len()).filter(|&i| shares[i] < counts[i]).max_by(|&a, &b| {
            (counts[a] * shares[b].max(1)).cmp(&(counts[b] * shares[a].max(1))).then(b.cmp(&a))
        });
        let Some(next) = next else { break };
        shares[next] += 1;
        given += 1;
    }
    while given > total {
        let next = (0..counts.len())
            .filter(|&i| shares[i] > 0)
            .min_by(|&a, &b| (counts[a] * shares[b]).cmp(&(counts[b] * shares[a])).then(a.cmp(&b)));
        let Some(next) = next else { break };
        shares[next] -= 1;
        given -= 1;
    }
    shares
}

/// Lloyd's iterations.
fn improve(
    rows: Rows<'_, i8>,
    centroids: &mut [i8],
    iterations: usize,
    kernels: &'static Kernels,
) -> Result<(), Error> {
    for _ in 0..iterations {
        let found = Centroids::new(Rows::new(centroids, rows.dim())?, |_| 0)?.nearest(rows, kernels)?;
        move_to_means(rows, &found, centroids);
    }
    Ok(())
}

/// Puts every centroid to the mean of its rows; one that has none goes to the farthest row of the fullest zone.
fn move_to_means(rows: Rows<'_, i8>, found: &[(u32, i32)], centroids: &mut [i8]) {
    let dim = rows.dim();
    let zones = centroids.len() / dim;
    let mut sums = vec![0i32; centroids.len()];
    let mut counts = vec![0u32; zones];
    for (row, &(zone, _)) in rows.iter().zip(found) {
        let zone = zone as usize;
        if let (Some(sums), Some(count)) = (sums.get_mut(zone * dim..(zone + 1) * dim), counts.get_mut(zone))
        {
            *count += 1;
            for (sum, &x) in sums.iter_mut().zip(row) {
                *sum += i32::from(x);
            }
        }
    }
    for ((centroid, sums), &count) in centroids.chunks_exact_mut(dim).zip(sums.chunks_exact(dim)).zip(&counts)
    {
        if count > 0 {
            let half = count as i32 / 2;
            for (x, &sum) in centroid.iter_mut().zip(sums) {
                // To the nearest, halves upward.
                *x = (sum + half).div_euclid(count as i32).clamp(-128, 127) as i8;
            }
        }
    }
    let mut empty: Vec<usize> = (0..zones).filter(|&zone| counts[zone] == 0).collect();
    if empty.is_empty() {
        return;
    }
    // The farthest rows first, each once, and never a row that is its own centroid.
    let mut far: Vec<(i32, usize)> =
        found.iter().enumerate().map(|(row, &(_, distance))| (distance, row)).filter(|x| x.0 > 0).collect();
    far.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    empty.reverse();
    for (_, row) in far {
        let Some(zone) = empty.pop() else { break };
        if let (Some(centroid), Some(row)) = (centroids.get_mut(zone * dim..(zone + 1) * dim), rows.row(row))
        {
            centroid.copy_from_slice(row);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_follow_counts_and_add_up() {
        assert_eq!(shares(&[10, 20, 30], 6), [1, 2, 3]);
        assert_eq!(shares(&[1, 0, 100], 10), [1, 0, 9]);
        assert_eq!(shares(&[1, 1, 1], 10), [1, 1, 1]);
        assert_eq!(shares(&[1, 1, 1, 97], 2).iter().sum::<usize>(), 2);
    }

    #[test]
    fn a_spread_names_every_place_once() {
        for (len, count) in [(10, 10), (10, 3), (97, 50), (1024, 1000)] {
            let mut places = spread(len, count);
            places.dedup();
            assert_eq!(places.len(), count);
            assert!(places.iter().all(|&place| place < len));
        }
    }

    #[test]
    fn equal_rows_are_cut_no_further() {
        let mut data = vec![3i8; 6000 * 2];
        data[7] = 90;
        let plan = Plan { zones: 500, sample: 12, iterations: 2 };
        let rows = Rows::new(&data, 2).unwrap();
        let kernels = Kernels::active().unwrap();
        let centroids = cluster(rows, &plan, kernels, &mut Stages::new(&(), 2)).unwrap();
        assert_eq!(centroids.len(), 500 * 2);
    }

    #[test]
    fn clusters_that_lie_apart_are_found() {
        let mut data = Vec::new();
        for i in 0..4000i32 {
            let centre = i % 40;
            data.push(((centre % 8) * 30 - 110 + (i * 7919 % 5) - 2) as i8);
            data.push(((centre / 8) * 50 - 100 + (i * 104_729 % 5) - 2) as i8);
        }
        let rows = Rows::new(&data, 2).unwrap();
        let kernels = Kernels::active().unwrap();
        let plan = Plan { zones: 40, sample: 100, iterations: 8 };
        let centroids = cluster(rows, &plan, kernels, &mut Stages::new(&(), 2)).unwrap();
        let view = Rows::new(&centroids, 2).unwrap();
        assert_eq!(view.len(), 40);
        let found = Centroids::new(view, |_| 0).unwrap().nearest(rows, kernels).unwrap();
        let mean = found.iter().map(|&(_, distance)| f64::from(distance)).sum::<f64>() / 4000.0;
        // One mistake (two centres in one zone) costs 1/40 of 30²/4 at the least.
        assert!(mean < 60.0, "mean squared distance {mean}");
    }
}
