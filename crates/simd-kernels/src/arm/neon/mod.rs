//! [`Tier::Neon`].

mod lanes;
mod math;
mod select;

use crate::table::Kernels;
use crate::tier::Tier;

pub(crate) const KERNELS: Kernels = Kernels {
    tier: Tier::Neon,
    math: math::MATH,
    walsh_hadamard: math::WALSH_HADAMARD,
    select: select::SELECT,
    ..crate::portable::KERNELS
};
