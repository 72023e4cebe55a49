//! Folders, HDF5 files and specifications open by name, with limits, conversions and exact truth.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests fail as tests do")]

use std::path::{Path, PathBuf};

use bench_harness::dataset::{Dataset, DatasetError, Metric};
use bench_harness::dtype::Dtype;
use bench_harness::generate::generate;
use bench_harness::open::{OpenError, OpenOptions, Opened, open};
use bench_harness::progress::Quiet;
use bench_harness::truth::{self, Cache};
use bench_harness::vectors::{Matrix, Vectors};
use bench_harness::write::{self, Hdf5Layout};

fn sample() -> Dataset {
    let mut set = generate(&"synth:sift?n=3000&q=20&d=16&clusters=30".parse().unwrap()).unwrap();
    set.truth = Some(truth::exact(&set, 20, &Quiet).unwrap());
    set
}

fn ids(set: &Dataset) -> Matrix<u32> {
    let truth = set.truth.as_ref().unwrap();
    Matrix::new(truth.ids().to_vec(), truth.k()).unwrap()
}

/// A folder `NAME` below a fresh one, and options that look there.
fn place(name: &str) -> (tempfile::TempDir, PathBuf, OpenOptions<'static>) {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().join(name);
    std::fs::create_dir(&folder).unwrap();
    let options = OpenOptions { folders: vec![data.path().to_owned()], ..OpenOptions::default() };
    (data, folder, options)
}

fn write_folder(folder: &Path, set: &Dataset) {
    write::vectors(&folder.join("base.bvecs"), &set.base).unwrap();
    write::vectors(&folder.join("query.bvecs"), &set.queries).unwrap();
    write::ids(&folder.join("groundtruth.ivecs"), &ids(set)).unwrap();
}

#[test]
fn a_folder_opens_by_name_and_by_path() {
    let set = sample();
    let (_data, folder, options) = place("small-16-euclidean");
    write_folder(&folder, &set);
    for name in ["small-16-euclidean", folder.to_str().unwrap()] {
        let Opened { set: opened, notices } = open(name, &options).unwrap();
        assert_eq!((opened.name.as_str(), opened.metric), ("small-16-euclidean", Metric::L2));
        assert_eq!((&opened.base, &opened.queries, &opened.truth), (&set.base, &set.queries, &set.truth));
        assert_eq!(notices, Vec::<String>::new());
    }
}

#[test]
fn the_names_of_other_collections_are_known() {
    let set = sample();
    let (_data, folder, options) = place("texmex-euclidean");
    write::vectors(&folder.join("sift_base.u8bin"), &set.base).unwrap();
    write::vectors(&folder.join("sift_query.npy"), &set.queries).unwrap();
    write::truth(&folder.join("sift_groundtruth.gtbin"), set.truth.as_ref().unwrap()).unwrap();
    assert_eq!(open("texmex-euclidean", &options).unwrap().set.truth, set.truth);

    let (_data, folder, options) = place("mnist-euclidean");
    let bytes = |vectors| write::vectors_to_bytes("a.idx", vectors).unwrap();
    std::fs::write(folder.join("train-images-idx3-ubyte"), bytes(&set.base)).unwrap();
    std::fs::write(folder.join("t10k-images-idx3-ubyte"), bytes(&set.queries)).unwrap();
    std::fs::write(folder.join("train-labels-idx1-ubyte"), [0, 0, 8, 1, 0, 0, 0, 0]).unwrap();
    let opened = open("mnist-euclidean", &options).unwrap().set;
    assert_eq!(opened.truth.unwrap().prefix(20, 20), set.truth.unwrap());
}

#[test]
fn hdf5_files_open_in_both_layouts() {
    let set = sample();
    for layout in [Hdf5Layout::AnnBenchmarks, Hdf5Layout::Vibe] {
        let data = tempfile::tempdir().unwrap();
        write::hdf5(&data.path().join("some.hdf5"), &set, layout).unwrap();
        let options = OpenOptions { folders: vec![data.path().to_owned()], ..OpenOptions::default() };
        let opened = open("some", &options).unwrap().set;
        assert_eq!((opened.name.as_str(), opened.metric, &opened.truth), ("some", Metric::L2, &set.truth));
    }
}

#[test]
fn limits_take_the_first_rows_and_their_own_truth() {
    let set = sample();
    let (_data, folder, mut options) = place("small-euclidean");
    write_folder(&folder, &set);
    (options.limit_base, options.limit_queries) = (Some(1000), Some(7));
    let opened = open("small-euclidean", &options).unwrap().set;
    assert_eq!((opened.base.clone(), opened.queries.len()), (set.base.prefix(1000), 7));
    let expected = truth::exact(&opened, 100, &Quiet).unwrap();
    assert_eq!(
        (opened.name.as_str(), opened.truth.as_ref()),
        ("small-euclidean-first-1000", Some(&expected))
    );

    // Truth that was shipped for this very limit is used: it knows 20 neighbours, computed truth 100.
    let mut first = set.clone();
    first.base.truncate(1000);
    let matrix = Matrix::new(truth::exact(&first, 20, &Quiet).unwrap().ids().to_vec(), 20).unwrap();
    write::ids(&folder.join("groundtruth-base1k.ivecs"), &matrix).unwrap();
    let opened = open("small-euclidean", &options).unwrap().set;
    assert_eq!(opened.truth, Some(expected.prefix(7, 20)));
    options.limit_base = Some(999);
    assert_eq!(open("small-euclidean", &options).unwrap().set.truth.unwrap().k(), 100);

    // A limit of the size or above it is none.
    options.limit_queries = None;
    for limit in [set.base.len(), 1_000_000] {
        options.limit_base = Some(limit);
        let opened = open("small-euclidean", &options).unwrap().set;
        assert_eq!((opened.name.as_str(), opened.truth), ("small-euclidean", set.truth.clone()));
    }
}

#[test]
fn wrong_truth_is_an_error_that_names_the_query() {
    let set = sample();
    let (_data, folder, options) = place("small-euclidean");
    write_folder(&folder, &set);
    let mut wrong = ids(&set).into_data();
    wrong[0] = 2999;
    write::ids(&folder.join("groundtruth.ivecs"), &Matrix::new(wrong, 20).unwrap()).unwrap();
    let message = open("small-euclidean", &options).unwrap_err().to_string();
    assert!(message.contains("small-euclidean") && message.contains("query"), "{message}");
}

#[test]
fn conversions_are_made_and_told() {
    let mut options = OpenOptions { dtype: Some(Dtype::F16), ..OpenOptions::default() };
    let opened = open("synth:clustered?n=300&q=5&d=8&clusters=9", &options).unwrap();
    assert_eq!((opened.set.base.dtype(), opened.set.queries.dtype()), (Dtype::F16, Dtype::F16));
    assert!(opened.notices[0].contains("rounded to f16"), "{:?}", opened.notices);
    options.dtype = Some(Dtype::U8);
    assert!(matches!(
        open("synth:clustered?n=300&q=5&d=8&clusters=9", &options),
        Err(OpenError::Convert { .. })
    ));
    // Whole numbers up to 255 are exact in f32, and the truth that came with them stays.
    let set = sample();
    let (_data, folder, mut options) = place("small-euclidean");
    write_folder(&folder, &set);
    options.dtype = Some(Dtype::F32);
    let opened = open("small-euclidean", &options).unwrap();
    assert_eq!((opened.set.base.dtype(), opened.set.truth, opened.notices.len()), (Dtype::F32, set.truth, 0));
}

#[test]
fn another_metric_asks_for_other_truth() {
    let set = sample();
    let (_data, folder, mut options) = place("small-euclidean");
    write_folder(&folder, &set);
    options.metric = Some(Metric::L1);
    let opened = open("small-euclidean", &options).unwrap();
    assert_eq!(opened.set.truth, Some(truth::exact(&opened.set, 100, &Quiet).unwrap()));
    assert!(opened.notices[0].contains("another metric"));

    let (_data, folder, mut options) = place("nameless");
    write_folder(&folder, &set);
    assert!(matches!(open("nameless", &options), Err(OpenError::MetricNeeded { .. })));
    options.metric = Some(Metric::L2);
    assert_eq!(open("nameless", &options).unwrap().set.truth, set.truth);
}

#[test]
fn truth_that_is_too_shallow_is_computed_and_cached() {
    let set = sample();
    let (data, folder, mut options) = place("small-euclidean");
    write_folder(&folder, &set);
    options.k = 21;
    options.cache = Some(Cache::new(data.path().join("truth")));
    let first = open("small-euclidean", &options).unwrap();
    assert_eq!(first.set.truth.as_ref().unwrap().k(), 100);
    assert!(first.notices[0].contains("20 neighbours"));
    assert_eq!(std::fs::read_dir(data.path().join("truth")).unwrap().count(), 1);
    assert_eq!(open("small-euclidean", &options).unwrap().set, first.set);
}

#[test]
fn coordinates_open_by_their_row_files() {
    let points = generate(&"synth:gp-grid?n=400&q=1".parse().unwrap()).unwrap().base;
    let (queries, base): (Vec<u32>, Vec<u32>) = (0..400).partition(|id| id % 10 == 0);
    let (_data, folder, options) = place("geo-some");
    write::vectors(&folder.join("coords.npy"), &points).unwrap();
    let column = |rows: &[u32]| Matrix::new(rows.to_vec(), 1).unwrap();
    write::ids(&folder.join("gt_base_rows.npy"), &column(&base)).unwrap();
    write::ids(&folder.join("gt_query_rows.npy"), &column(&queries)).unwrap();
    let opened = open("geo-some", &options).unwrap().set;
    assert_eq!((opened.base.len(), opened.queries.len(), opened.metric), (360, 40, Metric::L2));
    assert_eq!(opened.base.get(0, 0), points.get(1, 0));
    let shipped = opened.truth.unwrap().prefix(40, 30);
    write::ids(&folder.join("groundtruth-k30.ivecs"), &Matrix::new(shipped.ids().to_vec(), 30).unwrap())
        .unwrap();
    assert_eq!(open("geo-some", &options).unwrap().set.truth, Some(shipped));
    // Points on the sphere are preferred to longitude and latitude.
    let xyz = points.convert(Dtype::F32).unwrap().vectors;
    write::vectors(&folder.join("xyz.npy"), &xyz).unwrap();
    assert_eq!(open("geo-some", &options).unwrap().set.base.dtype(), Dtype::F32);
    write::ids(&folder.join("gt_query_rows.npy"), &column(&[7, 400])).unwrap();
    let message = open("geo-some", &options).unwrap_err().to_string();
    assert!(message.contains("row 400") && message.contains("400 points"), "{message}");
}

#[test]
fn what_is_not_there_is_said_with_where_it_was_looked_for() {
    let set = sample();
    let (data, folder, options) = place("small-euclidean");
    let message = open("gone", &options).unwrap_err().to_string();
    assert!(message.contains("gone.hdf5") && message.contains(data.path().to_str().unwrap()), "{message}");
    let message = open("small-euclidean", &options).unwrap_err().to_string();
    assert!(message.contains("no file base or train"), "{message}");
    write_folder(&folder, &set);
    write::vectors(&folder.join("train.npy"), &set.base).unwrap();
    let message = open("small-euclidean", &options).unwrap_err().to_string();
    assert!(message.contains("base.bvecs") && message.contains("train.npy"), "{message}");
    std::fs::write(data.path().join("notes.txt"), b"no set").unwrap();
    assert!(matches!(open("notes.txt", &options), Err(OpenError::NotFound { .. })));
    assert!(matches!(open("synth:nothing", &options), Err(OpenError::Generate(_))));
}

#[test]
fn unfit_sets_are_refused_by_place() {
    let (_data, folder, mut options) = place("bad-angular");
    let write = |rows: Vec<f32>| {
        let vectors = Vectors::F32(Matrix::new(rows, 2).unwrap());
        write::vectors(&folder.join("base.fvecs"), &vectors).unwrap();
        write::vectors(&folder.join("query.fvecs"), &vectors).unwrap();
    };
    write(vec![1.0, 2.0, f32::NAN, 1.0]);
    let error = open("bad-angular", &options).unwrap_err();
    let place = DatasetError::NotFinite { part: "base", row: 1, column: 0 };
    assert!(matches!(&error, OpenError::Dataset { error, .. } if *error == place), "{error}");
    write(vec![1.0, 2.0, 0.0, 0.0]);
    let error = open("bad-angular", &options).unwrap_err().to_string();
    assert!(error.contains("row 1 is all zeros"), "{error}");
    options.limit_base = Some(0);
    assert!(matches!(
        open("bad-angular", &options),
        Err(OpenError::Dataset { error: DatasetError::Empty { part: "base" }, .. })
    ));
}

/// The sets that `NIGH_DATA` holds, where it is set: their shipped truth is checked by opening them.
#[test]
fn real_sets_open_if_there_are_any() {
    let Some(data) = std::env::var_os("NIGH_DATA") else { return };
    let options = OpenOptions { limit_queries: Some(100), ..OpenOptions::from_env() };
    for entry in std::fs::read_dir(data).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let opened = open(path.to_str().unwrap(), &options).unwrap();
            assert!(opened.set.truth.unwrap().k() >= 10, "{}", path.display());
            assert!(opened.notices.is_empty(), "{:?}", opened.notices);
        }
    }
}
