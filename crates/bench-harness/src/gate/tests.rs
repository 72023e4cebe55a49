//! The gate on made-up records: what it must see, and what it must not.

use super::*;

const TIER: &str = if cfg!(target_arch = "x86_64") { "avx2" } else { "neon" };

/// A record whose every run has the same pace beside it.
fn record(qps_runs: &[f64], pace: f64) -> Record {
    Record {
        suite: "hnsw".into(),
        index: "hnsw".into(),
        params: "ef=40".into(),
        dataset: "set".into(),
        dtype: "f32".into(),
        mode: "single".into(),
        tier: TIER.into(),
        cpu: "CPU".into(),
        n: 1000,
        k: 10,
        threads: 1,
        queries: 200,
        recall_tie: Some(0.95),
        index_bytes: Some(1_000_000),
        qps: qps_runs.iter().copied().fold(0.0, f64::max),
        qps_runs: qps_runs.to_vec(),
        pace_near: vec![pace; qps_runs.len()],
        pace_far: vec![pace; qps_runs.len()],
        ..Record::default()
    }
}

const STEADY: [f64; 5] = [98.0, 99.0, 100.0, 101.0, 102.0];

fn times(factor: f64) -> Record {
    record(&STEADY.map(|speed| speed * factor), 10.0)
}

fn changed(change: impl FnOnce(&mut Record)) -> Record {
    let mut record = times(1.0);
    change(&mut record);
    record
}

fn judged(then: Record, now: Record) -> Judgement {
    judge(&[then], &[now], &Rules::default())
}

fn lost(then: Record, now: Record) -> Vec<Quantity> {
    judged(then, now).losses.iter().map(|loss| loss.quantity).collect()
}

#[test]
fn a_real_loss_of_speed_shuts_the_gate_and_names_the_case() {
    let judgement = judged(times(1.0), times(0.5));
    assert_eq!(judgement.losses.len(), 1);
    let loss = &judgement.losses[0];
    assert_eq!((loss.quantity, loss.suite.as_str()), (Quantity::Speed, "hnsw"));
    assert!((loss.ratio() - 0.5).abs() < 1e-12);
    assert!(loss.case.contains("ef=40") && loss.case.contains("set"), "{}", loss.case);
    let error = judgement.verdict().unwrap_err();
    assert_eq!(error, GateError::Lost { speed: 1, recall: 0, memory: 0, missing: 0 });
}

#[test]
fn a_slower_machine_is_no_loss() {
    // Half as fast, and so is the fixed work beside it.
    let slow = record(&STEADY.map(|speed| speed / 2.0), 5.0);
    assert_eq!(lost(times(1.0), slow.clone()), []);
    // A bare speed that stays the same on a machine twice as fast is one.
    assert_eq!(lost(slow.clone(), record(&STEADY.map(|speed| speed / 2.0), 10.0)), [Quantity::Speed]);
    // A neighbour for a part of the run slows both.
    let mut disturbed = times(1.0);
    for at in 0..3 {
        disturbed.qps_runs[at] /= 3.0;
        disturbed.pace_near[at] /= 3.0;
        disturbed.pace_far[at] /= 3.0;
    }
    assert_eq!(lost(times(1.0), disturbed), []);
}

#[test]
fn a_machine_that_lost_its_pace_says_less() {
    let at = |speed: f64, pace: f64| record(&[speed; 5], pace);
    // A quarter of the pace gone, the ratio down to 0.75: within what a neighbour does. At a full pace it is a loss.
    assert_eq!(lost(at(100.0, 10.0), at(56.0, 7.5)), []);
    assert_eq!(lost(at(100.0, 10.0), at(75.0, 10.0)), [Quantity::Speed]);
    assert_eq!(lost(at(100.0, 10.0), at(30.0, 6.0)), [Quantity::Speed], "half is half on any machine");
    let strict = Rules { most_disturbed: 1.0, ..Rules::default() };
    assert_eq!(judge(&[at(100.0, 10.0)], &[at(56.0, 7.5)], &strict).losses.len(), 1, "nothing is forgiven");
    // Kernels are judged by their quietest rounds.
    let kernel = |runs: &[f64], paces: &[f64]| Record {
        suite: "kernels".into(),
        pace_near: paces.to_vec(),
        pace_far: Vec::new(),
        ..record(runs, 1.0)
    };
    let quiet = kernel(&[100.0; 9], &[10.0; 9]);
    let speeds = [60.0, 61.0, 60.0, 99.0, 100.0, 101.0, 60.0, 60.0, 62.0];
    let paces = [8.0, 8.0, 8.1, 9.9, 10.0, 10.0, 8.0, 8.0, 8.0];
    let busy = kernel(&speeds, &paces);
    assert_eq!(over_pace(&busy).len(), 3);
    assert_eq!(lost(quiet, busy), []);
}

#[test]
fn overlapping_intervals_and_small_differences_are_no_change() {
    let wide = record(&[50.0, 60.0, 70.0, 99.5, 104.0], 10.0);
    assert_eq!(lost(times(1.0), wide), [], "the upper quartile reaches the other's lower one");
    assert_eq!(lost(times(1.0), times(0.93)), [], "apart, but by less than a loss");
    assert_eq!(lost(times(1.0), times(0.88)), [Quantity::Speed]);
    let rules = Rules { least_loss: 0.2, ..Rules::default() };
    let lost_by = |factor| judge(&[times(1.0)], &[times(factor)], &rules).losses.len();
    assert_eq!([lost_by(0.83), lost_by(0.78)], [0, 1], "by other rules");
    let judgement = judged(times(1.0), times(1.5));
    assert_eq!((judgement.losses.len(), judgement.gains.len(), judgement.compared), (0, 1, 1));
    assert!(judgement.verdict().is_ok());
}

#[test]
fn kernels_are_judged_by_what_dispatch_takes_and_a_lower_tier_is_a_loss() {
    let kernel = |tier: &str, factor: f64| Record {
        suite: "kernels".into(),
        tier: tier.into(),
        recall_tie: None,
        pace_far: Vec::new(),
        ..times(factor)
    };
    let then = [kernel("baseline", 0.1), kernel(TIER, 1.0)];
    let rules = Rules::default();
    assert!(judge(&then, &then, &rules).losses.is_empty());
    let planted = judge(&then, &[kernel("baseline", 0.1)], &rules);
    assert_eq!((planted.losses.len(), planted.losses[0].quantity), (1, Quantity::Speed));
    assert_eq!(planted.losses[0].remark, Some(format!("tier baseline, was {TIER}")));
    let silent = judge(&then, &[kernel("baseline", 0.1), kernel(TIER, 0.1)], &rules);
    assert_eq!((silent.losses.len(), &silent.losses[0].remark), (1, &None), "the same name, slow code");
    // Of indexes too.
    let lower = changed(|r| (r.tier, r.qps_runs) = ("baseline".into(), vec![20.0; 5]));
    assert!(judged(times(1.0), lower).losses[0].remark.as_ref().unwrap().contains("baseline"));
}

#[test]
fn recall_may_fall_by_chance_alone() {
    let recall = |recall| changed(|r| r.recall_tie = Some(recall));
    // 2,000 answers at 0.95: a standard deviation of 0.0049.
    assert_eq!(lost(recall(0.95), recall(0.94)), []);
    assert_eq!(lost(recall(0.95), recall(0.93)), [Quantity::Recall]);
    assert_eq!(lost(recall(1.0), recall(0.9995)), [], "one answer");
    assert_eq!(lost(recall(1.0), recall(0.99)), [Quantity::Recall]);
    assert_eq!(lost(recall(0.95), recall(0.99)), []);
    let few = |recall| changed(|r| (r.recall_tie, r.queries) = (Some(recall), 10));
    assert_eq!(lost(few(0.95), few(0.93)), [], "ten queries say less");
}

#[test]
fn an_index_that_grew_is_named_once() {
    let bytes = |bytes, params: &str| changed(|r| (r.index_bytes, r.params) = (Some(bytes), params.into()));
    let then = [bytes(1_000_000, "ef=10"), bytes(1_000_000, "ef=20")];
    let now = [bytes(1_100_000, "ef=10"), bytes(1_100_000, "ef=20")];
    let judgement = judge(&then, &now, &Rules::default());
    assert_eq!(judgement.losses.len(), 1);
    assert_eq!(judgement.losses[0].quantity, Quantity::Memory);
    assert_eq!(lost(bytes(1_000_000, ""), bytes(1_010_000, "")), []);
}

#[test]
fn what_is_missing_is_named_and_what_is_new_is_counted() {
    let other = changed(|r| r.params = "ef=80".into());
    let judgement = judge(&[times(1.0), other.clone()], &[times(1.0)], &Rules::default());
    assert_eq!((judgement.losses.len(), judgement.losses[0].quantity), (1, Quantity::Missing));
    assert!(judgement.losses[0].case.contains("ef=80"));
    assert!(matches!(judgement.verdict(), Err(GateError::Lost { missing: 1, .. })));
    let judgement = judge(&[times(1.0)], &[times(1.0), other], &Rules::default());
    assert_eq!((judgement.losses.len(), judgement.new), (0, 1));
    let peer = changed(|r| r.peer = Some("faiss".into()));
    let nothing = judge(std::slice::from_ref(&peer), &[], &Rules::default());
    assert_eq!((nothing.losses.len(), nothing.verdict()), (0, Err(GateError::Nothing)), "a peer is not ours");
}

#[test]
fn another_cpu_is_said_and_only_its_speeds_are_let_be() {
    let elsewhere = changed(|r| {
        (r.cpu, r.recall_tie, r.index_bytes) = ("other".into(), Some(0.5), Some(2_000_000));
        r.qps_runs.iter_mut().for_each(|speed| *speed /= 9.0);
    });
    let judgement = judged(times(1.0), elsewhere.clone());
    let quantities: Vec<_> = judgement.losses.iter().map(|loss| loss.quantity).collect();
    assert_eq!(quantities, [Quantity::Recall, Quantity::Memory]);
    assert!(judgement.notices[0].contains("CPU") && judgement.notices[0].contains("other"));
    let rules = Rules { across_cpus: true, ..Rules::default() };
    assert_eq!(judge(&[times(1.0)], &[elsewhere], &rules).losses[0].quantity, Quantity::Speed);
    // Another clock and a file from before there were paces are said too.
    let by_cpu = changed(|r| r.clock = Some("cpu".into()));
    assert!(judged(times(1.0), by_cpu).notices[0].contains("clock"));
    let old = changed(|r| r.pace_near.clear());
    let judgement = judged(old, times(1.0));
    assert!(judgement.notices[0].contains("pace") && judgement.verdict().is_ok());
}

#[test]
fn a_suspect_that_is_not_lost_again_is_cleared() {
    let other = |factor: f64| Record { params: "ef=80".into(), ..times(factor) };
    let then = [times(1.0), other(1.0)];
    let rules = Rules::default();
    let mut judgement = judge(&then, &[times(0.5), other(0.5)], &rules);
    let suspects = judgement.suspects();
    assert_eq!(suspects.len(), 2);
    assert!(suspects.has(&times(1.0)) && !suspects.has(&changed(|r| r.mode = "batch".into())));
    judgement.confirm(&judge(&then, &[times(1.0), other(0.6)], &rules));
    assert_eq!((judgement.losses.len(), judgement.cleared), (1, 1));
    assert!(judgement.losses[0].case.contains("ef=80") && (judgement.losses[0].ratio() - 0.6).abs() < 1e-9);
    // A measurement beside the earlier program brings its own "then", and the better pair of figures is kept.
    judgement.confirm(&judge(&[other(0.9)], &[other(0.63)], &rules));
    let kept = &judgement.losses[0];
    assert!((kept.ratio() - 0.7).abs() < 1e-9 && (kept.then[1] - 9.0).abs() < 1e-9, "{kept:?}");
    // What was not compared again is not cleared.
    judgement.confirm(&judge(&then, &[times(1.0)], &rules));
    judgement.confirm(&judge(&[times(1.0)], &[times(1.0), other(1.0)], &rules));
    assert_eq!((judgement.losses.len(), judgement.cleared), (1, 1));
    // What is lost besides speed is not measured away.
    let mut judgement = judge(&then, &[times(1.0)], &rules);
    judgement.confirm(&Judgement::default());
    assert_eq!(judgement.losses.len(), 1);
}

#[test]
fn wanted_cases_are_found_by_index_set_and_suite() {
    let wanted = Wanted::of(&[times(1.0)]);
    assert!(wanted.has_index(&changed(|r| r.params = "another point".into())));
    assert!(!wanted.has_index(&changed(|r| r.dtype = "u8".into())));
    assert!(wanted.has_set("hnsw", "set") && !wanted.has_set("exact", "set"));
    assert!(wanted.has_suite("hnsw") && !wanted.has_suite("kernels") && !wanted.is_empty());
}

#[test]
fn a_judgement_survives_a_round_trip() {
    let judgement = judged(times(1.0), times(0.5));
    let text = serde_json::to_string(&judgement).unwrap();
    let back: Judgement = serde_json::from_str(&text).unwrap();
    assert_eq!((back.losses.len(), &back.losses[0].case), (1, &judgement.losses[0].case));
}
