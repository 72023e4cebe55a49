//! Random ball carving: rows around random leaders, again and again, until every ball is a leaf.
//!
//! Rows of one leaf are near one another, so comparing all of them with all yields most near neighbours at the
//! price of matrix products (PiPNN, arXiv 2602.21247). The leaves of one carving also follow each other in space,
//! which is the order that the index is stored in.

use layouts::{AlignedVec, Interleaved};
use simd_kernels::{Kernels, Panels, Rows};

use crate::Error;
use crate::parallel;

/// Rows to be carved, with their squared norms.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Points<'a> {
    pub(crate) rows: Rows<'a, i8>,
    pub(crate) norms: &'a [i32],
    pub(crate) kernels: &'static Kernels,
}

impl Points<'_> {
    /// Copies rows `ids` one after another.
    pub(crate) fn gather(&self, ids: &[u32], out: &mut AlignedVec<i8>) -> Result<(), Error> {
        out.clear();
        for &id in ids {
            out.extend_from_slice(self.rows.row(id as usize).unwrap_or_default())?;
        }
        Ok(())
    }

    pub(crate) fn norms_of(&self, ids: &[u32]) -> Vec<i32> {
        ids.iter().map(|&id| self.norms.get(id as usize).copied().unwrap_or(0)).collect()
    }
}

/// Squared norms of all rows.
pub(crate) fn norms(rows: Rows<'_, i8>) -> Result<Vec<i32>, Error> {
    let part = |range: std::ops::Range<usize>| {
        let norm = |row: &[i8]| row.iter().map(|&x| i32::from(x) * i32::from(x)).sum::<i32>();
        Ok(range.map(|index| norm(rows.row(index).unwrap_or_default())).collect::<Vec<i32>>())
    };
    Ok(parallel::blocks(rows.len(), 4096, part)?.concat())
}

/// A mixing function: which leaders are drawn depends on nothing but the seed and the row.
pub(crate) fn mix(seed: u64, x: u64) -> u64 {
    // SplitMix64 (Steele, Lea and Flood, 2014).
    let mut z = seed ^ x.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The most leaders of one carving.
const LEADERS: usize = 1000;

/// Splits `ids` into leaves of at most `leaf` rows, neighbouring leaves near one another.
pub(crate) fn carve(
    points: Points<'_>,
    ids: Vec<u32>,
    leaf: usize,
    seed: u64,
) -> Result<Vec<Vec<u32>>, Error> {
    if ids.len() <= leaf {
        return Ok(vec![ids]);
    }
    let count = (ids.len() * 3 / leaf).clamp(2, LEADERS);
    let mut drawn: Vec<(u64, u32)> = ids.iter().map(|&id| (mix(seed, u64::from(id)), id)).collect();
    drawn.select_nth_unstable(count - 1);
    drawn.truncate(count);
    drawn.sort_unstable();
    let mut leaders: Vec<u32> = drawn.into_iter().map(|(_, id)| id).collect();
    if count > 16 {
        // Leaders that follow each other in space make leaves that do.
        leaders = carve(points, leaders, 8, mix(seed, 1))?.concat();
    }
    let nearest = assign(points, &ids, &leaders)?;
    let mut balls: Vec<Vec<u32>> = vec![Vec::new(); count];
    for (&id, &leader) in ids.iter().zip(&nearest) {
        if let Some(ball) = balls.get_mut(leader as usize) {
            ball.push(id);
        }
    }
    // Small balls join their neighbours; a ball that is everything (equal rows) is cut by position.
    let mut groups: Vec<Vec<u32>> = Vec::new();
    for ball in balls {
        if ball.len() == ids.len() {
            return Ok(ball.chunks(leaf).map(<[u32]>::to_vec).collect());
        }
        match groups.last_mut() {
            Some(last) if last.len() + ball.len() <= leaf => last.extend(ball),
            _ if ball.is_empty() => {}
            _ => groups.push(ball),
        }
    }
    let parts = parallel::blocks(groups.len(), 1, |range| {
        let group = groups.get(range.start).cloned().unwrap_or_default();
        carve(points, group, leaf, mix(seed, 2 + range.start as u64))
    })?;
    Ok(parts.into_iter().flatten().collect())
}

/// The place in `leaders` of the nearest to each of `ids`.
pub(crate) fn assign(points: Points<'_>, ids: &[u32], leaders: &[u32]) -> Result<Vec<u32>, Error> {
    let dim = points.rows.dim();
    let mut gathered = AlignedVec::new();
    points.gather(leaders, &mut gathered)?;
    let mut packed = Interleaved::<i8, 16, 4>::new();
    packed.pack(Rows::new(&gathered, dim)?)?;
    let panels = Panels::new(packed.as_slice(), dim)?;
    let mut leader_norms = points.norms_of(leaders);
    leader_norms.resize(panels.rows(), 0);
    let block = |range: std::ops::Range<usize>| {
        const QUERIES: usize = 32;
        let mut rows = AlignedVec::new();
        let mut out = vec![0i32; QUERIES * panels.rows()];
        let mut nearest = Vec::with_capacity(range.len());
        for ids in ids[range].chunks(QUERIES) {
            points.gather(ids, &mut rows)?;
            let norms = points.norms_of(ids);
            let out = &mut out[..ids.len() * panels.rows()];
            let forms = points.kernels.panels::<i8>();
            forms.l2_squared(Rows::new(&rows, dim)?, &norms, panels, &leader_norms, out)?;
            for distances in out.chunks_exact(panels.rows()) {
                let least = points.kernels.argmin(&distances[..leaders.len()]);
                nearest.push(least.map_or(0, |(at, _)| at as u32));
            }
        }
        Ok(nearest)
    };
    Ok(parallel::blocks(ids.len(), 2048, block)?.concat())
}
