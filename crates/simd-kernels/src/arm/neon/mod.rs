//! [`Tier::Neon`]: what every aarch64 CPU has. Owns every kernel but the panels.

pub(super) mod bits;
pub(super) mod bytes;
pub(super) mod codes;
mod f32;
mod f64;
mod half;
pub(super) mod int8;

mod lanes;
mod math;
mod select;

use crate::table::Kernels;
use crate::tier::Tier;

/// [`crate::table::forms!`] and [`crate::table::cosine!`] with this tier's features.
macro_rules! shells {
    (cosine $step:ty) => {
        $crate::table::cosine!(
            #[target_feature(enable = "neon")]
            $step
        )
    };
    ($step:ty; $($counts:tt)+) => {
        $crate::table::forms!(
            #[target_feature(enable = "neon")]
            $step; $($counts)+
        )
    };
}
use shells;

pub(crate) const KERNELS: Kernels = Kernels {
    tier: Tier::Neon,
    f32: f32::F32,
    f64: f64::F64,
    f16: half::F16,
    bf16: half::BF16,
    u8: int8::U8,
    i8: int8::I8,
    hamming: bits::HAMMING,
    jaccard: bits::JACCARD,
    u8_i8: codes::U8_I8,
    u4_i8: codes::U4_I8,
    math: math::MATH,
    walsh_hadamard: math::WALSH_HADAMARD,
    select: select::SELECT,
    // The panel kernels: on aarch64 `wide` is NEON at compile time, and the loop is the same.
    ..crate::portable::KERNELS
};
