//! Values at the edge: NaN, infinities, signed zeros, denormals, and sums as large as the types allow.

use simd_kernels::{Element, Kernels, Measure, bf16, f16, reference};

use super::measures::{cosine, plan_of, truth};
use super::{Plan, QUERIES, ROWS, Random, Shape, Tally, Truth, element, shape};

/// All special values of one table.
pub(super) fn of_table(kernels: &'static Kernels, tally: &mut Tally) {
    floats::<f32>(kernels, tally);
    floats::<f64>(kernels, tally);
    floats::<f16>(kernels, tally);
    floats::<bf16>(kernels, tally);
    largest::<u8>(kernels, 0.0, 255.0, tally);
    largest::<u8>(kernels, 255.0, 255.0, tally);
    largest::<i8>(kernels, -128.0, 127.0, tally);
    largest::<i8>(kernels, -128.0, -128.0, tally);
    largest_codes(kernels, tally);
    largest_mixed_codes(kernels, tally);
}

/// One special value in one row, at the start, inside and at the end: that row must show it and no other row.
fn floats<T: Element>(kernels: &'static Kernels, tally: &mut Tally) {
    let values = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.0, 1e-40, -6e-8, 2e-310];
    for dim in [1, 3, 8, 15, 16, 17, 33, 64, 100, 257] {
        for (turn, value) in values.into_iter().enumerate() {
            let mut random = Random((dim + 1000 * turn) as u64);
            let queries: Vec<T> = (0..QUERIES * dim).map(|_| element(random.next())).collect();
            let mut data: Vec<T> = (0..ROWS * dim).map(|_| element(random.next())).collect();
            for (row, at) in [(1, 0), (2, dim / 2), (ROWS - 1, dim - 1)] {
                data[row * dim + at] = T::from_f64(value);
            }
            for kind in Measure::ALL {
                // An instruction may flush denormal inputs to zero: what that can lose is added to the bound.
                let with_slack = |a: &[T], b: &[T]| {
                    let exact = truth(kind, a, b);
                    let lost = 8.0 * dim as f64 * f64::from(f32::MIN_POSITIVE);
                    Truth { tolerance: exact.tolerance + if T::NAME == "bf16" { lost } else { 0.0 }, ..exact }
                };
                let vectors = Shape { dim, row_len: dim, stride: dim, queries: &queries, data: &data };
                shape(&plan_of(kind, &with_slack), kernels.forms::<T>(kind), &vectors, tally);
            }
            for row in data.chunks_exact(dim) {
                cosine(kernels, &queries[..dim], row, tally);
            }
        }
    }
}

/// The longest vectors of the largest values: an `i32` must hold every partial sum.
fn largest<T: Element>(kernels: &'static Kernels, query: f64, row: f64, tally: &mut Tally) {
    let dim = T::MAX_DIM;
    let (queries, data) = (vec![T::from_f64(query); QUERIES * dim], vec![T::from_f64(row); ROWS * dim]);
    for kind in Measure::ALL {
        let vectors = Shape { dim, row_len: dim, stride: dim, queries: &queries, data: &data };
        shape(&plan_of(kind, &|a, b| truth(kind, a, b)), kernels.forms::<T>(kind), &vectors, tally);
    }
}

fn largest_codes(kernels: &'static Kernels, tally: &mut Tally) {
    for query in [-128i8, 127] {
        let dim = i8::MAX_DIM;
        let (queries, data) = (vec![query; QUERIES * dim], vec![255u8; ROWS * dim]);
        let value = |code: f64| Truth { value: f64::from(query) * code * dim as f64, tolerance: 0.0 };
        let plan = |name: &str, pack, truth| Plan {
            name: name.to_owned(),
            pack,
            granule: 32,
            query: element::<i8>,
            row: element::<u8>,
            truth,
        };
        let u8_codes = |_: &[i8], _: &[u8]| value(255.0);
        let vectors = Shape { dim, row_len: dim, stride: dim, queries: &queries, data: &data };
        shape(&plan("codes_u8", 1, &u8_codes), kernels.codes_u8(), &vectors, tally);
        let u4_codes = |_: &[i8], _: &[u8]| value(15.0);
        let vectors = Shape { dim, row_len: dim / 2, stride: dim / 2, queries: &queries, data: &data };
        shape(&plan("codes_u4", 2, &u4_codes), kernels.codes_u4(), &vectors, tally);
    }
}

/// All bits of codes, masks and shifts set, and weights at both ends: parts must be taken as 7 and 4 bits and shifts
/// as 3, sums of two products must not saturate, and sums of a row must fit an `i32`.
fn largest_mixed_codes(kernels: &'static Kernels, tally: &mut Tally) {
    const LINE: usize = 320;
    let lines = i8::MAX_DIM / LINE;
    let dim = lines * LINE;
    let data = vec![255u8; ROWS * dim / 5];
    for (low, high) in [(-128, -128), (-128, 127), (127, -128), (127, 127)] {
        let mut queries = vec![-1i8; QUERIES * dim];
        for line in queries.chunks_exact_mut(LINE) {
            line[..64].fill(low);
            line[64..128].fill(high);
        }
        let group = 8 * (127 * 127 + 15 * 15) - 32 * (127 * i64::from(low) + 15 * i64::from(high));
        let value = (16 * lines as i64 * group) as f64;
        let truth = |a: &[i8], b: &[u8]| {
            assert_eq!(f64::from(reference::codes_mixed(a, b)), value, "the scalar twin");
            Truth { value, tolerance: 0.0 }
        };
        let plan = Plan {
            name: "codes_mixed".to_owned(),
            pack: 5,
            granule: LINE,
            query: element::<i8>,
            row: element::<u8>,
            truth: &truth,
        };
        let vectors = Shape { dim, row_len: dim / 5, stride: dim / 5, queries: &queries, data: &data };
        shape(&plan, kernels.codes_mixed(), &vectors, tally);
    }
}
