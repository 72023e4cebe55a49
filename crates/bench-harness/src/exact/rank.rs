//! From what a kernel computes to the distance that results are ordered by.

use crate::dataset::Metric;

/// How the kernel's value of a pair becomes a distance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ranking {
    /// It is the distance (L1, Hamming, Jaccard).
    Plain,
    /// Its root is the distance; the square is what is compared (L2).
    Root,
    /// Minus the value is the distance (inner product).
    Negated,
    /// One minus the value over both norms is the distance (cosine).
    Cosine,
}

impl Ranking {
    /// The ranking of a metric.
    pub fn of(metric: Metric) -> Self {
        match metric {
            Metric::L2 => Ranking::Root,
            Metric::InnerProduct => Ranking::Negated,
            Metric::Cosine => Ranking::Cosine,
            Metric::L1 | Metric::Hamming | Metric::Jaccard => Ranking::Plain,
        }
    }

    /// The value that panels give, |q|² + |r|² − 2 q·r or −2 q·r, of a pair that compares as `compared`. Cosines
    /// are products of unit vectors there.
    pub(super) fn panel_value(self, compared: f64) -> f64 {
        match self {
            Ranking::Plain | Ranking::Root => compared,
            Ranking::Negated => 2.0 * compared,
            Ranking::Cosine => 2.0 * (compared - 1.0),
        }
    }

    /// The inverse of [`Ranking::panel_value`].
    pub(super) fn of_panel_value(self, value: f64) -> f64 {
        match self {
            Ranking::Plain | Ranking::Root => value,
            Ranking::Negated => value / 2.0,
            Ranking::Cosine => value / 2.0 + 1.0,
        }
    }

    /// What makes a compared value a distance, once the nearest are known.
    pub(super) fn finish(self, value: f64) -> f64 {
        if self == Ranking::Root { value.sqrt() } else { value }
    }
}
