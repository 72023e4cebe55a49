//! How the rows of a zone lie in units of codes and factors, so that one can be moved without being decoded.

use std::ops::Range;

/// The lengths of a unit.
///
/// A unit is groups of `width` bytes a row, all rows side by side in each: groups of four codes in panels of 16 rows,
/// planes of a byte a row in blocks of 64, or one group of whole rows there. Beside it lie `columns` of factors, a
/// place a row in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unit {
    pub(crate) rows: usize,
    pub(crate) bytes: usize,
    pub(crate) width: usize,
    pub(crate) columns: usize,
}

impl Unit {
    /// Units that hold so many rows.
    pub(crate) fn units(self, rows: usize) -> usize {
        rows.div_ceil(self.rows)
    }

    /// Rows in whole units.
    pub(crate) fn places(self, rows: usize) -> usize {
        self.units(rows) * self.rows
    }

    /// Bytes of the codes of so many rows, in whole units.
    pub(crate) fn bytes_of(self, rows: usize) -> usize {
        self.units(rows) * self.bytes
    }

    /// Factors of so many rows, in whole units.
    pub(crate) fn factors_of(self, rows: usize) -> usize {
        self.places(rows) * self.columns
    }

    /// Where the bytes of a row's code lie.
    pub(crate) fn code(self, row: usize) -> impl Iterator<Item = Range<usize>> {
        let group = self.rows * self.width;
        let first = row / self.rows * self.bytes + row % self.rows * self.width;
        (0..self.bytes / group.max(1)).map(move |at| first + at * group..first + at * group + self.width)
    }

    /// Where the factors of a row lie: first what is added to its estimate.
    pub(crate) fn factors(self, row: usize) -> impl Iterator<Item = usize> {
        let first = row / self.rows * self.rows * self.columns + row % self.rows;
        (0..self.columns).map(move |column| first + column * self.rows)
    }

    /// Copies the code and the factors of a row to another place. Nothing happens to places that there are not.
    pub(crate) fn copy(
        self,
        (codes, factors): (&[u8], &[f32]),
        row: usize,
        to: (&mut [u8], &mut [f32]),
        at: usize,
    ) {
        for (from, place) in self.code(row).zip(self.code(at)) {
            if let (Some(from), Some(place)) = (codes.get(from), to.0.get_mut(place)) {
                place.copy_from_slice(from);
            }
        }
        for (from, place) in self.factors(row).zip(self.factors(at)) {
            if let (Some(&from), Some(place)) = (factors.get(from), to.1.get_mut(place)) {
                *place = from;
            }
        }
    }

    /// [`copy`](Self::copy) within a zone.
    pub(crate) fn copy_within(self, codes: &mut [u8], factors: &mut [f32], row: usize, at: usize) {
        for (from, place) in self.code(row).zip(self.code(at)) {
            if from.end <= codes.len() && place.end <= codes.len() {
                codes.copy_within(from, place.start);
            }
        }
        for (from, place) in self.factors(row).zip(self.factors(at)) {
            if from < factors.len() && place < factors.len() {
                factors[place] = factors[from];
            }
        }
    }

    /// Makes a place one that no estimate reaches.
    pub(crate) fn vacate(self, factors: &mut [f32], row: usize) {
        for (column, place) in self.factors(row).enumerate() {
            if let Some(factor) = factors.get_mut(place) {
                *factor = if column == 0 { f32::INFINITY } else { 0.0 };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantiser::{BLOCK_ROWS, Layout};

    #[test]
    fn a_moved_row_is_the_row_that_was_written() {
        let layouts = [
            (Layout::Sixes { symbols: 17, bits: 1 }, 1),
            (Layout::Sixes { symbols: 17, bits: 3 }, 1),
            (Layout::Nibbles { symbols: 9 }, 1),
            (Layout::Bytes { symbols: 9 }, 1),
            (Layout::Rows1 { symbols: 70 }, 16),
            (Layout::Rows4 { symbols: 33 }, 32),
            (Layout::Rows8 { symbols: 17 }, 32),
        ];
        for (layout, width) in layouts {
            let unit = Unit { rows: BLOCK_ROWS, bytes: layout.block_bytes(), width, columns: 2 };
            let row = |at: usize| -> Vec<u8> {
                (0..layout.symbols()).map(|symbol| ((at * 31 + symbol * 7) % 13 % 2) as u8).collect()
            };
            let mut codes = vec![0; layout.bytes(130)];
            for (at, block) in codes.chunks_exact_mut(layout.block_bytes()).enumerate() {
                for place in 0..BLOCK_ROWS {
                    layout.write(block, place, &row(at * BLOCK_ROWS + place)).unwrap();
                }
            }
            let mut factors: Vec<f32> = (0..unit.factors_of(130)).map(|at| at as f32).collect();
            let (before, kept) = (codes.clone(), factors.clone());
            unit.copy_within(&mut codes, &mut factors, 129, 3);
            let mut symbols = vec![0; layout.symbols()];
            for (at, block) in codes.chunks_exact(layout.block_bytes()).enumerate() {
                for place in 0..BLOCK_ROWS {
                    layout.read(block, place, &mut symbols).unwrap();
                    let now = at * BLOCK_ROWS + place;
                    assert_eq!(symbols, row(if now == 3 { 129 } else { now }), "{layout:?} {now}");
                }
            }
            let changed: Vec<usize> = (0..factors.len()).filter(|&at| factors[at] != kept[at]).collect();
            assert_eq!(changed, [3, 67], "{layout:?}");
            assert_eq!((factors[3], factors[67]), (257.0, 321.0));
            // From one zone into another.
            let (mut other, mut beside) = (vec![0; before.len()], vec![0.0; kept.len()]);
            unit.copy((&before, &kept), 129, (&mut other, &mut beside), 64);
            layout.read(&other[layout.block_bytes()..2 * layout.block_bytes()], 0, &mut symbols).unwrap();
            assert_eq!(symbols, row(129));
            unit.vacate(&mut beside, 64);
            assert_eq!((beside[128], beside[192]), (f32::INFINITY, 0.0));
        }
    }
}
