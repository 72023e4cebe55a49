//! Whole sets as HDF5, in the layout of ann-benchmarks or of VIBE.

use hdf5_pure::{AttrValue, EnumTypeBuilder, FileBuilder, make_i8_type};

use super::{WriteError, WriteFault};
use crate::dataset::{Dataset, Metric, Truth};
use crate::dtype::Dtype;
use crate::vectors::Vectors;

/// Whose files to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hdf5Layout {
    /// ann-benchmarks: bits as truth values, Hamming distances as shares of the bits.
    AnnBenchmarks,
    /// VIBE: bits packed into bytes, Hamming distances as counts.
    Vibe,
}

impl Hdf5Layout {
    const fn name(self) -> &'static str {
        match self {
            Hdf5Layout::AnnBenchmarks => "ann-benchmarks",
            Hdf5Layout::Vibe => "VIBE",
        }
    }

    fn metric(self, metric: Metric) -> Result<&'static str, WriteFault> {
        match (self, metric) {
            (_, Metric::L2) => Ok("euclidean"),
            (Hdf5Layout::AnnBenchmarks, Metric::Cosine) => Ok("angular"),
            (Hdf5Layout::Vibe, Metric::Cosine) => Ok("cosine"),
            (Hdf5Layout::Vibe, Metric::InnerProduct) => Ok("ip"),
            (_, Metric::Hamming) => Ok("hamming"),
            (Hdf5Layout::AnnBenchmarks, Metric::Jaccard) => Ok("jaccard"),
            _ => Err(WriteFault::Metric { layout: self.name(), metric }),
        }
    }

    fn point_type(self, dtype: Dtype) -> &'static str {
        match (self, dtype) {
            (Hdf5Layout::AnnBenchmarks, Dtype::Bits) => "bit",
            (Hdf5Layout::Vibe, Dtype::Bits) => "binary",
            (Hdf5Layout::Vibe, Dtype::U8) => "uint8",
            (Hdf5Layout::Vibe, Dtype::I8) => "int8",
            _ => "float",
        }
    }
}

/// A whole set as the bytes of an HDF5 file. `f16` and `bf16` are written as `f32`, which holds them exactly.
///
/// # Errors
/// [`WriteError`] if the layout has no name for the metric, or the set has no truth.
pub fn hdf5_to_bytes(name: &str, set: &Dataset, layout: Hdf5Layout) -> Result<Vec<u8>, WriteError> {
    build(set, layout).map_err(|fault| WriteError { file: name.to_owned(), fault })
}

fn build(set: &Dataset, layout: Hdf5Layout) -> Result<Vec<u8>, WriteFault> {
    let missing = || WriteFault::Content {
        format: Some(crate::format::Format::Hdf5),
        content: "a set without truth".to_owned(),
    };
    let truth = set.truth.as_ref().filter(|truth| truth.k() > 0).ok_or_else(missing)?;
    let distance = layout.metric(set.metric)?;
    let mut file = FileBuilder::new();
    if layout == Hdf5Layout::AnnBenchmarks {
        file.set_attr("type", text("dense"));
    }
    file.set_attr("distance", text(distance));
    file.set_attr("dimension", AttrValue::I64(set.base.dim() as i64));
    file.set_attr("point_type", text(layout.point_type(set.base.dtype())));
    vectors(&mut file, "train", &set.base, layout)?;
    vectors(&mut file, "test", &set.queries, layout)?;
    neighbours(&mut file, truth, set, layout);
    file.finish().map_err(fault)
}

/// A text of variable length: h5py makes a `str` of it, and `bytes` of one of fixed length, which does not
/// compare equal to the names that ann-benchmarks and VIBE look up.
pub(super) fn text(value: &str) -> AttrValue {
    AttrValue::VarLenString(value.to_owned())
}

pub(super) fn fault(error: impl std::fmt::Display) -> WriteFault {
    WriteFault::Hdf5(error.to_string())
}

fn neighbours(file: &mut FileBuilder, truth: &Truth, set: &Dataset, layout: Hdf5Layout) {
    let shape = [truth.len() as u64, truth.k() as u64];
    let ids: Vec<i64> = truth.ids().iter().map(|&id| i64::from(id)).collect();
    file.create_dataset("neighbors").with_i64_data(&ids).with_shape(&shape);
    let mut distances = truth.distances().to_vec();
    if layout == Hdf5Layout::AnnBenchmarks && set.metric == Metric::Hamming {
        let bits = set.base.dim() as f64;
        distances.iter_mut().for_each(|count| *count /= bits);
    }
    file.create_dataset("distances").with_f64_data(&distances).with_shape(&shape);
    if layout == Hdf5Layout::Vibe {
        let mean = |row: &[f64]| row.iter().sum::<f64>() / row.len() as f64;
        let means: Vec<f64> = distances.chunks_exact(truth.k()).map(mean).collect();
        file.create_dataset("avg_distances").with_f64_data(&means).with_shape(&[means.len() as u64]);
    }
}

fn vectors(
    file: &mut FileBuilder,
    name: &str,
    vectors: &Vectors,
    layout: Hdf5Layout,
) -> Result<(), WriteFault> {
    let (rows, dim) = (vectors.len() as u64, vectors.dim() as u64);
    match vectors {
        Vectors::F32(matrix) => {
            file.create_dataset(name).with_f32_data(matrix.data()).with_shape(&[rows, dim]);
        }
        Vectors::F64(matrix) => {
            file.create_dataset(name).with_f64_data(matrix.data()).with_shape(&[rows, dim]);
        }
        Vectors::F16(_) | Vectors::Bf16(_) => {
            let wider = vectors.convert(Dtype::F32).map_err(fault)?.vectors;
            return self::vectors(file, name, &wider, layout);
        }
        Vectors::U8(matrix) => {
            file.create_dataset(name).with_u8_data(matrix.data()).with_shape(&[rows, dim]);
        }
        Vectors::I8(matrix) => {
            file.create_dataset(name).with_i8_data(matrix.data()).with_shape(&[rows, dim]);
        }
        Vectors::Bits { data, .. } if layout == Hdf5Layout::Vibe => {
            let bytes: Vec<u8> = data.data().iter().map(|byte| byte.reverse_bits()).collect();
            file.create_dataset(name).with_u8_data(&bytes).with_shape(&[rows, data.dim() as u64]);
        }
        Vectors::Bits { data, bits } => {
            // What h5py makes of numpy's bool.
            let bool_type = EnumTypeBuilder::with_base(make_i8_type())
                .value("FALSE", 0)
                .value("TRUE", 1)
                .build()
                .map_err(fault)?;
            let values: Vec<u8> = data
                .iter()
                .flat_map(|row| (0..*bits).map(move |bit| row[bit / 8] >> (bit % 8) & 1))
                .collect();
            file.create_dataset(name).with_enum_u8_data(bool_type, &values).with_shape(&[rows, dim]);
        }
    }
    Ok(())
}
