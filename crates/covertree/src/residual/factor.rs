//! The factor V and the residual variances p, as they are given and where V is kept.

use layouts::AlignedVec;
use simd_kernels::{Rows, prefetch_slice};

use super::error::{ResidualError, expect_finite, expect_len, expect_positive};
use super::order::Range;

/// The factor V and the residual variances p of a set of points.
#[derive(Clone, Copy, Debug)]
pub struct Factor<'a> {
    /// V row by row, one row of `rank` numbers for each point.
    pub v: &'a [f64],
    /// Columns of V. With 0 there is no low-rank part, and ρ is the plain correlation.
    pub rank: usize,
    /// Residual variance pᵢ of each point; where V comes from inducing points, k(x, x) + nugget − |vᵢ|².
    pub p: &'a [f64],
}

impl Factor<'_> {
    /// Checks the shapes and values for `n` points.
    pub(super) fn check(&self, n: usize) -> Result<(), ResidualError> {
        self.check_shape(n)?;
        expect_finite("v", self.v)?;
        expect_positive("p", self.p)
    }

    pub(super) fn check_shape(&self, n: usize) -> Result<(), ResidualError> {
        expect_len("v", n.saturating_mul(self.rank), self.v.len())?;
        expect_len("p", n, self.p.len())
    }
}

/// Rows that are fetched ahead of the one that is copied.
const AHEAD: usize = 2;

/// How far rows of so many numbers are put apart. Rows that are a power of two apart would share few sets of the
/// first-level cache, which has not enough ways for the rows that a panel kernel takes together.
pub(super) fn stride_of(rank: usize) -> usize {
    if rank.is_multiple_of(128) { rank + 8 } else { rank }
}

/// Rows of V, and where that of a place is.
#[derive(Debug)]
pub(super) enum Stored {
    /// In spatial order, [`stride_of`] apart: a copy.
    Placed(AlignedVec<f64>),
    /// In the order of ids, without gaps, as the caller gave them up; and the id of each place.
    Taken(Vec<f64>, Vec<u32>),
}

impl Stored {
    /// Row of `rank` numbers at a place.
    pub(super) fn row(&self, place: usize, rank: usize) -> &[f64] {
        let (v, start) = match self {
            Self::Placed(v) => (&v[..], place * stride_of(rank)),
            Self::Taken(v, ids) => (&v[..], ids.get(place).map_or(0, |&id| id as usize * rank)),
        };
        v.get(start..start + rank).unwrap_or_default()
    }

    /// Rows of a range of places; those that do not lie together are put into `gathered`.
    pub(super) fn rows<'a>(
        &'a self,
        range: Range,
        rank: usize,
        gathered: &'a mut AlignedVec<f64>,
    ) -> Result<Rows<'a, f64>, ResidualError> {
        let stride = stride_of(rank);
        let data = match self {
            Self::Placed(v) => v.get(range.start * stride..range.end() * stride).unwrap_or_default(),
            Self::Taken(..) => {
                gathered.resize_stale(range.len * stride)?;
                for (to, place) in gathered.chunks_exact_mut(stride).zip(range.start..) {
                    prefetch_slice(self.row(place + AHEAD, rank), rank * size_of::<f64>());
                    to[..rank].copy_from_slice(self.row(place, rank));
                }
                &gathered[..]
            }
        };
        Ok(Rows::with_stride(data, range.len, rank, stride)?)
    }

    /// All rows, and the numbers that those at `places` have among them, if need be put into `numbers`.
    pub(super) fn picked<'a>(
        &'a self,
        places: &'a [u32],
        rank: usize,
        numbers: &'a mut Vec<u32>,
    ) -> Result<(Rows<'a, f64>, &'a [u32]), ResidualError> {
        match self {
            Self::Placed(v) => {
                let stride = stride_of(rank);
                Ok((Rows::with_stride(v, v.len() / stride, rank, stride)?, places))
            }
            Self::Taken(v, ids) => {
                numbers.clear();
                numbers.extend(places.iter().map(|&place| ids[place as usize]));
                Ok((Rows::new(v, rank)?, numbers))
            }
        }
    }
}
