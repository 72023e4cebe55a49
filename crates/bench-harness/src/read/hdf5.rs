//! HDF5 files in the layouts of ann-benchmarks and VIBE: `train`, `test`, `neighbors`, `distances` and attributes.
//!
//! The container is `hdf5-pure`'s business. What is checked here, before rows are read: rank, element type,
//! filters, and that the rows are no larger than the file can hold. Rows are then read in windows, so that a
//! set never lies in memory twice.

use std::collections::HashMap;
use std::path::Path;

use hdf5_pure::{AttrValue, DType, Dataset, File, Layout};

use super::fault::Fault;
use super::ids;
use super::input::{product, reserve};
use crate::dataset::{Metric, Truth};
use crate::vectors::{Matrix, Vectors};

/// A data set as an HDF5 file holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredSet {
    /// The attribute `distance`, or `None` where the file has none.
    pub metric: Option<Metric>,
    /// The dataset `train`.
    pub base: Vectors,
    /// The dataset `test`.
    pub queries: Vectors,
    /// The datasets `neighbors` and `distances`. Distances are the file's, but for Hamming distances, which
    /// ann-benchmarks stores as shares of the bits and which are counts here.
    pub truth: Option<Truth>,
}

/// Deflate cannot pack more bytes than this into one; the other filters that are read pack less.
const MAX_RATIO: u64 = 1032;
/// Bytes of rows in flight between the file and the vectors.
const WINDOW: u64 = 1 << 20;
/// deflate, shuffle, fletcher32, LZF.
const FILTERS: [u16; 4] = [1, 2, 3, 32000];

pub(super) fn read(path: &Path) -> Result<StoredSet, Fault> {
    let meta = std::fs::metadata(path).map_err(Fault::Io)?;
    if !meta.is_file() {
        return Err(Fault::NotAFile);
    }
    if meta.len() == 0 {
        return Err(Fault::Empty);
    }
    read_file(&File::open_streaming(path).map_err(fault)?)
}

pub(super) fn read_bytes(bytes: &[u8]) -> Result<StoredSet, Fault> {
    if bytes.is_empty() {
        return Err(Fault::Empty);
    }
    read_file(&File::from_bytes(bytes.to_vec()).map_err(fault)?)
}

fn fault(error: hdf5_pure::Error) -> Fault {
    Fault::Hdf5(error.to_string())
}

fn read_file(file: &File) -> Result<StoredSet, Fault> {
    // What lies at the end need not be anything that is read below.
    let (stated, actual) = (file.superblock().eof_address, file.file_size());
    if stated > actual {
        return Err(Fault::Truncated { what: "the file".to_owned(), expected: stated, actual });
    }
    let attributes = file.root().attrs().map_err(fault)?;
    let text = |name: &str| attributes.get(name).and_then(AttrValue::as_str).map(str::to_ascii_lowercase);
    // Old files do not have this attribute; they are all dense.
    if text("type").is_some_and(|kind| kind != "dense") {
        return Err(Fault::Unsupported("a sparse set".to_owned()));
    }
    let metric = text("distance")
        .map(|name| name.parse())
        .transpose()
        .map_err(|error: crate::dataset::UnknownMetric| Fault::Header(error.to_string()))?;
    let names = file.root().datasets().map_err(fault)?;
    let open = |name: &str| {
        if !names.iter().any(|known| known == name) {
            return Ok(None);
        }
        file.dataset(name).map(Some).map_err(fault)
    };
    let part = |name: &str| {
        let dataset = open(name)?.ok_or_else(|| Fault::Missing(format!("the dataset `{name}`")))?;
        vectors(file, &dataset, name, &attributes)
    };
    let (base, shares) = part("train")?;
    let (queries, _) = part("test")?;
    let truth = match (open("neighbors")?, open("distances")?) {
        (Some(neighbors), Some(distances)) => {
            let scale = if shares && metric == Some(Metric::Hamming) { base.dim() as f64 } else { 1.0 };
            Some(truth(file, &neighbors, &distances, scale)?)
        }
        _ => None,
    };
    Ok(StoredSet { metric, base, queries, truth })
}

/// The vectors of a dataset, and whether they are one truth value a byte.
fn vectors(
    file: &File,
    dataset: &Dataset,
    name: &str,
    attributes: &HashMap<String, AttrValue>,
) -> Result<(Vectors, bool), Fault> {
    let shape = Shape::of(file, dataset, name)?;
    let values = match dataset.dtype().map_err(fault)? {
        DType::F32 => Vectors::F32(shape.read(dataset, Dataset::read_f32_rows)?),
        DType::F64 => Vectors::F64(shape.read(dataset, Dataset::read_f64_rows)?),
        DType::I8 => Vectors::I8(shape.read(dataset, Dataset::read_i8_rows)?),
        DType::U8 => {
            let bytes = shape.read(dataset, Dataset::read_u8_rows)?;
            if attributes.get("point_type").and_then(AttrValue::as_str) == Some("binary") {
                return Ok((packed(bytes, attributes)?, false));
            }
            Vectors::U8(bytes)
        }
        DType::Enum(names) if names.len() == 2 && dataset.element_size().map_err(fault)? == 1 => {
            return Ok((truth_values(&shape, dataset)?, true));
        }
        other => return Err(Fault::Unsupported(format!("element type {other} in `{name}`"))),
    };
    Ok((values, false))
}

/// numpy's truth values, packed as they are read.
fn truth_values(shape: &Shape, dataset: &Dataset) -> Result<Vectors, Fault> {
    let mut bytes = reserve(product(&[shape.rows, shape.dim.div_ceil(8)])?)?;
    shape.windows(|start, count| {
        let window = dataset.read_u8_rows(start, count).map_err(fault)?;
        for (row, values) in (start..).zip(window.chunks_exact(shape.dim as usize)) {
            for group in values.chunks(8) {
                bytes.push(super::pack_bools(group, row)?);
            }
        }
        Ok(())
    })?;
    Ok(Vectors::from_packed_bits(bytes, shape.dim as usize)?)
}

/// VIBE's bit strings: `numpy.packbits`, whose first bit is a byte's highest.
fn packed(bytes: Matrix<u8>, attributes: &HashMap<String, AttrValue>) -> Result<Vectors, Fault> {
    let width = bytes.dim();
    let stated =
        attributes.get("dimension").and_then(AttrValue::as_i64).and_then(|n| usize::try_from(n).ok());
    let bits = stated.filter(|bits| bits.div_ceil(8) == width).unwrap_or(width * 8);
    let mut bytes = bytes.into_data();
    bytes.iter_mut().for_each(|byte| *byte = byte.reverse_bits());
    Ok(Vectors::from_packed_bits(bytes, bits)?)
}

fn truth(file: &File, neighbors: &Dataset, distances: &Dataset, scale: f64) -> Result<Truth, Fault> {
    let shape = Shape::of(file, neighbors, "neighbors")?;
    let other = Shape::of(file, distances, "distances")?;
    if (shape.rows, shape.dim) != (other.rows, other.dim) {
        return Err(Fault::Header("`neighbors` and `distances` differ in shape".to_owned()));
    }
    match neighbors.dtype().map_err(fault)? {
        DType::I32 | DType::I64 | DType::U32 => {}
        kind => return Err(Fault::Unsupported(format!("element type {kind} in `neighbors`"))),
    }
    let mut found = reserve(product(&[shape.rows, shape.dim])?)?;
    shape.windows(|start, count| {
        for id in neighbors.read_i64_rows(start, count).map_err(fault)? {
            found.push(ids::narrow(id, found.len() as u64, shape.dim)?);
        }
        Ok(())
    })?;
    match distances.dtype().map_err(fault)? {
        DType::F32 | DType::F64 => {}
        kind => return Err(Fault::Unsupported(format!("element type {kind} in `distances`"))),
    }
    let mut values = other.read(distances, Dataset::read_f64_rows)?.into_data();
    if scale != 1.0 {
        values.iter_mut().for_each(|share| *share = (*share * scale).round());
    }
    Ok(Truth::new(shape.dim as usize, found, values)?)
}

/// A shape that the file was found large enough for.
struct Shape {
    rows: u64,
    dim: u64,
    /// Rows that are read at once.
    window: u64,
}

impl Shape {
    fn of(file: &File, dataset: &Dataset, name: &str) -> Result<Self, Fault> {
        let &[rows, dim] = dataset.shape().map_err(fault)?.as_slice() else {
            return Err(Fault::Unsupported(format!("`{name}` that is not a matrix")));
        };
        if dim == 0 {
            return Err(Fault::Dimension { row: 0, dim: 0 });
        }
        let size = dataset.element_size().map_err(fault)?;
        if size > 8 {
            return Err(Fault::Unsupported(format!("`{name}` with elements of {size} bytes")));
        }
        let row_bytes = product(&[dim, size])?;
        let bytes = product(&[rows, row_bytes])?;
        let mut limit = file.file_size();
        let mut window = (WINDOW / row_bytes).max(1);
        match dataset.layout().map_err(fault)? {
            Layout::Compact { .. } | Layout::Contiguous { address: Some(_), .. } => {}
            Layout::Contiguous { address: None, .. } if rows == 0 => {}
            Layout::Chunked { chunk_shape, .. } => {
                let filters = dataset.filters();
                if let Some(filter) = filters.iter().find(|filter| !FILTERS.contains(filter)) {
                    return Err(Fault::Unsupported(format!("filter {filter} on `{name}`")));
                }
                if filters.contains(&1) || filters.contains(&32000) {
                    limit = limit.saturating_mul(MAX_RATIO);
                }
                // A chunk is unpacked whole, and it may be larger than the rows it holds.
                let chunk = product(&[product(&chunk_shape)?, size])?;
                check("a chunk of", name, chunk, limit)?;
                window = window.max(chunk_shape.first().copied().unwrap_or(1));
            }
            _ => return Err(Fault::Unsupported(format!("`{name}` without stored rows"))),
        }
        check("the rows of", name, bytes, limit)?;
        Ok(Self { rows, dim, window })
    }

    fn windows(&self, mut read: impl FnMut(u64, u64) -> Result<(), Fault>) -> Result<(), Fault> {
        let mut start = 0;
        while start < self.rows {
            let count = self.window.min(self.rows - start);
            read(start, count)?;
            start += count;
        }
        Ok(())
    }

    fn read<T: Copy>(
        &self,
        dataset: &Dataset,
        read: impl Fn(&Dataset, u64, u64) -> Result<Vec<T>, hdf5_pure::Error>,
    ) -> Result<Matrix<T>, Fault> {
        let mut values = reserve(product(&[self.rows, self.dim])?)?;
        self.windows(|start, count| {
            values.extend_from_slice(&read(dataset, start, count).map_err(fault)?);
            Ok(())
        })?;
        Ok(Matrix::new(values, self.dim as usize)?)
    }
}

fn check(what: &str, name: &str, expected: u64, actual: u64) -> Result<(), Fault> {
    if expected <= actual {
        Ok(())
    } else {
        Err(Fault::Truncated { what: format!("{what} `{name}`"), expected, actual })
    }
}
