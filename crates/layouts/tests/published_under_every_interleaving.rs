//! Models of publishing and of shared blocks under every interleaving (`RUSTFLAGS="--cfg loom"`), and the proof that
//! the models see faults: each ordering that the code rests on is weakened in turn, and a model must fail.

#![cfg(loom)]
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc as Plain;
use std::sync::atomic::{AtomicUsize, Ordering};

use layouts::published::planted::{self, Site};
use layouts::published::{Published, Writer};
use layouts::{Arena, ArenaView, Blocks};
use loom::thread::{self, JoinHandle};

/// A snapshot that says how many of its kind are alive. The count is no part of the model.
struct Version {
    number: u64,
    alive: Plain<AtomicUsize>,
}

impl Version {
    fn new(number: u64, alive: &Plain<AtomicUsize>) -> Self {
        alive.fetch_add(1, Ordering::Relaxed);
        Self { number, alive: alive.clone() }
    }
}

impl Drop for Version {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Pins `pins` times and checks that what it sees is whole and never goes back in time; returns what it saw last.
fn read(published: &Published<Version>, pins: usize) -> u64 {
    let mut reader = published.reader().unwrap();
    let mut last = 0;
    for _ in 0..pins {
        let pinned = reader.pin();
        assert_eq!(pinned.number, pinned.epoch());
        assert!(pinned.number >= last, "went back in time");
        last = pinned.number;
    }
    last
}

fn spawn_reader(published: &Published<Version>, pins: usize) -> JoinHandle<u64> {
    let published = published.clone();
    thread::spawn(move || read(&published, pins))
}

/// Publishes `versions` while readers come, pin as often as `pins` says of each, and go; then everything retired can
/// be freed.
fn readers_come_while_versions_are_published(pins: &'static [usize], versions: u64) {
    loom::model(move || {
        let alive = Plain::new(AtomicUsize::new(0));
        let mut writer = Writer::new(Version::new(0, &alive)).unwrap();
        let published = writer.published();
        let threads: Vec<_> = pins.iter().map(|&pins| spawn_reader(&published, pins)).collect();
        for number in 1..=versions {
            writer.publish(Version::new(number, &alive)).unwrap();
        }
        for thread in threads {
            assert!(thread.join().unwrap() <= versions);
        }
        assert_eq!(writer.reclaim(), 0, "nobody pins anything, and something is kept");
        assert_eq!(alive.load(Ordering::Relaxed), 1, "the current one, and it alone, is alive");
        assert_eq!(writer.current().number, versions);
        assert_eq!(read(&published, 1), versions);
        drop((writer, published));
        assert_eq!(alive.load(Ordering::Relaxed), 0);
    });
}

/// A reader that was made before pins while two versions are published and the writer goes.
fn the_writer_goes_while_a_snapshot_is_pinned() {
    loom::model(|| {
        let alive = Plain::new(AtomicUsize::new(0));
        let mut writer = Writer::new(Version::new(0, &alive)).unwrap();
        let mut reader = writer.published().reader().unwrap();
        let thread = thread::spawn(move || {
            let pinned = reader.pin();
            assert_eq!(pinned.number, pinned.epoch());
            thread::yield_now();
            assert_eq!(pinned.number, pinned.epoch(), "changed under a pin");
            drop(pinned);
            reader.pin().number
        });
        writer.publish(Version::new(1, &alive)).unwrap();
        drop(writer);
        assert!(thread.join().unwrap() <= 1);
        assert_eq!(alive.load(Ordering::Relaxed), 0);
    });
}

/// What is pinned is kept, it alone, for as long as the pin lasts; and an `Arc` of it for longer.
fn what_is_pinned_is_kept_and_nothing_else() {
    loom::model(|| {
        let alive = Plain::new(AtomicUsize::new(0));
        let mut writer = Writer::new(Version::new(0, &alive)).unwrap();
        let mut reader = writer.published().reader().unwrap();
        let pinned = reader.pin();
        let thread = spawn_reader(&writer.published(), 1);
        writer.publish(Version::new(1, &alive)).unwrap();
        writer.publish(Version::new(2, &alive)).unwrap();
        thread.join().unwrap();
        assert_eq!((writer.reclaim(), alive.load(Ordering::Relaxed)), (1, 2));
        assert_eq!(pinned.number, 0);
        let snapshot = pinned.snapshot();
        drop(pinned);
        assert_eq!((writer.reclaim(), alive.load(Ordering::Relaxed)), (0, 2));
        drop((writer, reader));
        assert_eq!((snapshot.number, alive.load(Ordering::Relaxed)), (0, 1));
    });
}

/// One copy is read and dropped in another thread while this one writes: in place only once it is alone.
fn a_block_is_written_in_place_only_when_it_is_not_shared() {
    loom::model(|| {
        let mut blocks = Blocks::from_rows(&[1u32, 2], 1, 2).unwrap();
        let copy = blocks.try_clone().unwrap();
        let thread = thread::spawn(move || {
            assert_eq!((copy.row(0), copy.row(1)), (Some(&[1u32][..]), Some(&[2][..])));
        });
        blocks.row_mut(0).unwrap()[0] = 3;
        assert_eq!((blocks.row(0), blocks.row(1)), (Some(&[3u32][..]), Some(&[2][..])));
        thread.join().unwrap();
    });
}

/// Whoever drops the last of two shares frees the block, once, after the other's reads.
fn the_last_share_frees_a_block() {
    loom::model(|| {
        let blocks = Blocks::from_rows(&[1u32], 1, 1).unwrap();
        let copy = blocks.try_clone().unwrap();
        let thread = thread::spawn(move || assert_eq!(copy.row(0), Some(&[1u32][..])));
        assert_eq!(blocks.row(0), Some(&[1u32][..]));
        drop(blocks);
        thread.join().unwrap();
    });
}

/// All of it together: the writer changes its own copy and publishes that.
fn blocks_are_changed_and_published() {
    loom::model(|| {
        let mut own = Blocks::from_rows(&[0u32, 0], 1, 1).unwrap();
        let mut writer = Writer::new(own.try_clone().unwrap()).unwrap();
        let mut reader = writer.published().reader().unwrap();
        let thread = thread::spawn(move || {
            let pinned = reader.pin();
            let rows = [pinned.row(0).unwrap()[0], pinned.row(1).unwrap()[0]];
            assert!(rows == [0, 0] || rows == [1, 1], "saw half a change: {rows:?}");
        });
        for row in 0..2 {
            own.row_mut(row).unwrap()[0] = 1;
        }
        writer.publish(own.try_clone().unwrap()).unwrap();
        own.row_mut(0).unwrap()[0] = 2;
        thread.join().unwrap();
    });
}

/// The writer appends behind what readers see, in place and into a larger chunk.
fn an_arena_grows_behind_its_views() {
    loom::model(|| {
        let mut arena = Arena::from_slice(&[1u32]).unwrap();
        let mut writer = Writer::new(arena.view()).unwrap();
        let mut reader = writer.published().reader().unwrap();
        let thread = thread::spawn(move || {
            let pinned: layouts::published::Pinned<'_, ArenaView<u32>> = reader.pin();
            assert_eq!(pinned.to_vec(), (1..=pinned.len() as u32).collect::<Vec<_>>());
        });
        arena.extend_from_slice(&[2]).unwrap(); // a chunk of two
        writer.publish(arena.view()).unwrap();
        arena.truncate(0); // what a view shows stays
        arena.extend_from_slice(&[3]).unwrap(); // a chunk of four
        writer.publish(arena.view()).unwrap();
        arena.extend_from_slice(&[4]).unwrap(); // in place, under the eyes of a reader
        writer.publish(arena.view()).unwrap();
        thread.join().unwrap();
    });
}

fn models() -> Vec<(&'static str, fn())> {
    vec![
        ("a pin races two versions", || readers_come_while_versions_are_published(&[2], 2)),
        ("two readers come", || readers_come_while_versions_are_published(&[1, 1], 1)),
        ("one comes for nothing", || readers_come_while_versions_are_published(&[1, 0], 1)),
        ("the writer goes", the_writer_goes_while_a_snapshot_is_pinned),
        ("a pin lasts", what_is_pinned_is_kept_and_nothing_else),
        ("a block is written", a_block_is_written_in_place_only_when_it_is_not_shared),
        ("a block is freed", the_last_share_frees_a_block),
        ("an arena grows", an_arena_grows_behind_its_views),
    ]
}

#[test]
fn one_reader_and_two_versions() {
    readers_come_while_versions_are_published(&[2], 2);
}

#[test]
fn two_readers_register_while_a_version_is_published() {
    readers_come_while_versions_are_published(&[1, 1], 1);
}

#[test]
fn a_reader_may_come_for_nothing() {
    // Its word then hides what the one before it in the slot has said.
    readers_come_while_versions_are_published(&[1, 0], 1);
}

#[test]
fn the_writer_may_go_first() {
    the_writer_goes_while_a_snapshot_is_pinned();
}

#[test]
fn a_long_pin_keeps_one_snapshot() {
    what_is_pinned_is_kept_and_nothing_else();
}

#[test]
fn shared_blocks_are_copied_and_freed_in_order() {
    a_block_is_written_in_place_only_when_it_is_not_shared();
    the_last_share_frees_a_block();
}

#[test]
fn a_reader_sees_whole_changes() {
    blocks_are_changed_and_published();
}

#[test]
fn views_show_what_was_there() {
    an_arena_grows_behind_its_views();
}

/// The complaint of the first model that fails.
fn complaint() -> Option<(&'static str, String)> {
    models().into_iter().find_map(|(name, model)| {
        let payload = catch_unwind(AssertUnwindSafe(model)).err()?;
        let text = payload.downcast_ref::<String>().cloned();
        Some((
            name,
            text.or(payload.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default(),
        ))
    })
}

fn is_noticed(site: Site) {
    planted::plant(Some(site));
    let complaint = complaint();
    planted::plant(None);
    let Some((model, text)) = complaint else { panic!("{site:?} was weakened, and no model noticed") };
    assert!(
        text.contains("Causality violation"),
        "{site:?} was noticed for another reason in {model}: {text}"
    );
}

/// One test a site: they say by name which ordering a change has made superfluous, or the models blind to.
macro_rules! noticed {
    ($($name:ident: $site:ident,)*) => { $(
        #[test]
        fn $name() {
            is_noticed(Site::$site);
        }
    )* };
}

noticed! {
    without_the_fence_of_a_pin_a_model_fails: AnnounceFence,
    without_acquiring_what_is_current_a_model_fails: LoadCurrent,
    without_releasing_a_pin_a_model_fails: Unpin,
    without_releasing_what_is_current_a_model_fails: StoreCurrent,
    without_the_fence_of_a_reclaim_a_model_fails: ReclaimFence,
    without_acquiring_a_slot_a_model_fails: ScanSlot,
    without_releasing_a_new_slot_a_model_fails: PushSlot,
    without_acquiring_the_list_of_slots_a_model_fails: WalkSlots,
    without_acquiring_a_slot_that_was_left_a_model_fails: TakeSlot,
    without_releasing_a_share_a_model_fails: ReleaseBlock,
    without_acquiring_before_a_block_is_freed_a_model_fails: LastBlock,
    without_acquiring_before_a_block_is_written_a_model_fails: UniqueBlock,
}

#[test]
fn a_fault_elsewhere_is_not_noticed() {
    // So planting as such does not make a model fail: this one has no block.
    planted::plant(Some(Site::LastBlock));
    readers_come_while_versions_are_published(&[1, 1], 1);
    planted::plant(None);
}
