//! Records: one measurement a line, as JSON, so that a run can be kept, compared and drawn again.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The case of building an index, whose speed is that of its rows.
pub const BUILDING: &str = "building";
/// The case of giving an index new parameters.
pub const UPDATING: &str = "updating";

/// One measurement with everything that is needed to repeat or doubt it.
///
/// A field that does not apply is `null`. Fields may be added; readers ignore what they do not know.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// `kernels`, `exact`, ...
    pub suite: String,
    /// Which case of its suite measured it, where that is not the usual one: `filters`, `churn`, ...
    pub case: Option<String>,
    /// Recall by ties minus that of a fresh build of the same rows at the same effort (case `churn`).
    pub recall_drift: Option<f64>,
    /// Time a query takes over that of a fresh, frozen build (case `churn`).
    pub time_over_fresh: Option<f64>,
    /// The index; for kernels the name that `cargo xtask dispatch-check` has for it, such as `l2_squared_f32_rows`.
    pub index: String,
    /// Build and search parameters; for kernels how much a call works on.
    pub params: String,
    /// Build parameters alone: records that differ in search parameters only are points of one curve.
    pub build: String,
    /// The data set's name.
    pub dataset: String,
    /// The metric, or for kernels the measure or function.
    pub metric: String,
    /// Element type that was searched.
    pub dtype: String,
    /// Base vectors; for kernels rows or values of a call.
    pub n: usize,
    /// Dimensions; bits of a bit string.
    pub dim: usize,
    /// Neighbours asked for; 0 for kernels.
    pub k: usize,
    /// Threads.
    pub threads: usize,
    /// `single` or `batch`; for kernels the form: `pair`, `rows`, `ids`, `tile`, `panel` or `values`.
    pub mode: String,
    /// The instruction-set tier that ran.
    pub tier: String,
    /// The library that ran, with its version, when it is not ours; its index is then called `peer:` and its name.
    pub peer: Option<String>,
    /// What of a peer was timed: `native loop`, `native batch` or `Python calls`.
    pub how: Option<String>,
    /// What speeds are counted by when that is not the time that passed: `cpu`.
    pub clock: Option<String>,
    /// Seconds to build.
    pub build_s: Option<f64>,
    /// Seconds that all threads of the build together had a core.
    pub build_cpu_s: Option<f64>,
    /// Seconds to take over new parameters, where the index can without being built again.
    pub update_s: Option<f64>,
    /// Bytes of the index, vectors included.
    pub index_bytes: Option<u64>,
    /// Growth of a peer's resident memory over its build.
    pub resident_bytes: Option<u64>,
    /// Share of the true neighbours' ids that were found.
    pub recall_id: Option<f64>,
    /// Share of answers no farther than the true k-th distance plus a small threshold.
    pub recall_eps: Option<f64>,
    /// Share of answers no farther than the true k-th distance, ties forgiven.
    pub recall_tie: Option<f64>,
    /// Queries per second of the best run; for kernels distances (of functions: values) per second.
    pub qps: f64,
    /// Median latency of the best run.
    pub p50_us: Option<f64>,
    /// Latency that 95 % of the queries keep.
    pub p95_us: Option<f64>,
    /// Latency that 99 % of the queries keep.
    pub p99_us: Option<f64>,
    /// Distances computed per query.
    pub distances_per_query: Option<f64>,
    /// Commit that was built, `-dirty` when the work tree had changes.
    pub commit: String,
    /// The CPU's name.
    pub cpu: String,
    /// UTC, RFC 3339.
    pub date: String,
    /// `rustc --version`.
    pub toolchain: String,
    /// Queries that were measured.
    pub queries: usize,
    /// Number of runs.
    pub runs: usize,
    /// Queries per second of every run.
    pub qps_runs: Vec<f64>,
    /// Pace of the machine around every run, by the same clock: how often a second a fixed piece of work was done that
    /// reads the first-level cache ([`crate::reference`]). A speed over it can be compared with one of another run.
    pub pace_near: Vec<f64>,
    /// The same of work that visits lines beyond the second-level cache.
    pub pace_far: Vec<f64>,
    /// Latencies at evenly spaced shares of the queries, 1/64 to 64/64, for the distribution plot.
    pub latency_us: Vec<f64>,
    /// Bytes of vectors that a second of it passes over.
    pub bytes_per_s: Option<f64>,
    /// What bounds it: `L1`, `L2`, `L3` or `memory`.
    pub bound: Option<String>,
    /// What that place can deliver, measured in the same process.
    pub bound_bytes_per_s: Option<f64>,
    /// `bytes_per_s / bound_bytes_per_s`.
    pub bound_share: Option<f64>,
    /// Speed over that of the baseline tier, interleaved in the same run (kernels).
    pub over_baseline_tier: Option<f64>,
}

/// Why records could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line that is no record.
    #[error("{} line {line}: not a record: {reason}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A file without records.
    #[error("{} holds no records", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

/// Reads a `results.jsonl`; blank lines are skipped.
///
/// # Errors
/// [`RecordError`], naming the file and line.
pub fn read_records(path: &Path) -> Result<Vec<Record>, RecordError> {
    let io = |source| RecordError::Io { path: path.to_owned(), source };
    let mut records = Vec::new();
    for (index, line) in BufReader::new(fs::File::open(path).map_err(io)?).lines().enumerate() {
        let line = line.map_err(io)?;
        if line.trim().is_empty() {
            continue;
        }
        let refuse = |reason: String| RecordError::Line { path: path.to_owned(), line: index + 1, reason };
        let record: Record = serde_json::from_str(&line).map_err(|error| refuse(error.to_string()))?;
        if record.suite.is_empty() || !(record.qps.is_finite() && record.qps > 0.0) {
            return Err(refuse("`suite` and a positive `qps` are needed".to_owned()));
        }
        records.push(record);
    }
    if records.is_empty() { Err(RecordError::Empty { path: path.to_owned() }) } else { Ok(records) }
}

/// Writes records to `path`, one a line, replacing what was there only when all of it was written.
///
/// # Errors
/// [`RecordError::Io`]; the earlier file is then still there.
pub fn write_records(path: &Path, records: &[Record]) -> Result<(), RecordError> {
    let io = |source| RecordError::Io { path: path.to_owned(), source };
    let unfinished = path.with_extension("jsonl.part");
    let mut text = Vec::new();
    for record in records {
        serde_json::to_writer(&mut text, record).map_err(|error| io(error.into()))?;
        text.push(b'\n');
    }
    let mut file = fs::File::create(&unfinished).map_err(io)?;
    file.write_all(&text).and_then(|()| file.sync_all()).map_err(io)?;
    fs::rename(&unfinished, path).map_err(io)
}

impl Record {
    /// The records of several passes over the same cases: what was measured again is added to what was measured
    /// before. The best run counts, of kernels the middle one; of recalls the lowest.
    pub(crate) fn pooled(mut earlier: Vec<Self>, later: Vec<Self>) -> Vec<Self> {
        for record in later {
            match earlier.iter_mut().find(|kept| kept.measures_the_same(&record)) {
                Some(kept) => kept.take_in(record),
                None => earlier.push(record),
            }
        }
        earlier
    }

    fn measures_the_same(&self, other: &Self) -> bool {
        fn names(r: &Record) -> [&String; 9] {
            [&r.suite, &r.index, &r.params, &r.build, &r.dataset, &r.metric, &r.dtype, &r.mode, &r.tier]
        }
        let numbers = |r: &Self| [r.n, r.dim, r.k, r.threads, r.queries];
        let same = numbers(self) == numbers(other) && names(self) == names(other);
        same && (&self.case, &self.peer, &self.how) == (&other.case, &other.peer, &other.how)
    }

    fn take_in(&mut self, other: Self) {
        let least = |a: Option<f64>, b: Option<f64>| a.into_iter().chain(b).reduce(f64::min);
        let Self { mut qps_runs, mut pace_near, mut pace_far, .. } = other;
        self.runs += other.runs;
        self.qps_runs.append(&mut qps_runs);
        self.pace_near.append(&mut pace_near);
        self.pace_far.append(&mut pace_far);
        self.build_s = least(self.build_s, other.build_s);
        self.recall_id = least(self.recall_id, other.recall_id);
        self.recall_eps = least(self.recall_eps, other.recall_eps);
        self.recall_tie = least(self.recall_tie, other.recall_tie);
        self.index_bytes = self.index_bytes.max(other.index_bytes);
        let before = self.qps;
        if self.suite == "kernels" {
            self.qps = crate::protocol::quartiles(&self.qps_runs).map_or(before, |[_, middle, _]| middle);
        } else if other.qps > before {
            self.qps = other.qps;
            (self.p50_us, self.p95_us, self.p99_us) = (other.p50_us, other.p95_us, other.p99_us);
            self.latency_us = other.latency_us;
        }
        // What is a share of the speed follows it.
        self.bytes_per_s = self.bytes_per_s.map(|rate| rate * self.qps / before);
        self.bound_share = self.bound_share.map(|share| share * self.qps / before);
    }

    /// This record of an index as one of making it: of `rows` rows a run, and nothing that searching tells.
    pub(crate) fn of_making(self, case: &str, rows: usize) -> Self {
        let made = Self { case: Some(case.to_owned()), queries: rows, k: 0, ..self };
        let made =
            Self { build_s: None, update_s: None, index_bytes: None, distances_per_query: None, ..made };
        Self { bytes_per_s: None, bound: None, bound_bytes_per_s: None, bound_share: None, ..made }
    }

    /// Whether it is about making an index, not about searching it.
    pub fn is_making(&self) -> bool {
        matches!(self.case.as_deref(), Some(BUILDING | UPDATING))
    }

    /// Latency points for [`Record::latency_us`] from sorted latencies.
    pub fn latency_points(sorted: &[f64]) -> Vec<f64> {
        (1..=64).filter_map(|step| crate::protocol::percentile(sorted, f64::from(step) / 64.0)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            suite: "exact".into(),
            index: "exact".into(),
            n: 1000,
            qps: 1234.5,
            qps_runs: vec![1000.25, 1234.5],
            recall_id: Some(1.0),
            ..Record::default()
        }
    }

    #[test]
    fn records_survive_a_round_trip() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.jsonl");
        let records = vec![record(), Record { peer: Some("faiss".into()), ..record() }];
        write_records(&path, &records).unwrap();
        assert_eq!(read_records(&path).unwrap(), records);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing unfinished is left");
    }

    #[test]
    fn every_promised_field_is_in_the_file() {
        let json: serde_json::Value = serde_json::to_value(record()).unwrap();
        let promised = "suite index params dataset metric dtype n dim k threads mode tier peer build_s \
            index_bytes recall_id recall_eps qps p50_us p95_us p99_us distances_per_query commit cpu date \
            toolchain runs qps_runs bytes_per_s bound_share build how resident_bytes recall_tie clock";
        for field in promised.split_whitespace() {
            assert!(json.get(field).is_some(), "{field}");
        }
    }

    #[test]
    fn an_older_file_with_other_fields_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("old.jsonl");
        fs::write(&path, "{\"suite\":\"exact\",\"qps\":2.0,\"colour\":\"red\"}\n\n").unwrap();
        assert_eq!(read_records(&path).unwrap()[0].qps, 2.0);
    }

    #[test]
    fn passes_are_pooled_run_by_run() {
        let of = |params: &str, qps: f64, recall: f64| Record {
            params: params.into(),
            qps,
            qps_runs: vec![qps / 2.0, qps],
            pace_near: vec![1.0, 2.0],
            recall_tie: Some(recall),
            runs: 2,
            bytes_per_s: Some(10.0 * qps),
            ..record()
        };
        let pooled = Record::pooled(vec![of("a", 10.0, 0.9)], vec![of("b", 1.0, 1.0), of("a", 20.0, 0.8)]);
        assert_eq!(pooled.len(), 2);
        assert_eq!(pooled[0].qps_runs, [5.0, 10.0, 10.0, 20.0]);
        assert_eq!(pooled[0].pace_near.len(), 4);
        let figures = (pooled[0].qps, pooled[0].runs, pooled[0].recall_tie, pooled[0].bytes_per_s);
        assert_eq!(figures, (20.0, 4, Some(0.8), Some(200.0)));
    }

    #[test]
    fn what_is_no_record_is_refused_by_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bad.jsonl");
        let good = serde_json::to_string(&record()).unwrap();
        for bad in ["{", "[]", "{\"suite\":\"exact\",\"qps\":null}", "{\"suite\":\"exact\",\"qps\":-1}", "{}"]
        {
            fs::write(&path, format!("{good}\n{bad}\n")).unwrap();
            let message = read_records(&path).unwrap_err().to_string();
            assert!(message.contains("bad.jsonl line 2"), "{bad}: {message}");
        }
        fs::write(&path, "\n").unwrap();
        assert!(matches!(read_records(&path), Err(RecordError::Empty { .. })));
        assert!(matches!(read_records(&folder.path().join("none")), Err(RecordError::Io { .. })));
    }
}
