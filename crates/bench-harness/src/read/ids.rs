//! Ids as files hold them, signed, made into the unsigned ids that are used everywhere else.

use super::fault::Fault;

/// The ids, given as the bits of an `i32`, or the first negative one.
pub(super) fn checked(ids: Vec<u32>, dim: u64) -> Result<Vec<u32>, Fault> {
    match ids.iter().position(|&id| id > i32::MAX as u32) {
        None => Ok(ids),
        Some(at) => Err(fault(at as u64, dim, i64::from(ids[at] as i32))),
    }
}

/// A 64-bit id as a 32-bit one.
pub(super) fn narrow(id: i64, at: u64, dim: u64) -> Result<u32, Fault> {
    u32::try_from(id).map_err(|_| fault(at, dim, id))
}

fn fault(at: u64, dim: u64, value: i64) -> Fault {
    Fault::Value { row: at / dim.max(1), what: "id", value }
}
