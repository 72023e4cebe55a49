//! [`Tier::Avx2`]: 256-bit registers, fused multiply-add, half-precision conversion. Owns every kernel.

mod bits;
mod code_panel;
mod codes;
mod f32;
mod f64;
mod int8;
mod mixed;
mod near;
mod panel;

mod lanes;
mod lookup;
mod math;
mod select;
mod word_panel;

use crate::table::Kernels;
use crate::tier::Tier;

/// [`crate::table::forms!`] and [`crate::table::cosine!`] with this tier's features and register budget.
macro_rules! shells {
    (cosine $step:ty) => {
        $crate::table::cosine!(
            #[target_feature(enable = "avx2,fma,f16c,popcnt,bmi1,bmi2,lzcnt")]
            $step
        )
    };
    ($step:ty) => {
        $crate::table::forms!(
            #[target_feature(enable = "avx2,fma,f16c,popcnt,bmi1,bmi2,lzcnt")]
            $step; pair: 4, rows: 8, tile: 2
        )
    };
}
use shells;

/// [`crate::table::panel_forms!`] with this tier's features and register budget.
macro_rules! panel_shells {
    ($step:ty; panels: $panels:literal, queries: $queries:literal) => {
        $crate::table::panel_forms!(
            #[target_feature(enable = "avx2,fma,f16c,popcnt,bmi1,bmi2,lzcnt")]
            $step; panels: $panels, queries: $queries
        )
    };
}
use panel_shells;

/// Any macro of [`crate::table`] that compiles shells, with this tier's features.
macro_rules! shell {
    ($forms:ident: $($rest:tt)+) => {
        $crate::table::$forms!(
            #[target_feature(enable = "avx2,fma,f16c,popcnt,bmi1,bmi2,lzcnt")]
            $($rest)+
        )
    };
}
use shell;

pub(crate) const KERNELS: Kernels = Kernels {
    tier: Tier::Avx2,
    f32: f32::F32,
    f64: f64::F64,
    f16: f32::F16,
    bf16: f32::BF16,
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
