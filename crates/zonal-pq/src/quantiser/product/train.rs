//! k-means of every sub-space (Lloyd, "Least squares quantization in PCM", 1982).

use simd_kernels::Kernels;

use super::super::error::{expect_finite, expect_len};
use super::super::random::Random;
use super::super::{Error, Rotation, Scratch};
use super::{Assigner, ProductParams};
use crate::parallel::map;

/// The codebook: centroids of all sub-spaces.
pub(super) fn train(
    kernels: &'static Kernels,
    rows: &[f32],
    starts: &[usize],
    rotation: Option<&Rotation>,
    params: &ProductParams,
) -> Result<Vec<f32>, Error> {
    let dim = starts.last().copied().unwrap_or(0);
    let (k, each) = (params.bits.centroids(), params.sample_per_centroid);
    expect_len("rows", rows.len().next_multiple_of(dim), rows.len())?;
    if each == 0 {
        let argument = "sample_per_centroid";
        return Err(Error::Parameter { argument, value: each, expected: "at least 1" });
    }
    let len = rows.len() / dim;
    if len == 0 {
        return Err(Error::Empty { argument: "rows" });
    }
    for (index, row) in rows.chunks_exact(dim).enumerate() {
        expect_finite("rows", index, row)?;
    }
    let taken = len.min(each.saturating_mul(k));
    let mut sample = vec![0.0f32; taken * dim];
    for (index, out) in sample.chunks_exact_mut(dim).enumerate() {
        // Evenly over all rows; a product of two numbers of rows fits 128 bits.
        let row = (index as u128 * len as u128 / taken as u128) as usize;
        let row = &rows[row * dim..(row + 1) * dim];
        match rotation {
            Some(rotation) => rotation.apply(kernels, row, out)?,
            None => out.copy_from_slice(row),
        }
    }
    let books = map::<_, Error>(starts.len() - 1, |subspace| {
        let (start, end) = (starts[subspace], starts[subspace + 1]);
        let part: Vec<f32> =
            sample.chunks_exact(dim).flat_map(|row| row[start..end].iter().copied()).collect();
        // The sub-space's own seed: results do not depend on the order of the work.
        let random = Random::new(params.seed ^ (subspace as u64 + 1).wrapping_mul(0xd6e8_feb8_6659_fd93));
        kmeans(kernels, &part, end - start, k, params.iterations, random)
    })?;
    Ok(books.concat())
}

/// `k` centroids of `points`, which are `width` values each and at least one.
fn kmeans(
    kernels: &'static Kernels,
    points: &[f32],
    width: usize,
    k: usize,
    iterations: usize,
    mut random: Random,
) -> Result<Vec<f32>, Error> {
    let len = points.len() / width;
    let point = |index: usize| &points[index * width..(index + 1) * width];
    // Distinct points to begin with (the first of a shuffle), or all of them over and over.
    let mut order: Vec<usize> = (0..len).collect();
    for at in 0..k.min(len) {
        let other = at + random.below(len - at);
        order.swap(at, other);
    }
    let mut centroids: Vec<f32> =
        (0..k).flat_map(|at| point(order[at % len.min(k)]).iter().copied()).collect();
    let mut scratch = Scratch::default();
    let (mut found, mut before) = (vec![0u32; len], vec![u32::MAX; len]);
    for _ in 0..iterations {
        let assigner = Assigner::new(&centroids, width)?;
        assigner.assign(kernels, points, width, &centroids, &mut scratch, &mut found)?;
        if found == before {
            break;
        }
        let empty = means(points, width, &found, &mut centroids);
        fill(points, width, &found, &mut centroids, &empty);
        std::mem::swap(&mut found, &mut before);
    }
    if centroids.iter().all(|c| c.is_finite()) {
        Ok(centroids)
    } else {
        Err(Error::TooLarge { argument: "rows" })
    }
}

/// Moves each centroid to the mean of its points; returns those that have none, which stay.
fn means(points: &[f32], width: usize, found: &[u32], centroids: &mut [f32]) -> Vec<usize> {
    let k = centroids.len() / width;
    let (mut sums, mut counts) = (vec![0.0f64; centroids.len()], vec![0u32; k]);
    for (point, &centroid) in points.chunks_exact(width).zip(found) {
        let start = centroid as usize * width;
        counts[centroid as usize] += 1;
        for (sum, x) in sums[start..start + width].iter_mut().zip(point) {
            *sum += f64::from(*x);
        }
    }
    let mut empty = Vec::new();
    for (index, (&count, sums)) in counts.iter().zip(sums.chunks_exact(width)).enumerate() {
        if count == 0 {
            empty.push(index);
            continue;
        }
        for (c, sum) in centroids[index * width..].iter_mut().zip(sums) {
            *c = (sum / f64::from(count)) as f32;
        }
    }
    empty
}

/// Moves each empty centroid to the point that is worst off, no point twice and none at a distance of 0.
fn fill(points: &[f32], width: usize, found: &[u32], centroids: &mut [f32], empty: &[usize]) {
    if empty.is_empty() {
        return;
    }
    let mut off: Vec<(f64, usize)> = points
        .chunks_exact(width)
        .zip(found)
        .map(|(point, &centroid)| {
            let centroid = &centroids[centroid as usize * width..];
            point.iter().zip(centroid).map(|(x, c)| f64::from(x - c) * f64::from(x - c)).sum()
        })
        .zip(0..)
        .collect();
    off.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let worst = off.iter().take_while(|(distance, _)| *distance > 0.0);
    for (&centroid, &(_, point)) in empty.iter().zip(worst) {
        centroids[centroid * width..(centroid + 1) * width]
            .copy_from_slice(&points[point * width..(point + 1) * width]);
    }
}
