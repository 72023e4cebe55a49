//! The constant scale: the one that serves random directions best.

use super::super::random::Random;

/// Values that the scale is found on, in whole vectors.
const SAMPLE: usize = 12_288;
/// Scales that are tried.
const TRIED: i32 = 41;

/// The scale of a unit vector of `dim` dimensions, in steps of the grid, for which codes of `bits` have on average
/// the greatest part along random directions; and the root mean square of their values.
///
/// The best scale is flat: those tried lie 4 % apart.
pub(super) fn constant(dim: usize, bits: u8) -> (f32, f32) {
    let half = (1u32 << (bits - 1)) as f32;
    if bits == 1 {
        return (half, 0.5);
    }
    let mut random = Random::new(0x5ca1_e000 + u64::from(bits));
    let vectors: Vec<Vec<f32>> = (0..SAMPLE.div_ceil(dim).clamp(8, 1024))
        .map(|_| {
            let vector: Vec<f64> = (0..dim).map(|_| random.normal()).collect();
            let length = vector.iter().map(|x| x * x).sum::<f64>().sqrt();
            // Magnitudes suffice: the grid is symmetrical.
            vector.iter().map(|x| (x / length).abs() as f32).collect()
        })
        .collect();
    let root = (dim as f32).sqrt();
    let (mut best, mut found) = (f64::NEG_INFINITY, (half * root, 0.0));
    // Standard deviations that the grid covers, from 5.5 down to 1.1.
    let mut covered = 5.5f32;
    for _ in 0..TRIED {
        let scale = half / covered * root;
        let (mut quality, mut squares) = (0.0, 0.0);
        for vector in &vectors {
            let (mut along, mut square) = (0.0f32, 0.0f32);
            for a in vector {
                // Positive, and far below 2^31: truncation is the floor.
                let x = ((scale * a) as i32).min(half as i32 - 1) as f32 + 0.5;
                along += x * a;
                square += x * x;
            }
            quality += f64::from(along) / f64::from(square).sqrt();
            squares += f64::from(square);
        }
        if quality > best {
            best = quality;
            let spread = (squares / (vectors.len() * dim) as f64).sqrt();
            found = (scale, spread as f32);
        }
        covered *= 0.96;
    }
    found
}
