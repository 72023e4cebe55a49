//! [`Tier::Avx512Icl`].

use crate::table::Kernels;
use crate::tier::Tier;

pub(crate) const KERNELS: Kernels = Kernels { tier: Tier::Avx512Icl, ..crate::x86::avx512::KERNELS };
