//! What `nprobe` and `reach` find what recall, measured on the index itself.
//!
//! Measuring counts neighbours found and rows scanned, and looks at no clock: the same table on every machine.

use layouts::Neighbor;
use simd_kernels::{Element, Rows};

use crate::batch::{BatchSearcher, batch};
use crate::parallel::blocks;
use crate::params::SearchParams;
use crate::posting::Postings;
use crate::search::{Parts, Searcher};
use crate::{Error, ZonalPq};

/// The most queries that a calibration looks at.
const SAMPLE: usize = 256;
/// The `k` that recall is measured for.
const KS: [usize; 3] = [1, 10, 100];
/// How far queries reach: see [`SearchParams::reach`].
const REACHES: [f32; 5] = [0.25, 0.5, 0.8, 1.2, f32::INFINITY];
/// No rung is measured once recall is this high.
const ENOUGH: f32 = 0.9995;

/// Recall measured at a ladder of `nprobe` and `reach`, for a few `k`.
///
/// A plain table, five numbers a row: see [`as_slice`](Self::as_slice).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Calibration {
    pub(crate) table: Vec<f32>,
}

/// Numbers of a row: `k`, `nprobe`, `reach`, recall, rows scanned.
const WIDTH: usize = 5;

impl Calibration {
    /// The table, row by row: `k`, `nprobe`, `reach`, the share of the true `k` nearest that was found so, and the
    /// mean number of codes that were scanned for a query. By rising `k`, then rising number of codes.
    pub fn as_slice(&self) -> &[f32] {
        &self.table
    }

    /// Checks and takes up what [`as_slice`](Self::as_slice) gave.
    ///
    /// # Errors
    /// [`Error::Damaged`] if it is no such table.
    pub fn from_slice(table: &[f32]) -> Result<Self, Error> {
        let whole = |x: f32| (1.0..=1e9).contains(&x) && x.fract() == 0.0;
        let rows = table.as_chunks::<WIDTH>();
        let sound = rows.1.is_empty()
            && rows.0.iter().all(|&[k, nprobe, reach, recall, scanned]| {
                whole(k) && whole(nprobe) && reach >= 0.0 && (0.0..=1.0).contains(&recall) && scanned >= 0.0
            })
            && rows.0.windows(2).all(|pair| (pair[0][0], pair[0][4]) <= (pair[1][0], pair[1][4]));
        if sound {
            Ok(Self { table: table.to_vec() })
        } else {
            Err(Error::Damaged { section: "calibration", reason: "rows do not form a table of recall" })
        }
    }

    /// The cheapest parameters measured to reach recall `target` for `params.k`.
    ///
    /// Between the `k` that were measured the next higher counts; above all of them the highest.
    pub(crate) fn pick(&self, params: &SearchParams, target: f32) -> Result<SearchParams, Error> {
        if !(0.0..=1.0).contains(&target) {
            let value = target.to_string();
            return Err(Error::Parameter { argument: "recall", value, expected: "0 to 1" });
        }
        let rows = self.table.as_chunks::<WIDTH>().0;
        let of = |row: &[f32; WIDTH]| row[0] as usize;
        let k = rows.iter().map(of).find(|&at| at >= params.k).or(rows.last().map(of)).unwrap_or(0);
        let measured = || rows.iter().filter(|row| of(row) == k);
        match measured().find(|row| row[3] >= target) {
            Some(row) => Ok(SearchParams { nprobe: row[1] as usize, reach: row[2], target: None, ..*params }),
            None => {
                Err(Error::Unreached { target, reached: measured().map(|row| row[3]).fold(0.0, f32::max) })
            }
        }
    }
}

/// A ladder of `nprobe`.
fn ladder(zones: usize) -> Vec<usize> {
    let mut rungs = Vec::new();
    let mut rung = 1usize;
    while rung < zones && rung < 1 << 14 {
        rungs.push(rung);
        rung = (rung + 1).max(rung * 4 / 3);
    }
    rungs.push(zones.min(1 << 14));
    rungs
}

/// Neighbours found of those that there are; `own` is not looked for and not counted.
fn hits(truth: &[Neighbor], found: &[Neighbor], own: Option<u32>, k: usize) -> (usize, usize) {
    let others = |list: &[Neighbor]| -> Vec<u32> {
        let ids = list.iter().map(|neighbor| neighbor.id).filter(|&id| id != u32::MAX && Some(id) != own);
        ids.take(k).collect()
    };
    let (truth, found) = (others(truth), others(found));
    (truth.iter().filter(|id| found.contains(id)).count(), truth.len())
}

impl<T: Element> ZonalPq<T> {
    /// Measures recall at a ladder of parameters, on `queries` or, without, on rows of the index itself (each then
    /// not meant to find itself), at most 256 of them. Afterwards [`SearchParams::recall`] works.
    ///
    /// The truth is an exhaustive search of the index: all zones, and 400 candidates measured. Queries that differ
    /// from the rows (other modality, other time) should be given. Takes a few hundred exhaustive searches.
    ///
    /// # Errors
    /// As [`search`](Self::search), naming `queries`.
    pub fn calibrate(&mut self, queries: Option<Rows<'_, T>>) -> Result<&Calibration, Error> {
        let table = measure(&self.parts()?, queries, self.rows)?;
        Ok(self.calibration.insert(Calibration { table }))
    }

    /// What was measured, if anything was.
    pub fn calibration(&self) -> Option<&Calibration> {
        self.calibration.as_ref()
    }

    /// Takes up a calibration measured elsewhere, or none.
    pub fn set_calibration(&mut self, calibration: Option<Calibration>) {
        self.calibration = calibration;
    }
}

pub(crate) fn measure<T: Element, P: Postings<T>>(
    parts: &Parts<'_, P>,
    queries: Option<Rows<'_, T>>,
    rows: usize,
) -> Result<Vec<f32>, Error> {
    let (mut sample, mut owns) = (Vec::new(), Vec::new());
    match queries {
        Some(queries) => {
            let step = queries.len().div_ceil(SAMPLE).max(1);
            for row in (0..queries.len()).step_by(step) {
                sample.extend_from_slice(queries.row(row).unwrap_or_default());
                owns.push(None);
            }
        }
        None => {
            let zones = parts.postings.zones();
            let step = rows.div_ceil(SAMPLE).max(1);
            let mut at = 0;
            for zone in 0..zones as u32 {
                for (row, &id) in parts.postings.ids(zone).iter().enumerate() {
                    if at % step == 0 {
                        sample.extend_from_slice(parts.postings.vector(zone, row));
                        owns.push(Some(id));
                    }
                    at += 1;
                }
            }
        }
    }
    let mut table = Vec::new();
    if owns.is_empty() || rows == 0 {
        return Ok(table);
    }
    let sample = Rows::new(&sample, parts.space.intake.dim)?;
    let zones = parts.postings.zones();
    for k in KS {
        if k >= rows {
            break;
        }
        let places = k + 1;
        let mut truth = vec![crate::NO_NEIGHBOR; sample.len() * places];
        let all = SearchParams::new(places, zones).rerank(400.max(8 * k));
        batch(parts, &BatchSearcher::new(), sample, &all, &mut truth)?;
        let mut rungs: Vec<[f32; WIDTH]> = Vec::new();
        for reach in REACHES {
            for nprobe in ladder(zones) {
                let params = SearchParams::new(places, nprobe).reach(reach);
                let counts = blocks(sample.len(), 16, |range| {
                    counted(parts, sample, range, &params, (&truth, &owns), k)
                })?;
                let sum = |of: fn(&(usize, usize, u64)) -> u64| counts.iter().map(of).sum::<u64>();
                let (hit, of) = (sum(|c| c.0 as u64), sum(|c| c.1 as u64));
                let recall = if of == 0 { 1.0 } else { (hit as f64 / of as f64) as f32 };
                let scanned = (sum(|c| c.2) as f64 / sample.len() as f64) as f32;
                // A rung that scans no more than the one before it has come to the end of its reach.
                let spent = rungs.last().is_some_and(|last| last[2] == reach && last[4] >= scanned);
                rungs.push([k as f32, nprobe as f32, reach, recall, scanned]);
                if recall >= ENOUGH || spent {
                    break;
                }
            }
        }
        rungs.sort_by(|a, b| a[4].total_cmp(&b[4]).then(b[3].total_cmp(&a[3])));
        // What costs more and finds no more is never picked.
        let mut best = -1.0;
        rungs.retain(|rung| {
            let better = rung[3] > best;
            best = rung[3].max(best);
            better
        });
        table.extend(rungs.concat());
    }
    Ok(table)
}

/// Neighbours found, neighbours there are, and codes scanned, for some queries of the sample.
fn counted<T: Element, P: Postings<T>>(
    parts: &Parts<'_, P>,
    sample: Rows<'_, T>,
    range: std::ops::Range<usize>,
    params: &SearchParams,
    (truth, owns): (&[Neighbor], &[Option<u32>]),
    k: usize,
) -> Result<(usize, usize, u64), Error> {
    let mut searcher = Searcher::new()?;
    let (mut hit, mut of) = (0, 0);
    for query in range {
        let vector = sample.row(query).unwrap_or_default();
        let found = crate::search::knn(parts, &mut searcher, vector, params)?;
        let truth = truth.get(query * params.k..(query + 1) * params.k).unwrap_or_default();
        let counts = hits(truth, found, owns.get(query).copied().flatten(), k);
        (hit, of) = (hit + counts.0, of + counts.1);
    }
    Ok((hit, of, searcher.work().0))
}
