//! Splits, merges and reassignment: the LIRE protocol of SPFresh (Xu et al., *SPFresh: incremental in-place update
//! for billion-scale vector search*, SOSP 2023), for one writer.
//!
//! What is kept up is that every vector is in the zone of its nearest centroid. Centroids stay where they are, so it
//! can only break where one appears or goes. A zone that goes leaves vectors that are assigned anew. One that is split
//! in two, with the centroid o gone and a and b new, leaves two kinds of vectors that may be wrong:
//!
//! * its own that are nearer to o than to their new centroid: a third zone may be nearer still;
//! * others that are nearer to a or b than to their own centroid. They are looked for in the zones around o only, as
//!   farther ones hardly have any.

use std::collections::HashMap;

use layouts::AlignedVec;
use simd_kernels::{Element, Measure, Rows};

use super::draft::{Carried, Draft};
use super::halves::halves;
use crate::Error;
use crate::build::CAP;

/// Most vectors that a split draws in from the zones around it, so that its halves cannot overflow.
const DRAWN: usize = CAP / 4;

/// What upkeep has done, and what is left to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Upkeep {
    /// Zones that were split.
    pub splits: usize,
    /// Zones that were merged into others.
    pub merges: usize,
    /// Vectors that went to another zone than the one they were in, other than by a split's own cut.
    pub reassigned: usize,
    /// Zones that still are to be split or merged.
    pub left: usize,
    /// Whether zones were moved together in memory.
    pub packed: bool,
}

impl<T: Element> Draft<T> {
    /// Does at most `budget` splits and merges, and beyond it those without which a zone could overflow.
    pub(crate) fn maintain(&mut self, budget: usize, neighbours: usize) -> Result<Upkeep, Error> {
        self.aim();
        let mut done = Upkeep::default();
        // Whatever data do, there is an end: no more than a few operations for each zone that there was.
        let mut budget = budget.min(4 * self.zones.len() + 64);
        loop {
            let full = self.due.iter().copied().find(|&zone| self.zones.rows(zone) >= CAP);
            let Some(zone) = full.or_else(|| self.due.first().copied().filter(|_| budget > 0)) else { break };
            budget = budget.saturating_sub(1);
            let (_, split_at) = self.limits();
            if self.zones.rows(zone) > split_at {
                self.split(zone, neighbours, &mut done)?;
            } else {
                self.merge(zone, &mut done)?;
            }
            self.touch(zone);
        }
        done.left = self.due.len();
        Ok(done)
    }

    /// Splits a zone, or notes that it cannot be.
    fn split(&mut self, zone: u32, neighbours: usize, done: &mut Upkeep) -> Result<(), Error> {
        let dim = self.learnt.space.dim();
        let carried = self.carry(zone)?;
        let count = carried.slots.len();
        let old = self.centres.get(zone).to_vec();
        let rows = Rows::new(&carried.integers, dim)?;
        let Some(new) = halves(rows, self.kernels)? else {
            if count < CAP {
                // Equal vectors and the like: tried again once there are twice as many.
                if let Some(patience) = self.patience.get_mut(zone as usize) {
                    *patience = 2 * count as u32;
                }
                return Ok(());
            }
            // More of them than a zone may hold: two zones with one centroid.
            let other = self.add_zone(&old)?;
            self.reset_zone(zone, &old);
            let targets: Vec<u32> =
                (0..count).map(|row| if row < count / 2 { zone } else { other }).collect();
            done.splits += 1;
            return self.place(&carried, &targets);
        };
        let l2 = self.kernels.forms::<i8>(Measure::L2Squared);
        let distances_to = |centroid: &[i8], rows: Rows<'_, i8>| -> Result<Vec<i32>, Error> {
            let mut out = vec![0; rows.len()];
            l2.rows(centroid, rows, &mut out)?;
            Ok(out)
        };
        let (to_one, to_two) = (distances_to(&new[0], rows)?, distances_to(&new[1], rows)?);
        let to_old = distances_to(&old, rows)?;
        let around = self.around(zone, &old, neighbours)?;
        let other = self.add_zone(&new[1])?;
        self.reset_zone(zone, &new[0]);
        let mut targets: Vec<u32> =
            to_one.iter().zip(&to_two).map(|(one, two)| if one <= two { zone } else { other }).collect();
        self.send_away(rows, (&to_one, &to_two, &to_old), &mut targets, [zone, other], done)?;
        self.place(&carried, &targets)?;
        drop(carried);

        let mut drawn =
            Carried { slots: Vec::new(), vectors: AlignedVec::new(), integers: AlignedVec::new() };
        let mut targets = Vec::new();
        for near in around {
            let integers = self.integers_of(near)?;
            let rows = Rows::new(&integers, dim)?;
            let own = distances_to(self.centres.get(near), rows)?;
            let (to_one, to_two) = (distances_to(&new[0], rows)?, distances_to(&new[1], rows)?);
            for (row, ((own, one), two)) in own.iter().zip(&to_one).zip(&to_two).enumerate() {
                if one.min(two) < own && targets.len() < DRAWN {
                    targets.push(if one <= two { zone } else { other });
                    self.carry_one(&mut drawn, near, row, rows.row(row).unwrap_or_default())?;
                }
            }
        }
        self.detach(&drawn.slots)?;
        self.place(&drawn, &targets)?;
        done.splits += 1;
        done.reassigned += targets.len();
        Ok(())
    }

    /// Finds, for those vectors of a split zone that were nearer to what is gone, whether a third zone is nearer.
    fn send_away(
        &self,
        rows: Rows<'_, i8>,
        (one, two, old): (&[i32], &[i32], &[i32]),
        targets: &mut [u32],
        halves: [u32; 2],
        done: &mut Upkeep,
    ) -> Result<(), Error> {
        let is_in_doubt = |row: &usize| old[*row] <= one[*row].min(two[*row]);
        let doubtful: Vec<usize> = (0..rows.len()).filter(is_in_doubt).collect();
        let mut integers = Vec::with_capacity(doubtful.len() * rows.dim());
        for &row in &doubtful {
            integers.extend_from_slice(rows.row(row).unwrap_or_default());
        }
        let nearest = self.centres.nearest(Rows::new(&integers, rows.dim())?, self.kernels)?;
        let mut arrivals: HashMap<u32, usize> = HashMap::new();
        for (&row, &(zone, distance)) in doubtful.iter().zip(&nearest) {
            // Ties stay at home, and so does what finds no room.
            if halves.contains(&zone) || distance >= one[row].min(two[row]) {
                continue;
            }
            let arrivals = arrivals.entry(zone).or_default();
            if self.zones.rows(zone) + *arrivals < CAP {
                *arrivals += 1;
                targets[row] = zone;
                done.reassigned += 1;
            }
        }
        Ok(())
    }

    /// The zones whose centroids are nearest to one, without itself.
    fn around(&self, zone: u32, centroid: &[i8], count: usize) -> Result<Vec<u32>, Error> {
        let mut distances = Vec::new();
        self.centres.distances(centroid, self.kernels, &mut distances)?;
        let mut order: Vec<(i32, u32)> = distances
            .iter()
            .zip(0u32..)
            .map(|(&distance, at)| (distance, at))
            .filter(|x| x.1 != zone)
            .collect();
        if count < order.len() {
            order.select_nth_unstable(count);
            order.truncate(count);
        }
        order.sort_unstable();
        Ok(order.into_iter().map(|(_, at)| at).collect())
    }

    /// Dissolves a zone: each of its vectors goes to the nearest of the others.
    fn merge(&mut self, zone: u32, done: &mut Upkeep) -> Result<(), Error> {
        if self.zones.len() <= self.pace.floor.max(1) {
            self.due.remove(&zone);
            return Ok(());
        }
        let carried = self.carry(zone)?;
        self.drop_zone(zone);
        let rows = Rows::new(&carried.integers, self.learnt.space.dim())?;
        let nearest = self.centres.nearest(rows, self.kernels)?;
        let targets: Vec<u32> = nearest.iter().map(|&(zone, _)| zone).collect();
        self.place(&carried, &targets)?;
        done.merges += 1;
        done.reassigned += targets.len();
        Ok(())
    }
}
