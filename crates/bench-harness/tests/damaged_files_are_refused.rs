//! Damaged, truncated and absurd files of every format: a typed error that names the file, never a panic, and
//! never more memory than the file has bytes.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use bench_harness::dataset::{Dataset, DatasetError, Metric, Truth};
use bench_harness::read::{self, Fault, ReadError};
use bench_harness::vectors::{Matrix, Vectors};
use bench_harness::write::{self, Hdf5Layout};

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

/// The most that `work` had allocated at once, beyond what there was before.
fn peak_of<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = NOW.get();
    PEAK.set(before);
    let result = work();
    (result, (PEAK.get() - before) as usize)
}

/// What is allocated whatever the file's size: names, messages, and (HDF5) its tables.
const OVERHEAD: usize = 16 << 10;
const HDF5_OVERHEAD: usize = 64 << 10;

/// Reads bytes as whatever their name says, and checks what holds for every file.
fn read_any(bytes: &[u8], name: &str) -> Result<usize, ReadError> {
    let (result, peak) = peak_of(|| {
        if name.ends_with(".hdf5") {
            read::hdf5_from_bytes(bytes, name).map(|set| set.base.len())
        } else if name.ends_with(".gtbin") {
            read::truth_from_bytes(bytes, name).map(|truth| truth.len())
        } else if name.starts_with("ids") {
            read::ids_from_bytes(bytes, name).map(|ids| ids.len())
        } else {
            read::vectors_from_bytes(bytes, name, None).map(|vectors| vectors.len())
        }
    });
    // HDF5 copies the bytes once; ground truth widens its distances.
    let limit = match name.rsplit('.').next() {
        Some("hdf5") => 3 * bytes.len() + HDF5_OVERHEAD,
        Some("gtbin") => 2 * bytes.len() + OVERHEAD,
        _ => bytes.len() + OVERHEAD,
    };
    assert!(peak <= limit, "{name}: {peak} bytes allocated for a file of {}", bytes.len());
    if let Err(error) = &result {
        let message = error.to_string();
        assert!(message.starts_with(&format!("{name}: ")) && message.len() > name.len() + 4, "{message}");
    }
    result
}

fn floats() -> Vectors {
    Vectors::F32(Matrix::new((0..35).map(|x| x as f32 / 8.0).collect(), 5).unwrap())
}

fn stored(layout: Hdf5Layout) -> Vec<u8> {
    let set = Dataset {
        name: "set".into(),
        metric: Metric::L2,
        base: floats(),
        queries: floats().prefix(2),
        truth: Some(Truth::new(2, vec![0, 1, 1, 2], vec![0.0, 1.0, 0.0, 1.0]).unwrap()),
        source: String::new(),
    };
    write::hdf5_to_bytes("set.hdf5", &set, layout).unwrap()
}

/// A sound file of every format.
fn sound_files() -> Vec<(&'static str, Vec<u8>)> {
    let bytes = Vectors::U8(Matrix::new((0..35).collect(), 5).unwrap());
    let signed = Vectors::I8(Matrix::new((0..35).collect(), 5).unwrap());
    let bits = Vectors::from_packed_bits(vec![1, 2, 3, 4, 5, 6], 12).unwrap();
    let ids = Matrix::new((0..42).collect(), 7).unwrap();
    let truth = Truth::new(2, vec![3, 1, 0, 2], vec![0.5, 1.0, 0.25, 2.0]).unwrap();
    vec![
        ("a.fvecs", write::vectors_to_bytes("a.fvecs", &floats()).unwrap()),
        ("a.bvecs", write::vectors_to_bytes("a.bvecs", &bytes).unwrap()),
        ("a.fbin", write::vectors_to_bytes("a.fbin", &floats()).unwrap()),
        ("a.u8bin", write::vectors_to_bytes("a.u8bin", &bytes).unwrap()),
        ("a.i8bin", write::vectors_to_bytes("a.i8bin", &signed).unwrap()),
        ("a.npy", write::vectors_to_bytes("a.npy", &floats()).unwrap()),
        ("bits.npy", write::vectors_to_bytes("bits.npy", &bits).unwrap()),
        ("a.idx", write::vectors_to_bytes("a.idx", &floats()).unwrap()),
        ("ids.ivecs", write::ids_to_bytes("ids.ivecs", &ids).unwrap()),
        ("ids.ibin", write::ids_to_bytes("ids.ibin", &ids).unwrap()),
        ("ids.npy", write::ids_to_bytes("ids.npy", &ids).unwrap()),
        ("a.gtbin", write::truth_to_bytes("a.gtbin", &truth).unwrap()),
        ("a.hdf5", stored(Hdf5Layout::AnnBenchmarks)),
        ("vibe.hdf5", stored(Hdf5Layout::Vibe)),
    ]
}

#[test]
fn sound_files_are_read() {
    for (name, bytes) in sound_files() {
        assert!(read_any(&bytes, name).unwrap() > 0, "{name}");
    }
}

#[test]
fn every_truncation_is_refused() {
    for (name, bytes) in sound_files() {
        for len in 0..bytes.len() {
            let read = read_any(&bytes[..len], name);
            // A row format that is cut between two rows is a shorter sound file.
            let row = match name {
                "a.fvecs" => 4 + 5 * 4,
                "a.bvecs" => 4 + 5,
                "ids.ivecs" => 4 + 7 * 4,
                _ => usize::MAX,
            };
            if len > 0 && len % row == 0 {
                assert_eq!(read.unwrap(), len / row, "{name}");
            } else {
                assert!(read.is_err(), "{name} cut to {len} of {} bytes", bytes.len());
            }
        }
    }
}

#[test]
fn trailing_bytes_are_refused() {
    for (name, mut bytes) in sound_files() {
        bytes.push(0);
        let read = read_any(&bytes, name);
        // HDF5 states where its content lies, not where the file ends.
        assert!(read.is_err() || name.ends_with(".hdf5"), "{name}");
    }
}

#[test]
fn any_byte_may_be_anything() {
    for (name, bytes) in sound_files() {
        let mut refused = 0;
        for at in 0..bytes.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[at] ^= flip;
                refused += usize::from(read_any(&damaged, name).is_err());
            }
        }
        assert!(refused > 0, "{name}: no damage was noticed");
    }
}

#[test]
fn every_header_byte_of_the_binary_formats_matters() {
    for (name, bytes) in sound_files() {
        let header = match name {
            "a.fbin" | "a.u8bin" | "a.i8bin" | "ids.ibin" | "a.gtbin" => 8,
            "a.idx" => 12,
            // numpy's minor version says nothing.
            "a.npy" | "bits.npy" | "ids.npy" => 7,
            "a.fvecs" | "a.bvecs" | "ids.ivecs" => 4,
            _ => continue,
        };
        for at in 0..header {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                let same_size_in_other_types = name == "a.idx" && at == 2;
                assert!(read_any(&damaged, name).is_err() || same_size_in_other_types, "{name} {at} {bit}");
            }
        }
    }
}

fn fault(bytes: &[u8], name: &str) -> Fault {
    read_any(bytes, name).unwrap_err().fault
}

#[test]
fn absurd_headers_cost_nothing() {
    let mut large = 20_000_000u32.to_le_bytes().to_vec();
    large.extend_from_slice(&64u32.to_le_bytes());
    large.resize(1024, 0);
    // 20 million rows of 64 f32 are 5.1 GB.
    for name in ["a.fbin", "a.u8bin", "a.i8bin", "ids.ibin", "a.gtbin"] {
        assert!(
            matches!(fault(&large, name), Fault::Truncated { expected, .. } if expected > 1 << 30),
            "{name}"
        );
    }
    for name in ["a.fbin", "a.gtbin"] {
        assert!(matches!(fault(&[0xff; 1024], name), Fault::Overflow | Fault::Truncated { .. }), "{name}");
    }
    let row = |dim: i32| [&dim.to_le_bytes()[..], &[0; 60]].concat();
    for name in ["a.fvecs", "a.bvecs", "ids.ivecs"] {
        assert!(matches!(fault(&row(i32::MAX), name), Fault::Truncated { .. }), "{name}");
        assert!(matches!(fault(&row(0), name), Fault::Dimension { row: 0, dim: 0 }), "{name}");
        assert!(matches!(fault(&row(-3), name), Fault::Dimension { row: 0, dim: -3 }), "{name}");
    }
    let idx = |sizes: &[u32]| {
        let mut bytes = vec![0, 0, 8, sizes.len() as u8];
        sizes.iter().for_each(|size| bytes.extend_from_slice(&size.to_be_bytes()));
        bytes.resize(1024, 0);
        bytes
    };
    assert!(matches!(fault(&idx(&[u32::MAX; 9]), "a.idx"), Fault::Overflow));
    assert!(matches!(fault(&idx(&[60_000, 28, 28_000]), "a.idx"), Fault::Truncated { .. }));
    assert!(matches!(fault(&idx(&[3, 0]), "a.idx"), Fault::Dimension { .. }));
    assert!(matches!(fault(&idx(&[1000]), "a.idx"), Fault::Unsupported(_)));
}

fn npy(header: &str) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend_from_slice(&(header.len() as u16).to_le_bytes());
    bytes.extend_from_slice(header.as_bytes());
    bytes.resize(bytes.len() + 48, 0);
    bytes
}

fn npy_of(descr: &str, fortran: &str, shape: &str) -> Vec<u8> {
    npy(&format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}"))
}

#[test]
fn numpy_headers_are_not_believed() {
    assert_eq!(read_any(&npy_of("<f4", "False", "(3, 4)"), "a.npy").unwrap(), 3);
    for (shape, kind) in [
        ("(1250000000, 1)", "truncated"),
        ("(18446744073709551615, 18446744073709551615)", "multiply"),
        ("(99999999999999999999,)", "64 bits"),
        ("(3, 0)", "dimension 0"),
        ("()", "without dimensions"),
        ("(2, 4)", "trailing"),
        ("(-3, 4)", "header"),
    ] {
        let message = read_any(&npy_of("<f4", "False", shape), "a.npy").unwrap_err().to_string();
        assert!(message.contains(kind), "{shape}: {message}");
    }
    for (descr, reason) in
        [("<c8", "<c8"), ("|O", "|O"), ("=f4", "byte order"), ("<U5", "<U5"), ("", "\"\""), ("<i4", "ids")]
    {
        let message = read_any(&npy_of(descr, "False", "(3, 4)"), "a.npy").unwrap_err().to_string();
        assert!(message.contains(reason) && message.contains("not supported"), "{descr}: {message}");
    }
    assert!(read_any(&npy_of("<f4", "True", "(3, 4)"), "a.npy").unwrap_err().to_string().contains("Fortran"));
    let deep = format!("({})", "1, ".repeat(70));
    assert!(
        read_any(&npy_of("<f4", "False", &deep), "a.npy").unwrap_err().to_string().contains("dimensions")
    );
    assert!(matches!(fault(b"\x93NUMPY\x07\x00\x00\x00", "a.npy"), Fault::Unsupported(_)));
    assert!(matches!(fault(b"\x93NUMPY\x02\x00\xff\xff\xff\xff", "a.npy"), Fault::Truncated { .. }));
    assert!(matches!(fault(b"PK\x03\x04 a zip file", "a.npy"), Fault::Signature { .. }));
    let mut long = b"\x93NUMPY\x02\x00\x00\x00\x10\x00".to_vec();
    long.resize(2 << 20, b' ');
    assert!(matches!(fault(&long, "a.npy"), Fault::Header(_)));
}

#[test]
fn a_row_of_another_dimension_is_named() {
    let mut bytes = write::vectors_to_bytes("a.fvecs", &floats()).unwrap();
    bytes[3 * 24] = 6;
    assert!(matches!(fault(&bytes, "a.fvecs"), Fault::RowDimension { row: 3, expected: 5, actual: 6 }));
    // One value more in that row: the file is no multiple of the first row, and the row is named all the same.
    bytes.splice(3 * 24 + 4..3 * 24 + 4, [0; 4]);
    assert!(matches!(fault(&bytes, "a.fvecs"), Fault::RowDimension { row: 3, expected: 5, actual: 6 }));
    bytes[3 * 24 + 3] = 0x80;
    assert!(matches!(fault(&bytes, "a.fvecs"), Fault::Dimension { row: 3, .. }));
}

#[test]
fn ids_that_are_none_are_refused_by_row() {
    let negative = [&2i32.to_le_bytes()[..], &7i32.to_le_bytes(), &(-1i32).to_le_bytes()].concat();
    assert!(matches!(fault(&negative, "ids.ivecs"), Fault::Value { row: 0, value: -1, .. }));
    let header = "{'descr': '<i8', 'fortran_order': False, 'shape': (3, 2), }";
    let mut wide = npy(header);
    let start = wide.len() - 48;
    wide[start + 24..start + 32].copy_from_slice(&(1i64 << 33).to_le_bytes());
    assert!(matches!(fault(&wide, "ids.npy"), Fault::Value { row: 1, value: 0x2_0000_0000, .. }));
}

#[test]
fn truth_values_are_zero_or_one() {
    let mut bytes = npy_of("|b1", "False", "(4, 12)");
    let at = bytes.len() - 48 + 30;
    bytes[at] = 2;
    assert!(matches!(fault(&bytes, "a.npy"), Fault::Value { row: 2, value: 2, .. }));
}

#[test]
fn no_rows_are_read_and_then_refused_by_the_set() {
    let npy = npy_of("<f4", "False", "(0, 5)");
    let npy = npy[..npy.len() - 48].to_vec();
    for (name, bytes) in [("a.fbin", [0u32, 5].map(u32::to_le_bytes).concat()), ("a.npy", npy)] {
        assert_eq!(read_any(&bytes, name).unwrap(), 0, "{name}");
        let none = read::vectors_from_bytes(&bytes, name, None).unwrap();
        let set = Dataset {
            name: name.into(),
            metric: Metric::L2,
            base: none.clone(),
            queries: none,
            truth: None,
            source: String::new(),
        };
        assert_eq!(set.validate(), Err(DatasetError::Empty { part: "base" }));
    }
}

#[test]
fn nan_is_read_and_refused_by_place() {
    let mut bytes = write::vectors_to_bytes("a.fbin", &floats()).unwrap();
    let at = 8 + (4 * 5 + 3) * 4;
    bytes[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    let base = read::vectors_from_bytes(&bytes, "a.fbin", None).unwrap();
    assert!(base.get(4, 3).unwrap().is_nan());
    let set = Dataset {
        name: "nan".into(),
        metric: Metric::L2,
        queries: floats(),
        base,
        truth: None,
        source: String::new(),
    };
    assert_eq!(set.validate(), Err(DatasetError::NotFinite { part: "base", row: 4, column: 3 }));
}

#[test]
fn names_say_the_format() {
    assert!(matches!(fault(&[0; 8], "a.txt"), Fault::UnknownFormat { .. }));
    assert!(matches!(fault(&[0; 8], "a.ivecs"), Fault::UnknownFormat { .. }), "ids are no vectors");
    assert!(matches!(fault(&[0; 8], "ids.fvecs"), Fault::UnknownFormat { .. }), "vectors are no ids");
    for (name, _) in sound_files() {
        assert!(matches!(fault(&[], name), Fault::Empty), "{name}");
    }
}

#[test]
fn folders_and_missing_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gone.fvecs");
    let error = read::vectors(&path, None).unwrap_err();
    assert!(matches!(error.fault, Fault::Io(_)) && error.to_string().contains("gone.fvecs"), "{error}");
    let sub = folder.path().join("sub.hdf5");
    std::fs::create_dir(&sub).unwrap();
    assert!(matches!(read::hdf5(&sub).unwrap_err().fault, Fault::NotAFile));
    let sub = folder.path().join("sub.npy");
    std::fs::create_dir(&sub).unwrap();
    assert!(matches!(read::vectors(&sub, None).unwrap_err().fault, Fault::NotAFile));
}

/// The same from a path, where HDF5 is read piece by piece.
#[test]
fn damaged_hdf5_files_on_disk_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("set.hdf5");
    let sound = stored(Hdf5Layout::AnnBenchmarks);
    for at in 0..sound.len() {
        let mut damaged = sound.clone();
        damaged[at] ^= 0xff;
        std::fs::write(&path, &damaged).unwrap();
        let (_, peak) = peak_of(|| read::hdf5(&path).map(|_| ()));
        assert!(peak <= 3 * damaged.len() + HDF5_OVERHEAD, "byte {at}: {peak}");
    }
    for len in 0..sound.len() {
        std::fs::write(&path, &sound[..len]).unwrap();
        assert!(read::hdf5(&path).is_err(), "cut to {len}");
    }
}

#[test]
fn hdf5_shapes_are_not_believed() {
    // A chunked, compressed dataset whose stated rows are more than its bytes can unpack to.
    let mut file = hdf5_pure::FileBuilder::new();
    for name in ["train", "test"] {
        file.create_dataset(name)
            .with_f32_data(&[0.5; 4096])
            .with_shape(&[1024, 4])
            .with_chunks(&[1024, 4])
            .with_deflate(6);
    }
    let sound = file.finish().unwrap();
    let (set, _) = peak_of(|| read::hdf5_from_bytes(&sound, "a.hdf5").unwrap());
    assert_eq!((set.base.len(), set.base.get(1023, 3)), (1024, Some(0.5)));
    let rows = 1024u64.to_le_bytes();
    let places: Vec<usize> = (0..sound.len() - 8).filter(|&at| sound[at..at + 8] == rows).collect();
    assert!(!places.is_empty());
    for at in places {
        let mut damaged = sound.clone();
        damaged[at..at + 8].copy_from_slice(&(1u64 << 40).to_le_bytes());
        // Old headers have no checksum; either way nothing is allocated for the stated rows.
        let (_, peak) = peak_of(|| read::hdf5_from_bytes(&damaged, "a.hdf5").map(|_| ()));
        assert!(peak <= 3 * damaged.len() + HDF5_OVERHEAD + 2 * 16384, "{at}: {peak}");
    }
}

#[test]
fn parts_that_a_set_needs_are_missed_by_name() {
    let mut file = hdf5_pure::FileBuilder::new();
    file.create_dataset("train").with_f32_data(&[0.5; 4]).with_shape(&[2, 2]);
    let message = read::hdf5_from_bytes(&file.finish().unwrap(), "a.hdf5").unwrap_err().to_string();
    assert!(message.contains("`test`") && message.contains("missing"), "{message}");
    let mut file = hdf5_pure::FileBuilder::new();
    file.set_attr("type", hdf5_pure::AttrValue::String("sparse".into()));
    let message = read::hdf5_from_bytes(&file.finish().unwrap(), "a.hdf5").unwrap_err().to_string();
    assert!(message.contains("sparse"), "{message}");
}
