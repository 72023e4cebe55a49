//! The bytes of an index depend on the vectors and the parameters alone: not on threads, not on the CPU.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::process::Command;

use crate::sets::{build, clustered, elements};
use hnsw::{BuildParams, Metric, Quality, Storage};
use simd_kernels::{Element, Tier, bf16, f16};
use xxhash_rust::xxh3::xxh3_64;

/// Set for the process that only builds.
const CHILD: &str = "HNSW_TEST_CHILD";
/// More than a leaf, so that there are several.
const ROWS: usize = 1_300;

fn hash<T: Element>(dim: usize, metric: Metric, params: BuildParams) -> String {
    let data: Vec<T> = elements(&clustered(ROWS, dim, dim as u64));
    let index = build(&data, dim, metric, &params);
    format!("{} {} {dim}: {:016x}", T::NAME, metric.name(), xxh3_64(&index.to_bytes().unwrap()))
}

/// One build of every way that vectors become integers, codes and rows.
fn hashes() -> Vec<String> {
    let new = || BuildParams::new().degree(16);
    vec![
        hash::<f32>(24, Metric::L2, new()),
        hash::<f32>(160, Metric::Cosine, new().storage(Storage::Lines(1)).quality(Quality::Fast)),
        hash::<i8>(20, Metric::InnerProduct, new().storage(Storage::Lines(2)).quality(Quality::Fast)),
        hash::<u8>(12, Metric::Hamming, new().quality(Quality::Fast)),
        hash::<f16>(30, Metric::InnerProduct, new().storage(Storage::Bytes).quality(Quality::Fast)),
        hash::<bf16>(40, Metric::L2, new().storage(Storage::Bits).quality(Quality::Fast)),
    ]
}

#[test]
fn what_a_child_process_builds() {
    if std::env::var_os(CHILD).is_some() {
        for hash in hashes() {
            println!("{hash}");
        }
    }
}

#[cfg(feature = "rayon")]
#[test]
fn the_number_of_threads_changes_nothing() {
    let with =
        |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(hashes);
    let one = with(1);
    for threads in [2, 3] {
        assert_eq!(one, with(threads), "{threads} threads");
    }
    assert_eq!(one.len(), 6);
}

#[test]
fn the_tier_changes_nothing() {
    let built_here = hashes();
    for tier in Tier::ALL.iter().filter(|tier| tier.is_available()) {
        if !matches!(tier.name(), "baseline" | "avx2" | "neon") {
            continue;
        }
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "builds_are_deterministic::what_a_child_process_builds", "--nocapture"])
            .env(CHILD, "1")
            .env("NIGH_SIMD", tier.name())
            .output()
            .unwrap();
        let output = String::from_utf8(child.stdout).unwrap();
        for hash in &built_here {
            assert!(output.contains(hash), "on {}: no `{hash}` in\n{output}", tier.name());
        }
    }
}
