//! [`Tier::Neon`].

use crate::table::Kernels;
use crate::tier::Tier;

pub(crate) const KERNELS: Kernels = Kernels { tier: Tier::Neon, ..crate::portable::KERNELS };
