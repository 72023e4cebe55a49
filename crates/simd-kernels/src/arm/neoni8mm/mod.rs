//! [`Tier::NeonI8mm`].

use crate::table::Kernels;
use crate::tier::Tier;

pub(crate) const KERNELS: Kernels = Kernels { tier: Tier::NeonI8mm, ..crate::arm::neondot::KERNELS };
