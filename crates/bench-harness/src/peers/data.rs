//! The data set as peers get it: float32 arrays in a folder, of unit length where the angle counts.

use std::path::Path;

use tempfile::TempDir;

use super::PeersError;
use crate::dataset::{Dataset, Metric};
use crate::dtype::Dtype;
use crate::vectors::{Matrix, Vectors, VectorsError};
use crate::write;

/// A folder with `base.npy` and `query.npy`, removed when dropped, and whether any element was rounded.
pub(super) fn hand_over(dataset: &Dataset, work: &Path) -> Result<(TempDir, bool), PeersError> {
    let folder = std::fs::create_dir_all(work)
        .and_then(|()| tempfile::Builder::new().prefix("peers-").tempdir_in(work))
        .map_err(|source| PeersError::Folder { path: work.to_owned(), source })?;
    let mut rounded = false;
    for (name, vectors) in [("base.npy", &dataset.base), ("query.npy", &dataset.queries)] {
        let (vectors, changed) = as_floats(vectors, dataset.metric)?;
        rounded |= changed;
        write::vectors(&folder.path().join(name), &vectors)?;
    }
    Ok((folder, rounded))
}

/// Whether peers compare vectors by this metric.
pub(super) fn is_known(metric: Metric) -> bool {
    matches!(metric, Metric::L2 | Metric::InnerProduct | Metric::Cosine)
}

fn as_floats(vectors: &Vectors, metric: Metric) -> Result<(Vectors, bool), VectorsError> {
    let converted = vectors.convert(Dtype::F32)?;
    Ok(match converted.vectors {
        Vectors::F32(matrix) if metric == Metric::Cosine => {
            (Vectors::F32(of_unit_length(matrix)?), converted.changed > 0)
        }
        vectors => (vectors, converted.changed > 0),
    })
}

/// The rows at unit length; rows of zeros, which have no direction, stay as they are.
fn of_unit_length(matrix: Matrix<f32>) -> Result<Matrix<f32>, VectorsError> {
    let dim = matrix.dim();
    let mut data = matrix.into_data();
    for row in data.chunks_exact_mut(dim) {
        let norm = row.iter().map(|&value| f64::from(value) * f64::from(value)).sum::<f64>().sqrt();
        if norm > 0.0 {
            row.iter_mut().for_each(|value| *value = (f64::from(*value) / norm) as f32);
        }
    }
    Matrix::new(data, dim)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read;

    fn set(metric: Metric) -> Dataset {
        let matrix = |data: Vec<f32>| Vectors::F32(Matrix::new(data, 2).unwrap());
        Dataset {
            name: "set".into(),
            metric,
            base: matrix(vec![3.0, 4.0, 0.0, 0.0]),
            queries: matrix(vec![0.0, 2.0]),
            truth: None,
            source: String::new(),
        }
    }

    #[test]
    fn angles_are_handed_over_at_unit_length_and_others_as_they_are() {
        let work = tempfile::tempdir().unwrap();
        for (metric, first) in [(Metric::Cosine, [0.6f32, 0.8]), (Metric::L2, [3.0, 4.0])] {
            let (folder, rounded) = hand_over(&set(metric), work.path()).unwrap();
            let base = read::vectors(&folder.path().join("base.npy"), None).unwrap();
            let Vectors::F32(base) = base else { panic!("{base:?}") };
            assert_eq!((base.row(0), base.row(1)), (Some(&first[..]), Some(&[0.0, 0.0][..])));
            assert!(!rounded);
        }
        assert_eq!(std::fs::read_dir(work.path()).unwrap().count(), 0, "the folders are gone");
    }
}
