//! Two centroids for the rows of a zone that has become too large: balanced 2-means in integers.

use simd_kernels::{Kernels, Measure, Rows};

use crate::Error;

/// Iterations of Lloyd's.
const ITERATIONS: usize = 8;
/// Rows that are looked at, at most.
const SAMPLE: usize = 4096;
/// Each half has at least a quarter of the rows in the iterations.
const SHARE: usize = 4;
/// And at least an eighth once every row goes to its nearest, else there is no split worth having.
const LEAST: usize = 8;

/// Two centroids, each the nearest of them to an eighth of the rows at least; `None` where the rows have no two such
/// parts, as equal rows have not.
pub(crate) fn halves(rows: Rows<'_, i8>, kernels: &'static Kernels) -> Result<Option<[Vec<i8>; 2]>, Error> {
    let dim = rows.dim();
    let step = rows.len().div_ceil(SAMPLE).max(1);
    let mut sample = Vec::with_capacity(rows.len().div_ceil(step) * dim);
    (0..rows.len()).step_by(step).for_each(|row| sample.extend_from_slice(rows.row(row).unwrap_or_default()));
    let sample = Rows::new(&sample, dim)?;
    let count = sample.len();
    let l2 = kernels.forms::<i8>(Measure::L2Squared);
    let mut distances = [vec![0i32; count], vec![0i32; count]];
    let farthest = |distances: &[i32]| (0..count).max_by_key(|&row| (distances[row], usize::MAX - row));
    // Two rows that lie far apart, to begin with.
    let Some(first) = sample.row(0) else { return Ok(None) };
    l2.rows(first, sample, &mut distances[0])?;
    let Some(one) = farthest(&distances[0]).and_then(|row| sample.row(row)) else { return Ok(None) };
    l2.rows(one, sample, &mut distances[0])?;
    let Some(two) = farthest(&distances[0]).and_then(|row| sample.row(row)) else { return Ok(None) };
    let mut halves = [one.to_vec(), two.to_vec()];
    let mut order: Vec<(i32, usize)> = Vec::with_capacity(count);
    for _ in 0..ITERATIONS {
        if halves[0] == halves[1] {
            return Ok(None);
        }
        order.clear();
        for (half, distances) in halves.iter().zip(&mut distances) {
            l2.rows(half, sample, distances)?;
        }
        order.extend((0..count).map(|row| (distances[0][row] - distances[1][row], row)));
        let nearer = order.iter().filter(|&&(difference, _)| difference <= 0).count();
        let cut = nearer.clamp(count / SHARE, count - count / SHARE).clamp(1, count.max(2) - 1);
        if cut < count {
            order.select_nth_unstable(cut);
        }
        let (near, far) = order.split_at(cut.min(count));
        let next = [mean(sample, near), mean(sample, far)];
        if next == halves {
            break;
        }
        halves = next;
    }
    for (half, distances) in halves.iter().zip(&mut distances) {
        l2.rows(half, sample, distances)?;
    }
    let nearer = distances[0].iter().zip(&distances[1]).filter(|(one, two)| one <= two).count();
    let least = count / LEAST;
    let is_split = halves[0] != halves[1] && nearer.min(count - nearer) >= least.max(1);
    Ok(is_split.then_some(halves))
}

/// The mean of some rows, to the nearest integers, halves upward.
fn mean(rows: Rows<'_, i8>, of: &[(i32, usize)]) -> Vec<i8> {
    let mut sums = vec![0i32; rows.dim()];
    for &(_, row) in of {
        for (sum, &x) in sums.iter_mut().zip(rows.row(row).unwrap_or_default()) {
            *sum += i32::from(x);
        }
    }
    let count = of.len().max(1) as i32;
    sums.iter().map(|&sum| (sum + count / 2).div_euclid(count).clamp(-128, 127) as i8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_clouds_are_told_apart_and_one_point_is_not() {
        let kernels = Kernels::active().unwrap();
        let data: Vec<i8> = (0..300i32)
            .flat_map(|i| {
                let centre = if i % 3 == 0 { 60 } else { -60 };
                [centre + i * 7 % 9, i * 5 % 11, centre - i % 4].map(|x| x as i8)
            })
            .collect();
        let mut found = halves(Rows::new(&data, 3).unwrap(), kernels).unwrap().unwrap();
        found.sort();
        assert!((-62..-50).contains(&found[0][0]) && (58..70).contains(&found[1][0]), "{found:?}");
        let same = [5i8; 300];
        assert!(halves(Rows::new(&same, 3).unwrap(), kernels).unwrap().is_none());
        // One row among a hundred equal ones is no half.
        let mut one = same;
        one[7] = 90;
        assert!(halves(Rows::new(&one, 3).unwrap(), kernels).unwrap().is_none());
        assert!(halves(Rows::new(&one[..3], 3).unwrap(), kernels).unwrap().is_none());
    }
}
