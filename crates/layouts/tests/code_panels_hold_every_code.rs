//! Interleaved codes lie where the published formula says, with zeros elsewhere; rows come back; the kernels that
//! read the layout sum what was packed.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use layouts::InterleavedCodes;
use proptest::prelude::*;
use simd_kernels::{CodePanelForms, CodePanels, Kernels, Rows};

fn check<const BITS: usize>(forms: &CodePanelForms<BITS>, len: usize, dim: usize, gap: usize, seed: u64) {
    let stride = dim + gap;
    let mut bits = seed;
    let mut draw = || {
        bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (bits >> 56) as u8
    };
    let data: Vec<u8> = (0..if len == 0 { 0 } else { (len - 1) * stride + dim }).map(|_| draw()).collect();
    let rows = Rows::with_stride(&data, len, dim, stride).unwrap();
    let mask = ((1u32 << BITS) - 1) as u8;

    let mut block = InterleavedCodes::<BITS>::new();
    block.pack(Rows::new(&[255u8; 3000], 30).unwrap()).unwrap();
    block.pack(rows).unwrap();

    let group = 32 / BITS;
    let padded = dim.next_multiple_of(group);
    let panel_len = padded / group * 64;
    let mut expected = vec![0u8; len.div_ceil(16) * panel_len];
    for (r, row) in rows.iter().enumerate() {
        for (j, &code) in row.iter().enumerate() {
            let at = r / 16 * panel_len + j / group * 64 + 4 * (r % 16) + j % group % 4;
            expected[at] |= (code & mask) << (j % group / 4 * BITS);
            assert_eq!(block.get(r, j), Some(code & mask));
        }
    }
    assert_eq!(block.as_slice(), expected);
    assert_eq!(block.as_slice().as_ptr().align_offset(64), 0);
    assert_eq!((block.len(), block.dim(), block.padded_dim()), (len, dim, padded));
    assert_eq!((block.get(len, 0), block.get(0, dim)), (None, None));

    let mut out = vec![255u8; expected.len()];
    InterleavedCodes::<BITS>::pack_into(rows, &mut out).unwrap();
    assert_eq!(out, expected);
    // Row by row into what held other codes.
    let mut out = expected.iter().map(|_| 0).collect::<Vec<_>>();
    for (r, row) in rows.iter().enumerate() {
        InterleavedCodes::<BITS>::write_row(&mut out, r, &vec![255; dim]).unwrap();
        InterleavedCodes::<BITS>::write_row(&mut out, r, row).unwrap();
    }
    assert_eq!(out, expected);
    let places = expected.len() / panel_len * 16;
    assert!(InterleavedCodes::<BITS>::write_row(&mut out, places, &vec![0; dim]).is_err());
    assert!(InterleavedCodes::<BITS>::write_row(&mut out, 0, &[]).is_err());
    out.push(0);
    assert!(InterleavedCodes::<BITS>::pack_into(rows, &mut out).is_err());
    assert!(InterleavedCodes::<BITS>::write_row(&mut out, 0, &vec![0; dim]).is_err());

    let query: Vec<i8> = (0..padded).map(|at| if at < dim { draw() as i8 } else { 0 }).collect();
    let view = CodePanels::new(block.as_slice(), padded).unwrap();
    let mut sums = vec![1; view.rows()];
    forms.inner_product(Rows::new(&query, padded).unwrap(), view, &mut sums).unwrap();
    let mut back = vec![0; dim];
    for (r, &sum) in sums.iter().enumerate() {
        let row = rows.row(r).unwrap_or_default();
        let truth: i32 = query.iter().zip(row).map(|(&q, &c)| i32::from(q) * i32::from(c & mask)).sum();
        assert_eq!(sum, truth);
        if r < len {
            block.unpack_row(r, &mut back).unwrap();
            assert!(row.iter().map(|code| code & mask).eq(back.iter().copied()));
        }
    }
    assert!(block.unpack_row(len, &mut back).is_err());
    block.clear();
    assert!(block.is_empty() && block.get(0, 0).is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn every_code_lies_where_the_formula_says(
        len in 0usize..70,
        dim in 1usize..60,
        gap in 0usize..5,
        seed in any::<u64>(),
    ) {
        let kernels = Kernels::active().unwrap();
        check::<2>(kernels.code_panels_u2(), len, dim, gap, seed);
        check::<4>(kernels.code_panels_u4(), len, dim, gap, seed);
        check::<8>(kernels.code_panels_u8(), len, dim, gap, seed);
    }
}
