//! x86-64 tiers. The files of a folder have the same names in every folder, so that one can be laid beside
//! another; a file that is missing means that its kernels are inherited from the tier below, as the `KERNELS`
//! of that folder says.

pub(crate) mod avx2;
pub(crate) mod avx512;
pub(crate) mod bf16;
pub(crate) mod icl;
