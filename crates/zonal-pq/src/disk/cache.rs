//! The zones that were read last, up to so many bytes.
//!
//! CLOCK (Corbató, *A paging experiment with the Multics system*, 1968): what was used since the hand came by last
//! is passed over once. One lock guards it, held for a look-up at a time and never while something is read.

use std::collections::HashMap;
use std::sync::Arc;

use super::zone::Zone;

#[derive(Debug)]
struct Entry {
    number: u32,
    zone: Arc<Zone>,
    used: bool,
}

/// Zones by their number.
#[derive(Debug)]
pub(super) struct Cache {
    capacity: usize,
    bytes: usize,
    places: HashMap<u32, usize>,
    entries: Vec<Entry>,
    hand: usize,
}

impl Cache {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, bytes: 0, places: HashMap::new(), entries: Vec::new(), hand: 0 }
    }

    /// Bytes of all zones.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// A zone of which at least so many units were read.
    pub(super) fn get(&mut self, number: u32, units: usize) -> Option<Arc<Zone>> {
        let entry = self.entries.get_mut(*self.places.get(&number)?)?;
        if entry.zone.units < units {
            return None;
        }
        entry.used = true;
        Some(Arc::clone(&entry.zone))
    }

    /// Keeps a zone, in place of others if need be.
    pub(super) fn put(&mut self, number: u32, zone: &Arc<Zone>) {
        if let Some(&place) = self.places.get(&number) {
            self.remove(place);
        }
        let bytes = zone.bytes();
        if bytes > self.capacity {
            return;
        }
        while self.bytes + bytes > self.capacity {
            let Some(entry) = self.entries.get_mut(self.hand) else {
                // Past the last; there is one, for there are bytes.
                self.hand = 0;
                continue;
            };
            if entry.used {
                entry.used = false;
                self.hand += 1;
            } else {
                self.remove(self.hand);
            }
        }
        self.bytes += bytes;
        self.places.insert(number, self.entries.len());
        self.entries.push(Entry { number, zone: Arc::clone(zone), used: false });
    }

    fn remove(&mut self, place: usize) {
        if place >= self.entries.len() {
            return;
        }
        let entry = self.entries.swap_remove(place);
        self.bytes -= entry.zone.bytes();
        self.places.remove(&entry.number);
        if let Some(moved) = self.entries.get(place) {
            self.places.insert(moved.number, place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::zone::Shape;
    use super::*;

    fn zone(units: usize) -> Arc<Zone> {
        let shape = Shape {
            unit_rows: 16,
            unit_bytes: 64,
            columns: 1,
            norms: false,
            homes: false,
            dim: 1,
            row_dim: 0,
            stride: 4,
            vectors: 1,
            zones: 1,
        };
        Arc::new(Zone::new(&vec![0; units * shape.record()], units * 16, shape).unwrap())
    }

    #[test]
    fn what_is_used_stays_and_the_bytes_are_bounded() {
        let size = zone(1).bytes();
        let mut cache = Cache::new(4 * size);
        for number in 0..4 {
            cache.put(number, &zone(1));
        }
        assert!((0..4).all(|number| cache.get(number, 1).is_some()));
        cache.put(4, &zone(1));
        // All were used: the hand has been around once, and took one.
        let kept: Vec<u32> = (0..5).filter(|&number| cache.get(number, 1).is_some()).collect();
        assert_eq!((kept.len(), cache.bytes()), (4, 4 * size));
        assert!(kept.contains(&4));
        let mut state = 1u32;
        for round in 0..2000u32 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let number = if round % 2 == 0 { 7 } else { 10 + state % 50 };
            if cache.get(number, 1).is_none() {
                assert!(number != 7 || round == 0, "what is used at every turn was dropped at {round}");
                cache.put(number, &zone(1));
            }
            assert!(cache.bytes() <= 4 * size);
            assert_eq!(cache.bytes(), cache.entries.iter().map(|entry| entry.zone.bytes()).sum::<usize>());
            assert!(cache.entries.iter().enumerate().all(|(at, entry)| cache.places[&entry.number] == at));
        }
    }

    #[test]
    fn more_units_than_were_read_are_not_there() {
        let mut cache = Cache::new(1 << 20);
        cache.put(3, &zone(2));
        assert!(cache.get(3, 1).is_some() && cache.get(3, 2).is_some() && cache.get(3, 3).is_none());
        cache.put(3, &zone(4));
        assert_eq!((cache.get(3, 3).unwrap().units, cache.bytes()), (4, zone(4).bytes()));
        let mut none = Cache::new(0);
        none.put(1, &zone(1));
        assert!(none.get(1, 1).is_none());
    }
}
