//! [`Tier::Avx512Icl`]: exact byte products (`vpdpbusd`) and population counts (`vpopcntq`). Owns the integer
//! kernels; floats are those of the tier below.

mod bits;
mod code_panel;
mod codes;
mod int8;
mod lookup;
mod mixed;
mod panel;
mod word_panel;

use crate::table::Kernels;
use crate::tier::Tier;

/// [`crate::table::forms!`] and [`crate::table::cosine!`] with this tier's features and register budget.
macro_rules! shells {
    (cosine $step:ty) => {
        $crate::table::cosine!(
            #[target_feature(
                enable = "avx2,fma,f16c,popcnt,bmi1,bmi2,lzcnt,avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi,avx512vbmi2,avx512bitalg,avx512vpopcntdq"
            )]
            $step
        )
    };
    // Two sums a row: a smaller tile keeps them in registers.
    (double $step:ty) => {
        $crate::table::forms!(
            #[target_feature(
                enable = "avx2,fma,f16c,popcnt,bmi1,bmi2,lzcnt,avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi,avx512vbmi2,avx512bitalg,avx512vpopcntdq"
            )]
            $step; pair: 4, rows: 8, tile: 2
        )
    };
    ($step:ty) => {
        $crate::table::forms!(
            #[target_feature(
                enable = "avx2,fma,f16c,popcnt,bmi1,bmi2,lzcnt,avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi,avx512vbmi2,avx512bitalg,avx512vpopcntdq"
            )]
            $step; pair: 4, rows: 8, tile: 4
        )
    };
}
use shells;

/// [`crate::table::panel_forms!`] with this tier's features and register budget.
macro_rules! panel_shells {
    ($step:ty; panels: $panels:literal, queries: $queries:literal) => {
        $crate::table::panel_forms!(
            #[target_feature(enable = "avx2,fma,f16c,popcnt,bmi1,bmi2,lzcnt,avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi,avx512vbmi2,avx512bitalg,avx512vpopcntdq")]
            $step; panels: $panels, queries: $queries
        )
    };
}
use panel_shells;

/// Any macro of [`crate::table`] that compiles shells, with this tier's features.
macro_rules! shell {
    ($forms:ident: $($rest:tt)+) => {
        $crate::table::$forms!(
            #[target_feature(enable = "avx2,fma,f16c,popcnt,bmi1,bmi2,lzcnt,avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi,avx512vbmi2,avx512bitalg,avx512vpopcntdq")]
            $($rest)+
        )
    };
}
use shell;

pub(crate) const KERNELS: Kernels = Kernels {
    tier: Tier::Avx512Icl,
    u8: int8::U8,
    i8: int8::I8,
    hamming: bits::HAMMING,
    jaccard: bits::JACCARD,
    u8_i8: codes::U8_I8,
    u4_i8: codes::U4_I8,
    mixed: mixed::MIXED,
    panel_u8: panel::PANEL_U8,
    panel_i8: panel::PANEL_I8,
    code_panels: code_panel::CODE_PANELS,
    word_panels: word_panel::WORD_PANELS,
    lookup: lookup::LOOKUP,
    ..crate::x86::avx512::KERNELS
};
