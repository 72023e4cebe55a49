//! What can go wrong, and with which argument.

/// Why an index could not be built, searched, changed, saved or opened. What failed left everything as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A vector of the wrong length.
    #[error("`{argument}` has dimension {actual}, the index has {expected}")]
    Dimension {
        /// The name of the argument.
        argument: &'static str,
        /// What the index holds.
        expected: usize,
        /// What was given.
        actual: usize,
    },
    /// NaN or infinity.
    #[error("`{argument}` row {row}, column {column} is not a finite number")]
    NotFinite {
        /// The name of the argument.
        argument: &'static str,
        /// The row, 0 for a single vector.
        row: usize,
        /// The column.
        column: usize,
    },
    /// A vector without direction, under cosine.
    #[error("`{argument}` row {row} is all zeros: it has no angle to anything")]
    ZeroVector {
        /// The name of the argument.
        argument: &'static str,
        /// The row, 0 for a single vector.
        row: usize,
    },
    /// A number that an argument must not be.
    #[error("`{argument}` is {value}, expected {expected}")]
    Parameter {
        /// The name of the argument.
        argument: &'static str,
        /// What was given.
        value: String,
        /// What would be right.
        expected: &'static str,
    },
    /// A metric that does not compare vectors of this type.
    #[error("metric {metric} does not compare {element} vectors")]
    Metric {
        /// The metric.
        metric: &'static str,
        /// The element type.
        element: &'static str,
    },
    /// More vectors than 32-bit ids can name.
    #[error("{rows} vectors are more than an index can hold")]
    TooMany {
        /// How many there were.
        rows: usize,
    },
    /// A recall was asked for of an index that has not been calibrated.
    #[error("the index has no calibration: give `nprobe`, or calibrate it first")]
    NotCalibrated,
    /// A recall that nothing measured at calibration reaches.
    #[error("recall {target} was not reached at calibration, the best was {reached}")]
    Unreached {
        /// What was asked for.
        target: f32,
        /// The best that was measured.
        reached: f32,
    },
    /// An index that keeps no vectors, where they are needed.
    #[error("the index keeps no vectors: `with_vectors` lends them to searches")]
    NoVectors,
    /// A key that is there already, or twice in one call.
    #[error("key {key} is there already")]
    DuplicateKey {
        /// The key.
        key: u64,
    },
    /// The caller's `Progress` said stop.
    #[error("the build was cancelled")]
    Cancelled,
    /// A file of vectors of another type than those that were asked for.
    #[error("the file holds {found} vectors, not {expected}")]
    Element {
        /// What was asked for.
        expected: &'static str,
        /// What the file holds.
        found: String,
    },
    /// A file whose sections do not belong together.
    #[error("section `{section}` is damaged: {reason}")]
    Damaged {
        /// The section.
        section: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The graph over the centroids could not be built or searched.
    #[error("the graph of centroids: {0}")]
    Graph(hnsw::Error),
    /// A quantiser refused what it was to learn or to code.
    #[error(transparent)]
    Quantiser(#[from] crate::quantiser::Error),
    /// No memory, or a structure that does not hold.
    #[error(transparent)]
    Layout(#[from] layouts::Error),
    /// A kernel refused its arguments.
    #[error(transparent)]
    Shape(#[from] simd_kernels::ShapeError),
    /// `NIGH_SIMD` names no tier of this CPU.
    #[error(transparent)]
    Tier(#[from] simd_kernels::TierError),
    /// The log or the folder of an index could not be read or written.
    #[error("could not {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file could not be read or written.
    #[error(transparent)]
    Container(#[from] layouts::container::ContainerError),
}

/// What both engines refuse is named here as it is there.
impl From<hnsw::Error> for Error {
    fn from(error: hnsw::Error) -> Self {
        use hnsw::Error as Graph;
        match error {
            Graph::Dimension { argument, expected, actual } => {
                Error::Dimension { argument, expected, actual }
            }
            Graph::NotFinite { argument, row, column } => Error::NotFinite { argument, row, column },
            Graph::ZeroVector { argument, row } => Error::ZeroVector { argument, row },
            Graph::Parameter { argument, value, expected } => Error::Parameter { argument, value, expected },
            Graph::Metric { metric, element } => Error::Metric { metric, element },
            Graph::TooMany { rows } => Error::TooMany { rows },
            Graph::Cancelled => Error::Cancelled,
            Graph::Layout(error) => Error::Layout(error),
            Graph::Shape(error) => Error::Shape(error),
            Graph::Tier(error) => Error::Tier(error),
            Graph::Container(error) => Error::Container(error),
            other => Error::Graph(other),
        }
    }
}
