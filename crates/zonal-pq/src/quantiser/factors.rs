//! The estimator that all codes share: a vector is a multiple of its code, and three or four numbers say which.

use super::Error;
use super::error::{expect_finite, expect_len};

/// What is estimated; smaller is nearer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Metric {
    /// The squared Euclidean distance |q − o|². For cosine give unit vectors.
    L2Squared,
    /// Minus the inner product, −⟨q, o⟩.
    InnerProduct,
}

impl Metric {
    /// How often the product with the residual counts: |q − o|² holds it twice.
    pub(super) fn weight(self) -> f32 {
        match self {
            Self::L2Squared => 2.0,
            Self::InnerProduct => 1.0,
        }
    }
}

/// What is stored beside a code: the distance of its vector is estimated as
/// `zone.add + add + rescale · product + slope · total`, see [`Prepared`](super::Prepared).
///
/// Let r = o − c be the residual to the centroid c, x̂ what the code stands for, ⟨r, x̂⟩ > 0 and g = |r|² / ⟨r, x̂⟩.
/// Then ⟨g x̂, y⟩ estimates ⟨r, y⟩: g x̂ − r is orthogonal to r, and after a random rotation points nowhere in
/// particular (Gao and Long, "RaBitQ", SIGMOD 2024). With y = q − c for the query q,
///
/// * |q − o|² ≈ |q − c|² + (|r|² + 2 g ⟨c, x̂⟩) − 2 g ⟨x̂, q⟩ and
/// * −⟨q, o⟩ ≈ −⟨q, c⟩ + (g ⟨c, x̂⟩ − ⟨r, c⟩) − g ⟨x̂, q⟩,
///
/// where the product is one with the query itself, so that a query is prepared once for all zones. The standard
/// deviation of ⟨g x̂, y⟩ is |y| · |g x̂ − r| / √(D − 1).
///
/// A vector at the centroid has all zeros: its distance is that of the centroid, exactly. A code that has no part
/// along its vector (⟨r, x̂⟩ ≤ 0, which only badly trained product codes have) counts as none: `rescale` is 0 and
/// the product with the residual is taken to be 0, with |r| / √D as its spread.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Factors {
    /// Added: |r|² + 2 g ⟨c, x̂⟩, or g ⟨c, x̂⟩ − ⟨r, c⟩.
    pub add: f32,
    /// Times the product of code and query: −2 g or −g (times the step, for codes with a step of their own).
    pub rescale: f32,
    /// Times the sum of the query's values; 0 except for [`Lvq`](super::Lvq), whose codes lie around a value of
    /// their own.
    pub slope: f32,
    /// Standard deviation of the estimate per unit of |q − c|.
    pub error: f32,
}

/// The factors of residual `r` and of `code`, what its code stands for (or any multiple of that).
pub(super) fn factors(
    residual: &[f32],
    code: &[f32],
    centroid: Option<&[f32]>,
    metric: Metric,
) -> Result<Factors, Error> {
    expect_len("residual", code.len(), residual.len())?;
    let square = dot(residual, residual);
    if !square.is_finite() {
        expect_finite("residual", 0, residual)?;
        return Err(Error::TooLarge { argument: "residual" });
    }
    if square == 0.0 {
        return Ok(Factors::default());
    }
    let (mut with_code, mut with_residual) = (0.0, 0.0);
    let along = dot(residual, code);
    if let Some(centroid) = centroid {
        expect_len("centroid", residual.len(), centroid.len())?;
        with_code = dot(centroid, code);
        with_residual = dot(centroid, residual);
    }
    let weight = metric.weight();
    let own = |metric| match metric {
        Metric::L2Squared => square,
        Metric::InnerProduct => -with_residual,
    };
    let scale = if along > 0.0 { square / along } else { 0.0 };
    let off = distance(residual, code, scale);
    let freedom = residual.len().saturating_sub(1).max(1) as f32;
    let mut factors = Factors {
        add: own(metric) + weight * scale * with_code,
        rescale: -weight * scale,
        slope: 0.0,
        error: weight * (off / freedom).sqrt(),
    };
    if !(along > 0.0 && factors.rescale.is_finite() && off.is_finite()) {
        let spread = (square / residual.len() as f32).sqrt();
        factors = Factors { add: own(metric), rescale: 0.0, slope: 0.0, error: weight * spread };
    }
    if factors.add.is_finite() { Ok(factors) } else { Err(Error::TooLarge { argument: "centroid" }) }
}

/// Lanes of a sum: wide enough for two registers of any tier, and always the same, so that every tier adds in
/// one order.
const LANES: usize = 16;

/// ⟨a, b⟩ with additions in a fixed order, no fused ones.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0.0f32; LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    for (lane, (a, b)) in a_rest.iter().zip(b_rest).enumerate() {
        sums[lane] += a * b;
    }
    reduce(sums)
}

/// |a − scale · b|².
fn distance(a: &[f32], b: &[f32], scale: f32) -> f32 {
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0.0f32; LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            let off = a[lane] - scale * b[lane];
            sums[lane] += off * off;
        }
    }
    for (lane, (a, b)) in a_rest.iter().zip(b_rest).enumerate() {
        let off = a - scale * b;
        sums[lane] += off * off;
    }
    reduce(sums)
}

/// Σ a, likewise.
pub(super) fn sum_of(a: &[f32]) -> f32 {
    let (a, rest) = a.as_chunks::<LANES>();
    let mut sums = [0.0f32; LANES];
    for a in a {
        for lane in 0..LANES {
            sums[lane] += a[lane];
        }
    }
    for (lane, a) in rest.iter().enumerate() {
        sums[lane] += a;
    }
    reduce(sums)
}

fn reduce(mut sums: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    sums[0]
}

/// The part of an estimate that all vectors of a zone share.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Zone {
    /// |q − c|², or −⟨q, c⟩.
    pub add: f32,
    /// |q − c|, which the spread of the estimates is proportional to.
    pub distance: f32,
}

impl Zone {
    /// The zone of `centroid` as `query` sees it, both as the quantiser's transform made them. `None` is a
    /// centroid at the origin: for vectors without one, and for a query from which the centroid was subtracted.
    /// O(dim).
    ///
    /// # Errors
    /// [`Error::Length`] if the two differ in length; [`Error::TooLarge`] if the sums overflow.
    pub fn new(metric: Metric, query: &[f32], centroid: Option<&[f32]>) -> Result<Self, Error> {
        let (square, product) = match centroid {
            None => (dot(query, query), 0.0),
            Some(centroid) => {
                expect_len("centroid", query.len(), centroid.len())?;
                (distance(query, centroid, 1.0), dot(query, centroid))
            }
        };
        if !square.is_finite() || !product.is_finite() {
            expect_finite("query", 0, query)?;
            return Err(Error::TooLarge { argument: "query" });
        }
        let add = match metric {
            Metric::L2Squared => square,
            Metric::InnerProduct => -product,
        };
        Ok(Self { add, distance: square.sqrt() })
    }
}
