//! Values of any type under a metric of the user's, bounded by balls.
//!
//! Every node stores its children's centres side by side, then each child its own points: a point is stored, and
//! in a query measured, once. A centre is a point of the set, so any metric will do. With each child goes its
//! *radius*, the greatest distance of its centre to anything below, and with each point its distance to the centre
//! above it. Both were measured when the tree was built and rule points out before they are measured: those of a
//! leaf that may be near enough are one run, since a leaf is sorted by the distance to its centre.

mod build;

use std::fmt;
use std::ops::Range;

use super::{FANOUT, Frame, Sealed, Space, mark_near};
use crate::error::Error;
use crate::metric::Metric;
use crate::tree::{Reference, Shape};

pub(crate) use build::{ItemBuilder, bound_balls};

/// Values of `P` under the metric `M`: the points of an [`ItemTree`](crate::ItemTree).
pub struct Items<P, M> {
    pub(crate) metric: M,
    /// By slot.
    pub(crate) points: Vec<P>,
    /// The distance of each slot's point to the centre of the node or leaf that it lies in; 0 at the root.
    pub(crate) to_centre: Vec<f64>,
    /// The radius of each child, sixteen a node.
    pub(crate) radii: Vec<f64>,
}

impl<P, M> fmt::Debug for Items<P, M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Items").field("len", &self.points.len()).finish_non_exhaustive()
    }
}

impl<P, M> Items<P, M> {
    /// The metric.
    pub fn metric(&self) -> &M {
        &self.metric
    }
}

impl<P, M> Sealed for Items<P, M> {}

/// The first number of a query's distances that was no distance.
#[doc(hidden)]
#[derive(Clone, Debug, Default)]
pub struct Fault(Option<f64>);

impl<P: Send + Sync, M: Metric<P>> Items<P, M> {
    /// Measures the points of `slots` into the start of `out`.
    fn measure(&self, query: &P, fault: &mut Fault, slots: Range<usize>, out: &mut Vec<f64>) {
        if out.len() < slots.len() {
            out.resize(slots.len(), 0.0);
        }
        let out = &mut out[..slots.len()];
        self.metric.distances(query, &self.points[slots], out);
        for distance in out {
            if distance.is_nan() || *distance < 0.0 {
                fault.0.get_or_insert(*distance);
                *distance = f64::INFINITY;
            }
            *distance += 0.0; // no negative zero
        }
    }

    /// What two distances, both of which may be rounded, differ by at least.
    #[inline]
    fn apart(&self, a: f64, b: f64) -> f64 {
        (a - b).abs() - self.metric.rounding() * (a + b)
    }
}

impl<P: Send + Sync, M: Metric<P>> Space for Items<P, M> {
    type Point = P;
    type Batch = [P];
    type Distance = f64;
    type Prepared = Fault;
    const LANES: usize = 1;

    fn prepare(&self, _: &P, fault: &mut Fault) -> Result<(), Error> {
        fault.0 = None;
        Ok(())
    }

    fn batch_len(&self, queries: &[P]) -> Result<usize, Error> {
        Ok(queries.len())
    }

    fn batch_query<'q>(&self, queries: &'q [P], index: usize) -> &'q P {
        &queries[index]
    }

    fn prepare_slot(&self, _: usize, fault: &mut Fault) {
        fault.0 = None;
    }

    fn stored(&self, slot: usize) -> &P {
        &self.points[slot]
    }

    fn order(&self, _: &[P], count: usize) -> Vec<u32> {
        // Measuring costs more than what the caches could save.
        (0..count as u32).collect()
    }

    fn carry(&self, _: f64, _: &Fault, _: &Fault) -> f64 {
        f64::INFINITY
    }

    fn open(
        &self,
        shape: &Shape,
        query: &P,
        fault: &mut Fault,
        anchor: f64,
        limit: f64,
        frame: &mut Frame<f64>,
        out: &mut Vec<f64>,
    ) -> Range<usize> {
        let slots = shape.centres(frame.node);
        let radii = &self.radii[frame.node as usize * FANOUT..][..FANOUT];
        let mut wanted = 0..slots.len();
        if anchor < f64::INFINITY {
            // What the distance to the node's own centre says of the centres in it.
            let to_centre = &self.to_centre[slots.clone()];
            let near = |child: usize| self.apart(anchor, to_centre[child]) - radii[child] <= limit;
            while wanted.start < wanted.end && !near(wanted.start) {
                wanted.start += 1;
            }
            while wanted.start < wanted.end && !near(wanted.end - 1) {
                wanted.end -= 1;
            }
        }
        let measured = slots.start + wanted.start..slots.start + wanted.end;
        self.measure(query, fault, measured.clone(), out);
        frame.bounds = [f64::INFINITY; FANOUT];
        (frame.open, frame.first) = (0, FANOUT as u32);
        for (child, &distance) in wanted.zip(out.iter()) {
            let radius = radii[child];
            if shape.child(frame.node, child) != Reference::Empty {
                let bound = distance - radius - self.metric.rounding() * (distance + radius);
                frame.bounds[child] = bound.max(0.0);
                frame.open |= 1 << child;
                frame.anchors[child] = distance;
            }
        }
        measured
    }

    fn scan(
        &self,
        query: &P,
        fault: &mut Fault,
        slots: Range<usize>,
        anchor: f64,
        limit: f64,
        _: bool,
        out: &mut Vec<f64>,
        near: &mut Vec<u64>,
    ) -> Range<usize> {
        let mut wanted = slots.clone();
        if anchor < f64::INFINITY {
            let to_centre = &self.to_centre[slots.clone()];
            let far = |to: f64| self.apart(anchor, to) > limit;
            let first = to_centre.partition_point(|&to| to < anchor && far(to));
            let end = to_centre.partition_point(|&to| to <= anchor || !far(to));
            wanted = slots.start + first..slots.start + end.max(first);
        }
        self.measure(query, fault, wanted.clone(), out);
        mark_near(&out[..wanted.len()], limit, near);
        wanted
    }

    fn distance(&self, comparable: f64) -> f64 {
        comparable
    }

    fn reach(&self, radius: f64) -> f64 {
        radius
    }

    fn fault(fault: &Fault) -> Result<(), Error> {
        fault.0.map_or(Ok(()), |value| Err(Error::Metric { value }))
    }
}
