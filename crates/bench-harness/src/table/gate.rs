//! The gate in words: every loss by name, what was won, and how much was compared.

use comfy_table::Cell;

use super::plain;
use crate::gate::{Difference, Judgement, Quantity};
use crate::number::short;

/// Gains that are named; the others are counted.
const GAINS: usize = 5;

/// A table of the losses and some of the gains, and a line that sums up.
pub fn gate(judgement: &Judgement) -> String {
    let mut text = String::new();
    if !judgement.losses.is_empty() {
        text.push_str(&rows("LOST", &judgement.losses));
    }
    if let Some(some) =
        judgement.gains.get(..judgement.gains.len().min(GAINS)).filter(|some| !some.is_empty())
    {
        text.push_str(&rows("won", some));
    }
    let (losses, gains) = (judgement.losses.len(), judgement.gains.len());
    let speeds = judgement.losses.iter().filter(|loss| loss.quantity == Quantity::Speed).count();
    let same = judgement.compared.saturating_sub(speeds + gains);
    text.push_str(&format!(
        "gate: {losses} losses, {gains} speeds won, {same} without a change ({} of them seemed lost and were not when \
         measured again), {} new\n",
        judgement.cleared, judgement.new
    ));
    for notice in &judgement.notices {
        text.push_str(&format!("gate: {notice}\n"));
    }
    text
}

fn rows(title: &str, differences: &[Difference]) -> String {
    let mut table = plain(&[title, "case", "then", "now", "now/then", ""], 2);
    for found in differences {
        let (then, now) = match found.quantity {
            Quantity::Speed => (interval(found.then), interval(found.now)),
            Quantity::Recall => (format!("{:.4}", found.then[1]), format!("{:.4}", found.now[1])),
            Quantity::Memory => (mib(found.then[1]), mib(found.now[1])),
            Quantity::Missing => ("measured".to_owned(), "not measured".to_owned()),
        };
        let ratio = match found.quantity {
            Quantity::Missing => String::new(),
            _ => format!("{:.3}", found.ratio()),
        };
        let remark = found.remark.clone().unwrap_or_default();
        let quantity = found.quantity.name().to_owned();
        table.add_row([quantity, found.case.clone(), then, now, ratio, remark].map(Cell::new));
    }
    format!("{table}\n")
}

/// The median of a speed over the pace, with the middle half.
fn interval([low, middle, high]: [f64; 3]) -> String {
    format!("{} ({} to {})", short(middle), short(low), short(high))
}

fn mib(bytes: f64) -> String {
    format!("{:.2} MiB", bytes / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::{Rules, judge};
    use crate::record::Record;

    #[test]
    fn every_loss_is_named_with_both_figures() {
        let of = |params: &str, speed: f64, recall: f64, bytes: u64| Record {
            suite: "hnsw".into(),
            index: "hnsw".into(),
            dataset: "set".into(),
            dtype: "f32".into(),
            params: params.into(),
            mode: "single".into(),
            qps: speed,
            qps_runs: vec![speed; 3],
            pace_near: vec![1.0; 3],
            recall_tie: Some(recall),
            queries: 1000,
            k: 10,
            index_bytes: Some(bytes),
            ..Record::default()
        };
        let then =
            [of("ef=10", 100.0, 0.9, 1 << 20), of("ef=20", 50.0, 0.95, 1 << 20), of("ef=30", 9.0, 1.0, 9)];
        let now = [of("ef=10", 40.0, 0.9, 2 << 20), of("ef=20", 90.0, 0.5, 1 << 20)];
        let text = gate(&judge(&then, &now, &Rules::default()));
        for part in [
            "hnsw f32 set single ef=10",
            "0.400",
            "0.9500",
            "0.5000",
            "2.00 MiB",
            "ef=30",
            "not measured",
            "won",
            "gate: 4 losses, 1 speeds won, 0 without",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
    }
}
