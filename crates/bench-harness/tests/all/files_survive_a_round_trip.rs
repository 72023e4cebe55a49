//! What a writer writes, its reader reads, bit for bit, in every format.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests fail as tests do")]

use bench_harness::dataset::{Dataset, Metric, Truth};
use bench_harness::dtype::Dtype;
use bench_harness::read;
use bench_harness::vectors::{Matrix, Vectors};
use bench_harness::write::{self, Hdf5Layout, WriteFault};
use half::f16;
use proptest::prelude::*;

/// Rows of raw bits, so that NaN payloads and infinities are among them.
fn shape() -> impl Strategy<Value = (usize, Vec<u64>)> {
    (1usize..20, 0usize..12).prop_flat_map(|(dim, rows)| {
        prop::collection::vec(any::<u64>(), dim * rows).prop_map(move |bits| (dim, bits))
    })
}

fn of_bits<T>(dim: usize, bits: &[u64], make: impl Fn(u64) -> T) -> Matrix<T> {
    Matrix::new(bits.iter().copied().map(make).collect(), dim).unwrap()
}

fn all_types(dim: usize, bits: &[u64]) -> Vec<Vectors> {
    let truth_values = of_bits(dim, bits, |x| (x & 1) as u8);
    vec![
        Vectors::F32(of_bits(dim, bits, |x| f32::from_bits(x as u32))),
        Vectors::F64(of_bits(dim, bits, f64::from_bits)),
        Vectors::F16(of_bits(dim, bits, |x| f16::from_bits(x as u16))),
        Vectors::U8(of_bits(dim, bits, |x| x as u8)),
        Vectors::I8(of_bits(dim, bits, |x| x as i8)),
        Vectors::U8(truth_values).convert(Dtype::Bits).unwrap().vectors,
    ]
}

fn same(a: &Vectors, b: &Vectors) -> bool {
    // By bytes: NaN is not equal to itself.
    (a.dtype(), a.dim(), a.as_bytes()) == (b.dtype(), b.dim(), b.as_bytes())
}

proptest! {
    #[test]
    fn vectors_survive((dim, bits) in shape(), limit in 0usize..15) {
        let mut survived = 0;
        for vectors in all_types(dim, &bits) {
            for name in ["a.fvecs", "a.bvecs", "a.fbin", "a.u8bin", "a.i8bin", "a.npy", "a.idx"] {
                let Ok(bytes) = write::vectors_to_bytes(name, &vectors) else { continue };
                if bytes.is_empty() {
                    // No rows in a format that states the dimension in each row.
                    prop_assert!(name.ends_with("vecs") && read::vectors_from_bytes(&bytes, name, None).is_err());
                    continue;
                }
                let back = read::vectors_from_bytes(&bytes, name, None).unwrap();
                prop_assert!(same(&back, &vectors), "{name} {}", vectors.dtype());
                let some = read::vectors_from_bytes(&bytes, name, Some(limit)).unwrap();
                prop_assert!(same(&some, &vectors.prefix(limit)), "{name} {}", vectors.dtype());
                survived += 1;
            }
        }
        // fbin, u8bin, i8bin; six npy; four idx; and the two vecs if there are rows.
        prop_assert_eq!(survived, if bits.is_empty() { 13 } else { 15 });
    }

    #[test]
    fn ids_and_truth_survive((dim, bits) in shape()) {
        let ids = of_bits(dim, &bits, |x| (x as u32) >> 1);
        for name in ["a.ibin", "a.npy", "a.ivecs"] {
            let bytes = write::ids_to_bytes(name, &ids).unwrap();
            if !bytes.is_empty() {
                prop_assert_eq!(&read::ids_from_bytes(&bytes, name).unwrap(), &ids);
            }
        }
        let distances = bits.iter().map(|&x| f64::from((x % 1000) as f32 / 7.0)).collect();
        let truth = Truth::new(dim, ids.into_data(), distances).unwrap();
        let bytes = write::truth_to_bytes("a.gtbin", &truth).unwrap();
        prop_assert_eq!(read::truth_from_bytes(&bytes, "a.gtbin").unwrap(), truth);
    }

    #[test]
    fn whole_sets_survive((dim, bits) in shape()) {
        prop_assume!(bits.len() >= 2 * dim);
        for vectors in all_types(dim, &bits) {
            let is_bits = vectors.dtype() == Dtype::Bits;
            for layout in [Hdf5Layout::AnnBenchmarks, Hdf5Layout::Vibe] {
                let set = Dataset {
                    name: "set".into(),
                    metric: if is_bits { Metric::Hamming } else { Metric::Cosine },
                    queries: vectors.prefix(2),
                    base: vectors.clone(),
                    truth: Some(Truth::new(1, vec![0, 1], vec![0.0, (dim / 2) as f64]).unwrap()),
                    source: String::new(),
                };
                let bytes = write::hdf5_to_bytes("a.hdf5", &set, layout).unwrap();
                let back = read::hdf5_from_bytes(&bytes, "a.hdf5").unwrap();
                prop_assert_eq!(back.metric, Some(set.metric));
                prop_assert_eq!(&back.truth, &set.truth);
                if set.base.dtype() == Dtype::F16 {
                    // A NaN keeps its being NaN and loses its payload.
                    let exact = (0..set.base.len() * dim).all(|at| {
                        let (a, b) = (set.base.get(at / dim, at % dim), back.base.get(at / dim, at % dim));
                        a == b || (a.unwrap().is_nan() && b.unwrap().is_nan())
                    });
                    prop_assert!(exact && back.base.dtype() == Dtype::F32);
                } else {
                    prop_assert!(same(&back.base, &set.base) && same(&back.queries, &set.queries));
                }
            }
        }
    }
}

#[test]
fn files_are_as_good_as_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let vectors = Vectors::F32(Matrix::new((0..600).map(|x| x as f32).collect(), 6).unwrap());
    for name in ["a.fvecs", "a.fbin", "a.npy", "a.idx"] {
        let path = folder.path().join(name);
        write::vectors(&path, &vectors).unwrap();
        assert_eq!(read::vectors(&path, None).unwrap(), vectors, "{name}");
        assert_eq!(read::vectors(&path, Some(3)).unwrap(), vectors.prefix(3), "{name}");
    }
    let ids = Matrix::new((0..60).collect(), 6).unwrap();
    write::ids(&folder.path().join("a.ivecs"), &ids).unwrap();
    assert_eq!(read::ids(&folder.path().join("a.ivecs")).unwrap(), ids);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 5, "no parts are left behind");
}

#[test]
fn what_a_format_cannot_hold_is_refused_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let vectors = Vectors::F64(Matrix::new(vec![1.0, 2.0], 2).unwrap());
    for name in ["a.fvecs", "a.bvecs", "a.fbin", "a.u8bin", "a.txt", "a.ivecs"] {
        let error = write::vectors(&folder.path().join(name), &vectors).unwrap_err();
        assert!(matches!(error.fault, WriteFault::Content { .. }), "{error}");
        assert!(error.to_string().contains(name), "{error}");
    }
    let large = Matrix::new(vec![u32::MAX], 1).unwrap();
    let error = write::ids(&folder.path().join("a.ivecs"), &large).unwrap_err();
    assert!(matches!(error.fault, WriteFault::TooLarge { .. }), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn big_endian_arrays_are_read() {
    let array = |start: &[u8], descr: &str, values: &[&[u8]]| {
        let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': (2,)}}");
        [
            start,
            &[header.len() as u8, 0, 0, 0][..if start[6] == 1 { 2 } else { 4 }],
            header.as_bytes(),
            &values.concat(),
        ]
        .concat()
    };
    let values = [&1.5f32.to_be_bytes()[..], &(-2.0f32).to_be_bytes()];
    let vectors =
        read::vectors_from_bytes(&array(b"\x93NUMPY\x01\x00", ">f4", &values), "a.npy", None).unwrap();
    assert_eq!((vectors.get(0, 0), vectors.get(1, 0)), (Some(1.5), Some(-2.0)));
    let values = [&7i64.to_be_bytes()[..], &9i64.to_be_bytes()];
    let ids = read::ids_from_bytes(&array(b"\x93NUMPY\x02\x00", ">i8", &values), "a.npy").unwrap();
    assert_eq!(ids.data(), [7, 9]);
}
