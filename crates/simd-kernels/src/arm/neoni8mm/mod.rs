//! [`Tier::NeonI8mm`]: 8-bit codes, whose products are of a signed and an unsigned byte. All else is inherited
//! from [`Tier::NeonDot`], 4-bit codes too: they are within the signed range, where `sdot` does the same work.

mod code_panel;
mod codes;

use crate::table::Kernels;
use crate::tier::Tier;

/// [`crate::table::forms!`] with this tier's features.
macro_rules! shells {
    ($step:ty; $($counts:tt)+) => {
        $crate::table::forms!(
            #[target_feature(enable = "neon,dotprod,i8mm")]
            $step; $($counts)+
        )
    };
}
use shells;

/// Any macro of [`crate::table`] that compiles shells, with this tier's features.
macro_rules! shell {
    ($forms:ident: $($rest:tt)+) => {
        $crate::table::$forms!(
            #[target_feature(enable = "neon,dotprod,i8mm")]
            $($rest)+
        )
    };
}
use shell;

pub(crate) const KERNELS: Kernels = Kernels {
    tier: Tier::NeonI8mm,
    u8_i8: codes::U8_I8,
    code_panels: code_panel::CODE_PANELS,
    ..crate::arm::neondot::KERNELS
};
