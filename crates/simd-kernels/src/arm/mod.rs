//! aarch64 tiers. The files of a folder have the same names in every folder and as in `x86`.

pub(crate) mod neon;
pub(crate) mod neondot;
pub(crate) mod neoni8mm;
