//! Which points share a ball: centres far from one another, everything to the nearest.
//!
//! A node's centres are a net of a sample of its points: each next one is the point farthest from those before it
//! (Gonzalez 1985), so no two are nearer than the net's covering radius. Every other point goes to its nearest
//! centre. Where that separates nothing (equal points, or all equally far), the points are cut into shells around
//! one of them instead, which keeps the tree's depth logarithmic whatever the metric.

use std::sync::OnceLock;

use crate::error::Error;
use crate::metric::Metric;
use crate::parallel;
use crate::space::{FANOUT, Items};
use crate::tree::{Branch, Layout};

/// Points among which centres are looked for.
const SAMPLE: usize = 8 * FANOUT;
/// Points below which a part is not worth a thread.
const PARALLEL: usize = 512;

/// Values from which a tree is made.
#[derive(Debug)]
pub(crate) struct ItemBuilder<'a, P, M> {
    pub(crate) metric: &'a M,
    pub(crate) points: &'a [P],
    /// Points of a leaf.
    pub(crate) leaf: usize,
    fault: OnceLock<f64>,
}

/// Points of one child, with their distances to its centre.
type Group = Vec<(u32, f64)>;

impl<'a, P: Send + Sync, M: Metric<P>> ItemBuilder<'a, P, M> {
    pub(crate) fn new(metric: &'a M, points: &'a [P], leaf: usize) -> Self {
        Self { metric, points, leaf, fault: OnceLock::new() }
    }

    /// # Errors
    /// [`Error::Metric`] if a distance was none.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.fault.get().map_or(Ok(()), |&value| Err(Error::Metric { value }))
    }

    pub(crate) fn measure(&self, a: u32, b: u32) -> f64 {
        let distance = self.metric.distance(&self.points[a as usize], &self.points[b as usize]);
        if distance >= 0.0 {
            return distance;
        }
        _ = self.fault.set(distance);
        0.0
    }

    /// The branch of all points.
    pub(crate) fn root(&self) -> Branch {
        self.branch((0..self.points.len() as u32).map(|row| (row, 0.0)).collect())
    }

    /// The branch of points whose distance to the centre above is known.
    pub(crate) fn branch(&self, mut group: Group) -> Branch {
        group.sort_unstable_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        if group.is_empty() {
            return Branch::Empty;
        }
        if group.len() <= self.leaf {
            let (rows, to_centre) = group.into_iter().unzip();
            return Branch::Leaf { rows, to_centre };
        }
        let wanted = group.len().div_ceil((self.leaf / 2).max(1)).clamp(2, FANOUT);
        let centres = self.net(&group, wanted);
        let (mut centres, mut groups) = self.assign(&group, &centres);
        if groups.iter().any(|below| below.len() > group.len() / 4 * 3) {
            (centres, groups) = self.shells(&group, wanted);
        }
        let radius = |group: &Group| group.iter().map(|point| point.1).fold(0.0, f64::max);
        let radii = groups.iter().map(radius).collect();
        let large = group.len() >= PARALLEL;
        let children = if large {
            parallel::map(groups, |group| self.branch(group))
        } else {
            groups.into_iter().map(|group| self.branch(group)).collect()
        };
        let (centres, to_centre) = centres.into_iter().unzip();
        Branch::Inner { centres, to_centre, radii, children }
    }

    /// `wanted` places in `group`, in its order, whose points lie far apart.
    fn net(&self, group: &Group, wanted: usize) -> Vec<usize> {
        let sample: Vec<usize> = match group.len() {
            len if len <= SAMPLE => (0..len).collect(),
            len => (0..SAMPLE).map(|i| i * len / SAMPLE).collect(),
        };
        let mut nearest = vec![f64::INFINITY; sample.len()];
        let mut chosen = vec![0];
        while chosen.len() < wanted {
            let newest = group[sample[chosen[chosen.len() - 1]]].0;
            let distances = parallel::map(sample.clone(), |place| self.measure(newest, group[place].0));
            let mut farthest = 0;
            for (at, distance) in distances.into_iter().enumerate() {
                nearest[at] = if chosen.contains(&at) { -1.0 } else { distance.min(nearest[at]) };
                if nearest[at] > nearest[farthest] {
                    farthest = at;
                }
            }
            chosen.push(farthest);
        }
        chosen.sort_unstable();
        chosen.dedup();
        chosen.into_iter().map(|at| sample[at]).collect()
    }

    /// Every point of `group` but the centres at the nearest centre, the first of equals.
    fn assign(&self, group: &Group, places: &[usize]) -> (Group, Vec<Group>) {
        let centres: Group = places.iter().map(|&place| group[place]).collect();
        let count = centres.len();
        let mut between = vec![0.0; count * count];
        for a in 0..count {
            for b in 0..a {
                let distance = self.measure(centres[a].0, centres[b].0);
                between[a * count + b] = distance;
                between[b * count + a] = distance;
            }
        }
        let others = (0..group.len()).filter(|place| places.binary_search(place).is_err()).collect();
        let slack = 1.0 + 2.0 * self.metric.rounding();
        let nearest = parallel::map(others, |place: usize| {
            let row = group[place].0;
            let mut best = (0, self.measure(centres[0].0, row));
            for centre in 1..count {
                // The triangle inequality: a centre this far from the best one is no nearer to the point.
                if between[best.0 * count + centre] >= 2.0 * best.1 * slack {
                    continue;
                }
                let distance = self.measure(centres[centre].0, row);
                if distance < best.1 {
                    best = (centre, distance);
                }
            }
            (row, best)
        });
        let mut groups = vec![Group::new(); count];
        for (row, (centre, distance)) in nearest {
            groups[centre].push((row, distance));
        }
        (centres, groups)
    }

    /// Equal parts of `group` by the distance to its first point; the first point of each is its centre.
    fn shells(&self, group: &Group, parts: usize) -> (Group, Vec<Group>) {
        let first = group[0].0;
        let mut around: Vec<(f64, u32, f64)> =
            parallel::map(group.clone(), |(row, to_centre)| (self.measure(first, row), row, to_centre));
        around.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let mut centres: Vec<(Group, (u32, f64))> = Vec::new();
        for shell in around.chunks(group.len().div_ceil(parts)) {
            let (_, centre, to_centre) = shell[0];
            let below = shell[1..].iter().map(|&(_, row, _)| (row, self.measure(centre, row))).collect();
            centres.push((below, (centre, to_centre)));
        }
        centres.sort_by(|(_, a), (_, b)| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        let (groups, centres) = centres.into_iter().unzip();
        (centres, groups)
    }
}

/// `points` in the order of `layout`.
pub(crate) fn bound_balls<P, M>(metric: M, points: Vec<P>, layout: &Layout) -> Items<P, M> {
    // Moved, not cloned: the points may be anything.
    let mut from: Vec<Option<P>> = points.into_iter().map(Some).collect();
    let points = layout.order.iter().filter_map(|&row| from.get_mut(row as usize)?.take()).collect();
    Items { metric, points, to_centre: layout.to_centre.clone(), radii: layout.radii.clone() }
}
