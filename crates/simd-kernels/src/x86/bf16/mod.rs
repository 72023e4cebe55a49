//! [`Tier::Avx512Bf16`].

use crate::table::Kernels;
use crate::tier::Tier;

pub(crate) const KERNELS: Kernels = Kernels { tier: Tier::Avx512Bf16, ..crate::x86::icl::KERNELS };
