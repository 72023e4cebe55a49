//! No bytes at all make a container panic, read out of bounds or take memory: every damage is a typed error that
//! names the file and, where there is one, the section.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::fs;
use std::path::Path;

use layouts::container::{
    Checks, Container, ContainerError, OpenOptions, Placement, Problem, Residence, Writer,
};
use layouts::{AlignedVec, Error, HUGE_PAGE};
use proptest::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

const TABLE: usize = 64;
const NAMES: [&str; 4] = ["ids", "empty", "rows", "params"];

fn sample() -> Vec<u8> {
    let ids: Vec<u32> = (0..37).collect();
    let rows: Vec<f32> = (0..100).map(|value| value as f32 / 7.0).collect();
    Writer::new("sample", 3)
        .section(NAMES[0], Placement::Plain, &ids)
        .section(NAMES[1], Placement::Plain, &[0u64; 0])
        .section(NAMES[2], Placement::Hot, &rows)
        .section(NAMES[3], Placement::Plain, &[41u64])
        .to_bytes()
        .unwrap()
        .to_vec()
}

fn open(bytes: &[u8], checks: Checks) -> Result<Container, ContainerError> {
    let bytes = AlignedVec::from_slice(bytes).unwrap();
    OpenOptions::new().checks(checks).open_bytes(bytes, Path::new("dir/index.nigh"), "sample")
}

/// The error that opening `bytes` in full gives; it must name the file.
fn refusal(bytes: &[u8]) -> Problem {
    let error = open(bytes, Checks::Full).map(|_| ()).unwrap_err();
    assert!(error.to_string().starts_with("dir/index.nigh: "), "{error}");
    assert_eq!(error.path(), Path::new("dir/index.nigh"));
    error.into_problem()
}

/// Makes the checksums of table and header right again after a change, as a malicious writer would.
fn reseal(bytes: &mut [u8]) {
    let count = u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize;
    if let Some(table) = bytes.get(TABLE..TABLE.saturating_add(count.saturating_mul(64))) {
        let checksum = xxh3_64(table);
        bytes[48..56].copy_from_slice(&checksum.to_le_bytes());
    }
    let checksum = xxh3_64(&bytes[..56]);
    bytes[56..64].copy_from_slice(&checksum.to_le_bytes());
}

fn put_u64(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

fn put_u32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

/// Where `field` of the table's entry `index` lies.
fn entry(index: usize, field: usize) -> usize {
    TABLE + 64 * index + field
}

#[test]
fn whole_containers_are_read() {
    for checks in [Checks::Full, Checks::OnFirstUse] {
        let file = open(&sample(), checks).unwrap();
        assert_eq!((file.kind(), file.layout(), file.file_len()), ("sample", 3, sample().len()));
        assert!(file.sections().iter().map(|section| section.name()).eq(NAMES));
        assert!(file.section::<u32>("ids").unwrap().iter().copied().eq(0..37));
        assert!(file.section::<u64>("empty").unwrap().is_empty());
        assert_eq!(file.section::<f32>("rows").unwrap()[7], 1.0);
        assert_eq!(file.value::<u64>("params").unwrap(), 41);
        assert!(file.sections().iter().all(|section| section.offset() % 64 == 0));
        let held = file.section::<f32>("rows").unwrap();
        drop(file);
        assert_eq!(held.len(), 100); // it keeps the file alive
    }
}

#[test]
fn every_byte_that_changes_is_noticed() {
    let good = sample();
    for at in 0..good.len() {
        for bit in [0x01, 0x80, 0xff] {
            let mut bytes = good.clone();
            bytes[at] ^= bit;
            let problem = refusal(&bytes);
            match at {
                0..8 => assert!(matches!(problem, Problem::ForeignMagic)),
                8..12 => assert!(matches!(problem, Problem::Version { supported: 1, .. })),
                12..64 => assert!(matches!(problem, Problem::Damaged { section } if section == "header")),
                64..320 => {
                    assert!(matches!(problem, Problem::Damaged { section } if section == "section table"))
                }
                _ => assert!(matches!(problem, Problem::Damaged { .. } | Problem::DamagedPadding { .. })),
            }
        }
    }
}

#[test]
fn damage_is_named_by_its_section_and_lazily_when_it_is_used() {
    let good = open(&sample(), Checks::Full).unwrap();
    for damaged in good.sections().iter().filter(|section| !section.is_empty()) {
        let mut bytes = sample();
        bytes[damaged.offset() + damaged.len() - 1] ^= 1;
        assert!(matches!(refusal(&bytes), Problem::Damaged { section } if section == damaged.name()));

        let lazy = open(&bytes, Checks::OnFirstUse).unwrap();
        for name in NAMES {
            let element = good.sections().iter().find(|section| section.name() == name).unwrap().element();
            let result = match element {
                4 => lazy.section::<u32>(name).map(drop),
                _ => lazy.section::<u64>(name).map(drop),
            };
            assert_eq!(result.is_err(), name == damaged.name());
            assert!(
                result.is_ok() || result.unwrap_err().to_string().contains(&format!("`{name}` is damaged"))
            );
        }
        assert!(lazy.verify().is_err());
    }
}

#[test]
fn every_truncation_and_every_appendix_is_noticed() {
    let good = sample();
    for len in 0..good.len() {
        let expected = if len < 64 { 64 } else { good.len() as u64 };
        let problem = refusal(&good[..len]);
        assert!(
            matches!(problem, Problem::Truncated { expected: e, actual } if (e, actual) == (expected, len as u64))
        );
    }
    for more in [1, 63, 64, 4096] {
        let mut bytes = good.clone();
        bytes.resize(good.len() + more, 0);
        assert!(matches!(refusal(&bytes), Problem::Excess { .. }));
    }
    // Cut, and the header brought into line: now the sections reach beyond the end.
    for len in 64..good.len() {
        let mut bytes = good[..len].to_vec();
        put_u64(&mut bytes, 16, len as u64);
        let table_is_whole = len >= 320;
        reseal(&mut bytes);
        match refusal(&bytes) {
            Problem::OutOfBounds { section, .. } => assert_eq!(section != "section table", table_is_whole),
            // The empty section's place is cut off, or the table's own checksum is that of more bytes.
            other => panic!("{len}: {other}"),
        }
    }
}

#[test]
fn tables_that_lie_are_refused_although_their_checksums_are_right() {
    let good = sample();
    let len = good.len() as u64;
    let lie = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        reseal(&mut bytes);
        refusal(&bytes)
    };
    // The unchanged file is not refused for being resealed.
    let mut same = good.clone();
    reseal(&mut same);
    assert_eq!(same, good);

    // Five gigabytes in a file of one kilobyte.
    let five = 5u64 << 30;
    assert!(
        matches!(lie(&|b| put_u64(b, 16, five)), Problem::Truncated { expected, .. } if expected == five)
    );
    for claim in [five, u64::MAX, u64::MAX - 63, len + 1, 1 << 63] {
        let problem = lie(&|b| put_u64(b, entry(2, 32), claim));
        assert!(
            matches!(problem, Problem::OutOfBounds { section, len, .. } if section == "rows" && len == claim)
        );
        let problem = lie(&|b| put_u64(b, entry(0, 24), claim));
        assert!(
            matches!(problem, Problem::OutOfBounds { section, offset, .. } if section == "ids" && offset == claim)
        );
    }
    for count in [5, 1024] {
        let problem = lie(&|b| put_u32(b, 12, count));
        assert!(!matches!(problem, Problem::Damaged { section } if section == "header"), "{count}");
    }
    for count in [1025, u32::MAX] {
        assert!(matches!(lie(&|b| put_u32(b, 12, count)), Problem::SectionCount { .. }));
    }
    // Fewer sections than there are: the file is longer than what they make, or they do not start behind the table.
    for count in 0..4 {
        let problem = lie(&|b| put_u32(b, 12, count));
        assert!(matches!(problem, Problem::Entry { .. } | Problem::Excess { .. }), "{problem}");
    }
    // On top of another section, on the table, on the header, out of alignment.
    for offset in [0, 64, 320 + 1, 320 + 64] {
        assert!(
            matches!(lie(&|b| put_u64(b, entry(2, 24), offset)), Problem::Entry { section, .. } if section == "rows")
        );
    }
    // Alignments and element sizes that are none.
    for alignment in [0, 1, 32, 128, u32::MAX] {
        assert!(
            matches!(lie(&|b| put_u32(b, entry(1, 48), alignment)), Problem::Entry { section, .. } if section == "empty")
        );
    }
    for element in [0, 3, 7, u32::MAX] {
        assert!(matches!(lie(&|b| put_u32(b, entry(2, 52), element)), Problem::Entry { .. }));
    }
    // Reserved fields, names, doubles.
    assert!(matches!(lie(&|b| b[entry(0, 60)] = 1), Problem::Entry { .. }));
    assert!(matches!(lie(&|b| b[44] = 1), Problem::Damaged { .. }));
    assert!(matches!(lie(&|b| b[entry(0, 0)] = 0), Problem::Entry { .. }));
    assert!(matches!(lie(&|b| b[entry(0, 1)] = b'\n'), Problem::Entry { .. }));
    assert!(matches!(lie(&|b| b[entry(0, 20)] = b'x'), Problem::Entry { .. }));
    let double = lie(&|b| b.copy_within(entry(0, 0)..entry(0, 24), entry(3, 0)));
    assert!(matches!(double, Problem::DuplicateSection { section } if section == "ids"));
}

#[test]
fn foreign_newer_and_other_files_are_named() {
    let mut bytes = sample();
    put_u32(&mut bytes, 8, 2);
    reseal(&mut bytes);
    assert!(matches!(refusal(&bytes), Problem::Version { found: 2, supported: 1 }));
    put_u32(&mut bytes, 8, 0);
    reseal(&mut bytes);
    assert!(matches!(refusal(&bytes), Problem::Version { found: 0, .. }));
    assert!(matches!(refusal(b"\x89HDF\r\n\x1a\n and more"), Problem::ForeignMagic));
    assert!(matches!(refusal(&[0; 64]), Problem::ForeignMagic));
    assert!(matches!(refusal(&[]), Problem::Truncated { expected: 64, actual: 0 }));

    let other = Writer::new("graph", 1).to_bytes().unwrap();
    let problem = refusal(&other);
    assert_eq!(problem.to_string(), "holds a `graph`, expected a `sample`");
    let file = open(&sample(), Checks::Full).unwrap();
    assert_eq!(file.expect_layout(&[2, 3]).unwrap(), 3);
    let error = file.expect_layout(&[1, 2]).unwrap_err();
    assert_eq!(error.to_string(), "dir/index.nigh: layout 3 is none of those that can be read ([1, 2])");
}

#[test]
fn sections_are_given_out_only_as_what_they_are() {
    let file = open(&sample(), Checks::Full).unwrap();
    assert!(matches!(file.section::<u32>("nothing").unwrap_err().problem(), Problem::MissingSection { .. }));
    assert!(matches!(
        file.section::<u64>("ids").unwrap_err().problem(),
        Problem::Elements { expected: 8, .. }
    ));
    assert!(matches!(file.value::<u32>("ids").unwrap_err().problem(), Problem::Elements { .. }));
    assert!(matches!(file.value::<u64>("empty").unwrap_err().problem(), Problem::Elements { len: 0, .. }));
    let error = file.invalid("ids", Error::Zero { argument: "degree" });
    assert_eq!(error.to_string(), "dir/index.nigh: `ids`: `degree` is 0");
}

#[test]
fn files_are_opened_mapped_or_in_memory_and_hot_sections_start_huge_pages() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    let rows: Vec<u32> = (0..HUGE_PAGE as u32 / 4 + 1000).collect();
    Writer::new("sample", 1)
        .section("few", Placement::Hot, &[1u8, 2, 3])
        .section("rows", Placement::Hot, &rows)
        .save(&path)
        .unwrap();
    for residence in [Residence::Mapped, Residence::Memory] {
        let file = OpenOptions::new().residence(residence).open(&path, "sample").unwrap();
        assert_eq!(file.section::<u32>("rows").unwrap()[..], rows);
        assert_eq!((file.sections()[0].offset(), file.sections()[1].offset()), (192, HUGE_PAGE));
        if residence == Residence::Memory {
            assert_eq!(file.section::<u32>("rows").unwrap().as_ptr().align_offset(HUGE_PAGE), 0);
        }
    }
    // The padding in front of a hot section is two megabytes that must be zero.
    let mut bytes = fs::read(&path).unwrap();
    bytes[HUGE_PAGE - 1] = 1;
    fs::write(&path, bytes).unwrap();
    let error = Container::open(&path, "sample").unwrap_err();
    assert!(matches!(error.problem(), Problem::DamagedPadding { section } if section == "rows"));

    fs::write(&path, []).unwrap();
    for residence in [Residence::Mapped, Residence::Memory] {
        let error = OpenOptions::new().residence(residence).open(&path, "sample").unwrap_err();
        assert!(matches!(error.problem(), Problem::Truncated { actual: 0, .. }));
    }
    assert!(matches!(Container::open(folder.path(), "sample").unwrap_err().problem(), Problem::NotAFile));
    let error = Container::open(&folder.path().join("absent"), "sample").unwrap_err();
    assert!(matches!(error.problem(), Problem::Io { action: "find", .. }));
}

/// Opens and, when that succeeds, reads everything.
fn read_all(bytes: &[u8]) {
    for checks in [Checks::Full, Checks::OnFirstUse] {
        if let Ok(file) = open(bytes, checks) {
            for section in file.sections() {
                let _ = file
                    .section::<u8>(section.name())
                    .map(|bytes| bytes.iter().map(|&b| u64::from(b)).sum::<u64>());
                let _ = file.section::<u32>(section.name()).map(|ids| ids.iter().fold(0, |sum, id| sum ^ id));
                let _ = file.value::<u64>(section.name());
            }
            let _ = file.verify();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn random_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..600), magic in any::<bool>()) {
        let mut bytes = bytes;
        if magic && bytes.len() >= 64 {
            bytes[..12].copy_from_slice(&sample()[..12]);
            bytes[24..40].copy_from_slice(&sample()[24..40]);
            let count = 1 + u32::from(bytes[12] % 8);
            put_u32(&mut bytes, 12, count);
            let len = bytes.len() as u64;
            put_u64(&mut bytes, 16, len);
            reseal(&mut bytes);
        }
        read_all(&bytes);
    }

    #[test]
    fn resealed_lies_are_survived(changes in prop::collection::vec((8usize..320, any::<u8>()), 1..6), cut in 0usize..900) {
        let mut bytes = sample();
        for (at, value) in changes { bytes[at] = value; }
        if cut > 320 { bytes.truncate(cut); }
        reseal(&mut bytes);
        read_all(&bytes);
        // And with the fields whose values are expected made right.
        let len = bytes.len() as u64;
        bytes[..12].copy_from_slice(&sample()[..12]);
        bytes[24..48].copy_from_slice(&sample()[24..48]);
        put_u64(&mut bytes, 16, len);
        reseal(&mut bytes);
        read_all(&bytes);
    }

    #[test]
    fn what_is_written_is_read(lens in prop::collection::vec(0usize..300, 0..8), layout in any::<u32>()) {
        let names: Vec<String> = (0..lens.len()).map(|number| format!("section-{number}")).collect();
        let data: Vec<Vec<u16>> = lens.iter().map(|&len| (0..len as u16).collect()).collect();
        let mut writer = Writer::new("sample", layout);
        for (name, data) in names.iter().zip(&data) {
            writer = writer.section(name, Placement::Plain, data);
        }
        let file = open(&writer.to_bytes().unwrap(), Checks::Full).unwrap();
        prop_assert_eq!(file.layout(), layout);
        for (name, data) in names.iter().zip(&data) {
            prop_assert_eq!(&file.section::<u16>(name).unwrap()[..], &data[..]);
        }
    }
}
