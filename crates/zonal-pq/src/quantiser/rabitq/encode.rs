//! Choosing a code: by a constant scale, by the best scale, or by coordinate descent.

use super::super::Scratch;
use super::super::factors::dot;
use super::super::prepared::nearest;
use super::Encoding;

/// Levels beyond the greatest that the best scale may push the greatest value to. Beyond, codes only lose by
/// the values that are cut off (a rule of the RaBitQ library).
const BEYOND: f32 = 10.0;

/// Writes the code of `residual` to `code`, and what it stands for to `scratch.code`. A residual of no length, or
/// of one that is no number, gets some code.
pub(super) fn encode(
    residual: &[f32],
    bits: u8,
    encoding: Encoding,
    constant: f32,
    scratch: &mut Scratch,
    code: &mut [u8],
) {
    let Scratch { code: values, steps, levels, .. } = scratch;
    values.clear();
    values.resize(residual.len(), 0.0);
    let length = dot(residual, residual).sqrt();
    let per_unit = if length > 0.0 { 1.0 / length } else { 0.0 };
    match encoding {
        Encoding::Constant => round(residual, constant * per_unit, bits, values, code),
        // One bit is a sign, whatever the scale.
        _ if bits == 1 => round(residual, constant * per_unit, bits, values, code),
        Encoding::Exact => {
            let best = best_scale(residual, per_unit, bits, steps, levels);
            round(residual, best * per_unit, bits, values, code);
        }
        Encoding::CoordinateDescent { rounds } => {
            start(residual, constant * per_unit, bits, values, code);
            descend(residual, bits, rounds, values, code);
        }
    }
}

/// u = ⌊scale · r⌋ + 2^(bits − 1), cut to the levels there are.
fn round(residual: &[f32], scale: f32, bits: u8, values: &mut [f32], code: &mut [u8]) {
    let half = (1u32 << (bits - 1)) as f32;
    let (offset, greatest) = (half - 0.5, 2.0 * half - 1.0);
    for ((u, value), r) in code.iter_mut().zip(values).zip(residual) {
        let level = nearest((scale * r + offset).clamp(0.0, greatest));
        *u = level as u8;
        *value = level as f32 - offset;
    }
}

/// The better of two codes to begin with: the constant scale, and the scale that just reaches the greatest value.
fn start(residual: &[f32], constant: f32, bits: u8, values: &mut [f32], code: &mut [u8]) {
    let largest = residual.iter().fold(0.0f32, |largest, r| largest.max(r.abs()));
    let half = (1u32 << (bits - 1)) as f32;
    let fitting = half / largest;
    round(residual, constant, bits, values, code);
    if !fitting.is_finite() {
        return;
    }
    let quality = |values: &[f32]| dot(residual, values) / dot(values, values).sqrt();
    let of_constant = quality(values);
    round(residual, fitting, bits, values, code);
    if of_constant >= quality(values) {
        round(residual, constant, bits, values, code);
    }
}

/// Moves single dimensions by a level while ⟨r, x̂⟩² / |x̂|² grows.
fn descend(residual: &[f32], bits: u8, rounds: u32, values: &mut [f32], code: &mut [u8]) {
    let greatest = ((1u32 << bits) - 1) as u8;
    let mut along = f64::from(dot(residual, values));
    let mut square: f64 = values.iter().map(|value| f64::from(value * value)).sum();
    if along.is_nan() || along <= 0.0 {
        return;
    }
    for _ in 0..rounds {
        let mut moved = false;
        for ((u, value), r) in code.iter_mut().zip(values.iter_mut()).zip(residual) {
            let (r, x) = (f64::from(*r), f64::from(*value));
            // The gradient says which way; only that can help.
            let up = r * square > along * x;
            if if up { *u == greatest } else { *u == 0 } {
                continue;
            }
            let by = if up { 1.0 } else { -1.0 };
            let (new_along, new_square) = (along + by * r, square + 2.0 * by * x + 1.0);
            if new_along > 0.0 && new_along * new_along * square > along * along * new_square {
                (along, square) = (new_along, new_square);
                *u = if up { *u + 1 } else { *u - 1 };
                *value = (x + by) as f32;
                moved = true;
            }
        }
        if !moved {
            break;
        }
    }
}

/// The scale whose code has the greatest part along the unit vector `residual · per_unit`.
///
/// As the scale grows, one magnitude at a time passes to its next level, at (m + 1) / a_i. All these are sorted and
/// swept; the product and the square of the code follow in two additions each.
fn best_scale(
    residual: &[f32],
    per_unit: f32,
    bits: u8,
    steps: &mut Vec<(f32, u32)>,
    levels: &mut Vec<u8>,
) -> f32 {
    /// No optimum lies below this share of the greatest scale, in 64 dimensions and more; found by the RaBitQ
    /// library on random vectors, a tenth taken off.
    const FROM: [f32; 8] = [0.0, 0.13, 0.18, 0.46, 0.53, 0.63, 0.67, 0.69];
    let top = (1u32 << (bits - 1)) - 1;
    let largest = residual.iter().fold(0.0f32, |largest, r| largest.max(r.abs())) * per_unit;
    let last = (top as f32 + BEYOND) / largest;
    if !last.is_finite() {
        return 0.0;
    }
    let share = FROM.get(usize::from(bits - 1)).copied().unwrap_or(0.0);
    let first = if residual.len() >= 64 { share * last } else { 0.0 };
    steps.clear();
    levels.clear();
    let (mut along, mut square) = (0.0f64, 0.0f64);
    for (i, r) in residual.iter().enumerate() {
        let a = r.abs() * per_unit;
        let begun = ((first * a) as u32).min(top);
        let x = f64::from(begun) + 0.5;
        along += x * f64::from(a);
        square += x * x;
        levels.push(begun as u8);
        for m in begun + 1..=top {
            let scale = m as f32 / a;
            if scale.is_nan() || scale > last {
                break;
            }
            steps.push((scale, i as u32));
        }
    }
    steps.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    // Before the first step; a scale of 0 would lose the signs.
    let mut scale = 0.5 * (first + steps.first().map_or(last, |step| step.0));
    let mut best = along * along / square;
    for (at, &(critical, i)) in steps.iter().enumerate() {
        let Some((level, r)) = levels.get_mut(i as usize).zip(residual.get(i as usize)) else { continue };
        *level += 1;
        along += f64::from(r.abs() * per_unit);
        square += 2.0 * f64::from(*level);
        if along * along > best * square {
            best = along * along / square;
            // Between this step and the next, so that rounding puts no value on the wrong side.
            let next = steps.get(at + 1).map_or(critical, |step| step.0);
            scale = 0.5 * (critical + next);
            if scale <= critical {
                scale = critical * (1.0 + 2.0 * f32::EPSILON);
            }
        }
    }
    scale
}

#[cfg(test)]
mod tests {
    use super::super::super::random::Random;
    use super::*;

    fn quality(residual: &[f32], values: &[f32]) -> f64 {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
        dot(residual, values) / (dot(values, values) * dot(residual, residual)).sqrt()
    }

    #[test]
    fn the_best_scale_beats_every_other() {
        let mut random = Random::new(5);
        for (dim, bits) in [(1, 3), (5, 2), (7, 4), (64, 3), (100, 5), (129, 8)] {
            let residual: Vec<f32> = (0..dim).map(|_| random.normal() as f32).collect();
            let mut scratch = Scratch::default();
            let mut code = vec![0; dim];
            encode(&residual, bits, Encoding::Exact, 1.0, &mut scratch, &mut code);
            let best = quality(&residual, &scratch.code);
            for step in 1..2000 {
                let scale = f32::from(step as u16) * 0.0005 * f32::from(1u16 << bits);
                let mut values = vec![0.0; dim];
                round(&residual, scale, bits, &mut values, &mut code);
                let other = quality(&residual, &values);
                assert!(other <= best + 2e-6, "{dim} {bits}: {other} at {scale}, best {best}");
            }
        }
    }

    #[test]
    fn coordinate_descent_never_falls_behind_its_start_and_ends_where_no_move_helps() {
        let mut random = Random::new(6);
        for (dim, bits) in [(7, 2), (100, 4), (128, 8)] {
            let residual: Vec<f32> = (0..dim).map(|_| random.normal() as f32).collect();
            let mut scratch = Scratch::default();
            let mut code = vec![0; dim];
            let constant = 0.3 * (dim as f32).sqrt() * f32::from(1u16 << (bits - 1));
            encode(&residual, bits, Encoding::Constant, constant, &mut scratch, &mut code);
            let start = quality(&residual, &scratch.code);
            let encoding = Encoding::CoordinateDescent { rounds: 100 };
            encode(&residual, bits, encoding, constant, &mut scratch, &mut code);
            let end = quality(&residual, &scratch.code);
            assert!(end >= start - 1e-6);
            let greatest = (1i32 << bits) - 1;
            for i in 0..dim {
                for by in [-1.0, 1.0] {
                    if (0..=greatest).contains(&(i32::from(code[i]) + by as i32)) {
                        let mut other = scratch.code.clone();
                        other[i] += by;
                        assert!(quality(&residual, &other) <= end + 1e-6);
                    }
                }
            }
        }
    }
}
