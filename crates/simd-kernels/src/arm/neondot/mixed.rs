//! Squared distances of codes of mixed width: the step of the tier below, summed by `sdot`.

use super::bytes::NeonDot;
use super::shells;
use crate::arm::neon::mixed::Mixed;
use crate::table::CodeForms;

pub(super) const MIXED: CodeForms = shells!(Mixed<NeonDot>; pair: 1, rows: 4, tile: 1);
