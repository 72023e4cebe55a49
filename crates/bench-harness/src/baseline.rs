//! Comparing a run with an earlier one, record by record.
//!
//! A ratio is only called a change when the runs of both sides say so: the middle halves of their speeds (lower
//! to upper quartile) must not overlap. Everything else is "no change".

use std::collections::HashMap;

use crate::protocol::quartiles;
use crate::record::Record;

/// What a record is now, compared with the matching one of an earlier run.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Speed now over speed then.
    pub ratio: f64,
    /// Whether the runs of both lie apart.
    pub is_change: bool,
    /// What else differs: the tier or the CPU.
    pub differs: Option<String>,
}

/// An earlier run, ready to be compared with.
#[derive(Debug, Default)]
pub struct Baseline {
    records: HashMap<Key, Record>,
}

/// What must be equal for two records to measure the same thing. The tier is part of it for kernels, which are
/// measured on every tier; elsewhere it may be just what is being compared.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    names: [String; 8],
    numbers: [usize; 4],
    peer: Option<String>,
}

impl Key {
    fn of(record: &Record) -> Self {
        let tier = if record.suite == "kernels" { record.tier.clone() } else { String::new() };
        let names = [
            &record.suite,
            &record.index,
            &record.params,
            &record.dataset,
            &record.metric,
            &record.dtype,
            &record.mode,
            &tier,
        ];
        Self {
            names: names.map(Clone::clone),
            numbers: [record.n, record.dim, record.k, record.threads],
            peer: record.peer.clone(),
        }
    }
}

impl Baseline {
    /// An earlier run; of records that measure the same thing the last one counts.
    pub fn new(records: Vec<Record>) -> Self {
        Self { records: records.into_iter().map(|record| (Key::of(&record), record)).collect() }
    }

    /// The earlier record that measured the same thing.
    pub fn matching(&self, record: &Record) -> Option<&Record> {
        self.records.get(&Key::of(record))
    }

    /// The comparison with the earlier record, or `None` when there is none.
    pub fn compare(&self, record: &Record) -> Option<Comparison> {
        let then = self.matching(record)?;
        let spread = |record: &Record| match quartiles(&record.qps_runs) {
            Some([low, _, high]) => (low, high),
            None => (record.qps, record.qps),
        };
        let ((low, high), (low_then, high_then)) = (spread(record), spread(then));
        let differs = if then.cpu != record.cpu {
            Some(format!("on {}", then.cpu))
        } else if then.tier != record.tier {
            Some(format!("tier {}", then.tier))
        } else {
            None
        };
        let ratio = record.qps / then.qps;
        Some(Comparison { ratio, is_change: low > high_then || low_then > high, differs })
    }
}

impl std::fmt::Display for Comparison {
    /// `1.25x`, or `~1.01x` for what is within the spread of the runs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{:.2}x", if self.is_change { "" } else { "~" }, self.ratio)?;
        self.differs.as_ref().map_or(Ok(()), |differs| write!(f, " ({differs})"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(qps_runs: &[f64]) -> Record {
        Record {
            suite: "exact".into(),
            index: "exact".into(),
            dtype: "f32".into(),
            mode: "single".into(),
            tier: "avx2".into(),
            n: 10,
            k: 10,
            qps: qps_runs.iter().copied().fold(0.0, f64::max),
            qps_runs: qps_runs.to_vec(),
            ..Record::default()
        }
    }

    #[test]
    fn a_clear_difference_is_a_change_and_an_overlap_is_none() {
        let baseline = Baseline::new(vec![record(&[98.0, 99.0, 100.0, 101.0, 102.0])]);
        let faster = baseline.compare(&record(&[150.0, 151.0, 152.0, 153.0, 204.0])).unwrap();
        assert!(faster.is_change);
        assert_eq!(faster.to_string(), "2.00x");
        let same = baseline.compare(&record(&[80.0, 99.5, 100.0, 103.0, 104.0])).unwrap();
        assert!(!same.is_change);
        assert_eq!(same.to_string(), "~1.02x");
    }

    #[test]
    fn only_what_measures_the_same_thing_is_compared() {
        let baseline = Baseline::new(vec![record(&[100.0])]);
        let change = |change: &dyn Fn(&mut Record)| {
            let mut record = record(&[100.0]);
            change(&mut record);
            baseline.compare(&record)
        };
        assert!(change(&|r| r.dtype = "f16".into()).is_none());
        assert!(change(&|r| r.mode = "batch".into()).is_none());
        assert!(change(&|r| r.k = 100).is_none());
        assert!(change(&|r| r.threads = 2).is_none());
        assert!(change(&|r| r.peer = Some("faiss".into())).is_none());
        assert!(change(&|r| r.commit = "other".into()).is_some());
        assert_eq!(change(&|r| r.tier = "avx512".into()).unwrap().differs, Some("tier avx2".into()));
    }

    #[test]
    fn kernels_of_another_tier_are_another_thing() {
        let kernel = |tier: &str| Record { suite: "kernels".into(), tier: tier.into(), ..record(&[5.0]) };
        let baseline = Baseline::new(vec![kernel("avx2")]);
        assert!(baseline.compare(&kernel("avx2")).is_some());
        assert!(baseline.compare(&kernel("baseline")).is_none());
    }
}
