//! [`Tier::NeonDot`].

use crate::table::Kernels;
use crate::tier::Tier;

pub(crate) const KERNELS: Kernels = Kernels { tier: Tier::NeonDot, ..crate::arm::neon::KERNELS };
