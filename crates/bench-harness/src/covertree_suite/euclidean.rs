//! Euclidean nearest neighbours of points that are no members.

use super::contest::{Contender, Found, contest, recall_of};
use super::points::Points;
use super::{CovertreeSettings, record};
use crate::progress::Progress;
use crate::protocol::Threads;
use crate::record::Record;

pub(super) fn measure(
    settings: &CovertreeSettings,
    points: &Points,
    threads: &Threads,
    progress: &dyn Progress,
) -> Result<Vec<Record>, String> {
    let judge = |found: &Found| {
        recall_of(found, |query| points.truth_of(query), |query, id| points.is_near(query, id))
    };
    let of = |index: &str| Record {
        index: index.to_owned(),
        ..record(&points.name, "euclidean", (points.len(), points.dim), points.k, points.query_count())
    };
    let _ = of;
    let contenders: Vec<Contender<'_>> = Vec::new();
    contest(threads, settings.rounds, contenders, &judge, progress)
}
