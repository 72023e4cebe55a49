//! `u8` and `i8` distances, exact: the steps of the tier below, summed by `udot` and `sdot`.

use super::bytes::NeonDot;
use super::shells;
use crate::arm::neon::int8::{InnerProduct, L1, L2Squared};
use crate::arm::symmetric::Alike;
use crate::table::Distances;

pub(super) const U8: Distances<u8> = Distances {
    l2_squared: shells!(Alike<L2Squared<u8, NeonDot>>; pair: 4, rows: 8, tile: 4),
    inner_product: shells!(Alike<InnerProduct<u8, NeonDot>>; pair: 4, rows: 8, tile: 4),
    l1: shells!(Alike<L1<u8, NeonDot>>; pair: 4, rows: 8, tile: 4),
    cosine: shells!(cosine Alike<InnerProduct<u8, NeonDot>>),
};

pub(super) const I8: Distances<i8> = Distances {
    l2_squared: shells!(Alike<L2Squared<i8, NeonDot>>; pair: 4, rows: 8, tile: 4),
    inner_product: shells!(Alike<InnerProduct<i8, NeonDot>>; pair: 4, rows: 8, tile: 4),
    l1: shells!(Alike<L1<i8, NeonDot>>; pair: 4, rows: 8, tile: 4),
    cosine: shells!(cosine Alike<InnerProduct<i8, NeonDot>>),
};
