//! A tree of values is saved without them and answers as before with them; damaged files, other values and other
//! metrics are refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::common::Random;
use crate::files_survive_and_damage_is_refused::forge;
use covertree::{BuildOptions, CoverTree, Error, ItemTree, Neighbor, Search, VectorMetric, VectorTree};

const KIND: &str = "covertree-items";
/// What tells a child process of a test where to save.
const FAILS: &str = "NIGH_TEST_SAVE_OF_ITEMS";

type Place = [f64; 2];

fn far(a: &Place, b: &Place) -> f64 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

fn places(n: usize, seed: u64) -> Vec<Place> {
    Random(seed).rows(n, 2).as_chunks::<2>().0.to_vec()
}

type Tree = ItemTree<Place, fn(&Place, &Place) -> f64>;

fn tree(items: &[Place]) -> Tree {
    CoverTree::from_items_with(items.to_vec(), far as fn(&Place, &Place) -> f64, BuildOptions::new().leaf(8))
        .unwrap()
}

fn open(path: &Path, items: &[Place]) -> Result<Tree, Error> {
    ItemTree::open(path, items.to_vec(), far)
}

fn answers(tree: &Tree) -> Vec<Neighbor<f64>> {
    tree.search_batch(&places(20, 99), &Search::nearest(7)).unwrap().neighbors().to_vec()
}

#[test]
fn a_round_trip_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tree.nigh");
    let items = places(600, 1);
    let mut whole = tree(&items[..500]);
    for round in 0..3 {
        whole.save(&path).unwrap();
        let mut ids: Vec<u32> = whole.ids().collect();
        ids.sort_unstable();
        let kept: Vec<Place> = ids.iter().map(|&id| items[id as usize]).collect();
        // Every point measured: none is refused.
        let mut opened =
            ItemTree::open_measuring(&path, kept, far as fn(&Place, &Place) -> f64, usize::MAX).unwrap();
        assert_eq!(
            (opened.len(), opened.depth(), opened.options()),
            (whole.len(), whole.depth(), BuildOptions::new().leaf(8))
        );
        assert_eq!(answers(&opened), answers(&whole));
        // An opened tree can be changed, in the same way as the other. Ids go on where they were.
        if round == 0 {
            assert_eq!(opened.insert(items[500..].to_vec()).unwrap(), 500..600);
            whole.insert(items[500..].to_vec()).unwrap();
        } else {
            let gone: Vec<u32> = (round..600).step_by(3).collect();
            opened.remove(&gone).unwrap();
            whole.remove(&gone).unwrap();
        }
        assert_eq!(answers(&opened), answers(&whole));
    }
    whole.remove(&whole.ids().collect::<Vec<_>>()).unwrap();
    whole.save(&path).unwrap();
    assert!(open(&path, &[]).unwrap().is_empty());
}

#[test]
fn other_items_and_metrics_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tree.nigh");
    let items = places(500, 2);
    tree(&items).save(&path).unwrap();
    assert!(matches!(open(&path, &items[1..]), Err(Error::Length { argument: "items", actual: 499, .. })));
    let mut turned = items.clone();
    turned.rotate_left(1);
    assert!(matches!(open(&path, &turned), Err(Error::OtherItems { .. })));
    let blocks = |a: &Place, b: &Place| (a[0] - b[0]).abs() + (a[1] - b[1]).abs();
    assert!(matches!(ItemTree::open(&path, items.clone(), blocks), Err(Error::OtherItems { .. })));
    let none = |_: &Place, _: &Place| f64::NAN;
    assert!(matches!(ItemTree::open(&path, items.clone(), none), Err(Error::Metric { .. })));
    // One item that moved a little is found wherever it is once all are measured.
    for moved in (0..500).step_by(61) {
        let mut one = items.clone();
        one[moved][0] += 1e-6;
        let all = ItemTree::open_measuring(&path, one, far, usize::MAX);
        assert!(matches!(all, Err(Error::OtherItems { .. })), "item {moved}");
    }
    // The two kinds of trees do not read each other's files.
    assert!(matches!(VectorTree::<f64>::open(&path), Err(Error::File(_))));
    VectorTree::from_rows(items.as_flattened(), 2, VectorMetric::L2).unwrap().save(&path).unwrap();
    assert!(matches!(open(&path, &items), Err(Error::File(_))));
}

#[test]
fn damage_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (path, forged) = (folder.path().join("tree.nigh"), folder.path().join("forged.nigh"));
    let items = places(120, 3);
    let saved = tree(&items);
    saved.save(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    // The header and the table of eight sections, byte by byte; then samples of the rest.
    let header = 64 + 8 * 64;
    for at in (0..header).chain((header..bytes.len()).step_by(23)) {
        let mut damaged = bytes.clone();
        damaged[at] = !damaged[at];
        fs::write(&forged, &damaged).unwrap();
        assert!(matches!(open(&forged, &items), Err(Error::File(_))), "byte {at}");
    }
    for len in (0..bytes.len()).step_by(71) {
        fs::write(&forged, &bytes[..len]).unwrap();
        assert!(matches!(open(&forged, &items), Err(Error::File(_))), "length {len}");
    }
    // Checksums right, contents wrong: a section that lacks its end, or has a number that does not belong there.
    forge(KIND, &path, &forged, "", |_| {});
    assert_eq!(answers(&open(&forged, &items).unwrap()), answers(&saved));
    let mut random = Random(5);
    let mut refused = 0;
    for section in ["parameters", "nodes", "children", "least-ids", "leaves", "ids", "to-centre", "radii"] {
        for cut in [2, 6, 24] {
            forge(KIND, &path, &forged, section, |words| words.truncate((words.len() - 1) / cut * cut));
            assert!(
                matches!(open(&forged, &items), Err(Error::File(_))),
                "{section} cut to multiples of {cut}"
            );
        }
        for round in 0..24 {
            let place = random.next() as usize;
            let value =
                [0, 1, 17, u32::MAX, 1 << 31, u32::MAX - 1, random.next() as u32, 0x7ff8_0000][round % 8];
            forge(KIND, &path, &forged, section, |words| {
                let at = place % words.len();
                words[at] = value;
            });
            match ItemTree::open_measuring(
                &forged,
                items.clone(),
                far as fn(&Place, &Place) -> f64,
                usize::MAX,
            ) {
                Err(Error::File(_) | Error::OtherItems { .. } | Error::Length { .. }) => refused += 1,
                Err(other) => panic!("{section}: {other}"),
                // What was written stood there, or the last digits of a distance, or a radius beyond what is needed.
                Ok(tree) => assert_eq!(answers(&tree), answers(&saved), "{section}"),
            }
        }
    }
    assert!(refused > 100, "{refused}");
}

#[test]
fn what_a_child_process_saves() {
    if let Some(path) = std::env::var_os(FAILS) {
        match tree(&places(20_000, 4)).save(Path::new(&path)) {
            Ok(()) => println!("saved"),
            Err(error) => println!("refused: {error}"),
        }
    }
}

#[test]
#[cfg(unix)]
fn a_save_that_fails_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tree.nigh");
    let items = places(300, 6);
    let old = tree(&items);
    old.save(&path).unwrap();
    let before = fs::read(&path).unwrap();
    // A file system that is full: no file above 64 blocks, and no signal for trying.
    let child = Command::new("sh")
        .args([
            "-c",
            r#"trap "" XFSZ; ulimit -f 64; exec "$0" --exact files_of_items::what_a_child_process_saves --nocapture"#,
        ])
        .arg(std::env::current_exe().unwrap())
        .env(FAILS, &path)
        .output()
        .unwrap();
    let output = String::from_utf8(child.stdout).unwrap();
    assert!(output.contains("refused: "), "{output}{}", String::from_utf8_lossy(&child.stderr));
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "a temporary file is left");
    assert_eq!(answers(&open(&path, &items).unwrap()), answers(&old));
}
