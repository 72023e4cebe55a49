//! Byte codes with a scale per vector: 8 bits a dimension between the vector's own least and largest value.
//!
//! Locally adaptive quantisation (Aguerrebere and others, *Similarity search in the blink of an eye with compressed
//! indices*, VLDB 2023). With `x = low + step · u` the squared distance to a query is
//! `|q|² − 2 (low Σq + step <q, u>) + |x|²`, one byte product and three numbers that lie behind the code.

use layouts::AlignedVec;
use simd_kernels::{Element, Kernels, Rows};

use crate::Error;
use crate::intake::{Intake, nearest};
use crate::metric::sortable;
use crate::parallel;

/// Bytes of low value, step and squared length behind every code.
const FACTORS: usize = 12;

/// Bytes of one code with its factors, on whole groups of 16.
pub(crate) fn stride(dim: usize) -> usize {
    (dim + FACTORS).next_multiple_of(16)
}

/// Codes of all rows.
pub(crate) fn encode<T: Element>(
    rows: Rows<'_, T>,
    order: &[u32],
    intake: &Intake,
) -> Result<AlignedVec<u8>, Error> {
    let dim = intake.row_dim();
    let stride = stride(dim);
    let mut codes = AlignedVec::zeroed(order.len() * stride)?;
    parallel::chunks(&mut codes, 1024 * stride, |block, out| {
        let mut flat = vec![0.0; dim];
        for (at, out) in out.chunks_exact_mut(stride).enumerate() {
            let row = order.get(block * 1024 + at).copied().unwrap_or(0);
            intake.flat_row(rows.row(row as usize).unwrap_or_default(), &mut flat);
            one(&flat, out);
        }
        Ok(())
    })?;
    Ok(codes)
}

/// The code of one centred vector.
pub(crate) fn one(flat: &[f32], out: &mut [u8]) {
    let low = flat.iter().copied().fold(f32::INFINITY, f32::min);
    let high = flat.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let step = (high - low) / 255.0;
    let inverse = if step > 0.0 { 1.0 / step } else { 0.0 };
    let mut norm = 0.0f64;
    for (out, x) in out.iter_mut().zip(flat) {
        let code = nearest(((x - low) * inverse).clamp(0.0, 255.0)) as u8;
        *out = code;
        let back = f64::from(low) + f64::from(step) * f64::from(code);
        norm += back * back;
    }
    let (_, factors) = out.split_at_mut(flat.len());
    for (place, value) in factors.chunks_exact_mut(4).zip([low, step, norm as f32]) {
        place.copy_from_slice(&value.to_le_bytes());
    }
}

/// A query against byte codes: signed bytes on one step, and their sum.
#[derive(Debug, Default)]
pub(crate) struct ByteQuery {
    values: Vec<i8>,
    step: f32,
    sum: f32,
}

impl ByteQuery {
    /// Rounds a centred query.
    pub(crate) fn set(&mut self, flat: &[f32]) {
        let largest = flat.iter().fold(0.0f32, |largest, x| largest.max(x.abs()));
        let inverse = if largest > 0.0 { 127.0 / largest } else { 0.0 };
        self.step = largest / 127.0;
        self.values.clear();
        self.values.extend(flat.iter().map(|x| nearest(x * inverse) as i8));
        self.sum = self.step * self.values.iter().map(|&x| i32::from(x)).sum::<i32>() as f32;
    }

    /// Numbers that sort like the distances to codes `ids`; `rows` are the codes without their factors.
    pub(crate) fn score(
        &self,
        rows: Rows<'_, u8>,
        ids: &[u32],
        kernels: &'static Kernels,
        out: &mut [i32],
    ) -> Result<(), Error> {
        kernels.codes_u8().ids(&self.values, rows, ids, out)?;
        for (out, &id) in out.iter_mut().zip(ids) {
            let [low, step, norm] = factors(rows, id);
            let product = self.step * step * *out as f32 + low * self.sum;
            *out = sortable(norm - 2.0 * product);
        }
        Ok(())
    }
}

fn factors(rows: Rows<'_, u8>, id: u32) -> [f32; 3] {
    let start = id as usize * rows.stride() + rows.dim();
    match rows.data().get(start..start + FACTORS) {
        Some(bytes) => {
            let (words, _) = bytes.as_chunks::<4>();
            match words {
                [low, step, norm] => [low, step, norm].map(|word| f32::from_le_bytes(*word)),
                _ => [0.0; 3],
            }
        }
        None => [0.0; 3],
    }
}
