//! [`Tier::Avx512`].

use crate::table::Kernels;
use crate::tier::Tier;

pub(crate) const KERNELS: Kernels = Kernels { tier: Tier::Avx512, ..crate::x86::avx2::KERNELS };
