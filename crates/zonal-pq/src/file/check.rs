//! What postings from a file must hold before anything is searched in them.

use layouts::AlignedVec;

use super::record::Record;
use super::{FACTORS, HOMES, IDS, STARTS, damaged};
use crate::Error;
use crate::candidates::MOST_ROWS;
use crate::zones::NONE;

/// Zones follow each other and none is too long for a place within it.
pub(crate) fn sound_starts(starts: &[u32], record: &Record) -> Result<(), Error> {
    if starts.len() != record.zones + 1 {
        return Err(damaged(STARTS, "their number is not that of zones and the end"));
    }
    if starts.first() != Some(&0) || starts.last().map(|&end| end as usize) != Some(record.placed) {
        return Err(damaged(STARTS, "they do not begin at 0 or end at the last row"));
    }
    let sound = |pair: &[u32]| match *pair {
        [start, end] => end.checked_sub(start).is_some_and(|rows| rows as usize <= MOST_ROWS),
        _ => false,
    };
    if !starts.windows(2).all(sound) {
        return Err(damaged(STARTS, "they do not rise, or a zone has too many rows"));
    }
    Ok(())
}

/// The first unit of codes of each zone, and the end. `starts` must be sound.
pub(crate) fn unit_starts(starts: &[u32], unit_rows: usize) -> Result<AlignedVec<u32>, Error> {
    let mut units = AlignedVec::with_capacity(starts.len())?;
    let mut unit = 0u32;
    units.push(unit)?;
    for pair in starts.windows(2) {
        if let [start, end] = *pair {
            unit += (end - start).div_ceil(unit_rows as u32);
            units.push(unit)?;
        }
    }
    Ok(units)
}

/// What fills up the last unit of a zone is never near: there is no row behind it.
pub(crate) fn sound_padding(
    factors: &[f32],
    starts: &[u32],
    units: &[u32],
    unit_rows: usize,
    columns: usize,
) -> Result<(), Error> {
    for (rows, units) in starts.windows(2).zip(units.windows(2)) {
        let (&[start, end], &[first, last]) = (rows, units) else { continue };
        let width = unit_rows * columns;
        let factors = factors.get(first as usize * width..last as usize * width);
        if !factors.is_some_and(|factors| is_padding(factors, (end - start) as usize, unit_rows, columns)) {
            return Err(damaged(FACTORS, "padding is not infinitely far"));
        }
    }
    Ok(())
}

/// Whether the factors of a zone keep all places but the first `len` from being candidates: what is added, the first
/// column of a unit, is infinite there.
pub(crate) fn is_padding(factors: &[f32], len: usize, unit_rows: usize, columns: usize) -> bool {
    let (unit, row) = (len / unit_rows, len % unit_rows);
    if row == 0 {
        return true;
    }
    let added = factors.get(unit * unit_rows * columns..).and_then(|unit| unit.get(row..unit_rows));
    added.is_some_and(|added| added.iter().all(|&factor| factor == f32::INFINITY))
}

/// Every vector has one place of its own, and a row that is somewhere a second time names the zone of that place.
pub(crate) fn sound_ids(ids: &[u32], homes: &[u32], starts: &[u32], record: &Record) -> Result<(), Error> {
    if ids.len() != record.placed {
        return Err(damaged(IDS, "their number is not that of rows"));
    }
    if homes.len() != if record.has_homes() { record.placed } else { 0 } {
        return Err(damaged(HOMES, "their number is not that of rows"));
    }
    // The zone of each vector; not larger than `ids`.
    let mut own = Vec::new();
    own.try_reserve_exact(record.rows).map_err(|_| layouts::Error::Memory { bytes: 4 * record.rows })?;
    own.resize(record.rows, NONE);
    let zones = starts.windows(2).enumerate();
    let places = || {
        zones.clone().flat_map(|(zone, pair)| {
            let (start, end) = (pair.first().copied().unwrap_or(0), pair.last().copied().unwrap_or(0));
            (start as usize..end as usize).map(move |place| (zone as u32, place))
        })
    };
    let home = |place: usize| homes.get(place).copied().unwrap_or(NONE);
    let mut owned = 0;
    for (zone, place) in places().filter(|&(_, place)| home(place) == NONE) {
        let own = ids.get(place).and_then(|&id| own.get_mut(id as usize));
        match own {
            Some(own) if *own == NONE => *own = zone,
            _ => return Err(damaged(IDS, "one is no vector, or is there twice")),
        }
        owned += 1;
    }
    if owned != record.rows {
        return Err(damaged(IDS, "a vector has no place"));
    }
    let mut again = Vec::new();
    again
        .try_reserve_exact(if homes.is_empty() { 0 } else { record.rows })
        .map_err(|_| layouts::Error::Memory { bytes: record.rows })?;
    again.resize(again.capacity().min(record.rows), false);
    for (zone, place) in places().filter(|&(_, place)| home(place) != NONE) {
        let id = ids.get(place).map_or(usize::MAX, |&id| id as usize);
        if own.get(id) != Some(&home(place)) || home(place) == zone {
            return Err(damaged(HOMES, "one is not the zone that its vector lives in"));
        }
        match again.get_mut(id) {
            Some(again) if !*again => *again = true,
            _ => return Err(damaged(HOMES, "a vector is there a third time")),
        }
    }
    Ok(())
}
