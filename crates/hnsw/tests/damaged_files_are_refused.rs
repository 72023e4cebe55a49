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

use hnsw::{BuildParams, Error, Hnsw, Metric, Quality, SearchParams, Searcher, Storage};
use layouts::AlignedVec;
use layouts::container::{Checks, Container, OpenOptions, Placement, Problem, Writer};
use proptest::prelude::*;
use sets::{Random, build, clustered, elements, walked};
use simd_kernels::{Element, f16};

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
const OVERHEAD: usize = 64 << 10;

/// Opens and searches bytes in every way; the error of opening, if any. Nothing else may fail.
fn open<T: Element>(bytes: &[u8]) -> Result<(), Error> {
    let copy = AlignedVec::from_slice(bytes).unwrap();
    let before = NOW.get();
    PEAK.set(before);
    let opened = Hnsw::<T>::from_bytes(copy);
    let result = opened.map(|index| {
        let dim = dim_of(bytes);
        let mut searcher = Searcher::new().unwrap();
        let mut random = Random(1);
        for (k, ef) in [(1, 1), (5, 20), (usize::MAX, usize::MAX), (0, 3)] {
            let query: Vec<T> = (0..dim).map(|_| T::from_f64(100.0 * random.uniform())).collect();
            match index.search(&mut searcher, &query, &SearchParams::new(k, ef)) {
                Ok(found) => {
                    assert!(found.windows(2).all(|pair| pair[0] < pair[1]), "{found:?}");
                    assert!(found.len() <= k && found.iter().all(|found| !found.distance.is_nan()));
                }
                Err(error) => assert!(matches!(error, Error::ZeroVector { .. }), "{error}"),
            }
        }
        index.verify().unwrap();
        let _ = index.to_bytes().unwrap();
        let _ =
            index.search(&mut searcher, &vec![T::from_f64(1.0); dim], &SearchParams::recall(usize::MAX, 0.5));
    });
    let peak = (PEAK.get() - before) as usize;
    assert!(peak <= 4 * bytes.len() + OVERHEAD, "{peak} bytes allocated for {}", bytes.len());
    result
}

/// The dimension that the parameters state.
fn dim_of(bytes: &[u8]) -> usize {
    let bytes = AlignedVec::from_slice(bytes).unwrap();
    let file = OpenOptions::new().open_bytes(bytes, Path::new("index"), "hnsw").unwrap();
    file.value::<[u64; 32]>("params").unwrap()[2] as usize
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
    sections: Vec<(String, usize, Vec<u8>)>,
}

impl Forgery {
    fn of(bytes: &[u8]) -> Self {
        let all = AlignedVec::from_slice(bytes).unwrap();
        let file = OpenOptions::new().open_bytes(all, Path::new("index"), "hnsw").unwrap();
        let section = |info: &layouts::container::SectionInfo| {
            let content = bytes[info.offset()..info.offset() + info.len()].to_vec();
            (info.name().to_owned(), info.element(), content)
        };
        Self { sections: file.sections().iter().map(section).collect() }
    }

    fn names(&self) -> Vec<String> {
        self.sections.iter().map(|section| section.0.clone()).collect()
    }

    fn content(&mut self, name: &str) -> &mut Vec<u8> {
        &mut self.sections.iter_mut().find(|section| section.0 == name).unwrap().2
    }

    fn element(&self, name: &str) -> usize {
        self.sections.iter().find(|section| section.0 == name).unwrap().1
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
                256 => records.push(of::<[u64; 32]>(content)),
                other => panic!("elements of {other} bytes"),
            }
        }
        let mut places = [0; 4];
        let mut writer = Writer::new("hnsw", 1);
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

fn sample<T: Element>(rows: usize, dim: usize, metric: Metric, storage: Storage) -> Vec<u8> {
    let data: Vec<T> = elements(&clustered(rows, dim, 3));
    let params = if storage == Storage::Auto { BuildParams::new() } else { walked() };
    let params = params.degree(8).seeds(10).quality(Quality::Fast).storage(storage);
    build(&data, dim, metric, &params).to_bytes().unwrap().to_vec()
}

fn calibrated() -> Vec<u8> {
    let data: Vec<f32> = elements(&clustered(60, 6, 3));
    let mut index = build(&data, 6, Metric::L2, &walked().degree(8).seeds(10));
    index.calibrate(None).unwrap();
    index.to_bytes().unwrap().to_vec()
}

/// Sections of every file.
const SECTIONS: usize = 15;

type Open = fn(&[u8]) -> Result<(), Error>;

/// Small files of every kind of content, and what opens them.
fn samples() -> Vec<(&'static str, Vec<u8>, Open)> {
    static SAMPLES: OnceLock<Vec<(&'static str, Vec<u8>, Open)>> = OnceLock::new();
    SAMPLES.get_or_init(new_samples).clone()
}

fn new_samples() -> Vec<(&'static str, Vec<u8>, Open)> {
    vec![
        ("rotated", sample::<f32>(60, 200, Metric::L2, Storage::Lines(1)), open::<f32>),
        ("full", sample::<f32>(60, 5, Metric::Cosine, Storage::Full), open::<f32>),
        ("plain", sample::<i8>(60, 20, Metric::InnerProduct, Storage::Lines(2)), open::<i8>),
        ("bits", sample::<u8>(60, 4, Metric::Hamming, Storage::Full), open::<u8>),
        ("empty", sample::<f32>(0, 5, Metric::L2, Storage::Auto), open::<f32>),
        ("bytes", sample::<f32>(60, 7, Metric::L2, Storage::Bytes), open::<f32>),
        ("signs", sample::<f16>(60, 70, Metric::Cosine, Storage::Bits), open::<f16>),
        ("scanned", sample::<f32>(60, 9, Metric::L2, Storage::Auto), open::<f32>),
        ("calibrated", calibrated(), open::<f32>),
    ]
}

#[test]
fn sound_files_are_opened() {
    for (name, bytes, open) in samples() {
        open(&bytes).unwrap();
        assert_eq!(Forgery::of(&bytes).bytes(), bytes, "{name}: taken apart and put together");
    }
    let mut rotated = Forgery::of(&samples()[0].1);
    assert!(!rotated.content("coder.panels").is_empty() && rotated.content("coder.dims").is_empty());
    let mut plain = Forgery::of(&samples()[2].1);
    assert!(plain.content("coder.panels").is_empty() && !plain.content("coder.dims").is_empty());
}

#[test]
fn every_byte_of_the_front_and_some_of_the_rest_are_noticed() {
    for (name, good, open) in samples() {
        let front = 64 + 64 * SECTIONS;
        for at in (0..front).chain((front..good.len()).step_by(97)) {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << (at % 8);
            assert!(matches!(open(&bytes), Err(Error::Container(_))), "{name}, byte {at}");
        }
    }
}

#[test]
fn every_truncation_is_noticed() {
    for (name, good, open) in samples() {
        for len in (0..64 + 64 * SECTIONS)
            .chain((64 + 64 * SECTIONS..good.len()).step_by(61))
            .chain([good.len() - 1])
        {
            assert!(matches!(open(&good[..len]), Err(Error::Container(_))), "{name}, {len} bytes");
        }
    }
}

#[test]
fn sections_of_other_lengths_are_refused_by_name() {
    for (name, good, open) in samples() {
        let forgery = Forgery::of(&good);
        for section in forgery.names() {
            let element = forgery.element(&section);
            let len = forgery.clone().content(&section).len() / element;
            for wrong in [0, 1, len / 2, len.saturating_sub(1), len + 1, len + 16, 2 * len] {
                if wrong == len {
                    continue;
                }
                let mut forged = forgery.clone();
                forged.content(&section).resize(wrong * element, 0);
                let result = open(&forged.bytes());
                let what = format!("{name}, `{section}` of {wrong} instead of {len}");
                // Fewer seeds are seeds, and without a table there is none.
                if (section == "seeds" && (1..len).contains(&wrong))
                    || (section == "calibration" && wrong < len && wrong % 3 == 0)
                {
                    result.expect(&what);
                    continue;
                }
                let error = result.expect_err(&what);
                let named = section_of(&error);
                let labels = named.starts_with("label") && section.starts_with("label");
                assert!(named == section || labels, "{what}: {error}");
            }
        }
        for at in 0..forgery.sections.len() {
            let mut forged = forgery.clone();
            let removed = forged.sections.remove(at);
            let error = open(&forged.bytes()).unwrap_err();
            assert_eq!(section_of(&error), removed.0, "{name}: {error}");
        }
    }
}

/// Makes a forgery of a sample and expects the section that is complained of.
#[track_caller]
fn refused(sample: usize, section: &str, forge: impl FnOnce(&mut Forgery)) {
    let (name, good, open) = samples().swap_remove(sample);
    let mut forgery = Forgery::of(&good);
    forge(&mut forgery);
    let error = open(&forgery.bytes()).expect_err(name);
    assert_eq!(section_of(&error), section, "{error}");
}

#[test]
fn graphs_that_lead_astray_are_refused() {
    for value in [60, 61, 1 << 31, u32::MAX - 1, 0] {
        // Row 0 has no edge to itself.
        refused(0, "adjacency", |forgery| forgery.set_u32("adjacency", 0, value));
    }
    refused(1, "adjacency", |forgery| forgery.set_u32("adjacency", 0, u32::MAX));
}

#[test]
fn labels_that_are_none_are_refused() {
    // Rows have one label each, or there is a place for where they start.
    refused(2, "label_starts", |forgery| {
        double(forgery);
        forgery.content("label_starts").clear();
    });
    for value in [60, u32::MAX] {
        refused(0, "labels", |forgery| forgery.set_u32("labels", 7, value));
    }
    refused(1, "labels", |forgery| {
        let other = forgery.get_u32("labels", 8);
        forgery.set_u32("labels", 7, other);
    });
    // Starts that do not rise, and that do not end where labels do.
    for (at, value) in [(0, 1), (5, 5000), (5, 8), (60, 119), (60, 121)] {
        refused(2, "labels", |forgery| {
            double(forgery);
            forgery.set_u32("label_starts", at, value);
        });
    }
}

#[test]
fn seeds_that_are_none_are_refused() {
    refused(0, "seeds", |forgery| forgery.set_u32("seeds", 9, 60));
    refused(0, "seeds", |forgery| forgery.set_u32("seeds", 0, 59));
    refused(1, "seeds", |forgery| forgery.content("seeds").clear());
}

#[test]
fn numbers_that_are_none_are_refused() {
    for at in 0..3 {
        refused(8, "calibration", |forgery| forgery.set_u32("calibration", at, f32::NAN.to_bits()));
    }
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        refused(0, "intake.offset", |forgery| forgery.set_u32("intake.offset", 3, value.to_bits()));
        refused(0, "coder.offset", |forgery| forgery.set_u32("coder.offset", 3, value.to_bits()));
        for sample in 0..8 {
            refused(sample, "params", |forgery| forgery.set_param(9, u64::from(value.to_bits())));
        }
        refused(0, "coder.factor", |forgery| forgery.set_u32("coder.factor", 2, value.to_bits()));
        for word in [10, 11, 16] {
            refused(0, "params", |forgery| forgery.set_param(word, f64::from(value).to_bits()));
        }
    }
    refused(0, "coder.factor", |forgery| forgery.set_u32("coder.factor", 0, 0f32.to_bits()));
    refused(2, "coder.dims", |forgery| forgery.set_u32("coder.dims", 4, 21));
}

/// Words of the parameters, by what they hold.
const KNOWN: std::ops::Range<usize> = 0..17;

#[test]
fn parameters_that_contradict_the_file_are_refused() {
    // Every number that shapes something: metric, dim, rows, vectors, degree, source, lines, coded.
    for sample in [0, 1, 2, 3, 5, 6, 7] {
        for word in [2, 3, 4, 12, 13, 15] {
            for change in [1u64, 2, 15, 16, 64, 1 << 20, 1 << 40, u64::MAX] {
                let (name, good, open) = samples().swap_remove(sample);
                let mut forgery = Forgery::of(&good);
                let old = u64::from_le_bytes(forgery.content("params")[8 * word..][..8].try_into().unwrap());
                forgery.set_param(word, old.wrapping_add(change));
                assert!(open(&forgery.bytes()).is_err(), "{name}, word {word}: {old} + {change}");
            }
        }
    }
    for word in KNOWN.end..32 {
        refused(0, "params", |forgery| forgery.set_param(word, 1));
    }
    // Hamming of floats.
    let error = {
        let (_, good, open) = samples().swap_remove(1);
        let mut forgery = Forgery::of(&good);
        forgery.set_param(1, 3);
        open(&forgery.bytes()).unwrap_err()
    };
    assert!(matches!(error, Error::Damaged { section: "params", .. }), "{error}");
}

#[test]
fn any_number_among_the_parameters_is_refused_or_searched() {
    let f = |x: f32| u64::from(x.to_bits());
    let values = [
        0,
        1,
        2,
        3,
        4,
        5,
        7,
        8,
        16,
        17,
        59,
        60,
        61,
        64,
        128,
        255,
        256,
        257,
        1 << 20,
        1 << 31,
        1 << 32,
        u64::MAX,
        u64::MAX - 1,
        f(1.0),
        f(f32::MAX),
        f(1e-45),
        f(-1.0),
        1.0f64.to_bits(),
        f64::MAX.to_bits(),
        f64::MIN_POSITIVE.to_bits(),
        (-1.0f64).to_bits(),
    ];
    for (_, good, open) in samples() {
        let forgery = Forgery::of(&good);
        for word in KNOWN {
            for value in values {
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
fn a_row_may_stand_for_several_vectors() {
    let (_, good, open) = samples().swap_remove(2);
    let mut forgery = Forgery::of(&good);
    double(&mut forgery);
    let bytes = forgery.bytes();
    open(&bytes).unwrap();
    let index = Hnsw::<i8>::from_bytes(AlignedVec::from_slice(&bytes).unwrap()).unwrap();
    let found = sets::search(&index, &[3; 20], 120, 120);
    assert!(found.len() > 80, "{found:?}");
    for one in &found {
        let twin = (one.id + 60) % 120;
        assert!(found.iter().any(|other| (other.id, other.distance) == (twin, one.distance)), "{found:?}");
    }
}

/// Makes each of 60 rows stand for two vectors.
fn double(forgery: &mut Forgery) {
    let ids = (0..120u32).map(|at| at / 2 + 60 * (at % 2));
    *forgery.content("labels") = ids.flat_map(u32::to_le_bytes).collect();
    *forgery.content("label_starts") = (0..=60u32).flat_map(|row| (2 * row).to_le_bytes()).collect();
    forgery.set_param(4, 120);
}

#[test]
fn vectors_are_compared_when_they_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.nigh");
    let mut bytes = samples().swap_remove(1).1;
    std::fs::write(&path, &bytes).unwrap();
    let file = Container::open(&path, "hnsw").unwrap();
    let vectors = file.sections().iter().find(|section| section.name() == "vectors").unwrap().clone();
    drop(file);
    bytes[vectors.offset() + 9] ^= 0x20;
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(section_of(&Hnsw::<f32>::open(&path).unwrap_err()), "vectors");
    let lazy = Hnsw::<f32>::open_with(&path, OpenOptions::new().checks(Checks::OnFirstUse)).unwrap();
    assert_eq!(sets::search(&lazy, &[1.0; 5], 3, 30).len(), 3);
    assert_eq!(section_of(&lazy.verify().unwrap_err()), "vectors");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Contents altered at random, every checksum right.
    #[test]
    fn forged_contents_are_refused_or_searched(
        sample in 0usize..9,
        edits in prop::collection::vec((0usize..SECTIONS, any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        thread_local! {
            static SAMPLES: Vec<(&'static str, Forgery, Open)> =
                samples().into_iter().map(|(name, bytes, open)| (name, Forgery::of(&bytes), open)).collect();
        }
        SAMPLES.with(|samples| {
            let (_, forgery, open) = &samples[sample];
            let mut forged = forgery.clone();
            for (section, at, value) in edits {
                let content = &mut forged.sections[section].2;
                if !content.is_empty() {
                    let at = at.index(content.len());
                    content[at] = value;
                }
            }
            let _ = open(&forged.bytes());
        });
    }
}
