//! What is drawn together: records of indexes grouped by data set and mode, and how each is named and coloured.

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
    for record in run.records.iter().filter(|record| record.suite != "kernels") {
        match groups.iter_mut().find(|g| g.dataset == record.dataset && g.mode == record.mode) {
            Some(group) => group.records.push(record),
            None => {
                groups.push(Group { dataset: &record.dataset, mode: &record.mode, records: vec![record] })
            }
        }
    }
    // Both modes of a set side by side.
    let first = |name: &str| run.records.iter().position(|record| record.dataset == name);
    groups.sort_by_key(|group| (first(group.dataset), group.mode != "single"));
    groups
}

/// What tells a record from the others of its group: index, peer and element type; parameters apart.
pub(super) fn name(record: &Record) -> String {
    match &record.peer {
        Some(peer) => format!("{peer} {} {}", record.index, record.dtype),
        None => format!("{} {}", record.index, record.dtype),
    }
}

/// As [`name`], with the parameters where there are any.
pub(super) fn full_name(record: &Record) -> String {
    match record.params.as_str() {
        "-" | "" => name(record),
        params => format!("{} {params}", name(record)),
    }
}

/// The colour of an element type, as a class of the page.
pub(super) fn colour(record: &Record) -> &'static str {
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
