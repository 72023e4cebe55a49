//! One bit a dimension: on which side of the mean a vector lies, after a random rotation that evens dimensions out.
//!
//! Signs of a randomly rotated vector keep its direction (Charikar, 2002); the share of differing bits grows with
//! the angle. A Walsh-Hadamard transform after random sign flips is rotation enough (Ailon and Chazelle, 2009),
//! costs d log d, and on integers it is exact in `f32`, so the bits are the same on every CPU.

use layouts::AlignedVec;
use simd_kernels::{Kernels, Rows};

use crate::Error;
use crate::build::partition::mix;
use crate::parallel;

/// Bytes of the signs of `dim` dimensions: a power of two of bits, at least 64.
pub(crate) fn bytes(dim: usize) -> usize {
    dim.next_power_of_two().max(64) / 8
}

/// The signs of one integer row, about `means`, in `out`.
pub(crate) fn one(
    row: &[i8],
    means: &[f32],
    kernels: &'static Kernels,
    wave: &mut Vec<f32>,
    out: &mut [u8],
) -> Result<(), Error> {
    wave.clear();
    wave.resize(out.len() * 8, 0.0);
    for (at, ((wave, &x), mean)) in wave.iter_mut().zip(row).zip(means).enumerate() {
        // Means are whole numbers, so that sums stay exact.
        let x = f32::from(x) - mean;
        *wave = if mix(5, at as u64) & 1 == 0 { x } else { -x };
    }
    kernels.walsh_hadamard(wave, None, 1.0)?;
    for (byte, waves) in out.iter_mut().zip(wave.chunks_exact(8)) {
        *byte = waves.iter().enumerate().fold(0, |byte, (place, &x)| byte | u8::from(x > 0.0) << place);
    }
    Ok(())
}

/// Whole-number means of integer rows.
pub(crate) fn means(rows: Rows<'_, i8>) -> Vec<f32> {
    let mut sums = vec![0i64; rows.dim()];
    for row in rows.iter() {
        for (sum, &x) in sums.iter_mut().zip(row) {
            *sum += i64::from(x);
        }
    }
    sums.iter().map(|&sum| (sum as f64 / rows.len().max(1) as f64).round() as f32).collect()
}

/// Signs of all rows.
pub(crate) fn encode(
    rows: Rows<'_, i8>,
    means: &[f32],
    kernels: &'static Kernels,
) -> Result<AlignedVec<u8>, Error> {
    let bytes = bytes(rows.dim());
    let mut codes = AlignedVec::zeroed(rows.len() * bytes)?;
    parallel::chunks(&mut codes, 1024 * bytes, |block, out| {
        let mut wave = Vec::new();
        for (at, out) in out.chunks_exact_mut(bytes).enumerate() {
            one(rows.row(block * 1024 + at).unwrap_or_default(), means, kernels, &mut wave, out)?;
        }
        Ok(())
    })?;
    Ok(codes)
}
