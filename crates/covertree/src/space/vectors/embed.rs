//! The built-in metrics, each as L2 or L1 of a row that is made of the user's.

use crate::error::Error;
use crate::scalar::Scalar;

/// A metric on rows of numbers.
///
/// Neighbours are ordered by what the metric compares, ties by the lower id, and carry the distance that follows
/// from it. Arithmetic is that of the coordinates' type; see the table for its error.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum VectorMetric {
    /// Euclidean, √Σ (xᵢ − yᵢ)². Compares Σ (xᵢ − yᵢ)², added in the order of the dimensions.
    L2,
    /// Manhattan, Σ |xᵢ − yᵢ|.
    L1,
    /// The angle between two rows in radians, 0 to π. Compares the squared chord of the rows scaled to length 1,
    /// hence exact to about one rounding of a coordinate. A row of zeros is refused.
    Angular,
    /// The length of the great circle between two points of a sphere of this radius, each given as (latitude,
    /// longitude) in degrees; distances are in the unit of the radius. Compares squared chords of unit vectors,
    /// which are as good for near points as the haversine formula, and better for antipodes: in `f64` to some
    /// nanometres on Earth. (In `f32` to half a metre, and longitudes themselves are only exact to a metre.)
    GreatCircle {
        /// The radius of the sphere.
        radius: f64,
    },
}

impl VectorMetric {
    /// Great circles on Earth in kilometres, for the mean radius 6371.0088 km (IUGG).
    pub const EARTH_KM: VectorMetric = VectorMetric::GreatCircle { radius: 6371.0088 };
}

/// What is added up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Norm {
    L2,
    L1,
}

/// How rows of `dim` numbers become the rows that are stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Embedding {
    pub(crate) metric: VectorMetric,
    pub(crate) dim: usize,
}

impl Embedding {
    /// # Errors
    /// [`Error::Zero`] and [`Error::Length`] for the dimension, [`Error::Parameter`] for the radius.
    pub(crate) fn new<T: Scalar>(metric: VectorMetric, dim: usize) -> Result<Self, Error> {
        if dim == 0 {
            return Err(Error::Zero { argument: "dim" });
        }
        if dim > T::MAX_DIM / 2 {
            let expected = format!("at most {}", T::MAX_DIM / 2);
            return Err(Error::Length { argument: "dim", expected, actual: dim });
        }
        if let VectorMetric::GreatCircle { radius } = metric {
            if dim != 2 {
                let expected = "2 (latitude and longitude)".to_owned();
                return Err(Error::Length { argument: "dim", expected, actual: dim });
            }
            if !(radius.is_finite() && radius > 0.0) {
                return Err(Error::Parameter {
                    argument: "radius",
                    value: radius,
                    expected: "must be positive",
                });
            }
        }
        Ok(Self { metric, dim })
    }

    /// Numbers in a stored row.
    #[inline]
    pub(crate) fn width(&self) -> usize {
        if matches!(self.metric, VectorMetric::GreatCircle { .. }) { 3 } else { self.dim }
    }

    #[inline]
    pub(crate) fn norm(&self) -> Norm {
        if self.metric == VectorMetric::L1 { Norm::L1 } else { Norm::L2 }
    }

    /// Appends the stored form of a row to `out`.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::NotFinite`], [`Error::Direction`], [`Error::Latitude`].
    pub(crate) fn embed<T: Scalar>(
        &self,
        argument: &'static str,
        row: usize,
        values: &[T],
        out: &mut Vec<T>,
    ) -> Result<(), Error> {
        if values.len() != self.dim {
            return Err(Error::Length { argument, expected: self.dim.to_string(), actual: values.len() });
        }
        if let Some(column) = values.iter().position(|value| !value.finite()) {
            return Err(Error::NotFinite { argument, row, column });
        }
        match self.metric {
            VectorMetric::L2 | VectorMetric::L1 => out.extend_from_slice(values),
            VectorMetric::Angular => {
                // Scaled first, so that no square overflows or vanishes.
                let largest = values.iter().map(|value| value.wide().abs()).fold(0.0, f64::max);
                let scaled = values.iter().map(|value| value.wide() / largest);
                let length = scaled.clone().map(|value| value * value).sum::<f64>().sqrt();
                if !(length.is_finite() && length > 0.0) {
                    return Err(Error::Direction { argument, row });
                }
                out.extend(scaled.map(|value| T::narrow(value / length)));
            }
            VectorMetric::GreatCircle { .. } => {
                let (latitude, longitude) = (values[0].wide(), values[1].wide());
                if latitude.abs() > 90.0 {
                    return Err(Error::Latitude { argument, row, latitude });
                }
                let (sin, cos) = latitude.to_radians().sin_cos();
                let (east, north) = (longitude % 360.0).to_radians().sin_cos();
                out.extend([cos * north, cos * east, sin].map(T::narrow));
            }
        }
        Ok(())
    }

    /// The distance of a comparable distance.
    pub(crate) fn distance<T: Scalar>(&self, comparable: T) -> T {
        let arc = |chord: T| 2.0 * (chord.wide() / 2.0).min(1.0).asin();
        match self.metric {
            VectorMetric::L1 => comparable,
            VectorMetric::L2 => comparable.root(),
            VectorMetric::Angular => T::narrow(arc(comparable.root())),
            VectorMetric::GreatCircle { radius } => T::narrow(radius * arc(comparable.root())),
        }
    }

    /// A comparable distance that no point within `radius` exceeds: the inverse of `distance`, rounded up by more
    /// than the two functions can differ.
    pub(crate) fn reach<T: Scalar>(&self, within: f64) -> T {
        let half_chord = |arc: f64| {
            if arc >= std::f64::consts::PI { f64::INFINITY } else { 2.0 * (arc / 2.0).sin() }
        };
        let (root, squared) = match self.metric {
            VectorMetric::L1 => (within, false),
            VectorMetric::L2 => (within, true),
            VectorMetric::Angular => (half_chord(within * (1.0 + 16.0 * T::EPSILON)), true),
            VectorMetric::GreatCircle { radius } => {
                (half_chord(within / radius * (1.0 + 16.0 * T::EPSILON)), true)
            }
        };
        let slack = 1.0 + 16.0 * T::EPSILON;
        let reach = if squared { root * root * slack } else { root };
        // A square may vanish although its root is a number: such points are then compared as distances.
        T::narrow(reach).above().above()
    }
}
