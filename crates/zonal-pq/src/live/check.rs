//! The invariants of a changing index, looked over from outside: for tests, and for whoever wants to be sure.

use std::collections::HashSet;

use simd_kernels::{Element, Rows};

use super::draft::{Draft, Place};
use crate::Error;
use crate::build::{CAP, encode};

/// What [`LiveZonal::check`](crate::LiveZonal::check) found where everything holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checked {
    /// Vectors.
    pub rows: usize,
    /// Zones.
    pub zones: usize,
    /// Rows of the largest zone.
    pub largest: usize,
    /// Vectors that are not in a zone whose centroid is nearest to them: a split looks for those that it puts in the
    /// wrong only in the zones around it.
    pub misplaced: usize,
    /// Zones that are to be split or merged.
    pub due: usize,
}

impl<T: Element> Draft<T> {
    pub(crate) fn check(&self) -> Result<Checked, Error> {
        let fail = |section: &'static str, reason| Err(Error::Damaged { section, reason });
        let dim = self.learnt.space.dim();
        let mut checked = Checked {
            rows: self.rows(),
            zones: self.zones.len(),
            largest: 0,
            misplaced: 0,
            due: self.due.len(),
        };
        if self.centres.len() != checked.zones || self.patience.len() != checked.zones {
            return fail("zones", "not one centroid for each");
        }
        let mut seen = HashSet::with_capacity(checked.rows);
        let space = &self.learnt.space;
        for (at, zone) in self.zones.iter().enumerate() {
            let rows = zone.len();
            checked.largest = checked.largest.max(rows);
            let shape = self.shape;
            let units = zone.scanned(shape);
            if (units.codes.len(), units.factors.len())
                != (shape.unit.bytes_of(rows), shape.unit.factors_of(rows))
            {
                return fail("codes", "not as many units as rows need");
            }
            let norms = if shape.norms { rows } else { 0 };
            if (zone.vectors(shape).len(), zone.bytes(shape).len(), zone.norms(shape).len())
                != (rows * shape.dim, rows * shape.bytes, norms)
            {
                return fail("vectors", "not as many as rows");
            }
            if rows > CAP {
                return fail("zones", "one holds more than it may");
            }
            for (row, &slot) in zone.slots().iter().enumerate() {
                let place = Place { zone: at as u32, row: row as u32 };
                if self.places.get(slot as usize) != Some(&place) || !seen.insert(slot) {
                    return fail("keys", "a row that its key does not know of");
                }
            }
            let integers = self.integers(rows, |row| zone.vector(shape, row))?;
            if shape.bytes > 0 && integers[..] != *zone.bytes(shape) {
                return fail("bytes", "not those of the vectors");
            }
            let view = Rows::new(&integers, dim)?;
            let centroid = self.centres.get(at as u32);
            let vectors = (0..rows).map(|row| (zone.vector(shape, row), view.row(row).unwrap_or_default()));
            let part = encode(vectors, centroid, (space, &self.learnt.code), self.kernels)?;
            if part.factors[..] != *units.factors || part.norms[..] != *zone.norms(shape) {
                return fail("factors", "not those of the vectors");
            }
            for row in 0..rows {
                if shape.unit.code(row).any(|at| part.codes.get(at.clone()) != units.codes.get(at)) {
                    return fail("codes", "not those of the vectors");
                }
            }
            for (row, (_, least)) in view.iter().zip(self.centres.nearest(view, self.kernels)?) {
                let own: i32 =
                    row.iter().zip(centroid).map(|(&x, &c)| (i32::from(x) - i32::from(c)).pow(2)).sum();
                checked.misplaced += usize::from(own > least);
            }
        }
        if seen.len() != checked.rows {
            return fail("keys", "one without a row");
        }
        for (&key, &slot) in &self.slots {
            if self.keys.row(slot as usize) != Some(&[key][..]) || !seen.contains(&slot) {
                return fail("keys", "one whose slot is another's");
            }
        }
        Ok(checked)
    }
}
