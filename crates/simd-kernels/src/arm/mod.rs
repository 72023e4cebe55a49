//! aarch64 tiers. The files of a folder have the same names in every folder and as in `x86`; a file that is
//! missing means that its kernels are inherited from the tier below, as the `KERNELS` of that folder says.
//!
//! A register is 128 bits wide on every tier and there are 32 of them, so the tiers differ in one thing only:
//! how products of bytes are summed. [`bytes::Bytes`] is that difference; the kernels of `neon/int8.rs`,
//! `neon/bits.rs` and `neon/codes.rs` are written once over it and compiled for each tier.
//!
//! Eight rows stand side by side where one query meets many: a multiply-add takes four cycles, and current
//! cores start two to four of them in each.

#[cfg(not(target_endian = "little"))]
compile_error!("the aarch64 kernels read elements as little-endian");

mod bytes;
mod load;
mod sums;
mod symmetric;

pub(crate) mod neon;
pub(crate) mod neondot;
pub(crate) mod neoni8mm;
