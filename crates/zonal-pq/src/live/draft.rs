//! The version in the making: the writer's own view of zones and keys, and the moves that all changes are made of.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use hnsw::Metric;
use layouts::{AlignedVec, Blocks};
use simd_kernels::{Element, Kernels, Rows};

use super::centres::Centres;
use super::params::LiveParams;
use super::state::{KEY_BLOCK, Learnt, Pace, State};
use super::table::Table;
use super::zone::{Shape, Zone};
use crate::Error;
use crate::build::{CAP, encode, zones_for};
use crate::parallel::{blocks, chunks};
use crate::route::Router;

/// Where a key's vector is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) zone: u32,
    pub(crate) row: u32,
}

/// The place of a slot that holds no key.
pub(crate) const NOWHERE: Place = Place { zone: u32::MAX, row: u32::MAX };

/// Vectors on their way into zones.
#[derive(Debug)]
pub(crate) struct Carried<T> {
    pub(crate) slots: Vec<u32>,
    pub(crate) vectors: AlignedVec<T>,
    pub(crate) integers: AlignedVec<i8>,
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Draft<T: Element> {
    pub(crate) kernels: &'static Kernels,
    pub(crate) learnt: Arc<Learnt>,
    pub(crate) zones: Table<T>,
    pub(crate) shape: Shape,
    pub(crate) centres: Centres,
    pub(crate) router: Arc<Router>,
    centroids: Arc<Vec<i8>>,
    /// Whether centroids have changed since `router` was made.
    pub(crate) moved: bool,
    pub(crate) keys: Blocks<u64>,
    /// By slot.
    pub(crate) places: Vec<Place>,
    /// Slots without a key.
    free: Vec<u32>,
    /// The slot of each key.
    pub(crate) slots: HashMap<u64, u32>,
    pub(crate) pace: Pace,
    /// Zones that are to be split or merged.
    pub(crate) due: BTreeSet<u32>,
    /// By zone: the rows below which a split is not tried again.
    pub(crate) patience: Vec<u32>,
    /// Rows that a zone is to have, and the rows of the index for which that was worked out.
    target: (usize, usize),
    limits: (usize, usize),
}

impl<T: Element> Draft<T> {
    /// Goes on from a version.
    pub(crate) fn new(state: &State<T>, params: &LiveParams) -> Result<Self, Error> {
        let dim = state.learnt.space.dim();
        let mut draft = Self {
            kernels: state.kernels,
            learnt: Arc::clone(&state.learnt),
            zones: state.zones.clone(),
            shape: state.shape,
            centres: Centres::new(Rows::new(&state.centroids, dim)?)?,
            router: Arc::clone(&state.router),
            centroids: Arc::clone(&state.centroids),
            moved: false,
            keys: state.keys.try_clone()?,
            places: Vec::new(),
            free: Vec::new(),
            slots: HashMap::new(),
            pace: state.pace,
            due: BTreeSet::new(),
            patience: vec![0; state.zones.len()],
            target: (0, 0),
            limits: (params.merge_at, params.split_at),
        };
        reserve(&mut draft.places, draft.keys.len())?;
        draft.places.resize(draft.keys.len(), NOWHERE);
        draft.slots.try_reserve(state.rows).map_err(|_| no_memory::<(u64, u32)>(state.rows))?;
        for (zone, rows) in state.zones.iter().enumerate() {
            for (row, &slot) in rows.slots().iter().enumerate() {
                if let Some(place) = draft.places.get_mut(slot as usize) {
                    *place = Place { zone: zone as u32, row: row as u32 };
                }
                draft.slots.insert(state.key(slot), slot);
            }
        }
        let free = |&slot: &u32| draft.places.get(slot as usize) == Some(&NOWHERE);
        draft.free = (0..draft.keys.len() as u32).rev().filter(free).collect();
        draft.aim();
        Ok(draft)
    }

    /// The version as it stands, to be published.
    pub(crate) fn state(&mut self) -> Result<State<T>, Error> {
        if self.moved {
            self.route(usize::MAX)?;
        }
        Ok(State {
            kernels: self.kernels,
            learnt: Arc::clone(&self.learnt),
            router: Arc::clone(&self.router),
            centroids: Arc::clone(&self.centroids),
            zones: self.zones.clone(),
            shape: self.shape,
            keys: self.keys.try_clone()?,
            rows: self.rows(),
            pace: self.pace,
        })
    }

    /// Makes a router over the centroids as they are, with a graph from so many zones on.
    pub(crate) fn route(&mut self, graph_from: usize) -> Result<(), Error> {
        let space = &self.learnt.space;
        let rows = Rows::new(self.centres.rows(), space.dim())?;
        let mut shifts = AlignedVec::new();
        if space.metric == Metric::InnerProduct {
            for centroid in rows.iter() {
                shifts.push(space.shift_of(centroid))?;
            }
        }
        self.router = Arc::new(Router::new(rows, shifts, graph_from)?);
        self.centroids = Arc::new(self.centres.rows().to_vec());
        self.moved = false;
        Ok(())
    }

    /// Vectors.
    pub(crate) fn rows(&self) -> usize {
        self.slots.len()
    }

    /// The vector of a slot.
    pub(crate) fn vector(&self, slot: u32) -> Option<&[T]> {
        let place = self.places.get(slot as usize)?;
        let vector = self.zones.get(place.zone)?.vector(self.shape, place.row as usize);
        (!vector.is_empty()).then_some(vector)
    }

    /// A slot for a new key.
    pub(crate) fn take_slot(&mut self, key: u64) -> Result<u32, Error> {
        self.slots.try_reserve(1).map_err(|_| no_memory::<(u64, u32)>(1))?;
        let slot = match self.free.pop() {
            Some(slot) => {
                self.keys.row_mut(slot as usize)?.fill(key);
                slot
            }
            None => {
                let slot = self.keys.len() as u32;
                self.keys.push(&[key])?;
                reserve(&mut self.places, 1)?;
                self.places.push(NOWHERE);
                slot
            }
        };
        self.slots.insert(key, slot);
        Ok(slot)
    }

    /// Removes the vectors of some slots from their zones.
    pub(crate) fn detach(&mut self, slots: &[u32]) -> Result<(), Error> {
        let mut from: Vec<Place> =
            slots.iter().filter_map(|&slot| self.places.get(slot as usize).copied()).collect();
        // From the last row of a zone to the first, so that rows which are to go are not moved before.
        from.sort_unstable_by(|a, b| a.zone.cmp(&b.zone).then(b.row.cmp(&a.row)));
        for run in from.chunk_by(|a, b| a.zone == b.zone) {
            let Some(&Place { zone, .. }) = run.first() else { continue };
            let rows = self.zones.get_mut(zone, self.shape, 0)?;
            for place in run {
                rows.swap_remove(self.shape, place.row as usize);
                if let Some(&moved) = rows.slots().get(place.row as usize)
                    && let Some(to) = self.places.get_mut(moved as usize)
                {
                    *to = *place;
                }
            }
            self.touch(zone);
        }
        for &slot in slots {
            if let Some(place) = self.places.get_mut(slot as usize) {
                *place = NOWHERE;
            }
        }
        Ok(())
    }

    /// Removes keys that are there.
    pub(crate) fn remove(&mut self, keys: &[u64]) -> Result<(), Error> {
        let slots: Vec<u32> = keys.iter().filter_map(|key| self.slots.get(key).copied()).collect();
        reserve(&mut self.free, slots.len())?;
        self.detach(&slots)?;
        for key in keys {
            self.slots.remove(key);
        }
        // Lower slots are given out first.
        self.free.extend(slots.iter().rev());
        Ok(())
    }

    /// Vectors as integers, one after another, on the current pool.
    pub(crate) fn integers<'a>(
        &self,
        count: usize,
        vector: impl Fn(usize) -> &'a [T] + Sync + Send,
    ) -> Result<AlignedVec<i8>, Error>
    where
        T: 'a,
    {
        let space = &self.learnt.space;
        let dim = space.dim();
        let mut integers = AlignedVec::zeroed(count * dim)?;
        chunks(&mut integers, 256 * dim, |block, out| {
            let mut flat = vec![0.0; dim];
            for (at, out) in out.chunks_exact_mut(dim).enumerate() {
                space.row(vector(block * 256 + at), &mut flat, out);
            }
            Ok(())
        })?;
        Ok(integers)
    }

    /// The integer rows of a zone.
    pub(crate) fn integers_of(&self, zone: u32) -> Result<AlignedVec<i8>, Error> {
        let Some(rows) = self.zones.get(zone) else { return Ok(AlignedVec::new()) };
        if self.shape.bytes > 0 {
            return Ok(AlignedVec::from_slice(rows.bytes(self.shape))?);
        }
        self.integers(rows.len(), |row| rows.vector(self.shape, row))
    }

    /// Everything that a zone holds.
    pub(crate) fn carry(&self, zone: u32) -> Result<Carried<T>, Error> {
        let integers = self.integers_of(zone)?;
        let Some(rows) = self.zones.get(zone) else {
            return Ok(Carried { slots: Vec::new(), vectors: AlignedVec::new(), integers });
        };
        Ok(Carried {
            slots: rows.slots().to_vec(),
            vectors: AlignedVec::from_slice(rows.vectors(self.shape))?,
            integers,
        })
    }

    /// Adds a row to `carried`.
    pub(crate) fn carry_one(
        &self,
        carried: &mut Carried<T>,
        zone: u32,
        row: usize,
        integers: &[i8],
    ) -> Result<(), Error> {
        if let Some(rows) = self.zones.get(zone)
            && let Some(&slot) = rows.slots().get(row)
        {
            carried.slots.push(slot);
            carried.vectors.extend_from_slice(rows.vector(self.shape, row))?;
            carried.integers.extend_from_slice(integers)?;
        }
        Ok(())
    }

    /// Puts every vector of `carried` into the zone that `targets` names.
    pub(crate) fn place(&mut self, carried: &Carried<T>, targets: &[u32]) -> Result<(), Error> {
        let mut order: Vec<(u32, u32)> =
            targets.iter().enumerate().map(|(at, &zone)| (zone, at as u32)).collect();
        order.sort_unstable();
        let groups: Vec<&[(u32, u32)]> = order.chunk_by(|a, b| a.0 == b.0).collect();
        let dim = self.learnt.space.dim();
        let (vectors, integers) =
            (Rows::new(&carried.vectors, self.shape.dim)?, Rows::new(&carried.integers, dim)?);
        let Learnt { space, code } = &*self.learnt;
        let row = |&(_, at): &(u32, u32)| {
            (vectors.row(at as usize).unwrap_or_default(), integers.row(at as usize).unwrap_or_default())
        };
        let centres = &self.centres;
        let kernels = self.kernels;
        let parts = blocks(groups.len(), 4, |range| {
            let mut parts = Vec::with_capacity(range.len());
            for group in groups.get(range).unwrap_or_default() {
                let zone = group.first().map_or(0, |x| x.0);
                let part = encode(group.iter().map(row), centres.get(zone), (space, code), kernels);
                parts.push(part?);
            }
            Ok(parts)
        })?;
        for (group, part) in groups.iter().zip(parts.iter().flatten()) {
            let Some(&(zone, _)) = group.first() else { continue };
            let rows = self.zones.get_mut(zone, self.shape, group.len())?;
            let first = rows.len();
            let slots = || group.iter().map(|x| carried.slots.get(x.1 as usize).copied().unwrap_or(u32::MAX));
            let vectors = group.iter().map(|x| row(x).0);
            rows.append(self.shape, part, slots(), vectors, group.iter().map(|x| row(x).1));
            for (at, slot) in slots().enumerate() {
                if let Some(place) = self.places.get_mut(slot as usize) {
                    *place = Place { zone, row: (first + at) as u32 };
                }
            }
            self.touch(zone);
        }
        Ok(())
    }

    /// Rows below which a zone is merged, and above which it is split.
    pub(crate) fn limits(&self) -> (usize, usize) {
        match self.limits {
            (_, 0) => (self.target.0 / 8, (2 * self.target.0).min(CAP)),
            given => given,
        }
    }

    /// Notes whether a zone is to be split or merged, after its rows have changed.
    pub(crate) fn touch(&mut self, zone: u32) {
        if zone as usize >= self.zones.len() {
            self.due.remove(&zone);
            return;
        }
        let rows = self.zones.rows(zone);
        let (merge_at, split_at) = self.limits();
        let patience = self.patience.get(zone as usize).map_or(0, |&rows| rows as usize);
        let large = rows > split_at && rows >= patience.min(CAP);
        let small = rows <= merge_at && self.zones.len() > self.pace.floor;
        if large || small {
            self.due.insert(zone);
        } else {
            self.due.remove(&zone);
        }
    }

    /// Adjusts what zones should hold to the number of vectors, if that has changed by much.
    pub(crate) fn aim(&mut self) {
        let rows = self.rows();
        let (_, then) = self.target;
        if rows.abs_diff(then) <= then / 8 && self.target.0 > 0 {
            return;
        }
        let zones = (zones_for(rows) as f64 * self.pace.density).max(1.0);
        self.target = (((rows as f64 / zones) as usize).clamp(16, CAP / 2), rows);
        if rows as f64 >= self.pace.floor as f64 * self.target.0 as f64 {
            self.pace.floor = 1;
        }
        for zone in 0..self.zones.len() as u32 {
            self.touch(zone);
        }
    }

    /// Rows that zones should hold.
    pub(crate) fn target(&self) -> usize {
        self.target.0
    }

    /// Gives a new zone its number.
    pub(crate) fn add_zone(&mut self, centroid: &[i8]) -> Result<u32, Error> {
        let zone = self.zones.len() as u32;
        self.centres.push(centroid)?;
        self.zones.push(Zone::empty());
        self.patience.push(0);
        self.moved = true;
        Ok(zone)
    }

    /// Empties a zone and gives it another centroid. Its vectors are nowhere until they are placed.
    pub(crate) fn reset_zone(&mut self, zone: u32, centroid: &[i8]) {
        self.centres.set(zone, centroid);
        self.zones.set(zone, Zone::empty());
        if let Some(patience) = self.patience.get_mut(zone as usize) {
            *patience = 0;
        }
        self.moved = true;
    }

    /// Removes a zone; the last one takes its number.
    pub(crate) fn drop_zone(&mut self, zone: u32) {
        let Some(last) = (self.zones.len() as u32).checked_sub(1).filter(|&last| zone <= last) else {
            return;
        };
        self.zones.swap_remove(zone);
        self.centres.swap_remove(zone);
        self.patience.swap_remove(zone as usize);
        self.moved = true;
        self.due.remove(&last);
        self.due.remove(&zone);
        if zone < last {
            if let Some(rows) = self.zones.get(zone) {
                for &slot in rows.slots() {
                    if let Some(place) = self.places.get_mut(slot as usize) {
                        place.zone = zone;
                    }
                }
            }
            self.touch(zone);
        }
    }

    /// A fresh set of slots for keys: of slot `i` the key `keys[i]`.
    pub(crate) fn key_blocks(keys: &[u64]) -> Result<Blocks<u64>, Error> {
        Ok(Blocks::from_rows(keys, 1, KEY_BLOCK)?)
    }
}

pub(crate) fn no_memory<U>(len: usize) -> Error {
    layouts::Error::Memory { bytes: len.saturating_mul(size_of::<U>()) }.into()
}

pub(crate) fn reserve<U>(vec: &mut Vec<U>, more: usize) -> Result<(), Error> {
    vec.try_reserve(more).map_err(|_| no_memory::<U>(more))
}
