//! Real threads publish, pin, come and go: short, for the plain run and for AddressSanitizer, which sees a snapshot
//! or a block that was freed too early.

#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use layouts::published::{Published, Writer};
use layouts::{Arena, Blocks};

const WIDTH: usize = 8;
const ROWS: usize = 256;

/// A snapshot in which every row holds a number, and the sum of the numbers is known; counts how many are alive.
struct Version {
    sum: u64,
    rows: Blocks<u32>,
    alive: Arc<AtomicUsize>,
}

impl Version {
    fn new(sum: u64, rows: Blocks<u32>, alive: &Arc<AtomicUsize>) -> Self {
        alive.fetch_add(1, Ordering::Relaxed);
        Self { sum, rows, alive: alive.clone() }
    }

    fn check(&self) {
        let mut sum = 0;
        for row in 0..self.rows.len() {
            let row = self.rows.row(row).unwrap();
            assert!(row.iter().all(|element| *element == row[0]), "half a row: {row:?}");
            sum += u64::from(row[0]);
        }
        assert_eq!(sum, self.sum, "half a change");
    }
}

impl Drop for Version {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Stops the readers, also when the writer's part of a test fails.
struct Stopping<'a>(&'a AtomicBool);

impl Drop for Stopping<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Pins again and again, and now and then leaves and comes back, or keeps a snapshot; returns how often it pinned.
fn read(published: &Published<Version>, stop: &AtomicBool) -> usize {
    let mut pins = 0;
    let mut last = 0;
    let mut kept = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let mut reader = published.reader().unwrap();
        for turn in 0..50 {
            let pinned = reader.pin();
            assert!(pinned.epoch() >= last, "went back in time");
            last = pinned.epoch();
            pinned.check();
            pins += 1;
            if turn == 0 {
                kept.push(pinned.snapshot());
            }
        }
        if kept.len() > 4 {
            kept.drain(..).for_each(|snapshot| snapshot.check());
        }
    }
    pins
}

#[test]
fn readers_come_and_go_while_a_writer_changes_rows() {
    let alive = Arc::new(AtomicUsize::new(0));
    let mut rows = Blocks::from_rows(&[0u32; WIDTH * ROWS], WIDTH, 4).unwrap();
    let mut writer = Writer::new(Version::new(0, rows.try_clone().unwrap(), &alive)).unwrap();
    let stop = AtomicBool::new(false);
    let (mut sum, mut state) = (0u64, 1u32);
    let pins = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let (published, stop) = (writer.published(), &stop);
                scope.spawn(move || read(&published, stop))
            })
            .collect();
        let stopping = Stopping(&stop);
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(700) {
            for _ in 0..20 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let row = rows.row_mut(state as usize >> 8 & (ROWS - 1)).unwrap();
                let (old, new) = (row[0], state >> 20);
                row.fill(new);
                sum = sum - u64::from(old) + u64::from(new);
            }
            if rows.len() < 2 * ROWS {
                rows.push(&[0; WIDTH]).unwrap();
            }
            writer.publish(Version::new(sum, rows.try_clone().unwrap(), &alive)).unwrap();
        }
        drop(stopping);
        threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
    });
    assert!(pins > 100 && writer.epoch() > 100, "{pins} pins, {} versions", writer.epoch());
    writer.current().check();
    assert_eq!(writer.reclaim(), 0);
    assert_eq!(alive.load(Ordering::Relaxed), 1);
    drop(writer);
    assert_eq!(alive.load(Ordering::Relaxed), 0);
}

#[test]
fn a_pin_for_ever_keeps_one_snapshot_and_blocks_nobody() {
    let mut writer = Writer::new(Arc::new(0)).unwrap();
    let (mut one, mut two) = (writer.published().reader().unwrap(), writer.published().reader().unwrap());
    let pinned = one.pin();
    for version in 1..1000 {
        writer.publish(version).unwrap();
        let now = two.pin();
        assert_eq!((*now, now.epoch(), writer.epoch()), (version, writer.epoch(), version));
        drop(now);
        // The one that is pinned, and the last, on which the second reader may just have been.
        assert!(writer.kept() <= 2);
    }
    assert_eq!((writer.reclaim(), *pinned, pinned.epoch()), (1, 0, 0));
    drop(pinned);
    assert_eq!(writer.reclaim(), 0);
}

#[test]
fn readers_outlive_the_writer() {
    let mut writer = Writer::new(vec![1]).unwrap();
    let published = writer.published();
    let (mut old, mut new) = (published.reader().unwrap(), published.reader().unwrap());
    let (kept, pinned) = (old.snapshot(), old.pin());
    writer.publish(vec![2]).unwrap();
    drop(writer);
    assert_eq!((&*kept, &*pinned, &*new.pin()), (&vec![1], &vec![1], &vec![2]));
    assert_eq!(*published.snapshot().unwrap(), [2]);
    drop(pinned);
    drop((old, new));
    assert_eq!(*published.reader().unwrap().pin(), [2]);
}

#[test]
fn a_forgotten_pin_keeps_its_snapshot_until_the_next() {
    let mut writer = Writer::new(1).unwrap();
    let mut reader = writer.published().reader().unwrap();
    std::mem::forget(reader.pin());
    writer.publish(2).unwrap();
    assert_eq!(writer.kept(), 1);
    assert_eq!(*reader.pin(), 2);
    assert_eq!(writer.reclaim(), 0);
}

#[test]
fn views_of_a_growing_arena_never_change() {
    let mut arena = Arena::from_slice(&[0u64]).unwrap();
    let mut writer = Writer::new(arena.view()).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let (published, stop) = (writer.published(), &stop);
            scope.spawn(move || {
                let mut reader = published.reader().unwrap();
                let mut kept = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    kept.push(reader.pin().clone());
                    let view = &kept[kept.len() - 1];
                    assert!(view.iter().enumerate().all(|(at, &element)| element == at as u64));
                    if kept.len() > 20 {
                        kept.drain(..)
                            .for_each(|view| assert_eq!(view[view.len() - 1], view.len() as u64 - 1));
                    }
                }
            });
        }
        let stopping = Stopping(&stop);
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(300) {
            let len = arena.len() as u64;
            // Rolled back before it was seen: must not show.
            arena.extend_from_slice(&[u64::MAX; 3]).unwrap();
            arena.truncate(len as usize);
            arena.extend_from_slice(&[len, len + 1]).unwrap();
            writer.publish(arena.view()).unwrap();
            if arena.len() > 1 << 16 {
                arena = Arena::from_slice(&[0]).unwrap();
            }
        }
        drop(stopping);
    });
}

#[test]
fn what_a_view_shows_cannot_be_truncated() {
    let mut arena = Arena::from_slice(&[1u8, 2, 3]).unwrap();
    let view = arena.view();
    arena.extend_from_slice(&[4, 5]).unwrap();
    arena.truncate(4);
    assert_eq!(arena[..], [1, 2, 3, 4]);
    arena.truncate(0);
    arena.extend_from_slice(&[6]).unwrap();
    assert_eq!((&view[..], &arena[..]), (&[1, 2, 3][..], &[1, 2, 3, 6][..]));
    assert!(arena.reserve(usize::MAX).is_err() && arena.len() == 4);
}
