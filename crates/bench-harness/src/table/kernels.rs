//! Kernels as text: what a call does, one line a kernel, one column a tier.

use std::collections::HashMap;

use super::{dash, plain, share};
use crate::kernel_suite::{PANEL, VALUES, work_per_s};
use crate::number::short;
use crate::record::Record;
use crate::run::Run;

/// Kernels, one line a kernel and one column a tier: one query to many rows in nanoseconds a row, then panels in
/// multiply-adds and functions in values a second. L2² (Hamming for bits) has a line for each dimension, other
/// kernels one at a middle dimension. `None` when the suite was not run.
pub fn kernels(run: &Run) -> Option<String> {
    let tables = [
        one_to_many(run),
        work(run, PANEL, "many to many, multiply-adds/s"),
        work(run, VALUES, "functions, values/s"),
    ];
    let tables: Vec<String> = tables.into_iter().flatten().collect();
    (!tables.is_empty()).then(|| tables.join("\n\n"))
}

fn one_to_many(run: &Run) -> Option<String> {
    let of_rows: Vec<&Record> =
        run.records.iter().filter(|r| r.suite == "kernels" && r.mode == "rows").collect();
    let (dimensions, mut others) = of_rows
        .iter()
        .partition::<Vec<&Record>, _>(|r| ["l2_squared", "hamming"].contains(&r.metric.as_str()));
    others.retain(|r| ["cosine", "jaccard", "codes"].contains(&r.metric.as_str()));
    let shown: Vec<&Record> = dimensions.into_iter().chain(at_middle_dimension(&others)).collect();
    let tiers = tiers_of(&shown);
    let mut head = vec!["one to many", "dtype", "dim"];
    head.extend(&tiers);
    head.extend(["best GB/s", "of limit"]);
    (!shown.is_empty()).then(|| {
        let mut table = plain(&head, 2);
        for of_line in by_kernel(&shown) {
            let (Some(first), Some(best)) = (of_line.first(), best_of(&of_line)) else { continue };
            let mut row = vec![first.metric.clone(), first.dtype.clone(), first.dim.to_string()];
            row.extend(cells(&of_line, &tiers, |record| format!("{:.2} ns", 1e9 / record.qps)));
            row.push(best.bytes_per_s.map_or_else(dash, gigabytes));
            row.push(share(best));
            table.add_row(row);
        }
        table.to_string()
    })
}

/// Kernels of one form by what they do in a second, and the best of them by what it does in a clock cycle.
fn work(run: &Run, form: &str, title: &str) -> Option<String> {
    let of_form: Vec<&Record> =
        run.records.iter().filter(|r| r.suite == "kernels" && r.mode == form).collect();
    let shown = at_middle_dimension(&of_form);
    let tiers = tiers_of(&shown);
    let mut head = vec![title, "dtype", "dim", "call"];
    head.extend(&tiers);
    head.extend(["best/cycle", "best GB/s", "of limit"]);
    (!shown.is_empty()).then(|| {
        let mut table = plain(&head, 2);
        for of_line in by_kernel(&shown) {
            let (Some(first), Some(best)) = (of_line.first(), best_of(&of_line)) else { continue };
            let dim = if form == VALUES { dash() } else { first.dim.to_string() };
            let mut row = vec![first.metric.clone(), first.dtype.clone(), dim, first.params.clone()];
            row.extend(cells(&of_line, &tiers, |record| work_per_s(record).map_or_else(dash, short)));
            row.push(work_per_cycle(run, best).map_or_else(dash, short));
            row.push(best.bytes_per_s.map_or_else(dash, gigabytes));
            row.push(share(best));
            table.add_row(row);
        }
        table.to_string()
    })
}

/// Multiply-adds or values in a clock cycle, where the clock is known.
pub(crate) fn work_per_cycle(run: &Run, record: &Record) -> Option<f64> {
    Some(work_per_s(record)? / run.limits.clock?)
}

pub(crate) fn gigabytes(bytes_per_s: f64) -> String {
    format!("{:.1}", bytes_per_s / 1e9)
}

/// The tiers that occur, from the first.
pub(crate) fn tiers_of<'a>(records: &[&'a Record]) -> Vec<&'a str> {
    let mut tiers: Vec<&str> = Vec::new();
    for record in records {
        if !tiers.contains(&record.tier.as_str()) {
            tiers.push(&record.tier);
        }
    }
    tiers
}

/// The records of each kernel on each shape, which differ in the tier alone.
pub(crate) fn by_kernel<'a>(records: &[&'a Record]) -> Vec<Vec<&'a Record>> {
    let key = |record: &Record| (record.index.clone(), record.dim, record.params.clone());
    let mut places = HashMap::new();
    let mut lines: Vec<Vec<&Record>> = Vec::new();
    for record in records {
        let place = *places.entry(key(record)).or_insert(lines.len());
        match lines.get_mut(place) {
            Some(line) => line.push(record),
            None => lines.push(vec![record]),
        }
    }
    lines
}

/// Of each kernel the records at the middle one of the dimensions that it was measured at.
pub(crate) fn at_middle_dimension<'a>(records: &[&'a Record]) -> Vec<&'a Record> {
    let mut dimensions: HashMap<&str, Vec<usize>> = HashMap::new();
    for record in records {
        dimensions.entry(&record.index).or_default().push(record.dim);
    }
    for dimensions in dimensions.values_mut() {
        dimensions.sort_unstable();
        dimensions.dedup();
    }
    let middle = |record: &Record| {
        let dimensions = dimensions.get(record.index.as_str())?;
        dimensions.get(dimensions.len() / 2).copied()
    };
    records.iter().copied().filter(|record| middle(record) == Some(record.dim)).collect()
}

pub(crate) fn best_of<'a>(records: &[&'a Record]) -> Option<&'a Record> {
    records.iter().copied().max_by(|a, b| a.qps.total_cmp(&b.qps))
}

/// One cell a tier.
pub(crate) fn cells<'a>(
    records: &'a [&Record],
    tiers: &'a [&str],
    text: impl Fn(&Record) -> String + 'a,
) -> impl Iterator<Item = String> + 'a {
    tiers.iter().map(move |tier| {
        records.iter().find(|record| record.tier == *tier).map_or_else(String::new, |record| text(record))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::limits::Limits;

    fn kernel(metric: &str, mode: &str, tier: &str, qps: f64) -> Record {
        Record {
            suite: "kernels".into(),
            index: format!("{metric}_f32_{mode}"),
            metric: metric.into(),
            mode: mode.into(),
            dtype: "f32".into(),
            tier: tier.into(),
            dim: 96,
            qps,
            ..Record::default()
        }
    }

    #[test]
    fn kernels_have_a_column_for_each_tier() {
        let records =
            vec![kernel("l2_squared", "rows", "baseline", 1e8), kernel("l2_squared", "rows", "avx2", 4e8)];
        let text = kernels(&Run { records, ..Run::default() }).unwrap();
        assert!(text.contains("10.00 ns") && text.contains("2.50 ns") && text.contains("avx2"), "{text}");
        assert!(kernels(&Run::default()).is_none());
    }

    #[test]
    fn panels_count_multiply_adds_and_functions_values() {
        let records = vec![
            kernel("inner_product", PANEL, "avx2", 1e9),
            Record { dim: 1, ..kernel("exp", VALUES, "avx2", 3e9) },
        ];
        let limits = Limits { clock: Some(2e9), ..Limits::default() };
        let text = kernels(&Run { records, limits, ..Run::default() }).unwrap();
        let line = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
        assert!(line("inner_product").contains("96G") && line("inner_product").contains(" 48 "), "{text}");
        assert!(line("exp").contains("3G") && line("exp").contains("1.5"), "{text}");
        assert!(!text.contains("one to many"), "{text}");
    }

    #[test]
    fn kernels_other_than_the_first_stand_there_once() {
        let at = |dim| Record { dim, ..kernel("cosine", "rows", "avx2", 1e9) };
        let text = kernels(&Run { records: vec![at(25), at(96), at(960)], ..Run::default() }).unwrap();
        assert_eq!(text.matches("cosine").count(), 1, "{text}");
        assert!(text.contains(" 96 "), "{text}");
    }
}
