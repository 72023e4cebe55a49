//! [`Tier::NeonDot`]: everything that sums bytes. Floats gain nothing from the dot-product instructions and are
//! inherited from [`Tier::Neon`].

mod bits;
mod bytes;
mod code_panel;
mod codes;
mod int8;
mod mixed;
mod panel;

use crate::table::Kernels;
use crate::tier::Tier;

/// [`crate::table::forms!`] and [`crate::table::cosine!`] with this tier's features.
macro_rules! shells {
    (cosine $step:ty) => {
        $crate::table::cosine!(
            #[target_feature(enable = "neon,dotprod")]
            $step
        )
    };
    ($step:ty; $($counts:tt)+) => {
        $crate::table::forms!(
            #[target_feature(enable = "neon,dotprod")]
            $step; $($counts)+
        )
    };
}
use shells;

/// [`crate::table::panel_forms!`] with this tier's features.
macro_rules! panel_shells {
    ($step:ty; $($counts:tt)+) => {
        $crate::table::panel_forms!(
            #[target_feature(enable = "neon,dotprod")]
            $step; $($counts)+
        )
    };
}
use panel_shells;

/// Any macro of [`crate::table`] that compiles shells, with this tier's features.
macro_rules! shell {
    ($forms:ident: $($rest:tt)+) => {
        $crate::table::$forms!(
            #[target_feature(enable = "neon,dotprod")]
            $($rest)+
        )
    };
}
use shell;

pub(crate) const KERNELS: Kernels = Kernels {
    tier: Tier::NeonDot,
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
    ..crate::arm::neon::KERNELS
};
