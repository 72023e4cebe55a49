//! Generators: data sets from a specification and a seed, the same on every platform.
//!
//! Base vectors and queries come from streams of their own, so that another `n` or `q` keeps what is common:
//! the first rows of a larger set are the smaller one (but for the grid, whose size follows from `n`).

pub(crate) mod random;
mod spec;

use crate::dataset::{Dataset, Metric};
use crate::dtype::Dtype;
use crate::vectors::{Matrix, Vectors, VectorsError};
pub use random::Random;
pub use spec::{Kind, Spec};

/// Why a set could not be made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// The kind is not known.
    #[error("unknown generator {name:?}: known are synth and synth:KIND with KIND one of {known}")]
    Kind {
        /// What was given.
        name: String,
        /// The kinds.
        known: String,
    },
    /// The kind has no such parameter.
    #[error("generator {kind} has no parameter {key:?}: it knows {known}")]
    Key {
        /// What was given.
        key: String,
        /// The kind.
        kind: &'static str,
        /// Its parameters.
        known: String,
    },
    /// The parameter cannot have this value.
    #[error("parameter {key} cannot be {value:?}")]
    Value {
        /// The parameter.
        key: String,
        /// What was given.
        value: String,
    },
    /// Kind, metric and element type do not go together.
    #[error("generator {kind} does not make {dtype} vectors for the metric {metric}")]
    Combination {
        /// The kind.
        kind: &'static str,
        /// The metric.
        metric: Metric,
        /// The element type.
        dtype: Dtype,
    },
    /// The set does not fit in memory.
    #[error("no memory for {rows} rows of {dim}")]
    Memory {
        /// Rows.
        rows: usize,
        /// Dimensions.
        dim: usize,
    },
    /// The values do not fit the element type that was asked for.
    #[error(transparent)]
    Convert(#[from] VectorsError),
}

const SHAPE: u64 = 0;
const BASE: u64 = 1;
const QUERIES: u64 = 2;

/// Makes the set of a specification, without truth. Complexity O((n + q) d), times `intrinsic` for subspaces.
///
/// # Errors
/// [`GenerateError`] if parameters do not go together, the values do not fit the element type, or memory ends.
///
/// ```
/// use bench_harness::generate::generate;
/// let set = generate(&"synth:clustered?n=1000&d=8&q=10&clusters=5".parse()?)?;
/// assert_eq!((set.base.len(), set.queries.len(), set.base.dim()), (1000, 10, 8));
/// assert_eq!(generate(&set.source.parse()?)?, set);
/// # Ok::<(), bench_harness::generate::GenerateError>(())
/// ```
pub fn generate(spec: &Spec) -> Result<Dataset, GenerateError> {
    spec.check()?;
    let shape = Shape::of(spec)?;
    let make = |rows, stream| -> Result<Vectors, GenerateError> {
        if spec.kind == Kind::Bits {
            return shape.bits(spec, rows, stream);
        }
        let vectors = shape.numbers(spec, rows, stream)?;
        Ok(if vectors.dtype() == spec.dtype { vectors } else { vectors.convert(spec.dtype)?.vectors })
    };
    let source = spec.to_string();
    Ok(Dataset {
        name: format!("synth-{}-{}-{}", spec.kind.name(), spec.n, spec.d),
        metric: spec.metric,
        base: make(spec.n, BASE)?,
        queries: make(spec.q, QUERIES)?,
        truth: None,
        source,
    })
}

/// What base vectors and queries have in common.
struct Shape {
    /// Centres of clusters, or basis vectors of a subspace, row by row.
    frame: Vec<f64>,
    /// Width of each cluster.
    widths: Vec<f64>,
    /// The cells of a grid in random order, and the cells along a side.
    cells: Vec<u32>,
    side: u64,
}

impl Shape {
    fn of(spec: &Spec) -> Result<Self, GenerateError> {
        let mut random = Random::new(spec.seed, SHAPE);
        let (mut frame, mut widths, mut cells, mut side) = (Vec::new(), Vec::new(), Vec::new(), 0);
        match spec.kind {
            Kind::Clustered | Kind::Sift => {
                frame = room(spec.clusters, spec.d)?;
                frame.extend((0..spec.clusters * spec.d).map(|_| random.normal()));
                widths = (0..spec.clusters).map(|_| spec.spread * (0.5 + random.unit())).collect();
            }
            Kind::Subspace => {
                frame = room(spec.intrinsic, spec.d)?;
                frame.extend((0..spec.intrinsic * spec.d).map(|_| random.normal()));
            }
            Kind::Bits => {
                frame = room(spec.clusters, spec.d)?;
                frame.extend((0..spec.clusters * spec.d).map(|_| (random.bits() & 1) as f64));
            }
            Kind::GpGrid => {
                side = 1;
                while power(side, spec.d) < spec.n as u64 {
                    side += 1;
                }
                let total = power(side, spec.d);
                let total32 = u32::try_from(total)
                    .map_err(|_| GenerateError::Memory { rows: total as usize, dim: spec.d })?;
                cells = (0..total32).collect();
                for at in (1..cells.len()).rev() {
                    cells.swap(at, random.below(at as u64 + 1) as usize);
                }
            }
            _ => {}
        }
        Ok(Self { frame, widths, cells, side })
    }

    fn numbers(&self, spec: &Spec, rows: usize, stream: u64) -> Result<Vectors, GenerateError> {
        let mut random = Random::new(spec.seed, stream);
        // Coordinates are made in f64; everything else would only be halved afterwards.
        if matches!(spec.kind, Kind::GpUniform | Kind::GpNormal | Kind::GpGrid) {
            let mut values = room(rows, spec.d)?;
            for row in 0..rows {
                self.coordinates(spec, row, stream, &mut random, &mut values);
            }
            return Ok(Vectors::F64(Matrix::new(values, spec.d)?));
        }
        let sift = spec.kind == Kind::Sift;
        let mut bytes: Vec<u8> = room(if sift { rows } else { 0 }, spec.d)?;
        let mut values: Vec<f32> = room(if sift { 0 } else { rows }, spec.d)?;
        let mut scratch = vec![0.0; spec.d];
        for _ in 0..rows {
            match spec.kind {
                Kind::Uniform => scratch.iter_mut().for_each(|value| *value = random.unit()),
                Kind::Gaussian => scratch.iter_mut().for_each(|value| *value = random.normal()),
                Kind::Subspace => self.subspace(spec, &mut random, &mut scratch),
                _ => self.cluster(spec, &mut random, &mut scratch),
            }
            if sift {
                sift_bytes(&mut scratch);
                bytes.extend(scratch.iter().map(|&value| value as u8));
            } else {
                values.extend(scratch.iter().map(|&value| value as f32));
            }
        }
        if sift {
            Ok(Vectors::U8(Matrix::new(bytes, spec.d)?))
        } else {
            Ok(Vectors::F32(Matrix::new(values, spec.d)?))
        }
    }

    /// The smaller of two draws: low numbers are up to twice as common, so clusters differ in size.
    fn pick(&self, spec: &Spec, random: &mut Random) -> usize {
        let clusters = spec.clusters as u64;
        random.below(clusters).min(random.below(clusters)) as usize
    }

    fn cluster(&self, spec: &Spec, random: &mut Random, row: &mut [f64]) {
        let cluster = self.pick(spec, random);
        let width = self.widths[cluster];
        for (value, centre) in row.iter_mut().zip(&self.frame[cluster * spec.d..]) {
            *value = centre + width * random.normal();
        }
    }

    fn subspace(&self, spec: &Spec, random: &mut Random, row: &mut [f64]) {
        row.iter_mut().for_each(|value| *value = spec.noise * random.normal());
        let scale = 1.0 / (spec.intrinsic as f64).sqrt();
        for basis in self.frame.chunks_exact(spec.d) {
            let weight = scale * random.normal();
            for (value, component) in row.iter_mut().zip(basis) {
                *value += weight * component;
            }
        }
    }

    fn coordinates(&self, spec: &Spec, row: usize, stream: u64, random: &mut Random, values: &mut Vec<f64>) {
        match spec.kind {
            Kind::GpUniform => values.extend((0..spec.d).map(|_| random.unit())),
            Kind::GpNormal => values.extend((0..spec.d).map(|_| random.normal())),
            _ => {
                // Queries lie on the grid of half the step, so that some of them tie between many cells.
                let (mut cell, steps) = if stream == BASE {
                    (u64::from(self.cells[row]), self.side)
                } else {
                    (random.below(power(2 * self.side, spec.d)), 2 * self.side)
                };
                for _ in 0..spec.d {
                    values.push((cell % steps) as f64 / steps as f64);
                    cell /= steps;
                }
            }
        }
    }

    fn bits(&self, spec: &Spec, rows: usize, stream: u64) -> Result<Vectors, GenerateError> {
        let mut random = Random::new(spec.seed, stream);
        let width = spec.d.div_ceil(8);
        let mut bytes: Vec<u8> = room(rows, width)?;
        for _ in 0..rows {
            let prototype = self.pick(spec, &mut random) * spec.d;
            let start = bytes.len();
            bytes.resize(start + width, 0);
            for bit in 0..spec.d {
                let is_set = (self.frame[prototype + bit] != 0.0) != (random.unit() < spec.flip);
                bytes[start + bit / 8] |= u8::from(is_set) << (bit % 8);
            }
        }
        Ok(Vectors::from_packed_bits(bytes, spec.d)?)
    }
}

/// The steps by which SIFT makes bytes of a histogram: no negative values, norm 1, none above 0.2, norm 512.
fn sift_bytes(row: &mut [f64]) {
    row.iter_mut().for_each(|value| *value = value.max(0.0));
    let normalise = |row: &mut [f64]| {
        let norm = row.iter().map(|value| value * value).sum::<f64>().sqrt();
        if norm > 0.0 {
            row.iter_mut().for_each(|value| *value /= norm);
        }
    };
    normalise(row);
    row.iter_mut().for_each(|value| *value = value.min(0.2));
    normalise(row);
    row.iter_mut().for_each(|value| *value = (*value * 512.0).round().min(255.0));
}

fn power(side: u64, dimensions: usize) -> u64 {
    (0..dimensions).fold(1u64, |product, _| product.saturating_mul(side))
}

fn room<T>(rows: usize, dim: usize) -> Result<Vec<T>, GenerateError> {
    let memory = || GenerateError::Memory { rows, dim };
    let mut values = Vec::new();
    values.try_reserve_exact(rows.checked_mul(dim).ok_or_else(memory)?).map_err(|_| memory())?;
    Ok(values)
}
