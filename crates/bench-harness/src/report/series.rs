//! What is drawn together: records of indexes grouped by data set and mode, and how each is named and coloured.

use crate::peers::standing::{curve_name, same_curve};
use crate::record::Record;
use crate::run::Run;

use super::svg::Mark;

/// Records of one data set in one mode.
#[derive(Debug)]
pub(super) struct Group<'a> {
    pub(super) dataset: &'a str,
    pub(super) mode: &'a str,
    pub(super) records: Vec<&'a Record>,
}

/// Records of indexes by data set and mode, in the order of measurement.
pub(super) fn groups(run: &Run) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for record in run.records.iter().filter(|record| record.suite != "kernels" && !record.is_making()) {
        match groups.iter_mut().find(|g| g.dataset == record.dataset && g.mode == record.mode) {
            Some(group) => group.records.push(record),
            None => {
                groups.push(Group { dataset: &record.dataset, mode: &record.mode, records: vec![record] })
            }
        }
    }
    // Both modes of a set side by side; first what offers a choice between speed and recall.
    let first = |name: &str| run.records.iter().position(|record| record.dataset == name);
    let is_plain = |group: &Group<'_>| group.records.iter().all(|record| record.suite == "covertree");
    groups.sort_by_key(|group| (is_plain(group), first(group.dataset), group.mode != "single"));
    groups
}

/// Recall that a curve is represented at where one figure must do.
pub(super) const COMMON_RECALL: f64 = 0.95;

impl<'a> Group<'a> {
    /// The records by curve: those of one index, which differ in search parameters only.
    pub(super) fn curves(&self) -> Vec<Vec<&'a Record>> {
        let mut curves: Vec<Vec<&Record>> = Vec::new();
        for &record in &self.records {
            match curves.iter_mut().find(|curve| curve.first().is_some_and(|first| same_curve(first, record)))
            {
                Some(curve) => curve.push(record),
                None => curves.push(vec![record]),
            }
        }
        curves
    }

    /// Whether any index of it offers a choice between speed and recall.
    pub(super) fn has_curves(&self) -> bool {
        self.curves().iter().any(|curve| curve.len() > 1)
    }

    /// The group with one record a curve: the fastest that reaches [`COMMON_RECALL`], or else the one that finds
    /// most.
    pub(super) fn representatives(&self) -> Group<'a> {
        let recall = |record: &Record| judged(record).unwrap_or(1.0);
        let one = |curve: Vec<&'a Record>| {
            let good = curve.iter().filter(|record| recall(record) >= COMMON_RECALL);
            let fastest = good.max_by(|a, b| a.qps.total_cmp(&b.qps));
            fastest.or_else(|| curve.iter().max_by(|a, b| recall(a).total_cmp(&recall(b)))).copied()
        };
        let records = self.curves().into_iter().filter_map(one).collect();
        Group { dataset: self.dataset, mode: self.mode, records }
    }

    /// What to say where each curve has one mark only, or nothing where no curve has more.
    pub(super) fn note(&self) -> &'static str {
        match self.has_curves() {
            true => " Of every index the fastest setting with recall 0.95 or more.",
            false => "",
        }
    }
}

/// What tells a record from the others of its group: index and element type; parameters apart.
pub(super) fn name(record: &Record) -> String {
    format!("{} {}", record.index, record.dtype)
}

/// As [`name`], with the parameters where there are any; of peers, whose build is the same all over the page, only
/// those of the search.
pub(super) fn full_name(record: &Record) -> String {
    let search = record.params.strip_prefix(record.build.as_str()).unwrap_or(&record.params).trim_start();
    match if record.peer.is_some() { search } else { &record.params } {
        "-" | "" => name(record),
        params => format!("{} {params}", name(record)),
    }
}

/// The name of a curve in a plot, where room is short: of a peer its name alone, of ours what tells it from our others.
pub(super) fn label(record: &Record, curves: &[Vec<&Record>]) -> String {
    if record.peer.is_some() {
        return record.index.trim_start_matches("peer:").replace("-fastscan", "-fs");
    }
    let namesakes =
        curves.iter().filter(|curve| curve.first().is_some_and(|first| name(first) == name(record)));
    if namesakes.count() > 1 { curve_name(record) } else { name(record) }
}

/// Recall as it is judged everywhere: ties forgiven, where that was measured.
pub(super) fn judged(record: &Record) -> Option<f64> {
    record.recall_tie.or(record.recall_id)
}

/// The colour of an index, of the exact scan's element type or of a peer, as a class of the page. The same one has the
/// same colour on every page.
pub(super) fn colour(record: &Record) -> &'static str {
    if record.peer.is_some() {
        return match record.index.trim_start_matches("peer:").split(':').next().unwrap_or_default() {
            "glass" => "peer0",
            "hnswlib" => "peer1",
            "faiss-hnsw" => "peer2",
            "usearch-f32" => "peer3",
            "usearch-i8" => "peer4",
            "scann" => "peer5",
            "faiss-ivfpq-fastscan" => "peer6",
            "faiss-ivf-rabitq-fastscan" => "peer7",
            _ => "other",
        };
    }
    match (record.suite.as_str(), record.dtype.as_str()) {
        ("hnsw", _) => return "hnsw",
        ("zonal-pq", _) => return "zonal",
        _ => {}
    }
    match record.dtype.as_str() {
        "f32" => "f32",
        "f64" => "f64",
        "f16" => "f16",
        "bf16" => "bf16",
        "u8" => "u8",
        "i8" => "i8",
        "bits" => "bits",
        _ => "other",
    }
}

/// The shape of an index: told apart from others without colour.
pub(super) fn mark(record: &Record, all: &[&Record]) -> Mark {
    let mut kinds: Vec<(&str, Option<&str>)> = Vec::new();
    for other in all {
        let kind = (other.index.as_str(), other.peer.as_deref());
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    let own = (record.index.as_str(), record.peer.as_deref());
    Mark::nth(kinds.iter().position(|kind| *kind == own).unwrap_or(0))
}

/// The words for a mode.
pub(super) fn mode_words(mode: &str) -> &'static str {
    if mode == "batch" { "all queries in one call" } else { "one query at a time" }
}
