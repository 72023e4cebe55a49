//! Element types and measures: what a vector is made of, and what is computed of two vectors.

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

use crate::table::{Distances, Kernels};

mod sealed {
    pub trait Sealed {}
}

/// A type that vectors are made of: `f32`, `f64`, [`struct@f16`], [`bf16`], `u8` or `i8`.
///
/// Sealed: a type of one's own has no kernels.
pub trait Element:
    sealed::Sealed + bytemuck::Pod + PartialOrd + Send + Sync + std::fmt::Debug + 'static
{
    /// What a distance of two vectors is held in: `f64` for `f64`, `i32` (exact) for `u8` and `i8`, `f32` for
    /// the others.
    type Distance: Distance;

    /// What a cosine is held in: `f64` for `f64`, `f32` for the others.
    type Real: Distance;

    /// The largest dimension that kernels accept. For 8-bit elements it keeps every sum inside an `i32`
    /// (255² · 32,768 < 2³¹); for the others it only bounds the published rounding error.
    const MAX_DIM: usize;

    /// The name used in records, kernel names and files.
    const NAME: &'static str;

    /// The value, exactly, as an `f64`.
    fn to_f64(self) -> f64;

    /// The nearest value of this type; saturating for integers, NaN becomes 0 there.
    fn from_f64(value: f64) -> Self;

    /// Writes values to `to` as `f32`, those of `f64` rounded to the nearest, the others exactly; as many as both hold.
    ///
    /// Half floats by the CPU's own instructions where it has any, many times as fast as one by one.
    ///
    /// ```
    /// use simd_kernels::{Element, f16};
    /// let mut wide = [0.0; 3];
    /// Element::to_f32s(&[1.5, -2.0, 65504.0].map(f16::from_f32), &mut wide);
    /// assert_eq!(wide, [1.5, -2.0, 65504.0]);
    /// ```
    fn to_f32s(values: &[Self], to: &mut [f32]) {
        for (to, value) in to.iter_mut().zip(values) {
            *to = value.to_f64() as f32;
        }
    }

    /// The kernels of this type in a table.
    #[doc(hidden)]
    fn distances(kernels: &'static Kernels) -> &'static Distances<Self>;
}

/// The result of a kernel: `f32`, `f64` or `i32`. Sealed.
pub trait Distance:
    sealed::Sealed + bytemuck::Pod + PartialOrd + Default + Send + Sync + std::fmt::Debug + 'static
{
    /// The value as an `f64` (exact).
    fn to_f64(self) -> f64;
    /// The nearest value of this type.
    fn from_f64(value: f64) -> Self;
    /// The value as an `f32` (rounded to nearest).
    fn to_f32(self) -> f32;
}

macro_rules! distance {
    ($($type:ty),+) => {$(
        impl Distance for $type {
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            fn from_f64(value: f64) -> Self {
                value as $type
            }
            fn to_f32(self) -> f32 {
                self as f32
            }
        }
    )+};
}
impl sealed::Sealed for i32 {}
distance!(f32, f64, i32);

macro_rules! element {
    ($($type:ty, $field:ident, $name:literal, $distance:ty, $real:ty, $max_dim:expr, $to:expr, $from:expr $(, $convert:expr)?;)+) => {$(
        impl sealed::Sealed for $type {}
        impl Element for $type {
            type Distance = $distance;
            type Real = $real;
            const MAX_DIM: usize = $max_dim;
            const NAME: &'static str = $name;
            #[inline]
            fn to_f64(self) -> f64 {
                let to: fn($type) -> f64 = $to;
                to(self)
            }
            fn from_f64(value: f64) -> Self {
                let from: fn(f64) -> $type = $from;
                from(value)
            }
            $(fn to_f32s(values: &[Self], to: &mut [f32]) {
                let count = values.len().min(to.len());
                let convert: fn(&[$type], &mut [f32]) = $convert;
                convert(&values[..count], &mut to[..count]);
            })?
            fn distances(kernels: &'static Kernels) -> &'static Distances<Self> {
                &kernels.$field
            }
        }
    )+};
}
element! {
    f32, f32, "f32", f32, f32, 1 << 20, f64::from, |value| value as f32;
    f64, f64, "f64", f64, f64, 1 << 20, |value| value, |value| value;
    f16, f16, "f16", f32, f32, 1 << 20, f16::to_f64, f16::from_f64, |values, to| values.convert_to_f32_slice(to);
    bf16, bf16, "bf16", f32, f32, 1 << 20, bf16::to_f64, bf16::from_f64, |values, to| values.convert_to_f32_slice(to);
    u8, u8, "u8", i32, f32, 1 << 15, f64::from, |value| value.round() as u8;
    i8, i8, "i8", i32, f32, 1 << 15, f64::from, |value| value.round() as i8;
}

/// What is computed of two vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Measure {
    /// Σ (xᵢ − yᵢ)², the squared Euclidean distance.
    L2Squared,
    /// Σ xᵢ yᵢ. A similarity: larger is nearer.
    InnerProduct,
    /// Σ |xᵢ − yᵢ|, the Manhattan distance.
    L1,
}

impl Measure {
    /// All measures.
    pub const ALL: [Measure; 3] = [Measure::L2Squared, Measure::InnerProduct, Measure::L1];

    /// The name used in kernel names and records.
    pub const fn name(self) -> &'static str {
        match self {
            Measure::L2Squared => "l2_squared",
            Measure::InnerProduct => "inner_product",
            Measure::L1 => "l1",
        }
    }
}
