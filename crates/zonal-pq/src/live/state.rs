//! One version of a changing index: what a snapshot is made of, never changed once it is published.

use std::sync::Arc;

use layouts::Blocks;
use simd_kernels::{Element, Kernels};

use super::table::Table;
use super::zone::{Shape, Zone};
use crate::code::Code;
use crate::posting::{Postings, Scanned};
use crate::route::Router;
use crate::search::Parts;
use crate::space::Space;
use crate::zones::NONE;

/// Keys that are copied together: 1 KiB.
pub(crate) const KEY_BLOCK: usize = 128;

/// What is learnt from data: shared by all versions until the next rebuild.
#[derive(Debug)]
pub(crate) struct Learnt {
    pub(crate) space: Space,
    pub(crate) code: Code,
}

/// A version.
#[derive(Debug)]
pub(crate) struct State<T: Element> {
    pub(crate) kernels: &'static Kernels,
    pub(crate) learnt: Arc<Learnt>,
    pub(crate) router: Arc<Router>,
    /// Centroids one after another.
    pub(crate) centroids: Arc<Vec<i8>>,
    pub(crate) zones: Table<T>,
    pub(crate) shape: Shape,
    /// The key of each slot; what free slots hold means nothing.
    pub(crate) keys: Blocks<u64>,
    pub(crate) rows: usize,
    /// What only the writer uses, so that it can go on from here.
    pub(crate) pace: Pace,
}

/// How an index grows: what the writer remembers beside the zones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pace {
    /// Rows that the codes were learnt from.
    pub(crate) learnt_from: usize,
    /// Zones, in units of what suits so many rows.
    pub(crate) density: f64,
    /// Zones are not merged below so many.
    pub(crate) floor: usize,
}

impl<T: Element> State<T> {
    /// What a search looks at.
    pub(crate) fn parts(&self) -> Parts<'_, Self> {
        Parts {
            space: &self.learnt.space,
            router: &self.router,
            code: &self.learnt.code,
            postings: self,
            kernels: self.kernels,
        }
    }

    /// All slots that hold a key, in no order.
    pub(crate) fn slots(&self) -> impl Iterator<Item = u32> {
        self.zones.iter().flat_map(|zone| zone.slots().iter().copied())
    }

    /// The vector of a slot, in O(n): for the writer when it has no draft.
    pub(crate) fn vector_of(&self, slot: u32) -> Option<&[T]> {
        self.zones.iter().find_map(|zone| {
            let row = zone.slots().iter().position(|&other| other == slot)?;
            Some(zone.vector(self.shape, row))
        })
    }

    /// The key of a slot.
    pub(crate) fn key(&self, slot: u32) -> u64 {
        self.keys.row(slot as usize).and_then(|row| row.first()).copied().unwrap_or(u64::MAX)
    }
}

impl<T: Element> Postings<T> for State<T> {
    fn zones(&self) -> usize {
        self.zones.len()
    }

    fn rows(&self) -> usize {
        self.rows
    }

    #[inline]
    fn scanned(&self, zone: u32) -> Scanned<'_> {
        let none = Scanned { len: 0, codes: &[], places: 0, factors: &[] };
        self.zones.get(zone).map_or(none, |zone| zone.scanned(self.shape))
    }

    #[inline]
    fn ids(&self, zone: u32) -> &[u32] {
        self.zones.get(zone).map_or(&[], Zone::slots)
    }

    #[inline]
    fn has_bytes(&self) -> bool {
        self.shape.bytes > 0
    }

    #[inline]
    fn bytes(&self, zone: u32, row: usize) -> &[i8] {
        self.zones.get(zone).map_or(&[], |zone| zone.row(self.shape, row))
    }

    #[inline]
    fn vector(&self, zone: u32, row: usize) -> &[T] {
        self.zones.get(zone).map_or(&[], |zone| zone.vector(self.shape, row))
    }

    #[inline]
    fn norm(&self, zone: u32, row: usize) -> f32 {
        self.zones.get(zone).and_then(|zone| zone.norms(self.shape).get(row)).copied().unwrap_or(0.0)
    }

    #[inline]
    fn has_homes(&self) -> bool {
        false
    }

    #[inline]
    fn home(&self, _: u32, _: usize) -> u32 {
        NONE
    }
}
