//! Writing the file that is read zone by zone, without a second copy of the index in memory.

use std::io::{self, Write};
use std::path::Path;

use layouts::AlignedVec;
use layouts::container::{Placement, checksum};
use simd_kernels::Element;

use super::zone::Shape;
use super::{PAGE, ROWS, SUMS, ZONES};
use crate::Error;
use crate::file::{BY_ZONE, FrontBytes};
use crate::index::ZonalPq;
use crate::posting::{Frozen, Postings};

impl<T: Element> ZonalPq<T> {
    /// Writes the index to `path` for a [`DiskIndex`](crate::DiskIndex), in place of any file that is there: at
    /// once or, if anything fails, not at all. Beside the index it takes memory for the centroids, the graph over
    /// them and one zone.
    ///
    /// # Errors
    /// [`Error::Container`]; [`Error::NoVectors`] if it keeps none.
    pub fn save_by_zone(&self, path: &Path) -> Result<(), Error> {
        self.expect_vectors()?;
        let front = FrontBytes::of(self)?;
        let postings = &self.postings;
        let has_bytes = Postings::<T>::has_bytes(postings);
        let row_dim = if has_bytes { postings.row_dim } else { 0 };
        let shape = Shape {
            unit_rows: postings.unit_rows,
            unit_bytes: postings.unit_bytes,
            columns: postings.columns,
            norms: !postings.norms.is_empty(),
            homes: Postings::<T>::has_homes(postings),
            dim: postings.dim,
            row_dim,
            stride: Shape::stride::<T>(postings.dim, row_dim),
            vectors: self.rows,
            zones: self.zones(),
        };
        let pages = shape.page_starts(&postings.units)?;
        let mut sums = AlignedVec::with_capacity(shape.zones)?;
        let mut bytes = Vec::new();
        for zone in 0..shape.zones as u32 {
            pack(postings, zone, &shape, &mut bytes);
            sums.push(checksum(&bytes))?;
        }
        let make_zones = |out: &mut dyn Write| {
            let mut bytes = Vec::new();
            for zone in 0..shape.zones as u32 {
                pack(postings, zone, &shape, &mut bytes);
                bytes.resize(bytes.len().next_multiple_of(PAGE), 0);
                out.write_all(&bytes)?;
            }
            Ok(())
        };
        let make_rows = |out: &mut dyn Write| rows(postings, &shape, out);
        let zone_bytes = pages.last().map_or(0, |&end| end as usize * PAGE);
        let writer = front
            .sections(self, BY_ZONE)
            .section(SUMS, Placement::Plain, &sums)
            .section_made(ZONES, Placement::Hot, zone_bytes, &make_zones)
            .section_made(ROWS, Placement::Hot, postings.ids.len() * shape.stride, &make_rows);
        Ok(writer.save(path)?)
    }
}

/// The units of a zone, one after another.
fn pack<T: Element>(postings: &Frozen<T>, zone: u32, shape: &Shape, out: &mut Vec<u8>) {
    out.clear();
    let posting = Postings::<T>::scanned(postings, zone);
    let ids = Postings::<T>::ids(postings, zone);
    let codes = posting.codes.chunks_exact(shape.unit_bytes);
    let factors = posting.factors.chunks_exact(shape.columns * shape.unit_rows);
    for (unit, (codes, factors)) in codes.zip(factors).enumerate() {
        let rows = unit * shape.unit_rows..(unit + 1) * shape.unit_rows;
        let there = rows.start..rows.end.min(posting.len);
        out.extend_from_slice(codes);
        out.extend_from_slice(bytemuck::cast_slice(factors));
        out.extend_from_slice(bytemuck::cast_slice(ids.get(there.clone()).unwrap_or_default()));
        let missing = rows.end - there.end;
        let fill = |out: &mut Vec<u8>| out.resize(out.len() + 4 * missing, 0);
        fill(out);
        if shape.norms {
            for row in there.clone() {
                out.extend_from_slice(&Postings::<T>::norm(postings, zone, row).to_le_bytes());
            }
            fill(out);
        }
        if shape.homes {
            for row in there {
                out.extend_from_slice(&Postings::<T>::home(postings, zone, row).to_le_bytes());
            }
            fill(out);
        }
    }
}

/// Vectors and integers, row by row.
fn rows<T: Element>(postings: &Frozen<T>, shape: &Shape, out: &mut dyn Write) -> io::Result<()> {
    let mut piece = Vec::with_capacity(PAGE + shape.stride);
    for (row, vector) in postings.vectors.chunks_exact(shape.dim).enumerate() {
        piece.extend_from_slice(bytemuck::cast_slice(vector));
        let integers = postings.bytes.get(row * shape.row_dim..(row + 1) * shape.row_dim);
        piece.extend_from_slice(bytemuck::cast_slice(integers.unwrap_or_default()));
        piece.resize(piece.len().next_multiple_of(4), 0);
        if piece.len() >= PAGE {
            out.write_all(&piece)?;
            piece.clear();
        }
    }
    out.write_all(&piece)
}
