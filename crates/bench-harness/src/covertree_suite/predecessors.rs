//! All points' Euclidean predecessors, and the orders they are searched in.

use covertree::ordering::{self, OrderedOptions, ordered_neighbors};
use simd_kernels::Rows;

use super::clock::Clock;
use super::contest::{Contender, Found, contest, recall_of, time_once};
use super::points::{Points, true_predecessors};
use super::{CovertreeSettings, record};
use crate::progress::Progress;
use crate::protocol::Threads;
use crate::record::Record;

/// Points whose predecessors are judged.
const JUDGED: usize = 100;

pub(super) fn measure(
    settings: &CovertreeSettings,
    points: &Points,
    m: usize,
    threads: &Threads,
    progress: &dyn Progress,
) -> Result<Vec<Record>, String> {
    let (n, dim) = (points.len(), points.dim);
    let coords = points.shuffled()?;
    let every = n.div_ceil(JUDGED);
    let truth = threads.pool().install(|| true_predecessors(&coords, dim, m, every));
    let judge = |found: &Found| {
        let rows = found.ids.chunks(found.per_query.max(1)).step_by(every);
        let judged = Found { ids: rows.flatten().copied().collect(), ..*found };
        // Ties go to the lower number: nothing but the very set is right.
        recall_of(&judged, |query| truth[query].as_slice(), |_, _| false)
    };
    let of = |index: &str, k: usize| Record {
        index: index.to_owned(),
        ..record(&points.name, "euclidean", (n, dim), k, n)
    };
    let rows = Rows::new(&coords, dim).map_err(|error| error.to_string())?;
    let contenders = vec![Contender {
        record: of("ordered-neighbors", m),
        batch: Box::new(move |found| {
            let options = OrderedOptions::default();
            let neighbors = ordered_neighbors(rows, m, options).map_err(|error| error.to_string())?;
            found.per_query = neighbors.width();
            found.ids.clear();
            found.ids.extend_from_slice(neighbors.ids());
            Ok(())
        }),
    }];
    let mut records = contest(threads, settings.rounds, contenders, &judge, progress)?;
    for (name, order) in ORDERS {
        let mut record = of(name, 1);
        threads.pool().install(|| -> Result<(), String> {
            let mut pace = threads.reference().pace();
            for _ in 0..settings.rounds {
                pace = time_once(threads, &mut record, pace, || match order(rows) {
                    Ok(places) if places == n => Ok(()),
                    Ok(places) => Err(format!("{name} has {places} places for {n} points")),
                    Err(error) => Err(error.to_string()),
                })?;
            }
            Ok(())
        })?;
        (record.runs, record.threads, record.clock) =
            (settings.rounds, threads.count(), Clock::name(threads));
        record.qps = record.qps_runs.iter().copied().fold(0.0, f64::max);
        records.push(record);
    }
    Ok(records)
}

type Order = fn(Rows<'_, f64>) -> Result<usize, ordering::OrderingError>;

/// The orders that look at the points.
const ORDERS: [(&str, Order); 4] = [
    ("order coordinate", |rows| Ok(ordering::coordinate(rows, 0)?.len())),
    ("order hilbert", |rows| Ok(ordering::hilbert(rows)?.len())),
    ("order maximin", |rows| Ok(ordering::maximin(rows, None)?.order.len())),
    ("order nested", |rows| Ok(ordering::nested(rows)?.order.len())),
];
