//! Inner products of an `i8` query with unsigned codes: the steps of the tier below, summed by `sdot`.

use super::bytes::NeonDot;
use super::shells;
use crate::arm::neon::codes::{CodesU4, CodesU8};
use crate::table::CodeForms;

pub(super) const U8_I8: CodeForms = shells!(CodesU8<NeonDot>; pair: 4, rows: 8, tile: 4);
pub(super) const U4_I8: CodeForms = shells!(CodesU4<NeonDot>; pair: 4, rows: 8, tile: 4);
