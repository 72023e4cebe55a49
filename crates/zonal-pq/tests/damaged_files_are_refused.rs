//! No bytes make an index panic, read elsewhere or take more memory than they have: what is damaged is refused with
//! the name of the section; what is forged, with every checksum right, is refused or searched.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

#[path = "all/sets.rs"]
mod sets;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::Path;
use std::sync::OnceLock;

use layouts::AlignedVec;
use layouts::container::{Checks, Container, OpenOptions, Placement, Problem, Writer, checksum};
use sets::{Random, build, clustered, elements};
use simd_kernels::{Element, f16};
use zonal_pq::{
    BuildParams, DiskIndex, DiskSearcher, Error, Metric, Neighbor, Refine, ScanCode, SearchParams, Searcher,
    ZonalPq, quantiser::SymbolBits,
};

/// Counts what the calling thread has allocated, and the most it ever had at once.
struct Counting;

thread_local! {
    static NOW: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(change: isize) {
    // Fails only while the thread ends, when nothing is measured.
    let _ = NOW.try_with(|now| {
        now.set(now.get() + change);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(now.get())));
    });
}

// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promises are those of the system's allocator.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What opening and searching may take beyond a few times the bytes of the file.
const OVERHEAD: usize = 128 << 10;

const ASKED: [SearchParams; 4] = [
    SearchParams::new(1, 1),
    SearchParams::new(5, 3).rerank(20),
    SearchParams::new(usize::MAX / 8, usize::MAX),
    SearchParams::new(0, 3),
];

fn queries<T: Element>(dim: usize) -> impl Iterator<Item = Vec<T>> {
    let mut random = Random(1);
    std::iter::repeat_with(move || (0..dim).map(|_| T::from_f64(100.0 * random.uniform())).collect())
}

fn expect_sound(found: Result<&[Neighbor], Error>, k: usize) {
    match found {
        Ok(found) => {
            assert!(found.windows(2).all(|pair| pair[0] < pair[1]), "{found:?}");
            assert!(found.len() <= k && found.iter().all(|found| !found.distance.is_nan()));
        }
        Err(error) => assert!(matches!(error, Error::ZeroVector { .. }), "{error}"),
    }
}

/// Opens and searches bytes in every way; the error of opening, if any. Nothing else may fail.
fn open<T: Element>(bytes: &[u8]) -> Result<(), Error> {
    let copy = AlignedVec::from_slice(bytes).unwrap();
    let before = NOW.get();
    PEAK.set(before);
    let opened = ZonalPq::<T>::from_bytes(copy);
    let result = opened.map(|index| {
        let mut searcher = Searcher::new().unwrap();
        for (params, query) in ASKED.iter().zip(queries::<T>(index.dim())) {
            expect_sound(index.search(&mut searcher, &query, params), params.k);
        }
        index.verify().unwrap();
        let _ = index.to_bytes().unwrap();
    });
    let peak = (PEAK.get() - before) as usize;
    assert!(peak <= 6 * bytes.len() + OVERHEAD, "{peak} bytes allocated for {}", bytes.len());
    result
}

/// The same of a file that is read zone by zone. What was not read when it was opened may be refused in a search.
fn open_by_zone<T: Element>(bytes: &[u8]) -> Result<(), Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.nigh");
    std::fs::write(&path, bytes).unwrap();
    let before = NOW.get();
    PEAK.set(before);
    let result = DiskIndex::<T>::open(&path, 1 << 14).and_then(|index| {
        index.verify()?;
        let mut searcher = DiskSearcher::new().unwrap();
        for (params, query) in ASKED.iter().zip(queries::<T>(index.dim())) {
            for pages in [usize::MAX, 1] {
                match index.search_pages(&mut searcher, &query, params, pages) {
                    // Ids are not compared with those of other zones: one can be there twice.
                    Ok(found) => assert!(found.len() <= params.k && found.is_sorted()),
                    Err(Error::ZeroVector { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    });
    let peak = (PEAK.get() - before) as usize;
    assert!(peak <= 6 * bytes.len() + (1 << 18) + OVERHEAD, "{peak} bytes allocated for {}", bytes.len());
    result
}

/// The name of the section that an error complains of.
fn section_of(error: &Error) -> String {
    match error {
        Error::Damaged { section, .. } => (*section).to_owned(),
        Error::Container(error) => match error.problem() {
            Problem::Damaged { section }
            | Problem::DamagedPadding { section }
            | Problem::MissingSection { section }
            | Problem::Elements { section, .. }
            | Problem::Invalid { section, .. } => section.clone(),
            problem => panic!("{problem}"),
        },
        error => panic!("neither of a section nor of a file: {error}"),
    }
}

/// The sections of a file, to be changed and written again with right checksums.
#[derive(Clone)]
struct Forgery {
    layout: u32,
    sections: Vec<(String, usize, Vec<u8>)>,
}

impl Forgery {
    fn of(bytes: &[u8]) -> Self {
        let all = AlignedVec::from_slice(bytes).unwrap();
        let file = OpenOptions::new().open_bytes(all, Path::new("index"), "zonal-pq").unwrap();
        let section = |info: &layouts::container::SectionInfo| {
            let content = bytes[info.offset()..info.offset() + info.len()].to_vec();
            (info.name().to_owned(), info.element(), content)
        };
        Self { layout: file.layout(), sections: file.sections().iter().map(section).collect() }
    }

    fn content(&mut self, name: &str) -> &mut Vec<u8> {
        &mut self.sections.iter_mut().find(|section| section.0 == name).unwrap().2
    }

    fn set_u32(&mut self, name: &str, at: usize, value: u32) {
        self.content(name)[4 * at..][..4].copy_from_slice(&value.to_le_bytes());
    }

    fn get_u32(&mut self, name: &str, at: usize) -> u32 {
        u32::from_le_bytes(self.content(name)[4 * at..][..4].try_into().unwrap())
    }

    fn set_param(&mut self, at: usize, value: u64) {
        self.content("params")[8 * at..][..8].copy_from_slice(&value.to_le_bytes());
    }

    fn get_param(&mut self, at: usize) -> u64 {
        u64::from_le_bytes(self.content("params")[8 * at..][..8].try_into().unwrap())
    }

    /// Makes the checksum of zone 0 of a file by zone what it must be.
    fn sum(&mut self, bytes: usize) {
        let sum = checksum(&self.content("zones")[..bytes]);
        self.content("sums")[..8].copy_from_slice(&sum.to_le_bytes());
    }

    fn bytes(&self) -> Vec<u8> {
        fn of<T: bytemuck::Pod>(bytes: &[u8]) -> Vec<T> {
            bytes.chunks_exact(size_of::<T>()).map(bytemuck::pod_read_unaligned).collect()
        }
        let (mut shorts, mut words, mut doubles, mut records) = (vec![], vec![], vec![], vec![]);
        for (_, element, content) in &self.sections {
            match element {
                1 => {}
                2 => shorts.push(of::<u16>(content)),
                4 => words.push(of::<u32>(content)),
                8 => doubles.push(of::<u64>(content)),
                512 => records.push(of::<[u64; 64]>(content)),
                other => panic!("elements of {other} bytes"),
            }
        }
        let mut places = [0; 4];
        let mut writer = Writer::new("zonal-pq", self.layout);
        for (name, element, content) in &self.sections {
            let mut next = |place: usize| {
                places[place] += 1;
                places[place] - 1
            };
            let hot = Placement::Hot;
            writer = match element {
                1 => writer.section(name, hot, content),
                2 => writer.section(name, hot, &shorts[next(0)]),
                4 => writer.section(name, hot, &words[next(1)]),
                8 => writer.section(name, hot, &doubles[next(2)]),
                _ => writer.section(name, hot, &records[next(3)]),
            };
        }
        writer.to_bytes().unwrap().to_vec()
    }
}

/// Words of the parameters: rows, places, zones, the kind of codes; and all that are used.
const ROWS: usize = 3;
const PLACED: usize = 4;
const ZONES: usize = 5;
const CODE: usize = 10;
const KNOWN: std::ops::Range<usize> = 0..30;
/// Whether vectors are lent.
const LENT: usize = 29;
/// The sample that is read zone by zone.
const DISK: usize = 7;
/// Samples of head codes.
const HEADS: [usize; 6] = [0, 1, 2, 3, DISK, 9];

type Open = fn(&[u8]) -> Result<(), Error>;
type Sample = (&'static str, Vec<u8>, Open);

fn sample<T: Element>(dim: usize, metric: Metric, params: &BuildParams, by_zone: bool) -> Vec<u8> {
    let data: Vec<T> = elements(&clustered(120, dim, 3));
    let index = build(&data, dim, metric, params);
    if !by_zone {
        return index.to_bytes().unwrap().to_vec();
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.nigh");
    index.save_by_zone(&path).unwrap();
    std::fs::read(&path).unwrap()
}

/// Small files of every kind of content, and what opens them.
fn samples() -> &'static [Sample] {
    static SAMPLES: OnceLock<Vec<Sample>> = OnceLock::new();
    SAMPLES.get_or_init(|| {
        let plain = BuildParams::new().zones(5).refine(Refine::Bytes);
        let twice = plain.clone().second(0.5);
        let product = ScanCode::Product { subspaces: 3, bits: SymbolBits::Four };
        let (rabitq, lvq) = (ScanCode::Rabitq { bits: 2 }, ScanCode::Lvq { bits: 8 });
        let graph = plain.clone().zones(20).experiment("graph_from", 10.0);
        vec![
            ("twice", sample::<f32>(9, Metric::L2, &twice, false), open::<f32>),
            ("inner", sample::<i8>(20, Metric::InnerProduct, &plain, false), open::<i8>),
            ("cosine", sample::<f16>(13, Metric::Cosine, &twice, false), open::<f16>),
            ("graph", sample::<u8>(8, Metric::L2, &graph.refine(Refine::Vectors), false), open::<u8>),
            ("product", sample::<f32>(9, Metric::L2, &plain.clone().code(product), false), open::<f32>),
            ("rabitq", sample::<f32>(9, Metric::Cosine, &plain.clone().code(rabitq), false), open::<f32>),
            ("lvq", sample::<f32>(9, Metric::L2, &plain.clone().code(lvq), false), open::<f32>),
            ("disk", sample::<f32>(9, Metric::L2, &twice, true), open_by_zone::<f32>),
            (
                "disk rabitq",
                sample::<f32>(9, Metric::L2, &plain.clone().code(rabitq), true),
                open_by_zone::<f32>,
            ),
            ("disk cosine", sample::<f16>(13, Metric::Cosine, &plain, true), open_by_zone::<f16>),
        ]
    })
}

fn is_mapped(sample: &Sample) -> bool {
    Forgery::of(&sample.1).layout == 1
}

#[test]
fn sound_files_are_opened() {
    for (name, bytes, open) in samples() {
        open(bytes).unwrap();
        assert_eq!(Forgery::of(bytes).bytes(), *bytes, "{name}: taken apart and put together");
    }
    assert!(!Forgery::of(&samples()[0].1).content("homes").is_empty());
    assert!(!Forgery::of(&samples()[0].1).content("bytes").is_empty());
    assert!(!Forgery::of(&samples()[3].1).content("graph").is_empty());
    assert!(!Forgery::of(&samples()[2].1).content("norms").is_empty());
}

#[test]
fn every_byte_of_the_front_and_some_of_the_rest_are_noticed() {
    for (name, good, open) in samples() {
        let front = 64 + 64 * Forgery::of(good).sections.len();
        for at in (0..front).chain((front..good.len()).step_by(397)) {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << (at % 8);
            assert!(matches!(open(&bytes), Err(Error::Container(_))), "{name}, byte {at}");
        }
    }
}

#[test]
fn every_truncation_is_noticed() {
    for (name, good, open) in samples() {
        let front = 64 + 64 * Forgery::of(good).sections.len();
        for len in (0..front).chain((front..good.len()).step_by(499)).chain([good.len() - 1]) {
            assert!(matches!(open(&good[..len]), Err(Error::Container(_))), "{name}, {len} bytes");
        }
    }
}

#[test]
fn sections_of_other_lengths_are_refused_by_name() {
    for (name, good, open) in samples() {
        let forgery = Forgery::of(good);
        for at in 0..forgery.sections.len() {
            let (section, element, content) = &forgery.sections[at];
            let len = content.len() / element;
            for wrong in [0, 1, len / 2, len.saturating_sub(1), len + 1, len + 16, 2 * len] {
                if wrong == len
                    || (section == "graph" && wrong == 0)
                    || (section == "calibration" && wrong % 5 == 0)
                {
                    // Without a graph all centroids are compared; a calibration may be of nothing.
                    continue;
                }
                let mut forged = forgery.clone();
                forged.sections[at].2.resize(wrong * element, 0);
                let error = open(&forged.bytes()).expect_err(section);
                let named = section_of(&error);
                assert_eq!(named, *section, "{name}, {wrong} instead of {len}: {error}");
            }
            let mut forged = forgery.clone();
            let removed = forged.sections.remove(at);
            let error = open(&forged.bytes()).unwrap_err();
            assert_eq!(section_of(&error), removed.0, "{name}: {error}");
            // Elements of another size.
            let mut forged = forgery.clone();
            forged.sections[at].1 = if *element == 1 { 4 } else { 1 };
            forged.sections[at].2.truncate(content.len() / 4 * 4);
            let error = open(&forged.bytes()).unwrap_err();
            assert_eq!(section_of(&error), removed.0, "{name}: {error}");
        }
    }
}

/// Makes a forgery of a sample and expects the section that is complained of.
#[track_caller]
fn refused(sample: usize, section: &str, forge: impl FnOnce(&mut Forgery)) {
    let (name, good, open) = &samples()[sample];
    let mut forgery = Forgery::of(good);
    forge(&mut forgery);
    let error = open(&forgery.bytes()).expect_err(name);
    assert_eq!(section_of(&error), section, "{error}");
}

#[test]
fn starts_that_are_none_are_refused() {
    for sample in 0..samples().len() {
        refused(sample, "starts", |forgery| forgery.set_u32("starts", 0, 1));
        for value in [0, 1 << 20, 1 << 31, u32::MAX] {
            refused(sample, "starts", |forgery| forgery.set_u32("starts", 2, value));
        }
        refused(sample, "starts", |forgery| {
            let last = forgery.content("starts").len() / 4 - 1;
            forgery.set_u32("starts", last, 119);
        });
    }
    // Rising, and of other panels than there are codes for.
    refused(0, "codes", |forgery| forgery.set_u32("starts", 1, 0));
}

#[test]
fn ids_that_are_none_are_refused() {
    for sample in 0..DISK {
        for value in [120, 1 << 31, u32::MAX] {
            refused(sample, "ids", |forgery| forgery.set_u32("ids", 0, value));
        }
        refused(sample, "ids", |forgery| {
            let other = forgery.get_u32("ids", 1);
            forgery.set_u32("ids", 0, other);
        });
    }
}

#[test]
fn homes_that_are_none_are_refused() {
    for sample in [0, 2] {
        let mut good = Forgery::of(&samples()[sample].1);
        let second = (0..).find(|&at| good.get_u32("homes", at) != u32::MAX).unwrap();
        let home = good.get_u32("homes", second);
        // Another zone, none at all, and a row that lives nowhere.
        for value in [5, 1 << 31, (home + 1) % 5, u32::MAX - 1] {
            refused(sample, "homes", |forgery| forgery.set_u32("homes", second, value));
        }
        refused(sample, "ids", |forgery| forgery.set_u32("homes", second, u32::MAX));
        refused(sample, "ids", |forgery| forgery.set_u32("homes", 0, 3));
    }
}

#[test]
fn padding_that_could_be_found_is_refused() {
    for sample in 0..DISK {
        let mut good = Forgery::of(&samples()[sample].1);
        let far = f32::INFINITY.to_bits();
        let padding = (0..).find(|&at| good.get_u32("factors", at) == far).unwrap();
        for value in [0f32, f32::NAN, f32::NEG_INFINITY, f32::MAX] {
            refused(sample, "factors", |forgery| forgery.set_u32("factors", padding, value.to_bits()));
        }
    }
}

#[test]
fn numbers_that_are_none_are_refused() {
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for sample in HEADS {
            for section in ["intake.offset", "head.means", "head.lengths", "head.steps"] {
                refused(sample, section, |forgery| forgery.set_u32(section, 3, value.to_bits()));
            }
            refused(sample, "params", |forgery| forgery.set_param(7, u64::from(value.to_bits())));
            for word in [8, 9] {
                refused(sample, "params", |forgery| forgery.set_param(word, f64::from(value).to_bits()));
            }
        }
    }
}

#[test]
fn parameters_that_contradict_the_file_are_refused() {
    for sample in HEADS {
        // Metric, dim, rows, places, zones, kind of codes, their dimensions and directions.
        for word in [2, ROWS, PLACED, ZONES, CODE, CODE + 1, CODE + 2] {
            for change in [1u64, 2, 15, 16, 64, 1 << 20, 1 << 40, u64::MAX] {
                let (name, good, open) = &samples()[sample];
                if word == ROWS && !is_mapped(&samples()[sample]) {
                    // What is read zone by zone is not counted when it is opened.
                    continue;
                }
                if word == CODE + 2 && change == u64::MAX {
                    // The last direction can be left out where others fill its panel.
                    continue;
                }
                let mut forgery = Forgery::of(good);
                let old = forgery.get_param(word);
                forgery.set_param(word, old.wrapping_add(change));
                assert!(open(&forgery.bytes()).is_err(), "{name}, word {word}: {old} + {change}");
            }
        }
        // Vectors that there are cannot be lent.
        let section = if is_mapped(&samples()[sample]) { "vectors" } else { "params" };
        refused(sample, section, |forgery| forgery.set_param(LENT, 1));
        refused(sample, "params", |forgery| forgery.set_param(LENT, 2));
        for word in KNOWN.end..64 {
            refused(sample, "params", |forgery| forgery.set_param(word, 1));
        }
    }
}

#[test]
fn any_number_among_the_parameters_is_refused_or_searched() {
    let f = |x: f32| u64::from(x.to_bits());
    let mut values =
        vec![0, 1, 2, 3, 4, 5, 7, 8, 16, 17, 119, 120, 121, 180, 255, 256, u64::MAX, u64::MAX - 1];
    values.extend([1 << 20, 1 << 31, 1 << 32, f(1.0), f(f32::MAX), f(1e-45), f(-1.0)]);
    values.extend([1.0, f64::MAX, f64::MIN_POSITIVE, -1.0].map(f64::to_bits));
    for (_, good, open) in samples() {
        let forgery = Forgery::of(good);
        for word in KNOWN {
            for &value in &values {
                let mut forged = forgery.clone();
                forged.set_param(word, value);
                if let Err(error) = open(&forged.bytes()) {
                    assert!(
                        matches!(error, Error::Damaged { .. } | Error::Container(_) | Error::Element { .. }),
                        "{error}"
                    );
                }
            }
        }
    }
}

#[test]
fn zones_that_are_not_what_was_written_are_refused_when_they_are_read() {
    // A panel of 16 codes of 8 bytes, factors, ids, homes.
    let panel = 16 * 8 + 3 * 64;
    let mut good = Forgery::of(&samples()[DISK].1);
    let rows = good.get_u32("starts", 1) as usize;
    let bytes = rows.div_ceil(16) * panel;
    refused(DISK, "zones", |forgery| forgery.content("zones")[0] ^= 1);
    refused(DISK, "zones", |forgery| {
        forgery.set_u32("zones", (128 + 64) / 4, 120);
        forgery.sum(bytes);
    });
    refused(DISK, "zones", |forgery| {
        forgery.set_u32("zones", (128 + 128) / 4, 5);
        forgery.sum(bytes);
    });
    assert_ne!(rows % 16, 0, "the first zone has padding");
    refused(DISK, "zones", |forgery| {
        forgery.set_u32("zones", (bytes - panel + 128) / 4 + 15, 0);
        forgery.sum(bytes);
    });
    // The same with nothing changed is the file.
    good.sum(bytes);
    assert_eq!(good.bytes(), samples()[DISK].1);
}

#[test]
fn a_file_that_is_cut_while_it_is_open_is_an_error_of_the_search() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.nigh");
    std::fs::write(&path, &samples()[DISK].1).unwrap();
    let index = DiskIndex::<f32>::open(&path, 0).unwrap();
    let mut searcher = DiskSearcher::new().unwrap();
    let params = SearchParams::new(3, 5);
    let found = index.search(&mut searcher, &[0.1; 9], &params).unwrap().to_vec();
    let file = Container::open(&path, "zonal-pq").unwrap();
    let start =
        |name: &str| file.sections().iter().find(|section| section.name() == name).unwrap().offset() as u64;
    // In the rows, in the zones, and before both.
    for len in [start("rows") + 10, start("zones") + 10, 100] {
        std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(len).unwrap();
        let error = index.search(&mut searcher, &[0.1; 9], &params).unwrap_err();
        assert!(
            matches!(&error, Error::Container(error) if matches!(error.problem(), Problem::Io { .. })),
            "{error}"
        );
    }
    std::fs::write(&path, &samples()[DISK].1).unwrap();
    assert_eq!(index.search(&mut searcher, &[0.1; 9], &params).unwrap(), found);
}

#[test]
fn vectors_are_compared_when_they_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.nigh");
    let mut bytes = samples()[0].1.clone();
    std::fs::write(&path, &bytes).unwrap();
    let file = Container::open(&path, "zonal-pq").unwrap();
    let vectors = file.sections().iter().find(|section| section.name() == "vectors").unwrap().clone();
    drop(file);
    bytes[vectors.offset() + 9] ^= 0x20;
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(section_of(&ZonalPq::<f32>::open(&path).unwrap_err()), "vectors");
    let lazy = ZonalPq::<f32>::open_with(&path, OpenOptions::new().checks(Checks::OnFirstUse)).unwrap();
    let mut searcher = Searcher::new().unwrap();
    assert_eq!(lazy.search(&mut searcher, &[1.0; 9], &SearchParams::new(3, 5)).unwrap().len(), 3);
    assert_eq!(section_of(&lazy.verify().unwrap_err()), "vectors");
}

#[test]
fn forged_contents_are_refused_or_searched() {
    let mut random = Random(77);
    let forgeries: Vec<_> = samples().iter().map(|sample| (Forgery::of(&sample.1), sample)).collect();
    for round in 0..800 {
        let (forgery, sample) = &forgeries[round % forgeries.len()];
        let mut forged = forgery.clone();
        for _ in 0..1 + random.below(5) {
            let section = random.below(forged.sections.len());
            let content = &mut forged.sections[section].2;
            if !content.is_empty() {
                let at = random.below(content.len());
                content[at] = random.next() as u8;
            }
        }
        if is_mapped(sample) {
            let _ = (sample.2)(&forged.bytes());
        } else if let Err(error) = (sample.2)(&forged.bytes()) {
            assert!(matches!(error, Error::Damaged { .. } | Error::Container(_)), "{error}");
        }
    }
}
