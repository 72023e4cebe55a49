//! A saved tree answers as before, mapped or in memory; any damage is refused, or changes nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::Path;

use crate::common::Random;
use covertree::{Error, Search, VectorMetric, VectorTree};
use layouts::Span;
use layouts::container::{Checks, Container, OpenOptions, Placement, Residence, Writer};

const METRICS: [VectorMetric; 4] =
    [VectorMetric::L2, VectorMetric::L1, VectorMetric::Angular, VectorMetric::EARTH_KM];

fn answers(tree: &VectorTree, queries: &[f64]) -> Vec<covertree::Neighbor<f64>> {
    tree.search_batch(queries, &Search::nearest(7)).unwrap().neighbors().to_vec()
}

#[test]
fn a_round_trip_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tree.nigh");
    let mut random = Random(1);
    for metric in METRICS {
        let data = random.rows(1000, 2);
        let queries = random.rows(20, 2);
        let mut tree = VectorTree::from_rows(&data, 2, metric).unwrap();
        tree.remove(&[3, 500, 999]).unwrap();
        tree.save(&path).unwrap();
        let expected = answers(&tree, &queries);
        let mut mapped = VectorTree::open(&path).unwrap();
        assert_eq!(answers(&mapped, &queries), expected);
        assert_eq!((mapped.len(), mapped.space().metric(), mapped.space().dim()), (997, metric, 2));
        let memory = OpenOptions::new().residence(Residence::Memory).checks(Checks::OnFirstUse);
        assert_eq!(answers(&VectorTree::open_with(&path, memory).unwrap(), &queries), expected);
        // A mapped tree can be changed: it then lies in memory. Ids go on where they were.
        assert_eq!(mapped.insert(&data[..2]).unwrap(), 1000..1001);
        assert!(matches!(VectorTree::<f32>::open(&path), Err(Error::File(_))));
    }
    let mut tree = VectorTree::from_rows(&[1.0f32], 1, VectorMetric::L2).unwrap();
    tree.remove(&[0]).unwrap();
    tree.save(&path).unwrap();
    assert!(VectorTree::<f32>::open(&path).unwrap().is_empty());
}

#[test]
fn every_damaged_byte_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tree.nigh");
    let data = Random(2).rows(300, 2);
    VectorTree::from_rows(&data, 2, VectorMetric::L2).unwrap().save(&path).unwrap();
    let whole = fs::read(&path).unwrap();
    for at in (0..whole.len()).step_by(37) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        fs::write(&path, &bytes).unwrap();
        assert!(matches!(VectorTree::<f64>::open(&path), Err(Error::File(_))), "byte {at}");
    }
    for len in (0..whole.len()).step_by(101) {
        fs::write(&path, &whole[..len]).unwrap();
        assert!(matches!(VectorTree::<f64>::open(&path), Err(Error::File(_))), "length {len}");
    }
}

/// The file with one section changed and all checksums right: what only the contents give away.
pub(crate) fn forge(kind: &str, from: &Path, to: &Path, section: &str, change: impl Fn(&mut Vec<u32>)) {
    let file = Container::open(from, kind).unwrap();
    let mut sections = Vec::new();
    for info in file.sections() {
        // As words of 32 bits, whatever they are.
        let mut words: Vec<u32> = match info.element() {
            4 => file.section::<u32>(info.name()).unwrap().to_vec(),
            8 if info.name() == "nodes" || info.name() == "leaves" => file
                .section::<Span>(info.name())
                .unwrap()
                .iter()
                .flat_map(|span| [span.start, span.len])
                .collect(),
            8 => bytemuck::cast_slice(&file.section::<f64>(info.name()).unwrap()).to_vec(),
            24 => file.section::<[u32; 6]>(info.name()).unwrap().concat(),
            _ => file.section::<[u32; 12]>(info.name()).unwrap().concat(),
        };
        if info.name() == section {
            change(&mut words);
        }
        sections.push((info.name().to_owned(), info.element(), words));
    }
    let mut writer = Writer::new(kind, 1);
    for (name, element, words) in &sections {
        writer = match element {
            4 => writer.section(name, Placement::Plain, words),
            8 => writer.section(name, Placement::Plain, words.as_chunks::<2>().0),
            24 => writer.section(name, Placement::Plain, words.as_chunks::<6>().0),
            _ => writer.section(name, Placement::Plain, words.as_chunks::<12>().0),
        };
    }
    writer.save(to).unwrap();
}

#[test]
fn contents_that_make_no_tree_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (path, forged) = (folder.path().join("tree.nigh"), folder.path().join("forged.nigh"));
    let mut random = Random(4);
    let data = random.rows(900, 2);
    let queries = random.rows(10, 2);
    let tree = VectorTree::from_rows(&data, 2, VectorMetric::L2).unwrap();
    tree.save(&path).unwrap();
    let expected = answers(&tree, &queries);
    forge("covertree", &path, &forged, "", |_| {});
    assert_eq!(answers(&VectorTree::open(&forged).unwrap(), &queries), expected);
    let mut refused = 0;
    for section in ["parameters", "nodes", "children", "least-ids", "leaves", "ids", "points", "boxes"] {
        for round in 0..40 {
            let place = random.next() as usize;
            let value = [0, 1, 16, 17, u32::MAX, 1 << 31, u32::MAX - 1, random.next() as u32][round % 8];
            forge("covertree", &path, &forged, section, |words| {
                let at = place % words.len();
                words[at] = value;
            });
            match VectorTree::<f64>::open(&forged) {
                Err(Error::File(_)) => refused += 1,
                Err(other) => panic!("{section}: {other}"),
                // What was written was what stood there, or a parameter that any value fits (a leaf size).
                Ok(tree) => assert_eq!(answers(&tree, &queries).len(), expected.len(), "{section}"),
            }
        }
        forge("covertree", &path, &forged, section, |words| words.truncate(words.len() / 48 * 24));
        assert!(VectorTree::<f64>::open(&forged).is_err(), "{section} cut");
    }
    assert!(refused > 200, "{refused}");
}
