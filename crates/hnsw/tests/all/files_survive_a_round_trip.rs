//! An index that was saved and opened, however it is opened, answers as it did, and saves as the same bytes.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::fs;
use std::path::Path;

use crate::sets::{build, clustered, elements, search};
use hnsw::{BuildParams, Error, Hnsw, Metric, Neighbor, Quality, Storage, describe};
use layouts::AlignedVec;
use layouts::container::{Checks, OpenOptions, Problem, Residence, Writer};
use simd_kernels::{Element, bf16, f16};

const DIM: usize = 30;

fn index<T: Element>(metric: Metric, params: &BuildParams) -> (Hnsw<T>, Vec<T>) {
    let mut data: Vec<T> = elements(&clustered(300, DIM, 1));
    // Equal rows are one node of the graph.
    data.copy_within(0..20 * DIM, 50 * DIM);
    (build(&data, DIM, metric, params), data)
}

fn answers<T: Element>(index: &Hnsw<T>, data: &[T]) -> Vec<Vec<Neighbor>> {
    data.chunks_exact(DIM).step_by(31).map(|query| search(index, query, 7, 40)).collect()
}

fn round_trip<T: Element>(metric: Metric, params: &BuildParams, folder: &Path) {
    let what = format!("{} {metric:?} {params:?}", T::NAME);
    let (mut built, data) = index::<T>(metric, params);
    if metric == Metric::Cosine {
        built.calibrate(None).unwrap();
    }
    let path = folder.join("index.nigh");
    built.save(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    assert_eq!(bytes, &built.to_bytes().unwrap()[..], "{what}");
    let truth = answers(&built, &data);
    let opened = [
        Hnsw::<T>::open(&path).unwrap(),
        Hnsw::open_with(&path, OpenOptions::new().checks(Checks::OnFirstUse)).unwrap(),
        Hnsw::open_with(&path, OpenOptions::new().residence(Residence::Memory)).unwrap(),
        Hnsw::from_bytes(AlignedVec::from_slice(&bytes).unwrap()).unwrap(),
    ];
    for opened in opened {
        assert_eq!(answers(&opened, &data), truth, "{what}");
        assert_eq!(opened.to_bytes().unwrap()[..], bytes, "{what}");
        assert_eq!(opened.params(), built.params(), "{what}");
        assert_eq!(opened.calibration(), built.calibration(), "{what}");
        opened.verify().unwrap();
        // In place of the file that it lies in.
        opened.save(&path).unwrap();
        assert_eq!(answers(&opened, &data), truth, "{what}");
    }
    assert_eq!(fs::read(&path).unwrap(), bytes, "{what}");
    let found = describe(&path).unwrap();
    assert_eq!((found.element, found.metric, found.dim, found.len), (T::NAME, metric, DIM, 300), "{what}");
    assert_eq!((found.degree, found.file_bytes), (24, bytes.len()), "{what}");
    assert_eq!(found.storage, built.storage(), "{what}");
}

#[test]
fn of_every_element_type_metric_and_storage() {
    let folder = tempfile::tempdir().unwrap();
    let new = || BuildParams::new().degree(24).quality(Quality::Fast).seeds(64);
    let storages = [Storage::Auto, Storage::Full, Storage::Lines(2), Storage::Bytes, Storage::Bits];
    for params in storages.map(|storage| new().storage(storage).experiment("scan_bytes", 0.0)) {
        for metric in [Metric::L2, Metric::InnerProduct, Metric::Cosine] {
            round_trip::<f32>(metric, &params, folder.path());
            round_trip::<i8>(metric, &params, folder.path());
        }
    }
    round_trip::<u8>(Metric::Hamming, &new(), folder.path());
    round_trip::<f16>(Metric::Cosine, &new(), folder.path());
    round_trip::<bf16>(Metric::L2, &new(), folder.path());
    round_trip::<u8>(Metric::L2, &new().quality(Quality::Max), folder.path());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "temporary files are left");
}

#[test]
fn rotations_survive() {
    let data: Vec<f32> = elements(&clustered(300, 200, 1));
    let built = build(
        &data,
        200,
        Metric::L2,
        &BuildParams::new().storage(Storage::Lines(1)).experiment("scan_bytes", 0.0),
    );
    let bytes = built.to_bytes().unwrap();
    let opened = Hnsw::<f32>::from_bytes(bytes.try_clone().unwrap()).unwrap();
    for query in data.chunks_exact(200).step_by(17) {
        assert_eq!(search(&opened, query, 5, 30), search(&built, query, 5, 30));
    }
    assert_eq!(opened.to_bytes().unwrap()[..], bytes[..]);
}

#[test]
fn an_empty_index_survives() {
    for metric in [Metric::L2, Metric::InnerProduct, Metric::Cosine] {
        let built = build::<f32>(&[], 9, metric, &BuildParams::new());
        let opened = Hnsw::<f32>::from_bytes(built.to_bytes().unwrap()).unwrap();
        assert!(search(&opened, &[1.0; 9], 5, 50).is_empty());
    }
}

#[test]
fn an_element_type_that_differs_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.nigh");
    index::<u8>(Metric::L2, &BuildParams::new()).0.save(&path).unwrap();
    let error = Hnsw::<f32>::open(&path).unwrap_err();
    assert!(matches!(error, Error::Element { expected: "f32", found: "u8" }), "{error}");
    let message = error.to_string();
    assert!(message.contains("f32") && message.contains("u8"), "{message}");
    // Of the same size, too.
    assert!(matches!(Hnsw::<i8>::open(&path).unwrap_err(), Error::Element { expected: "i8", found: "u8" }));
    assert_eq!(describe(&path).unwrap().element, "u8");
}

#[test]
fn what_is_no_index_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.nigh");
    let problem = |path: &Path| match (Hnsw::<f32>::open(path).unwrap_err(), describe(path).unwrap_err()) {
        (Error::Container(opened), Error::Container(_)) => {
            assert_eq!(opened.path(), path);
            opened.into_problem()
        }
        (error, _) => panic!("{error}"),
    };
    assert!(matches!(problem(&path), Problem::Io { .. }));
    assert!(matches!(problem(folder.path()), Problem::NotAFile));
    fs::write(&path, "text").unwrap();
    assert!(matches!(problem(&path), Problem::ForeignMagic));
    Writer::new("other", 1).save(&path).unwrap();
    assert!(matches!(problem(&path), Problem::WrongKind { .. }));
    Writer::new("hnsw", 2).save(&path).unwrap();
    assert!(matches!(problem(&path), Problem::WrongLayout { found: 2, .. }));
    Writer::new("hnsw", 1).save(&path).unwrap();
    assert!(matches!(problem(&path), Problem::MissingSection { section } if section == "params"));
}

/// Set for the process whose files may not grow: where it saves.
const CHILD: &str = "HNSW_TEST_SAVE";

#[test]
fn what_a_child_process_saves() {
    if let Some(path) = std::env::var_os(CHILD) {
        let error = index::<f32>(Metric::L2, &BuildParams::new()).0.save(Path::new(&path)).unwrap_err();
        assert!(matches!(&error, Error::Container(error) if matches!(error.problem(), Problem::Io { .. })));
        println!("refused: {error}");
    }
}

#[cfg(unix)]
#[test]
fn a_save_that_fails_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.nigh");
    let (old, data) = index::<u8>(Metric::L2, &BuildParams::new());
    old.save(&path).unwrap();
    let before = fs::read(&path).unwrap();
    // A file system that is full: no file above 8 blocks, and no signal for trying.
    let child = std::process::Command::new("sh")
        .args([
            "-c",
            r#"trap "" XFSZ; ulimit -f 8; exec "$0" --exact files_survive_a_round_trip::what_a_child_process_saves --nocapture"#,
        ])
        .arg(std::env::current_exe().unwrap())
        .env(CHILD, &path)
        .output()
        .unwrap();
    let output = String::from_utf8(child.stdout).unwrap();
    assert!(output.contains("refused: "), "{output}{}", String::from_utf8_lossy(&child.stderr));
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "a temporary file is left");
    assert_eq!(answers(&Hnsw::<u8>::open(&path).unwrap(), &data), answers(&old, &data));
}
