//! Why a call was refused.

use layouts::container::ContainerError;

/// Why a call was refused. What was refused changed nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no point to build on.
    #[error("`{argument}` is empty")]
    Empty {
        /// The name of the argument.
        argument: &'static str,
    },
    /// An argument that must not be zero is.
    #[error("`{argument}` is 0")]
    Zero {
        /// The name of the argument.
        argument: &'static str,
    },
    /// An argument's length does not fit.
    #[error("`{argument}` has length {actual}, expected {expected}")]
    Length {
        /// The name of the argument.
        argument: &'static str,
        /// What the length must be, in words.
        expected: String,
        /// The length that was given.
        actual: usize,
    },
    /// A coordinate is NaN or infinite.
    #[error("`{argument}`, row {row}: coordinate {column} is not finite")]
    NotFinite {
        /// The name of the argument.
        argument: &'static str,
        /// The row.
        row: usize,
        /// The coordinate of that row.
        column: usize,
    },
    /// A row has no direction, which an angle needs: it is zero, or its length leaves the range of numbers.
    #[error("`{argument}`, row {row} has no direction (length 0, or beyond the range of its numbers)")]
    Direction {
        /// The name of the argument.
        argument: &'static str,
        /// The row.
        row: usize,
    },
    /// A latitude outside -90 to 90 degrees.
    #[error("`{argument}`, row {row}: {latitude} is not a latitude in degrees (latitude comes first)")]
    Latitude {
        /// The name of the argument.
        argument: &'static str,
        /// The row.
        row: usize,
        /// The value.
        latitude: f64,
    },
    /// A number outside the range of its parameter.
    #[error("`{argument}` is {value}, {expected}")]
    Parameter {
        /// The name of the argument.
        argument: &'static str,
        /// The value that was given.
        value: f64,
        /// What is accepted.
        expected: &'static str,
    },
    /// An id that no point of the tree has.
    #[error("`{argument}` names point {id}, which the tree does not hold")]
    UnknownId {
        /// The name of the argument.
        argument: &'static str,
        /// The id.
        id: u32,
    },
    /// More points than ids of 32 bits.
    #[error("{points} points are more than a tree can hold ({limit})")]
    TooMany {
        /// The points asked for.
        points: u64,
        /// The most there can be.
        limit: u64,
    },
    /// A metric of the user's gave NaN or a negative number.
    #[error("the metric gave {value}, which is no distance")]
    Metric {
        /// What it gave.
        value: f64,
    },
    /// A distance that a file stores is not that of the items and the metric it was opened with.
    #[error(
        "`items`: point {id} is {measured} from a centre, by the file {stored}: other items, order or metric"
    )]
    OtherItems {
        /// The id of the point.
        id: u32,
        /// What the file says: the distance itself, or the greatest that there may be.
        stored: f64,
        /// What the metric gave.
        measured: f64,
    },
    /// A filter that was made for another tree, or before this one was changed.
    #[error("`filter` was made for another state of the tree")]
    StaleFilter,
    /// A structure of the layer below refused.
    #[error(transparent)]
    Layout(#[from] layouts::Error),
    /// No kernels for this CPU and setting.
    #[error(transparent)]
    Kernels(#[from] simd_kernels::TierError),
    /// A file that was refused or could not be written.
    #[error(transparent)]
    File(#[from] ContainerError),
}

impl From<simd_kernels::ShapeError> for Error {
    fn from(error: simd_kernels::ShapeError) -> Self {
        Error::Layout(error.into())
    }
}
