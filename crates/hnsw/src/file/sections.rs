//! Sections as the parts of an index: nothing is taken that a search could trip over.

use bytemuck::Pod;
use layouts::Storage as Memory;
use layouts::container::Container;
use simd_kernels::{PANEL_ROWS, Panels};

use super::record::{BYTES, FULL, OF_COMPONENTS, OF_DIMENSIONS, Record, SIGNS};
use super::{CODER_DIMS, CODER_FACTOR, CODER_OFFSET, CODER_PANELS, INTAKE_OFFSET, SCAN_NORMS, SCAN_PANELS};
use crate::Error;
use crate::code::{Coder, Source};
use crate::codes::Coding;
use crate::intake::Intake;
use crate::rotation::Rotation;
use crate::scan::Scan;

pub(super) fn intake(file: &Container, record: &Record) -> Result<Intake, Error> {
    let offset = floats(file, INTAKE_OFFSET, Intake::row_dim_of(record.dim, record.metric))?;
    Ok(Intake {
        metric: record.metric,
        dim: record.dim,
        offset,
        scale: record.scale,
        unit: record.unit,
        largest_norm: record.largest_norm,
    })
}

pub(super) fn coding(file: &Container, record: &Record, row_dim: usize) -> Result<Coding, Error> {
    let means = record.coding == SIGNS;
    let offsets = floats(file, CODER_OFFSET, if means { row_dim } else { record.coded })?;
    let factors = floats(file, CODER_FACTOR, record.coded)?;
    if factors.iter().any(|&factor| factor <= 0.0) {
        return Err(damaged(CODER_FACTOR, "a factor is not positive"));
    }
    let dims = file.section::<u32>(CODER_DIMS)?;
    let panels = file.section::<i8>(CODER_PANELS)?;
    let of_dimensions = record.coding == OF_DIMENSIONS;
    if dims.len() != if of_dimensions { record.coded } else { 0 } {
        return Err(damaged(CODER_DIMS, "their number is not that of coded dimensions"));
    }
    if dims.iter().any(|&dim| dim as usize >= row_dim) {
        return Err(damaged(CODER_DIMS, "one is not below the dimension"));
    }
    if record.coding != OF_COMPONENTS && !panels.is_empty() {
        return Err(damaged(CODER_PANELS, "there is a rotation that nothing uses"));
    }
    let source = match record.coding {
        FULL => return Ok(Coding::Full),
        BYTES => return Ok(Coding::Bytes { dim: row_dim }),
        SIGNS => return Ok(Coding::Signs { means: offsets }),
        OF_DIMENSIONS => {
            let mut copy = Vec::new();
            copy.try_reserve_exact(dims.len())
                .map_err(|_| layouts::Error::Memory { bytes: size_of_val(&dims[..]) })?;
            copy.extend_from_slice(&dims);
            Source::Dimensions(copy)
        }
        _ => {
            let found =
                Panels::new(&panels, row_dim).map_err(|error| file.invalid(CODER_PANELS, error.into()))?;
            if found.rows() != record.coded.next_multiple_of(simd_kernels::PANEL_ROWS) {
                return Err(damaged(CODER_PANELS, "its directions are not as many as coded dimensions"));
            }
            Source::Components(Rotation {
                panels: Memory::from(panels),
                dim: row_dim,
                directions: record.coded,
            })
        }
    };
    Ok(Coding::Mixed(Coder {
        source,
        lines: record.lines,
        wide: record.wide,
        offsets,
        factors,
        loss: record.loss,
    }))
}

pub(super) fn scan(file: &Container, record: &Record, row_dim: usize) -> Result<Option<Scan>, Error> {
    let len = if record.scanned { record.rows.next_multiple_of(PANEL_ROWS) } else { 0 };
    let norms = large::<i32>(file, SCAN_NORMS, Some(len))?;
    let panels = large::<i8>(file, SCAN_PANELS, len.checked_mul(row_dim.next_multiple_of(4)))?;
    let rows = Panels::new(&panels, row_dim).map_err(|error| file.invalid(SCAN_PANELS, error.into()))?.rows();
    if rows != len {
        return Err(damaged(SCAN_PANELS, "it is not of as many rows"));
    }
    Ok(record.scanned.then_some(Scan { panels, norms, dim: row_dim, rows: record.rows }))
}

/// A section of `len` elements that need not be read now.
pub(super) fn large<T: Pod>(
    file: &Container,
    name: &'static str,
    len: Option<usize>,
) -> Result<Memory<T>, Error> {
    let section = file.section_unverified::<T>(name)?;
    if Some(section.len()) != len {
        return Err(damaged(name, "its length is not that of as many rows"));
    }
    Ok(Memory::from(section))
}

/// A copy of a section of `len` finite numbers.
pub(super) fn floats(file: &Container, name: &'static str, len: usize) -> Result<Vec<f32>, Error> {
    let section = file.section::<f32>(name)?;
    if section.len() != len {
        return Err(damaged(name, "its length is not that of a vector"));
    }
    if !section.iter().all(|x| x.is_finite()) {
        return Err(damaged(name, "a number is not finite"));
    }
    let mut copy = Vec::new();
    copy.try_reserve_exact(len).map_err(|_| layouts::Error::Memory { bytes: size_of_val(&section[..]) })?;
    copy.extend_from_slice(&section);
    Ok(copy)
}

pub(super) fn damaged(section: &'static str, reason: &'static str) -> Error {
    Error::Damaged { section, reason }
}
