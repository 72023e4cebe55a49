//! A metric of the user's.

/// The distance between two values of `P`.
///
/// It must be a metric (or a pseudo-metric, where different values may have distance 0): never negative, 0 of a value
/// and itself, the same both ways, and d(a, c) ≤ d(a, b) + d(b, c). Searches are exact only then: a triangle
/// inequality that does not hold makes them miss neighbours. NaN and negative numbers are refused with
/// [`Error::Metric`](crate::Error::Metric).
///
/// A function or closure `Fn(&P, &P) -> f64` is a metric:
///
/// ```
/// use covertree::{CoverTree, Search, Searcher};
/// let tree = CoverTree::from_items(vec![1.0f64, 5.0, 9.0], |a: &f64, b: &f64| (a - b).abs())?;
/// let mut searcher = Searcher::new();
/// let found = tree.search(&mut searcher, &6.0, &Search::nearest(1))?;
/// assert_eq!((found[0].id, found[0].distance), (1, 1.0));
/// # Ok::<(), covertree::Error>(())
/// ```
pub trait Metric<P>: Send + Sync {
    /// The distance between `a` and `b`.
    fn distance(&self, a: &P, b: &P) -> f64;

    /// The distance of `query` to each of `points`, which lie one after another, in `out`, which is as long.
    ///
    /// This is what a search calls. The default measures pair by pair; override it where a block can share work
    /// (what a query contributes, vector registers), and give the same numbers as [`distance`](Self::distance).
    fn distances(&self, query: &P, points: &[P], out: &mut [f64]) {
        for (point, out) in points.iter().zip(out) {
            *out = self.distance(query, point);
        }
    }

    /// How wrong a distance may be in proportion to itself, from rounding: the tolerance of all pruning. The default,
    /// 1e-12, is right for sums of some thousand terms in `f64`; whole numbers could say 0, `f32` arithmetic 1e-5.
    fn rounding(&self) -> f64 {
        1e-12
    }
}

impl<P, F: Fn(&P, &P) -> f64 + Send + Sync> Metric<P> for F {
    fn distance(&self, a: &P, b: &P) -> f64 {
        self(a, b)
    }
}
