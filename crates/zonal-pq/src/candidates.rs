//! The best of a stream of estimates: a buffer that is cut down to the best whenever it is full.
//!
//! Which rows are left depends on their estimates and places only, never on the order in which they came: equal
//! estimates are told apart by place. So single queries, batches and any number of threads agree.

use hnsw::pieces::sortable;
use simd_kernels::{Affine, Kernels, LEAST_ESTIMATES};

use crate::Error;
use crate::code::{Code, CodeQuery};

/// Most rows of a zone: a place within it takes 16 bits.
pub(crate) const MOST_ROWS: usize = 1 << 16;
/// Most zones that a query visits, likewise.
pub(crate) const MOST_PROBES: usize = 1 << 16;

/// A row that may be near: where it is, and what its estimate sorts like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Candidate(u64);

impl Candidate {
    fn new(estimate: f32, probe: u32, row: u32) -> Self {
        let key = (sortable(estimate) as u32) ^ (1 << 31);
        Self(u64::from(key) << 32 | u64::from(probe << 16 | row))
    }

    /// The zone, by its place among those visited.
    pub(crate) fn probe(self) -> usize {
        (self.0 as u32 >> 16) as usize
    }

    /// The row within its zone.
    pub(crate) fn row(self) -> usize {
        (self.0 & 0xffff) as usize
    }

    /// The estimate.
    pub(crate) fn estimate(self) -> f32 {
        let key = ((self.0 >> 32) as u32 ^ (1 << 31)) as i32;
        f32::from_bits((key ^ ((key >> 31) & i32::MAX)) as u32)
    }
}

/// Candidates of one query.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    best: Vec<Candidate>,
    wanted: usize,
    /// Nothing above it can be among the best.
    limit: f32,
}

impl Candidates {
    /// Forgets everything and wants the best `wanted`.
    pub(crate) fn start(&mut self, wanted: usize) {
        self.best.clear();
        self.wanted = wanted.max(1);
        self.limit = f32::INFINITY;
        self.best.reserve(2 * self.wanted.min(1 << 16));
    }

    /// [`start`](Self::start) with a limit that others have found.
    pub(crate) fn start_below(&mut self, wanted: usize, limit: f32) {
        self.start(wanted);
        self.limit = limit;
    }

    /// Takes what others have kept of other rows.
    pub(crate) fn merge(&mut self, others: &[Candidate]) {
        self.best.extend_from_slice(others);
        self.cut();
    }

    /// How many are wanted.
    pub(crate) fn wanted(&self) -> usize {
        self.wanted
    }

    /// The estimate above which nothing is taken any more.
    pub(crate) fn limit(&self) -> f32 {
        self.limit
    }

    /// Takes what `selected` (rows and their estimates) holds.
    #[inline]
    pub(crate) fn extend(&mut self, probe: usize, selected: impl Iterator<Item = (u32, f32)>) {
        for (row, estimate) in selected {
            if estimate > self.limit {
                continue;
            }
            if self.best.len() >= 2usize.saturating_mul(self.wanted) {
                self.cut();
                if estimate > self.limit {
                    continue;
                }
            }
            self.best.push(Candidate::new(estimate, probe as u32, row));
        }
    }

    /// Cuts down to the best and lowers the limit.
    fn cut(&mut self) {
        if self.best.len() > self.wanted {
            let (_, last, _) = self.best.select_nth_unstable(self.wanted - 1);
            self.limit = last.estimate().min(self.limit);
            self.best.truncate(self.wanted);
        }
    }

    /// The estimate of the `k`-th best so far, or infinity while there are fewer.
    pub(crate) fn kth(&mut self, k: usize) -> f32 {
        if k == 0 || self.best.len() < k {
            return f32::INFINITY;
        }
        self.best.select_nth_unstable(k - 1).1.estimate()
    }

    /// Lowers the limit as far as it goes.
    pub(crate) fn settle(&mut self) {
        self.cut();
    }

    /// The best, in no order.
    pub(crate) fn finish(&mut self) -> &mut [Candidate] {
        self.cut();
        &mut self.best
    }
}

/// What the estimates of a posting's rows are made of, and which of them count.
#[derive(Debug)]
pub(crate) struct Estimated<'a> {
    pub(crate) query: &'a CodeQuery,
    /// The query's distance to the centroid.
    pub(crate) zone: f32,
    pub(crate) factors: &'a [f32],
    /// Estimates above it do not count.
    pub(crate) limit: f32,
    /// Nor do others than this many, the least.
    pub(crate) enough: usize,
}

/// Most parts of a zone of which least estimates are taken, and the rows of each that make several worth it, and one
/// alone: of few rows the best few are found as soon without.
const MOST_PARTS: usize = 4;
const PART_ROWS: usize = 128;
const ONE_PART_ROWS: usize = 384;

/// An estimate that `enough` rows do not exceed, not far above the last of these; infinity for a zone that is sooner
/// looked at row by row.
fn limit_of(
    sums: &[i32],
    adds: &[f32],
    line: Affine,
    enough: usize,
    kernels: &'static Kernels,
) -> Result<f32, Error> {
    // Twice as many least estimates as rows wanted, so that few of these hide behind one another.
    let parts = enough.div_ceil(LEAST_ESTIMATES / 2);
    let least_rows = if parts == 1 { ONE_PART_ROWS } else { parts.min(MOST_PARTS) * PART_ROWS };
    if parts > MOST_PARTS || sums.len() < least_rows {
        return Ok(f32::INFINITY);
    }
    let mut room = [[0.0; LEAST_ESTIMATES]; MOST_PARTS];
    let least = room.get_mut(..parts).unwrap_or_default();
    let size = sums.len().div_ceil(parts);
    for ((sums, adds), least) in sums.chunks(size).zip(adds.chunks(size)).zip(least.iter_mut()) {
        kernels.least_estimates(sums, adds, line, least)?;
    }
    let place = enough.saturating_sub(1);
    let (_, limit, _) = least.as_flattened_mut().select_nth_unstable_by(place, f32::total_cmp);
    Ok(*limit)
}

/// Estimates of a posting's rows, and those of them that count.
#[derive(Debug, Default)]
pub(crate) struct Estimates {
    pub(crate) sums: Vec<i32>,
    values: Vec<f32>,
    ids: Vec<u32>,
    kept: Vec<f32>,
}

impl Estimates {
    /// Of the rows whose integer sums lie at `sums` those whose estimates are not above the limit: rows and
    /// estimates.
    #[inline]
    pub(crate) fn select(
        &mut self,
        sums: std::ops::Range<usize>,
        code: &Code,
        of: &Estimated<'_>,
        kernels: &'static Kernels,
    ) -> Result<impl Iterator<Item = (u32, f32)> + '_, Error> {
        let sums = self.sums.get(sums).unwrap_or_default();
        if self.ids.len() < sums.len() {
            self.ids.resize(sums.len(), 0);
            self.kept.resize(sums.len(), 0.0);
        }
        let mut threshold = of.limit.next_up();
        let count = match code.line(of.query, of.zone) {
            Some(line) => {
                let adds = of.factors.get(..sums.len()).unwrap_or_default();
                if of.limit == f32::INFINITY {
                    threshold = limit_of(sums, adds, line, of.enough, kernels)?.next_up();
                }
                kernels.select_estimates_below(sums, adds, line, threshold, &mut self.ids, &mut self.kept)?
            }
            None => {
                self.values.resize(sums.len(), 0.0);
                let values = &mut self.values;
                code.estimates(of.query, of.zone, sums, of.factors, values);
                kernels.select_below(values, threshold, 0, &mut self.ids, &mut self.kept)?
            }
        };
        Ok(self.ids.iter().copied().zip(self.kept.iter().copied()).take(count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_a_zone_leaves_enough_rows_and_not_many_more() {
        let kernels = Kernels::active().unwrap();
        let all: Vec<i32> = (0..1600).map(|i| i * 7919 % 1601).collect();
        for (rows, most_wanted) in [(1600, 128), (512, 128), (384, 96), (383, 64), (256, 64), (255, 0)] {
            let sums = &all[..rows];
            let (adds, line) = (vec![0.0; rows], Affine { base: 0.0, slope: 1.0 });
            for enough in [1, 20, 32, 33, 64, 65, 100, 128, 129] {
                let limit = limit_of(sums, &adds, line, enough, kernels).unwrap();
                let is_worth_it = enough <= most_wanted && (enough > 32 || rows >= ONE_PART_ROWS);
                assert_eq!(limit.is_finite(), is_worth_it, "{enough} of {rows}");
                let below = sums.iter().filter(|&&sum| line.estimate(sum, 0.0) <= limit).count();
                assert!(
                    limit.is_infinite() || (enough..2 * enough + 4).contains(&below),
                    "{below} of {enough}"
                );
            }
        }
    }

    #[test]
    fn the_best_are_the_best_in_any_order() {
        let all: Vec<(u32, f32)> = (0..1000u32).map(|i| (i, ((i * 7919) % 101) as f32 - 50.0)).collect();
        let mut first = Candidates::default();
        first.start(37);
        first.extend(3, all.iter().copied());
        let mut second = Candidates::default();
        second.start(37);
        second.extend(3, all.iter().rev().copied());
        let (first, second) = (first.finish(), second.finish());
        first.sort_unstable();
        second.sort_unstable();
        assert_eq!(first, second);
        let mut sorted = all;
        sorted.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        let expected: Vec<_> = sorted[..37].iter().map(|x| (x.0 as usize, x.1)).collect();
        assert_eq!(first.iter().map(|c| (c.row(), c.estimate())).collect::<Vec<_>>(), expected);
        assert!(first.iter().all(|c| c.probe() == 3));
    }
}
