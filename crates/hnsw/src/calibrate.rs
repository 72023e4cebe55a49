//! What `ef_search` reaches what recall, measured on the index itself.
//!
//! Measuring counts neighbours found and looks at no clock, so it gives the same table on every machine.

use layouts::{Neighbor, TopK};
use simd_kernels::{Element, Rows};

use crate::build::partition::mix;
use crate::graph::Graph;
use crate::intake::check_row;
use crate::params::SearchParams;
use crate::search::{Parts, Searcher, walk_or_scan};
use crate::{Error, Hnsw, parallel};

/// The most queries that a calibration looks at.
const SAMPLE: usize = 256;
/// Queries that a thread takes at a time. Part of the result's definition: none, sums are of integers.
const BLOCK: usize = 8;
/// Rows measured in one go.
const ROWS: usize = 256;
/// The `k` that recall is measured for.
const KS: [usize; 3] = [1, 10, 100];
/// No rung lies above, nor is one measured once recall is this high.
const TOP: usize = 8192;
const ENOUGH: f64 = 0.9995;

/// Recall measured at a ladder of `ef_search`, for a few `k`.
///
/// A plain table, three numbers a row: see [`as_slice`](Self::as_slice).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Calibration {
    table: Vec<f32>,
}

/// Numbers of a row: `k`, `ef_search`, recall.
const WIDTH: usize = 3;

impl Calibration {
    /// The table, row by row: `k`, `ef_search`, and the share of the true `k` nearest that was found with it. By
    /// rising `k`, then rising `ef_search`. `k` and `ef_search` are whole numbers.
    pub fn as_slice(&self) -> &[f32] {
        &self.table
    }

    /// Checks and takes up what [`as_slice`](Self::as_slice) gave.
    ///
    /// # Errors
    /// [`Error::Damaged`] if it is no such table.
    pub fn from_slice(table: &[f32]) -> Result<Self, Error> {
        let whole = |x: f32| x >= 1.0 && x <= u32::MAX as f32 && x.fract() == 0.0;
        let rows = table.as_chunks::<WIDTH>();
        let sound = rows.1.is_empty()
            && rows
                .0
                .iter()
                .all(|&[k, ef, recall]| whole(k) && whole(ef) && ef >= k && (0.0..=1.0).contains(&recall))
            && rows.0.windows(2).all(|pair| (pair[0][0], pair[0][1]) < (pair[1][0], pair[1][1]));
        if sound {
            Ok(Self { table: table.to_vec() })
        } else {
            Err(Error::Damaged { section: "calibration", reason: "rows do not form a table of recall" })
        }
    }

    /// The least `ef_search` measured to reach recall `target` for `k`.
    ///
    /// Between the `k` that were measured, the next higher counts; above all of them, `ef_search` grows as `k`.
    ///
    /// # Errors
    /// [`Error::Parameter`] if `target` is not within 0 to 1; [`Error::Unreached`] if nothing that was measured
    /// reaches it.
    ///
    /// ```
    /// use hnsw::Calibration;
    /// let table = [10.0, 10.0, 0.80, 10.0, 20.0, 0.93, 10.0, 40.0, 0.99];
    /// let calibration = Calibration::from_slice(&table)?;
    /// assert_eq!(calibration.ef_search(10, 0.9)?, 20);
    /// assert!(calibration.ef_search(10, 0.999).is_err());
    /// # Ok::<(), hnsw::Error>(())
    /// ```
    pub fn ef_search(&self, k: usize, target: f32) -> Result<usize, Error> {
        if !(0.0..=1.0).contains(&target) {
            return Err(Error::Parameter {
                argument: "recall",
                value: target.to_string(),
                expected: "0 to 1",
            });
        }
        let rows = self.table.as_chunks::<WIDTH>().0;
        let of = |row: &[f32; WIDTH]| row[0] as usize;
        let measured = rows.iter().map(of).find(|&at| at >= k).or_else(|| rows.last().map(of)).unwrap_or(0);
        let reached = || rows.iter().filter(|row| of(row) == measured);
        match reached().find(|row| row[2] >= target) {
            Some(row) => Ok((row[1] as usize).saturating_mul(k.div_ceil(measured.max(1))).max(k)),
            None => {
                Err(Error::Unreached { target, reached: reached().map(|row| row[2]).fold(0.0, f32::max) })
            }
        }
    }
}

/// A query of the sample: a vector of its own, or a row that its search must not meet.
#[derive(Clone, Copy, Debug)]
enum Sample<'a, T> {
    Query(&'a [T]),
    Row(u32, &'a [T]),
}

impl<'a, T> Sample<'a, T> {
    fn vector(self) -> &'a [T] {
        match self {
            Sample::Query(vector) | Sample::Row(_, vector) => vector,
        }
    }

    fn row(self) -> Option<u32> {
        match self {
            Sample::Query(_) => None,
            Sample::Row(row, _) => Some(row),
        }
    }
}

/// The true `k` nearest of a sample, by measuring every row.
fn truth<T: Element, G: Graph>(
    parts: &Parts<'_, T, G>,
    searcher: &mut Searcher<T>,
    sample: Sample<'_, T>,
    k: usize,
) -> Result<Vec<Neighbor>, Error> {
    let (view, prepared) = (&parts.view, &mut searcher.scratch.prepared);
    view.prepare(sample.vector(), prepared)?;
    // Keys leave out what they have in common and are cheap; exact distances are for those that count.
    let mut near = TopK::<i32>::new(k)?;
    let (mut ids, mut keys) = ([0; ROWS], [0; ROWS]);
    let rows = parts.graph.rows() as u32;
    for start in (0..rows).step_by(ROWS) {
        let count = (rows - start).min(ROWS as u32) as usize;
        let (ids, keys) = (&mut ids[..count], &mut keys[..count]);
        for (id, row) in ids.iter_mut().zip(start..) {
            *id = row;
        }
        view.exact_keys(sample.vector(), prepared, ids, keys)?;
        for (&row, &key) in ids.iter().zip(keys.iter()) {
            if key <= near.threshold() && Some(row) != sample.row() {
                near.push(Neighbor::new(row, key));
            }
        }
    }
    let mut best = TopK::new(k)?;
    for row in near.as_slice() {
        let distance = view.distance(sample.vector(), prepared, row.id)?;
        for &label in parts.names.of(row.id) {
            best.push(Neighbor::new(label, distance));
        }
    }
    Ok(best.into_sorted())
}

/// How many of the true `k` nearest a search finds. A stand-in at the same distance counts.
fn hits<T: Element, G: Graph>(
    parts: &Parts<'_, T, G>,
    searcher: &mut Searcher<T>,
    sample: Sample<'_, T>,
    truth: &[Neighbor],
    k: usize,
    ef: usize,
) -> Result<usize, Error> {
    let Some(farthest) = truth.get(..k.min(truth.len())).and_then(<[_]>::last) else { return Ok(0) };
    walk_or_scan(parts, searcher, sample.vector(), &SearchParams::new(k, ef), sample.row())?;
    let results = &searcher.results;
    Ok(results.as_slice().iter().filter(|found| found.distance <= farthest.distance).count())
}

/// Measures recall with `queries`, or without with rows of the index.
pub(crate) fn calibrate<T: Element, G: Graph + Sync>(
    parts: &Parts<'_, T, G>,
    queries: Option<Rows<'_, T>>,
) -> Result<Calibration, Error> {
    let rows = parts.graph.rows();
    let mut samples = Vec::new();
    match queries {
        Some(queries) => {
            if queries.dim() != parts.view.intake.dim {
                let (expected, actual) = (parts.view.intake.dim, queries.dim());
                return Err(Error::Dimension { argument: "queries", expected, actual });
            }
            let count = queries.len().min(SAMPLE);
            for index in 0..count {
                // Evenly from all of them.
                let row = index * queries.len() / count;
                let query = queries.row(row).unwrap_or_default();
                check_row(query, parts.view.intake.metric, "queries", row)?;
                samples.push(Sample::Query(query));
            }
        }
        None => {
            let count = SAMPLE.min(rows / 2) as u64;
            let mut drawn: Vec<u32> = (0..count).map(|draw| (mix(11, draw) % rows as u64) as u32).collect();
            drawn.sort_unstable();
            drawn.dedup();
            samples.extend(
                drawn.iter().map(|&row| {
                    Sample::Row(row, parts.view.exact.rows.row(row as usize).unwrap_or_default())
                }),
            );
        }
    }
    if samples.is_empty() {
        let expected = "at least one query, or an index of two vectors";
        return Err(Error::Parameter { argument: "queries", value: "empty".into(), expected });
    }
    let most = rows.saturating_sub(1).max(1);
    let top = KS.iter().copied().filter(|&k| k <= most).max().unwrap_or(1);
    let truths: Vec<Vec<Vec<Neighbor>>> = parallel::blocks(samples.len(), BLOCK, |range| {
        let mut searcher = Searcher::new()?;
        samples[range].iter().map(|&sample| truth(parts, &mut searcher, sample, top)).collect()
    })?;
    let truths = truths.concat();
    let mut table = Vec::new();
    for k in KS.into_iter().filter(|&k| k <= top) {
        let wanted: usize = truths.iter().map(|truth| truth.len().min(k)).sum();
        let mut ef = k;
        loop {
            let found = parallel::blocks(samples.len(), BLOCK, |range| {
                let mut searcher = Searcher::new()?;
                let mut found = 0;
                for at in range {
                    found += hits(parts, &mut searcher, samples[at], &truths[at], k, ef)?;
                }
                Ok(found)
            })?;
            let recall = found.iter().sum::<usize>() as f64 / wanted.max(1) as f64;
            table.extend([k as f32, ef as f32, recall.min(1.0) as f32]);
            if recall >= ENOUGH || ef >= TOP.min(rows) {
                break;
            }
            // Steps of about a quarter.
            ef = (ef + ef.div_ceil(4)).min(TOP.min(rows));
        }
    }
    Ok(Calibration { table })
}

impl<T: Element> Hnsw<T> {
    /// Measures which `ef_search` reaches which recall, so that searches can ask for a recall:
    /// [`SearchParams::recall`]. Replaces what was measured before.
    ///
    /// With `queries`, on up to 256 of them. Without, on rows drawn from the index, each searched for as if it were not
    /// in it: right where queries come from where the vectors come from, too hopeful where they do not, as with
    /// texts and images in one space. Recall is measured against an exact scan for `k` of 1, 10 and 100: O(256 · n)
    /// distances, on the caller's rayon pool. The table is the same for any number of threads.
    ///
    /// # Errors
    /// [`Error::Dimension`], [`Error::NotFinite`] or [`Error::ZeroVector`] for `queries`; [`Error::Parameter`] if there
    /// are none, or, without any, fewer than two vectors.
    ///
    /// ```
    /// use hnsw::{BuildParams, Hnsw, Metric, SearchParams, Searcher};
    /// use simd_kernels::Rows;
    /// let line: Vec<f32> = (0..1000).map(|x| x as f32).collect();
    /// let mut index = Hnsw::build(Rows::new(&line, 1)?, Metric::L2, &BuildParams::new())?;
    /// index.calibrate(None)?;
    /// let near = Searcher::new()
    ///     .and_then(|mut s| Ok(index.search(&mut s, &[5.2], &SearchParams::recall(3, 0.9))?.to_vec()))?;
    /// assert_eq!(near.iter().map(|n| n.id).collect::<Vec<_>>(), [5, 6, 4]);
    /// # Ok::<(), hnsw::Error>(())
    /// ```
    pub fn calibrate(&mut self, queries: Option<Rows<'_, T>>) -> Result<&Calibration, Error> {
        let calibration = calibrate(&self.parts()?, queries)?;
        Ok(self.calibration.insert(calibration))
    }

    /// What [`calibrate`](Self::calibrate) measured, if it did.
    pub fn calibration(&self) -> Option<&Calibration> {
        self.calibration.as_ref()
    }
}
