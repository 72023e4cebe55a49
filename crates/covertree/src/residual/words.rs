//! Coordinates rounded to 16 bits: what members of a block are compared with a query by.
//!
//! Every member of most blocks is multiplied with every query, so that these products decide how fast a search is. Integers of
//! 16 bits multiply at twice the speed of `f32` and exactly. What rounding moved is known, for members and for queries, and by
//! Cauchy and Schwarz that bounds what their products are wrong by: a few ten-thousandths of the product of their lengths.

use layouts::AlignedVec;
use simd_kernels::{PANEL_ROWS, WordPanels};

use super::error::ResidualError;

/// The word for a vector's length. Rounding adds at most a half to each element, and the longest still is an `i16`; by Cauchy and
/// Schwarz no sum of products reaches 2³¹.
pub(super) const WORDS: f32 = 32_766.0;

/// Adding this leaves a number's nearest integer in the lowest bits of the sum, for numbers below 2²².
const TO_NEAREST: f32 = 12_582_912.0;

/// The integer nearest to a number of at most [`WORDS`] and a half, in instructions that every CPU has.
#[inline(always)]
fn word(x: f32) -> i16 {
    (x + TO_NEAREST).to_bits() as i16
}

/// What sums of squares in `f32` and the roundings before them may hide of an error, and more.
const HIDDEN: f32 = 1.001;

/// Adds a vector of whole sixteens that is at most `length` long to the rows in `to`, and returns how far off it is then.
pub(super) fn add_row(coordinates: &[f32], length: f32, to: &mut Vec<i16>) -> f32 {
    let scale = if length > 0.0 { WORDS / length } else { 0.0 };
    let mut squares = [0.0f32; 16];
    for x in coordinates.as_chunks::<16>().0 {
        let words = x.map(|x| word(x * scale));
        for ((square, x), word) in squares.iter_mut().zip(x).zip(words) {
            let off = x * scale - f32::from(word);
            *square += off * off;
        }
        to.extend(words);
    }
    let off = squares.iter().sum::<f32>().sqrt() * HIDDEN;
    // Products with the scale are rounded themselves, by no more than u of the longest word.
    (off + WORDS * f32::EPSILON) * (length / WORDS)
}

/// Members as words.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Packed {
    /// The length that [`WORDS`] stand for.
    pub(super) longest: f64,
    /// How far off a row is at most.
    pub(super) off: f64,
}

/// Packs a matrix of `columns`, whole sixteens of rows and columns, as the rows of one set of panels and as its columns in another. Returns
/// the length that [`WORDS`] stand for, and how far off the matrix is in all.
pub(super) fn pack_both(
    matrix: &[f64],
    columns: usize,
    by_row: &mut AlignedVec<i16>,
    by_column: &mut AlignedVec<i16>,
) -> Result<Packed, ResidualError> {
    let rows = matrix.len() / columns;
    let mut longest = 0.0f64;
    let mut of_columns = vec![0.0f64; columns];
    for row in matrix.chunks_exact(columns) {
        let mut squared = 0.0;
        for (x, square) in row.iter().zip(&mut of_columns) {
            *square += x * x;
            squared += x * x;
        }
        longest = longest.max(squared);
    }
    let longest = of_columns.iter().copied().fold(longest, f64::max).sqrt() as f32 * HIDDEN;
    let unit = if longest > 0.0 { WORDS / longest } else { 0.0 };
    by_row.resize_stale(rows * columns)?;
    by_column.resize_stale(rows * columns)?;
    let mut squares = [0.0f32; PANEL_ROWS];
    let mut tile = [[0i16; PANEL_ROWS]; PANEL_ROWS];
    const HALF: usize = PANEL_ROWS * WordPanels::GROUP;
    for (i, lines) in matrix.chunks_exact(columns * PANEL_ROWS).enumerate() {
        for j in 0..columns / PANEL_ROWS {
            for (words, line) in tile.iter_mut().zip(lines.chunks_exact(columns)) {
                let line = &line[j * PANEL_ROWS..(j + 1) * PANEL_ROWS];
                for ((to, square), x) in words.iter_mut().zip(&mut squares).zip(line) {
                    let x = *x as f32 * unit;
                    *to = word(x);
                    let off = x - f32::from(*to);
                    *square += off * off;
                }
            }
            let to = &mut by_row[(i * columns + j * PANEL_ROWS) * PANEL_ROWS..][..PANEL_ROWS * PANEL_ROWS];
            for (group, to) in to.chunks_exact_mut(HALF).enumerate() {
                for (to, words) in to.chunks_exact_mut(2).zip(&tile) {
                    to.copy_from_slice(&words[2 * group..2 * group + 2]);
                }
            }
            let to = &mut by_column[(j * rows + i * PANEL_ROWS) * PANEL_ROWS..][..PANEL_ROWS * PANEL_ROWS];
            for (group, to) in to.chunks_exact_mut(HALF).enumerate() {
                for (c, to) in to.chunks_exact_mut(2).enumerate() {
                    to[0] = tile[2 * group][c];
                    to[1] = tile[2 * group + 1][c];
                }
            }
        }
    }
    let count = (rows * columns) as f32;
    let off = (squares.iter().sum::<f32>().sqrt() * HIDDEN + 2.0 * count.sqrt() * WORDS * f32::EPSILON)
        * (longest / WORDS);
    Ok(Packed { longest: f64::from(longest), off: f64::from(off) })
}

/// Packs rows of `columns` coordinates, whole sixteens, `stride` apart, each divided by its scale and less the `centre`.
pub(super) fn pack_rows(
    rows: &[f64],
    (columns, stride): (usize, usize),
    scales: &[f64],
    centre: &[f64],
    to: &mut AlignedVec<i16>,
) -> Result<Packed, ResidualError> {
    let from_centre = |row: &[f64], scale: f64, to: &mut [f32; PANEL_ROWS], at: usize| {
        let of_one = 1.0 / scale;
        for ((to, x), centre) in to.iter_mut().zip(&row[at..]).zip(&centre[at..]) {
            *to = (x * of_one - centre) as f32;
        }
    };
    let mut piece = [0.0f32; PANEL_ROWS];
    let mut longest = 0.0f32;
    for (row, &scale) in rows.chunks(stride).zip(scales) {
        let mut squares = [0.0f32; PANEL_ROWS];
        for at in (0..columns).step_by(PANEL_ROWS) {
            from_centre(row, scale, &mut piece, at);
            for (square, x) in squares.iter_mut().zip(piece) {
                *square += x * x;
            }
        }
        longest = longest.max(squares.iter().sum());
    }
    let longest = longest.sqrt() * HIDDEN;
    let unit = if longest > 0.0 { WORDS / longest } else { 0.0 };
    to.resize_stale(scales.len().next_multiple_of(PANEL_ROWS) * columns)?;
    let (mut off, mut panel) = (0.0f32, [[0i16; PANEL_ROWS]; PANEL_ROWS]);
    for (number, to) in to.chunks_exact_mut(PANEL_ROWS * columns).enumerate() {
        let first = number * PANEL_ROWS;
        let mut squares = [[0.0f32; PANEL_ROWS]; PANEL_ROWS];
        for (at, to) in to.chunks_exact_mut(PANEL_ROWS * PANEL_ROWS).enumerate() {
            panel.fill([0; PANEL_ROWS]);
            let lines = rows.chunks(stride).zip(scales).skip(first);
            for ((words, squares), (row, &scale)) in panel.iter_mut().zip(&mut squares).zip(lines) {
                from_centre(row, scale, &mut piece, at * PANEL_ROWS);
                for ((word_of, square), x) in words.iter_mut().zip(squares).zip(piece) {
                    *word_of = word(x * unit);
                    let off = x * unit - f32::from(*word_of);
                    *square += off * off;
                }
            }
            for (group, to) in to.chunks_exact_mut(WordPanels::GROUP * PANEL_ROWS).enumerate() {
                let at = group * WordPanels::GROUP;
                for (to, words) in to.chunks_exact_mut(WordPanels::GROUP).zip(&panel) {
                    to.copy_from_slice(&words[at..at + WordPanels::GROUP]);
                }
            }
        }
        off = squares.iter().map(|squares| squares.iter().sum()).fold(off, f32::max);
    }
    // Numbers were rounded to `f32` before, by no more than 2 u of the longest.
    let off = (off.sqrt() * HIDDEN + 2.0 * WORDS * f32::EPSILON) * (longest / WORDS);
    Ok(Packed { longest: f64::from(longest), off: f64::from(off) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_the_nearest_integers() {
        for x in [-32_766.5f32, -32_766.0, -1.75, -0.25, 0.0, 0.25, 0.75, 1.0, 1234.4, 32_766.0, 32_766.5] {
            assert!((f32::from(word(x)) - x).abs() <= 0.5, "{x}: {}", word(x));
        }
    }

    #[test]
    fn products_of_words_stay_within_their_error() {
        let columns = 48;
        let number = |seed: usize| ((seed * 2_654_435_761) % 1_000) as f64 / 500.0 - 1.0;
        for seed in 0..50 {
            let a: Vec<f32> = (0..columns).map(|at| number(seed * 97 + at) as f32).collect();
            let b: Vec<f64> = (0..columns).map(|at| number(seed * 31 + 7 * at + 5)).collect();
            let centre: Vec<f64> = (0..columns).map(|at| number(seed + at) / 4.0).collect();
            let rest: Vec<f64> = b.iter().zip(&centre).map(|(b, centre)| b / 2.0 - centre).collect();
            let exact: f64 = a.iter().zip(&rest).map(|(a, b)| f64::from(*a) * b).sum();
            let length = (a.iter().map(|x| x * x).sum::<f32>().sqrt() * 1.000_01).next_up();
            let (mut words, mut packed) = (Vec::new(), AlignedVec::new());
            let off = add_row(&a, length, &mut words);
            let members = pack_rows(&b, (columns, columns), &[2.0], &centre, &mut packed).unwrap();
            assert_eq!(packed.len(), 16 * columns);
            let sum: i64 = (0..columns)
                .map(|at| i64::from(words[at]) * i64::from(packed[WordPanels::place(columns, 0, at)]))
                .sum();
            assert!(sum.abs() < 1 << 31);
            let product = sum as f64 / f64::from(WORDS).powi(2) * f64::from(length) * members.longest;
            let error = f64::from(off) * members.longest + f64::from(length) * members.off;
            assert!((product - exact).abs() <= error, "{product} for {exact}, error {error}");
            assert!(error < 1e-3 * f64::from(length) * members.longest);
        }
    }

    #[test]
    fn nothing_is_nothing() {
        let mut words = Vec::new();
        assert_eq!(add_row(&[0.0; 16], 0.0, &mut words), 0.0);
        assert_eq!(words, [0; 16]);
        let mut packed = AlignedVec::new();
        let members = pack_rows(&[0.5; 40], (16, 20), &[1.0, 1.0], &[0.5; 16], &mut packed).unwrap();
        assert_eq!((members.longest, members.off), (0.0, 0.0));
        assert_eq!(&packed[..], [0; 256]);
    }
}
