//! An index that was saved and opened, however it is opened, answers as it did, and saves as the same bytes; those
//! bytes depend on vectors and parameters alone.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::sets::{answers, build, clustered, elements};
use layouts::AlignedVec;
use layouts::container::{Checks, OpenOptions, Problem, Residence, Writer, checksum};
use simd_kernels::{Element, Tier, bf16, f16};
use zonal_pq::quantiser::SymbolBits;
use zonal_pq::{BuildParams, Error, Metric, Refine, ScanCode, SearchParams, Searcher, ZonalPq, describe};

const DIM: usize = 26;
const METRICS: [Metric; 3] = [Metric::L2, Metric::InnerProduct, Metric::Cosine];

fn index<T: Element>(metric: Metric, params: &BuildParams) -> (ZonalPq<T>, Vec<T>) {
    let mut data: Vec<T> = elements(&clustered(600, DIM, 1));
    // Some rows are equal.
    data.copy_within(0..20 * DIM, 50 * DIM);
    (build(&data, DIM, metric, params), data)
}

fn round_trip<T: Element>(metric: Metric, params: &BuildParams, folder: &Path) {
    let what = format!("{} {metric:?} {params:?}", T::NAME);
    let (built, data) = index::<T>(metric, params);
    let path = folder.join("index.nigh");
    built.save(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    assert_eq!(bytes, &built.to_bytes().unwrap()[..], "{what}");
    let truth = answers(&built, &data, DIM);
    let opened = [
        ZonalPq::<T>::open(&path).unwrap(),
        ZonalPq::open_with(&path, OpenOptions::new().checks(Checks::OnFirstUse)).unwrap(),
        ZonalPq::open_with(&path, OpenOptions::new().residence(Residence::Memory)).unwrap(),
        ZonalPq::from_bytes(AlignedVec::from_slice(&bytes).unwrap()).unwrap(),
    ];
    for opened in opened {
        assert_eq!(answers(&opened, &data, DIM), truth, "{what}");
        assert_eq!(opened.to_bytes().unwrap()[..], bytes, "{what}");
        assert_eq!(opened.params(), params, "{what}");
        assert_eq!(
            (opened.len(), opened.dim(), opened.metric(), opened.zones(), opened.zone_sizes()),
            (600, DIM, metric, built.zones(), built.zone_sizes()),
            "{what}"
        );
        opened.verify().unwrap();
        // In place of the file that it lies in.
        opened.save(&path).unwrap();
        assert_eq!(answers(&opened, &data, DIM), truth, "{what}");
    }
    assert_eq!(fs::read(&path).unwrap(), bytes, "{what}");
    let found = describe(&path).unwrap();
    assert_eq!((found.element, found.metric, found.dim, found.len), (T::NAME, metric, DIM, 600), "{what}");
    assert_eq!((found.zones, found.by_zone, found.params), (built.zones(), false, params.clone()), "{what}");
    assert_eq!(found.file_bytes, bytes.len() as u64, "{what}");
}

#[test]
fn of_every_element_type_and_metric() {
    let folder = tempfile::tempdir().unwrap();
    let plain = BuildParams::new().zones(12).refine(Refine::Bytes);
    for metric in METRICS {
        round_trip::<f32>(metric, &plain, folder.path());
        round_trip::<f16>(metric, &plain, folder.path());
        round_trip::<bf16>(metric, &plain, folder.path());
        round_trip::<u8>(metric, &plain, folder.path());
        round_trip::<i8>(metric, &plain, folder.path());
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "temporary files are left");
}

#[test]
fn of_every_kind_of_content() {
    let folder = tempfile::tempdir().unwrap();
    let plain = BuildParams::new().zones(12).refine(Refine::Bytes);
    for metric in METRICS {
        round_trip::<f32>(metric, &plain.clone().second(0.4), folder.path());
        round_trip::<u8>(metric, &plain.clone().second(1.0).refine(Refine::Bytes), folder.path());
        round_trip::<f32>(
            metric,
            &plain.clone().refine(Refine::Vectors).code(ScanCode::Components { dims: 8 }),
            folder.path(),
        );
    }
    round_trip::<f32>(Metric::L2, &plain.clone().zones(80).experiment("graph_from", 40.0), folder.path());
    round_trip::<u8>(Metric::L2, &BuildParams::new().zones(1).experiment("iterations", 0.0), folder.path());
    round_trip::<i8>(Metric::Cosine, &BuildParams::new(), folder.path());
}

#[test]
fn of_every_kind_of_codes() {
    let folder = tempfile::tempdir().unwrap();
    let plain = BuildParams::new().zones(7);
    let mut codes = vec![ScanCode::Lvq { bits: 4 }, ScanCode::Lvq { bits: 8 }];
    codes.extend([1, 3, 4, 7].map(|bits| ScanCode::Rabitq { bits }));
    let symbols = [SymbolBits::Four, SymbolBits::Six, SymbolBits::Eight];
    codes.extend(symbols.map(|bits| ScanCode::Product { subspaces: 5, bits }));
    for (code, metric) in codes.into_iter().zip(METRICS.into_iter().cycle()) {
        round_trip::<f32>(metric, &plain.clone().code(code).second(0.2), folder.path());
    }
}

#[test]
fn a_calibration_survives() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.nigh");
    let (mut built, data) = index::<f32>(Metric::L2, &BuildParams::new().zones(20));
    built.calibrate(None).unwrap();
    built.save(&path).unwrap();
    let opened = ZonalPq::<f32>::open(&path).unwrap();
    assert_eq!(opened.calibration(), built.calibration());
    let params = SearchParams::recall(5, 0.9);
    let (mut one, mut other) = (Searcher::new().unwrap(), Searcher::new().unwrap());
    for query in data.chunks_exact(DIM).step_by(31) {
        assert_eq!(
            opened.search(&mut one, query, &params).unwrap(),
            built.search(&mut other, query, &params).unwrap()
        );
    }
}

#[test]
fn an_element_type_that_differs_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.nigh");
    index::<u8>(Metric::L2, &BuildParams::new()).0.save(&path).unwrap();
    let error = ZonalPq::<f32>::open(&path).unwrap_err();
    assert!(matches!(&error, Error::Element { expected: "f32", found } if found == "u8"), "{error}");
    // Of the same size, too.
    let error = ZonalPq::<i8>::open(&path).unwrap_err();
    assert!(matches!(&error, Error::Element { expected: "i8", found } if found == "u8"), "{error}");
    assert_eq!(describe(&path).unwrap().element, "u8");
}

#[test]
fn what_is_no_index_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.nigh");
    let problem = |path: &Path| match (ZonalPq::<f32>::open(path).unwrap_err(), describe(path).unwrap_err()) {
        (Error::Container(opened), Error::Container(described)) => {
            assert_eq!(opened.path(), path);
            assert_eq!(opened.to_string(), described.to_string());
            opened.into_problem()
        }
        (error, _) => panic!("{error}"),
    };
    assert!(matches!(problem(&path), Problem::Io { .. }));
    assert!(matches!(problem(folder.path()), Problem::NotAFile));
    for text in ["", "text", &"text".repeat(1000)] {
        fs::write(&path, text).unwrap();
        let found = problem(&path);
        let expected = if text.is_empty() {
            matches!(found, Problem::Truncated { .. })
        } else {
            matches!(found, Problem::ForeignMagic)
        };
        assert!(expected, "{found}");
    }
    Writer::new("other", 1).save(&path).unwrap();
    assert!(matches!(problem(&path), Problem::WrongKind { .. }));
    Writer::new("zonal-pq", 1).save(&path).unwrap();
    assert!(matches!(problem(&path), Problem::MissingSection { section } if section == "params"));
    Writer::new("zonal-pq", 9).save(&path).unwrap();
    let error = ZonalPq::<f32>::open(&path).unwrap_err();
    assert!(
        matches!(&error, Error::Container(error) if matches!(error.problem(), Problem::WrongLayout { found: 9, .. })),
        "{error}"
    );
    assert!(describe(&path).is_err());
}

/// Set for the process that only builds.
const CHILD: &str = "ZONAL_TEST_CHILD";

/// Of each kind of content, for both kinds of file.
fn hashes() -> Vec<String> {
    fn hash<T: Element>(metric: Metric, params: &BuildParams) -> String {
        let (index, _) = index::<T>(metric, params);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("by_zone.nigh");
        index.save_by_zone(&path).unwrap();
        let (mapped, by_zone) = (checksum(&index.to_bytes().unwrap()), checksum(&fs::read(&path).unwrap()));
        format!("{} {metric:?}: {mapped:016x} {by_zone:016x}", T::NAME)
    }
    let plain = BuildParams::new().zones(20);
    vec![
        hash::<f32>(Metric::L2, &plain.clone().second(0.3)),
        hash::<f16>(Metric::InnerProduct, &plain),
        hash::<bf16>(Metric::Cosine, &plain.clone().second(0.1)),
        hash::<u8>(Metric::L2, &plain.clone().zones(90).experiment("graph_from", 60.0)),
        hash::<i8>(Metric::Cosine, &plain.clone().refine(Refine::Vectors)),
        hash::<f32>(Metric::Cosine, &plain.clone().code(ScanCode::Rabitq { bits: 2 })),
        hash::<f32>(Metric::L2, &plain.code(ScanCode::Product { subspaces: 4, bits: SymbolBits::Four })),
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
    assert_eq!(one, with(2));
    assert_eq!(one.len(), 7);
}

#[test]
fn the_tier_changes_nothing() {
    let built_here = hashes();
    for tier in Tier::ALL.iter().filter(|tier| tier.is_available()) {
        if !matches!(tier.name(), "baseline" | "avx2" | "neon") {
            continue;
        }
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "files_survive_a_round_trip::what_a_child_process_builds", "--nocapture"])
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
