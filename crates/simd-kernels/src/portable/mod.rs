//! The floor: kernels that every CPU can run, on the `wide` crate.
//!
//! `wide` picks its registers when it is *compiled*: SSE2 or NEON in an ordinary build, AVX2 or AVX-512 in the
//! per-CPU builds of `cargo xtask variants`. That makes it the wrong body for a run-time tier, where it would
//! stay 128 bits wide inside an AVX2 function, and the right one for the floor.

mod bits;
mod code_panel;
mod codes;
mod float;
mod half;
mod int8;
mod lanes;
mod lookup;
mod math;
mod mixed;
mod near;
mod panel;
mod select;
mod word_panel;

use crate::table::Kernels;
use crate::tier::Tier;

pub(crate) const KERNELS: Kernels = Kernels {
    tier: Tier::Baseline,
    f32: float::F32,
    f64: float::F64,
    f16: half::F16,
    bf16: half::BF16,
    u8: int8::U8,
    i8: int8::I8,
    hamming: bits::HAMMING,
    jaccard: bits::JACCARD,
    u8_i8: codes::U8_I8,
    u4_i8: codes::U4_I8,
    mixed: mixed::MIXED,
    panel_f32: panel::F32,
    panel_f64: panel::F64,
    panel_u8: panel::U8,
    panel_i8: panel::I8,
    code_panels: code_panel::CODE_PANELS,
    word_panels: word_panel::WORD_PANELS,
    lookup: lookup::LOOKUP,
    math: math::MATH,
    walsh_hadamard: math::WALSH_HADAMARD,
    select: select::SELECT,
    near: near::NEAR,
};
