//! Whatever goes wrong while a file is saved, the old one stays whole and nothing else is left behind.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use layouts::container::{Container, Placement, Problem, Writer, replace_file};

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn save(path: &Path, value: u64) -> Result<(), layouts::container::ContainerError> {
    Writer::new("test", 1).section("value", Placement::Plain, &[value]).save(path)
}

fn value(path: &Path) -> u64 {
    Container::open(path, "test").unwrap().value("value").unwrap()
}

#[test]
fn a_save_replaces_the_file_and_leaves_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    for round in 0..3 {
        save(&path, round).unwrap();
        assert_eq!((value(&path), names(folder.path())), (round, vec!["index".to_owned()]));
    }
}

#[test]
fn a_write_that_fails_midway_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    save(&path, 7).unwrap();
    let full = replace_file(&path, |file| {
        file.write_all(&[0; 10_000])?;
        Err(io::Error::from(io::ErrorKind::StorageFull))
    });
    assert_eq!(full.unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!((value(&path), names(folder.path())), (7, vec!["index".to_owned()]));
}

#[test]
fn a_writer_that_panics_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    save(&path, 7).unwrap();
    let panicked = std::panic::catch_unwind(|| replace_file(&path, |_| panic!("while writing")));
    assert!(panicked.is_err());
    assert_eq!((value(&path), names(folder.path())), (7, vec!["index".to_owned()]));
}

#[test]
fn a_name_that_cannot_be_taken_is_refused_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("taken");
    fs::create_dir(&path).unwrap();
    fs::write(path.join("inside"), "x").unwrap();
    let error = save(&path, 1).unwrap_err();
    assert!(matches!(error.problem(), Problem::Io { .. }));
    assert!(error.to_string().starts_with(&path.display().to_string()));
    assert_eq!((names(folder.path()), names(&path)), (vec!["taken".to_owned()], vec!["inside".to_owned()]));

    let error = save(&folder.path().join("absent").join("index"), 1).unwrap_err();
    assert!(matches!(error.problem(), Problem::Io { action: "save", .. }));
}

#[test]
fn sections_that_cannot_be_written_are_refused_before_anything_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    save(&path, 7).unwrap();
    let long = "n".repeat(25);
    for name in ["", "two words", "naïve", "nul\0", &long] {
        let error = Writer::new("test", 1).section(name, Placement::Plain, &[1u8]).save(&path).unwrap_err();
        assert!(matches!(error.problem(), Problem::Name { .. }), "{error}");
        let error = Writer::new(name, 1).save(&path).unwrap_err();
        assert!(matches!(error.problem(), Problem::Name { .. }), "{error}");
    }
    let twice =
        Writer::new("test", 1).section("a", Placement::Plain, &[1u8]).section("a", Placement::Hot, &[1u8]);
    assert!(matches!(twice.save(&path).unwrap_err().problem(), Problem::DuplicateSection { .. }));
    let many: Vec<String> = (0..1025).map(|number| number.to_string()).collect();
    let many = many
        .iter()
        .fold(Writer::new("test", 1), |writer, name| writer.section(name, Placement::Plain, &[0u8]));
    assert!(matches!(many.save(&path).unwrap_err().problem(), Problem::SectionCount { count: 1025, .. }));
    let sizeless = Writer::new("test", 1).section("a", Placement::Plain, &[(), ()]);
    assert!(matches!(sizeless.save(&path).unwrap_err().problem(), Problem::Entry { .. }));
    assert_eq!((value(&path), names(folder.path())), (7, vec!["index".to_owned()]));
}

#[cfg(unix)]
#[test]
fn permissions_survive_and_open_maps_keep_the_old_contents() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    save(&path, 7).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let before = Container::open(&path, "test").unwrap();
    save(&path, 8).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!((before.value::<u64>("value").unwrap(), value(&path)), (7, 8));
}
