//! Results in the HDF5 layout of ann-benchmarks, one file a search point, so that its own `plot.py` and
//! `data_export.py` draw ours.
//!
//! Layout and names are those of its `ann_benchmarks/results.py` and `runner.py` (github.com/erikbern/ann-benchmarks):
//! `results/DATASET/COUNT/ALGORITHM[-batch]/PARAMETERS.hdf5`. Distances are computed here from the ids, as it does. Times
//! of single queries are those of the best run in rising order, not in the order of the queries; of batches the mean,
//! as there.

use std::path::{Path, PathBuf};

use hdf5_pure::{AttrValue, FileBuilder};

use super::hdf5::{fault, text};
use super::{WriteError, WriteFault, save};
use crate::dataset::{Dataset, Metric};
use crate::record::Record;
use crate::truth::Oracle;

/// A search point and what it found.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// The measurement.
    pub record: &'a Record,
    /// The set that was searched, as it was given.
    pub dataset: &'a Dataset,
    /// Ids of every query, nearest first, at most `record.k`.
    pub ids: &'a [Vec<u32>],
    /// Latencies of the best run in microseconds; without any, every query takes the mean.
    pub latencies_us: &'a [f64],
}

/// Writes one search point below a `results` folder, and says where.
///
/// # Errors
/// [`WriteError`] if an id names no vector, there is not one answer a query, or the system refuses.
pub fn ann_result(results: &Path, found: &Found<'_>) -> Result<PathBuf, WriteError> {
    let path = results.join(place(found));
    let refuse = |fault| WriteError { file: path.display().to_string(), fault };
    let bytes = build(found).map_err(refuse)?;
    path.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(|error| refuse(error.into()))?;
    save(&path, &mut |out, _| Ok(out.write_all(&bytes)?))?;
    Ok(path)
}

/// `DATASET/COUNT/ALGORITHM[-batch]/PARAMETERS.hdf5`.
fn place(found: &Found<'_>) -> PathBuf {
    let record = found.record;
    let batch = if record.mode == "batch" { "-batch" } else { "" };
    let file = match clean(&record.params) {
        name if name.is_empty() => "default".to_owned(),
        name => name,
    };
    [
        clean_name(&record.dataset),
        record.k.to_string(),
        format!("{}{batch}", algorithm(record)),
        format!("{file}.hdf5"),
    ]
    .iter()
    .collect()
}

/// What plots call it: `nigh-hnsw-f32`; a peer by its own name.
fn algorithm(record: &Record) -> String {
    match record.index.strip_prefix("peer:") {
        Some(peer) => clean_name(peer),
        None => clean_name(&format!("nigh-{}-{}", record.index, record.dtype)),
    }
}

/// Every run of what is no letter, digit or `_` as one `_`, as ann-benchmarks makes file names of parameters.
fn clean(text: &str) -> String {
    let words: Vec<&str> =
        text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty()).collect();
    words.join("_")
}

/// A name that may hold `-` and `.` too, but leads to no other folder.
fn clean_name(text: &str) -> String {
    let kept = |c: char| if c.is_alphanumeric() || matches!(c, '_' | '-' | '.') { c } else { '_' };
    text.chars().map(kept).collect::<String>().trim_start_matches('.').to_owned()
}

/// What ann-benchmarks calls a metric; what it has no name for keeps ours.
fn metric_name(metric: Metric) -> &'static str {
    match metric {
        Metric::L2 => "euclidean",
        Metric::Cosine => "angular",
        other => other.name(),
    }
}

fn build(found: &Found<'_>) -> Result<Vec<u8>, WriteFault> {
    let (record, dataset) = (found.record, found.dataset);
    let queries = dataset.queries.len();
    if found.ids.len() != queries {
        let content = format!("{} answers to {queries} queries", found.ids.len());
        return Err(WriteFault::Content { format: Some(crate::format::Format::Hdf5), content });
    }
    let oracle = Oracle::new(dataset.metric, &dataset.base, &dataset.queries).map_err(fault)?;
    // ann-benchmarks has Hamming distances as shares of the bits.
    let scale = if dataset.metric == Metric::Hamming { 1.0 / dataset.base.dim() as f64 } else { 1.0 };
    let count = record.k;
    let (mut neighbors, mut distances) = (vec![-1i32; queries * count], vec![f32::INFINITY; queries * count]);
    let mut candidates = 0;
    let rows = neighbors.chunks_mut(count.max(1)).zip(distances.chunks_mut(count.max(1)));
    for (query, (ids, (neighbors, distances))) in found.ids.iter().zip(rows).enumerate() {
        let of_query = oracle.distances(query, ids).map_err(fault)?;
        candidates += ids.len();
        for (at, (&id, distance)) in ids.iter().zip(of_query).enumerate().take(count) {
            let too_large = WriteFault::TooLarge { what: "id", value: u64::from(id) };
            neighbors[at] = i32::try_from(id).map_err(|_| too_large)?;
            distances[at] = (distance * scale) as f32;
        }
    }
    let best = 1.0 / record.qps;
    let times: Vec<f32> = match found.latencies_us.len() == queries {
        true => found.latencies_us.iter().map(|time| (time * 1e-6) as f32).collect(),
        false => vec![best as f32; queries],
    };
    let mut file = FileBuilder::new();
    file.set_attr("algo", text(&algorithm(record)));
    file.set_attr("name", text(&format!("{} {}", algorithm(record), record.params)));
    file.set_attr("dataset", text(&record.dataset));
    file.set_attr("distance", text(metric_name(dataset.metric)));
    file.set_attr("batch_mode", AttrValue::I64(i64::from(record.mode == "batch")));
    file.set_attr("best_search_time", AttrValue::F64(best));
    file.set_attr("build_time", AttrValue::F64(record.build_s.unwrap_or(0.0)));
    file.set_attr("candidates", AttrValue::F64(candidates as f64 / queries.max(1) as f64));
    file.set_attr("count", AttrValue::I64(count as i64));
    file.set_attr("expect_extra", AttrValue::I64(0));
    // Its unit is the kB of `psutil`.
    file.set_attr("index_size", AttrValue::F64(record.index_bytes.unwrap_or(0) as f64 / 1024.0));
    file.set_attr("run_count", AttrValue::I64(record.runs.max(1) as i64));
    if let Some(each) = record.distances_per_query {
        // Of all runs together.
        file.set_attr("dist_comps", AttrValue::F64(each * (record.runs.max(1) * queries) as f64));
    }
    let shape = [queries as u64, count as u64];
    file.create_dataset("times").with_f32_data(&times).with_shape(&[queries as u64]);
    file.create_dataset("neighbors").with_i32_data(&neighbors).with_shape(&shape);
    file.create_dataset("distances").with_f32_data(&distances).with_shape(&shape);
    file.finish().map_err(fault)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::generate;

    fn record(mode: &str) -> Record {
        Record {
            suite: "hnsw".into(),
            index: "hnsw".into(),
            dtype: "f32".into(),
            params: "lines:1 ef=10".into(),
            dataset: "synth-uniform/../9".into(),
            mode: mode.into(),
            k: 3,
            qps: 500.0,
            runs: 2,
            ..Record::default()
        }
    }

    #[test]
    fn a_point_lies_where_ann_benchmarks_looks_for_it() {
        let set = generate(&"synth:uniform?n=9&d=2&q=2".parse().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let ids = [vec![1, 2, 3], vec![4]];
        for (mode, algorithm) in [("single", "nigh-hnsw-f32"), ("batch", "nigh-hnsw-f32-batch")] {
            let record = record(mode);
            let found = Found { record: &record, dataset: &set, ids: &ids, latencies_us: &[10.0, 20.0] };
            let path = ann_result(folder.path(), &found).unwrap();
            let place = format!("synth-uniform_.._9/3/{algorithm}/lines_1_ef_10.hdf5");
            assert_eq!(path, folder.path().join(place));
            let bytes = std::fs::read(&path).unwrap();
            assert!(bytes.starts_with(b"\x89HDF"));
            let file = hdf5_pure::File::from_bytes(bytes).unwrap();
            let neighbors = file.dataset("neighbors").unwrap().read_i32().unwrap();
            assert_eq!(neighbors, [1, 2, 3, 4, -1, -1]);
            let distances = file.dataset("distances").unwrap().read_f32().unwrap();
            let oracle = Oracle::new(set.metric, &set.base, &set.queries).unwrap();
            let expected = oracle.distances(0, &ids[0]).unwrap();
            assert!(distances.iter().zip(&expected).all(|(a, b)| f64::from(*a - *b as f32).abs() < 1e-6));
            assert_eq!(distances[4], f32::INFINITY);
        }
        let peer = Record { index: "peer:faiss-hnsw".into(), ..record("single") };
        assert_eq!(algorithm(&peer), "faiss-hnsw");
    }

    #[test]
    fn answers_that_are_none_are_refused() {
        let set = generate(&"synth:uniform?n=9&d=2&q=2".parse().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let record = record("single");
        for ids in [vec![vec![1]], vec![vec![1], vec![9]]] {
            let found = Found { record: &record, dataset: &set, ids: &ids, latencies_us: &[] };
            let error = ann_result(folder.path(), &found).unwrap_err();
            assert!(error.to_string().contains("ef_10.hdf5"), "{error}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
