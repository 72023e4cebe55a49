//! [`Tier::Neon`]: what every aarch64 CPU has. Owns every kernel but the panels.

pub(super) mod bits;
pub(super) mod bytes;
pub(super) mod code_panel;
pub(super) mod codes;
mod f32;
mod f64;
mod half;
pub(super) mod int8;
pub(super) mod mixed;
mod near;
pub(super) mod panel;

mod lanes;
mod lookup;
mod math;
mod select;
mod word_panel;

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

/// [`crate::table::panel_forms!`] with this tier's features.
macro_rules! panel_shells {
    ($step:ty; $($counts:tt)+) => {
        $crate::table::panel_forms!(
            #[target_feature(enable = "neon")]
            $step; $($counts)+
        )
    };
}
use panel_shells;

/// Any macro of [`crate::table`] that compiles shells, with this tier's features.
macro_rules! shell {
    ($forms:ident: $($rest:tt)+) => {
        $crate::table::$forms!(
            #[target_feature(enable = "neon")]
            $($rest)+
        )
    };
}
use shell;

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
    mixed: mixed::MIXED,
    panel_f32: panel::PANEL_F32,
    panel_f64: panel::PANEL_F64,
    panel_u8: panel::PANEL_U8,
    panel_i8: panel::PANEL_I8,
    code_panels: code_panel::CODE_PANELS,
    word_panels: word_panel::WORD_PANELS,
    lookup: lookup::LOOKUP,
    math: math::MATH,
    walsh_hadamard: math::WALSH_HADAMARD,
    select: select::SELECT,
    near: near::NEAR,
};
