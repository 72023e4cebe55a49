//! [`Tier::Avx512Bf16`]: products of `bf16` pairs (`vdpbf16ps`). Owns the `bf16` inner product and cosine;
//! everything else is that of the tier below.

mod half;

use crate::table::Kernels;
use crate::tier::Tier;

/// [`crate::table::forms!`] and [`crate::table::cosine!`] with this tier's features and register budget.
macro_rules! shells {
    (cosine $step:ty) => {
        $crate::table::cosine!(
            #[target_feature(
                enable = "avx2,fma,f16c,popcnt,bmi1,bmi2,lzcnt,avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi,avx512vbmi2,avx512bitalg,avx512vpopcntdq,avx512bf16"
            )]
            $step
        )
    };
    ($step:ty) => {
        $crate::table::forms!(
            #[target_feature(
                enable = "avx2,fma,f16c,popcnt,bmi1,bmi2,lzcnt,avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi,avx512vbmi2,avx512bitalg,avx512vpopcntdq,avx512bf16"
            )]
            $step; pair: 4, rows: 8, tile: 4
        )
    };
}
use shells;

pub(crate) const KERNELS: Kernels =
    Kernels { tier: Tier::Avx512Bf16, bf16: half::BF16, ..crate::x86::icl::KERNELS };
