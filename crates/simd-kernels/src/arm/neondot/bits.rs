//! Hamming and Jaccard distances: the steps of the tier below, whose counts `udot` sums.

use super::bytes::NeonDot;
use super::shells;
use crate::arm::neon::bits::{Hamming, Jaccard};
use crate::arm::symmetric::Alike;
use crate::table::BitForms;

pub(super) const HAMMING: BitForms<i32> = shells!(Alike<Hamming<NeonDot>>; pair: 4, rows: 8, tile: 4);
pub(super) const JACCARD: BitForms<f32> = shells!(Alike<Jaccard<NeonDot>>; pair: 4, rows: 4, tile: 1);
