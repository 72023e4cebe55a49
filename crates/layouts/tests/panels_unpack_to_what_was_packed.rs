//! Interleaved panels hold every element where the published formula says, zeros elsewhere, and give rows back.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use layouts::Interleaved;
use proptest::prelude::*;
use simd_kernels::{Element, Rows, bf16, f16};

/// Packs `len` rows of `dim` at `stride` into a block that was used before, and compares it with the formula.
fn check<T: Element, const LANES: usize, const GROUP: usize>(len: usize, dim: usize, gap: usize) {
    let stride = dim + gap;
    // Ends exactly at the last row's end, so that a sanitizer sees a read past it.
    let held = if len == 0 { 0 } else { (len - 1) * stride + dim };
    let data: Vec<T> = (0..held).map(|at| T::from_f64((at % 119 + 1) as f64)).collect();
    let rows = Rows::with_stride(&data, len, dim, stride).unwrap();

    let mut block = Interleaved::<T, LANES, GROUP>::new();
    let stale = vec![T::from_f64(77.0); 5 * 1000];
    block.pack(Rows::new(&stale, 1000).unwrap()).unwrap();
    block.pack(rows).unwrap();

    let padded = dim.next_multiple_of(GROUP);
    let mut expected = vec![T::zeroed(); len.div_ceil(LANES) * LANES * padded];
    for (r, row) in rows.iter().enumerate() {
        for (j, &value) in row.iter().enumerate() {
            let panel = &mut expected[r / LANES * LANES * padded..];
            panel[((j / GROUP) * LANES + r % LANES) * GROUP + j % GROUP] = value;
            assert_eq!(block.get(r, j), Some(value));
        }
    }
    assert_eq!(block.as_slice(), expected);
    assert_eq!(block.as_slice().as_ptr().align_offset(64), 0);
    assert_eq!((block.len(), block.dim(), block.padded_dim()), (len, dim, padded));
    assert_eq!((block.get(len, 0), block.get(0, dim)), (None, None));
    assert_eq!(block.panels().len(), len.div_ceil(LANES));
    assert_eq!(block.panels().flatten().copied().collect::<Vec<_>>(), expected);
    assert_eq!(block.panel(len.div_ceil(LANES)), None);
    assert!((0..block.panels().len()).all(|p| block.panel(p).unwrap().len() == LANES * padded));

    let mut out = vec![T::zeroed(); expected.len()];
    Interleaved::<T, LANES, GROUP>::pack_into(rows, &mut out).unwrap();
    assert_eq!(out, expected);
    out.push(T::zeroed());
    assert!(Interleaved::<T, LANES, GROUP>::pack_into(rows, &mut out).is_err());

    let mut back = vec![T::zeroed(); len * dim];
    block.unpack(&mut back).unwrap();
    assert!(rows.iter().flatten().eq(&back));
    assert!(block.unpack_row(len, &mut back[..0]).is_err());
    block.clear();
    assert!(block.is_empty() && block.panel(0).is_none() && block.get(0, 0).is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]
    #[test]
    fn every_element_lies_where_the_formula_says(len in 0usize..150, dim in 1usize..70, gap in 0usize..9) {
        check::<f32, 16, 1>(len, dim, gap);
        check::<f64, 16, 1>(len, dim, gap);
        check::<bf16, 16, 2>(len, dim, gap);
        check::<f16, 16, 2>(len, dim, gap);
        check::<u8, 16, 4>(len, dim, gap);
        check::<i8, 16, 4>(len, dim, gap);
        check::<u8, 64, 1>(len, dim, gap);
        check::<f32, 64, 3>(len, dim, gap);
    }
}

#[test]
fn packing_into_used_storage_allocates_nothing() {
    let data = vec![1.0f32; 40 * 24];
    let mut block = Interleaved::<f32, 16, 1>::new();
    block.pack(Rows::new(&data, 24).unwrap()).unwrap();
    let before = block.as_slice().as_ptr();
    block.pack(Rows::new(&data, 20).unwrap()).unwrap();
    assert_eq!(block.as_slice().as_ptr(), before);
}

#[test]
fn sizes_beyond_the_address_space_are_refused() {
    assert!(Interleaved::<u8, 16, 4>::packed_len(usize::MAX, 8).is_err());
    assert!(Interleaved::<u8, 16, 4>::packed_len(1, usize::MAX).is_err());
}
