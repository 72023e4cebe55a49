//! [`Tier::Avx2`].

use crate::table::Kernels;
use crate::tier::Tier;

pub(crate) const KERNELS: Kernels = Kernels { tier: Tier::Avx2, ..crate::portable::KERNELS };
