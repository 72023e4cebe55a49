//! [`Tier::Avx2`].

mod lanes;
mod math;
mod select;

use crate::table::Kernels;
use crate::tier::Tier;

pub(crate) const KERNELS: Kernels = Kernels {
    tier: Tier::Avx2,
    math: math::MATH,
    walsh_hadamard: math::WALSH_HADAMARD,
    select: select::SELECT,
    ..crate::portable::KERNELS
};
