//! The scalar truth: one plain loop per kernel, in `f64` or `i64`, that every tier is compared with.

pub mod codes;
pub mod lookups;
pub mod math;
pub mod near;
pub mod select;
pub mod wht;

use crate::element::{Element, Measure};

/// An element as `f64`, out of line: the floors of `contract.rs` are multiples of this twin's speed, which must not
/// change with what a caller's compiler makes of it.
#[inline(never)]
fn value<T: Element>(x: T) -> f64 {
    // Of an `f64` it is the identity, which a compiler sees through even out of line.
    if T::NAME == "f64" { std::hint::black_box(x.to_f64()) } else { x.to_f64() }
}

/// The measure of two equally long vectors, summed in `f64` (exact for integers).
pub fn measure<T: Element>(measure: Measure, a: &[T], b: &[T]) -> f64 {
    let pairs = a.iter().zip(b).map(|(x, y)| (value(*x), value(*y)));
    match measure {
        Measure::L2Squared => pairs.map(|(x, y)| (x - y) * (x - y)).sum(),
        Measure::InnerProduct => pairs.map(|(x, y)| x * y).sum(),
        Measure::L1 => pairs.map(|(x, y)| (x - y).abs()).sum(),
    }
}

/// Σ of the absolute values of the terms that [`measure`] adds up: what its rounding error is relative to.
pub fn magnitude<T: Element>(kind: Measure, a: &[T], b: &[T]) -> f64 {
    match kind {
        Measure::InnerProduct => a.iter().zip(b).map(|(x, y)| (x.to_f64() * y.to_f64()).abs()).sum(),
        _ => measure(kind, a, b),
    }
}

/// The cosine of the angle between two vectors; 0 if either is all zeros.
pub fn cosine<T: Element>(a: &[T], b: &[T]) -> f64 {
    let dot = |x: &[T], y: &[T]| measure(Measure::InnerProduct, x, y);
    let (aa, bb) = (dot(a, a), dot(b, b));
    if aa == 0.0 || bb == 0.0 { 0.0 } else { dot(a, b) / (aa.sqrt() * bb.sqrt()) }
}

/// Bits that differ.
pub fn hamming(a: &[u8], b: &[u8]) -> u32 {
    a.iter().zip(b).map(|(x, y)| (x ^ y).count_ones()).sum()
}

/// 1 − |a ∧ b| / |a ∨ b|, and 0 for two empty sets.
pub fn jaccard(a: &[u8], b: &[u8]) -> f32 {
    let both = a.iter().zip(b).map(|(x, y)| (x & y).count_ones()).sum();
    let any = a.iter().zip(b).map(|(x, y)| (x | y).count_ones()).sum();
    jaccard_of_counts(both, any)
}

/// The one rounding of the Jaccard distance, shared by all tiers so that they agree exactly.
#[inline(always)]
pub(crate) fn jaccard_of_counts(both: u32, any: u32) -> f32 {
    if any == 0 { 0.0 } else { (any - both) as f32 / any as f32 }
}

/// Σ query · code, one code a byte.
pub fn codes_u8(query: &[i8], codes: &[u8]) -> i32 {
    query.iter().zip(codes).map(|(&q, &c)| i32::from(q) * i32::from(c)).sum()
}

/// The distance of codes of mixed width (see [`crate::Kernels::codes_mixed`]).
pub fn codes_mixed(query: &[i8], codes: &[u8]) -> i32 {
    let mut sum = 0;
    for (query, line) in query.chunks_exact(320).zip(codes.chunks_exact(64)) {
        for group in 0..16 {
            let (mut squares, mut products) = (0, 0);
            for byte in 4 * group..4 * group + 4 {
                let low = i32::from(line[byte] & query[128 + byte] as u8 & 0x7f);
                let high = i32::from((line[byte] >> 4) & query[192 + byte] as u8 & 0x0f);
                squares += low * low + high * high;
                products += i32::from(query[byte]) * low + i32::from(query[64 + byte]) * high;
            }
            sum += 2 * squares - (products << (query[256 + 4 * group] & 3));
        }
    }
    sum
}

/// Σ query · code for packed 4-bit codes (see [`crate::Kernels::codes_u4`]).
pub fn codes_u4(query: &[i8], codes: &[u8]) -> i32 {
    let code = |dim: usize| {
        let byte = codes[dim / 32 * 16 + dim % 16];
        i32::from(if dim % 32 < 16 { byte & 15 } else { byte >> 4 })
    };
    query.iter().enumerate().map(|(dim, &q)| i32::from(q) * code(dim)).sum()
}
