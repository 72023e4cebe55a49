//! A set in a folder of its own: which file plays which part.

use std::path::{Path, PathBuf};

use super::{Found, OpenError, OpenOptions, first_rows, metric_of, stem};
use crate::dataset::Metric;
use crate::format::Format;
use crate::read;
use crate::vectors::{Matrix, Vectors};

const VECTORS: [Format; 7] =
    [Format::Fvecs, Format::Bvecs, Format::Fbin, Format::U8bin, Format::I8bin, Format::Npy, Format::Idx];
const IDS: [Format; 4] = [Format::Ivecs, Format::Ibin, Format::Npy, Format::TruthBin];

/// The files of a folder by the part they play. `sift_base.fvecs` is as good as `base.fvecs`.
struct Files {
    folder: PathBuf,
    /// Name without ending, format, path.
    entries: Vec<(String, Format, PathBuf)>,
}

impl Files {
    fn of(folder: &Path) -> Result<Self, OpenError> {
        let fail = |error: std::io::Error| OpenError::Folder {
            folder: folder.to_owned(),
            reason: format!("cannot be listed: {error}"),
        };
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(fail)? {
            let path = entry.map_err(fail)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
            let Some(format) = Format::of(&name) else { continue };
            let ending = format.endings().iter().find(|&&ending| name.ends_with(ending));
            let len = name.len() - ending.map_or(0, |ending| ending.len());
            entries.push((name[..len].trim_end_matches(['-', '.']).to_owned(), format, path));
        }
        entries.sort_by(|a, b| a.2.cmp(&b.2));
        Ok(Self { folder: folder.to_owned(), entries })
    }

    fn find(&self, names: &[&str], formats: &[Format]) -> Result<Option<&Path>, OpenError> {
        let plays = |stem: &str| {
            names.iter().any(|name| {
                stem.strip_suffix(name).is_some_and(|before| before.is_empty() || before.ends_with('_'))
            })
        };
        let mut found =
            self.entries.iter().filter(|(stem, format, _)| plays(stem) && formats.contains(format));
        match (found.next(), found.next()) {
            (first, None) => Ok(first.map(|(_, _, path)| path.as_path())),
            (Some((_, _, first)), Some((_, _, second))) => Err(self.fail(format!(
                "both {} and {} could be the {}",
                first.display(),
                second.display(),
                names.join(" or ")
            ))),
            (None, Some(_)) => Ok(None),
        }
    }

    fn need(&self, names: &[&str], formats: &[Format]) -> Result<&Path, OpenError> {
        let endings: Vec<_> = formats.iter().flat_map(|format| format.endings().first()).copied().collect();
        self.find(names, formats)?
            .ok_or_else(|| self.fail(format!("no file {} ({})", names.join(" or "), endings.join(" "))))
    }

    fn fail(&self, reason: String) -> OpenError {
        OpenError::Folder { folder: self.folder.clone(), reason }
    }
}

pub(super) fn find(folder: &Path, options: &OpenOptions<'_>) -> Result<Found, OpenError> {
    let files = Files::of(folder)?;
    let mut name = stem(folder);
    let source = format!("folder {}", folder.display());
    if files.find(&["gt_base_rows"], &IDS)?.is_some() {
        return coordinates(&files, name, source);
    }
    let metric = metric_of(&name);
    // One more than wanted says whether there are more.
    let most = options.limit_base.map(|limit| limit.saturating_add(1));
    let mut base = read::vectors(files.need(&["base", "train", "train-images"], &VECTORS)?, most)?;
    let queries = read::vectors(
        files.need(&["query", "queries", "test", "t10k-images"], &VECTORS)?,
        options.limit_queries,
    )?;
    // With a limit, only truth that was made for just so many base vectors will do.
    let whole = options.limit_base.is_none_or(|limit| base.len() <= limit);
    let truth = match options.limit_base {
        Some(limit) if !whole => {
            base.truncate(limit);
            name = first_rows(&name, limit);
            let short =
                if limit.is_multiple_of(1000) { format!("{}k", limit / 1000) } else { limit.to_string() };
            files.find(&[&format!("groundtruth-base{short}")], &IDS)?
        }
        _ => files.find(&["groundtruth", "gt", "neighbors"], &IDS)?,
    };
    let mut truth = truth.map(ids).transpose()?;
    if let (Some(truth), Some(limit)) = (&mut truth, options.limit_queries) {
        truth.truncate(limit);
    }
    Ok(Found { metric, base, queries, truth, source, name })
}

fn ids(path: &Path) -> Result<Matrix<u32>, OpenError> {
    if Format::of(&path.to_string_lossy()) == Some(Format::TruthBin) {
        let truth = read::truth(path)?;
        let k = truth.k();
        return Matrix::new(truth.ids().to_vec(), k)
            .map_err(|error| OpenError::Convert { name: path.display().to_string(), error });
    }
    Ok(read::ids(path)?)
}

/// One file of points, of which some are the base and others the queries. Euclidean.
fn coordinates(files: &Files, name: String, source: String) -> Result<Found, OpenError> {
    let points = match files.find(&["xyz"], &VECTORS)? {
        Some(path) => path,
        None => files.need(&["coords"], &VECTORS)?,
    };
    let points = read::vectors(points, None)?;
    let part = |role: &str| -> Result<Vectors, OpenError> {
        let path = files.need(&[role], &IDS)?;
        let rows = read::ids(path)?;
        points.select(rows.data()).map_err(|at| {
            let row = rows.data()[at];
            files.fail(format!("{role} names row {row} at place {at}, but there are {} points", points.len()))
        })
    };
    let (base, queries) = (part("gt_base_rows")?, part("gt_query_rows")?);
    let is_truth = |stem: &str| {
        stem.strip_prefix("groundtruth-k").is_some_and(|k| k.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let truth = files
        .entries
        .iter()
        .find(|(stem, format, _)| is_truth(stem) && IDS.contains(format))
        .map(|(_, _, path)| ids(path))
        .transpose()?;
    Ok(Found { metric: Some(Metric::L2), base, queries, truth, source, name })
}
