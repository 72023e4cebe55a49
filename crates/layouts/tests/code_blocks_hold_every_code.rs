//! Blocked codes come back as they were packed, lie where the scalar reader of the layout looks for them, and the
//! kernels that read the layout sum what they look up.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use layouts::BlockedCodes;
use proptest::prelude::*;
use simd_kernels::{CodeBlocks, Kernels, LookupForms, LookupTables, Rows, reference::lookups::block_code};

fn check<const BITS: usize>(forms: &LookupForms<BITS>, len: usize, groups: usize, gap: usize, seed: u64) {
    let stride = groups + gap;
    let mut bits = seed;
    let mut draw = || {
        bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (bits >> 56) as u8
    };
    let data: Vec<u8> = (0..if len == 0 { 0 } else { (len - 1) * stride + groups }).map(|_| draw()).collect();
    let rows = Rows::with_stride(&data, len, groups, stride).unwrap();
    let mask = ((1u32 << BITS) - 1) as u8;

    let mut block = BlockedCodes::<BITS>::new();
    block.pack(Rows::new(&[255u8; 3000], 30).unwrap()).unwrap();
    block.pack(rows).unwrap();
    let padded = groups.next_multiple_of(4);
    let block_len = padded * 8 * BITS;
    assert_eq!(block.as_slice().len(), len.div_ceil(64) * block_len);
    assert_eq!(block.as_slice().as_ptr().align_offset(64), 0);
    assert_eq!((block.len(), block.groups(), block.padded_groups()), (len, groups, padded));
    assert_eq!((block.get(len, 0), block.get(0, groups)), (None, None));
    for (index, one) in block.as_slice().chunks_exact(block_len).enumerate() {
        for lane in 0..64 {
            let row = rows.row(index * 64 + lane).unwrap_or_default();
            for group in 0..padded {
                let code = row.get(group).map_or(0, |code| code & mask);
                assert_eq!(block_code(BITS, one, group, lane), code);
                if group < groups && index * 64 + lane < len {
                    assert_eq!(block.get(index * 64 + lane, group), Some(code));
                }
            }
        }
    }

    let mut out = vec![255u8; block.as_slice().len()];
    BlockedCodes::<BITS>::pack_into(rows, &mut out).unwrap();
    assert_eq!(out, block.as_slice());
    // Row by row into what held other codes.
    let mut out = vec![0; out.len()];
    for (r, row) in rows.iter().enumerate() {
        BlockedCodes::<BITS>::write_row(&mut out, r, &vec![255; groups]).unwrap();
        BlockedCodes::<BITS>::write_row(&mut out, r, row).unwrap();
    }
    assert_eq!(out, block.as_slice());
    let places = out.len() / block_len * 64;
    assert!(BlockedCodes::<BITS>::write_row(&mut out, places, &vec![0; groups]).is_err());
    assert!(BlockedCodes::<BITS>::write_row(&mut out, 0, &[]).is_err());
    out.push(0);
    assert!(BlockedCodes::<BITS>::pack_into(rows, &mut out).is_err());
    assert!(BlockedCodes::<BITS>::write_row(&mut out, 0, &vec![0; groups]).is_err());

    let mut tables: Vec<u8> = (0..groups << BITS).map(|_| draw()).collect();
    tables.resize(padded << BITS, 0);
    let view = CodeBlocks::new(block.as_slice(), padded).unwrap();
    let mut sums = vec![1; view.rows()];
    forms.sums(LookupTables::new(&tables, padded).unwrap(), view, &mut sums).unwrap();
    let zeros = vec![0; groups];
    let mut back = vec![0; groups];
    for (r, &sum) in sums.iter().enumerate() {
        let row = rows.row(r).unwrap_or(&zeros);
        let entry =
            |(group, &code): (usize, &u8)| u32::from(tables[group << BITS | usize::from(code & mask)]);
        assert_eq!(u32::from(sum), row.iter().enumerate().map(entry).sum::<u32>() % 65536);
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
    #![proptest_config(ProptestConfig::with_cases(50))]
    #[test]
    fn every_code_lies_where_the_layout_says(
        len in 0usize..150,
        groups in 1usize..30,
        gap in 0usize..5,
        seed in any::<u64>(),
    ) {
        let kernels = Kernels::active().unwrap();
        check::<4>(kernels.lookup_u4(), len, groups, gap, seed);
        check::<6>(kernels.lookup_u6(), len, groups, gap, seed);
        check::<8>(kernels.lookup_u8(), len, groups, gap, seed);
    }
}
