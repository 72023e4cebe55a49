//! Layouts and scans equal their scalar truth, and codes and estimates are the same bits on every tier.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use crate::quantiser_support::{Random, gaussian};
use simd_kernels::{Kernels, Tier};
use zonal_pq::quantiser::{
    Access, BLOCK_ROWS, Codes, Encoding, Error, Layout, Lvq, Metric, Prepared, ProductParams,
    ProductQuantiser, Quantiser, Rabitq, RabitqParams, Rotation, SymbolBits,
};

fn tiers() -> impl Iterator<Item = &'static Kernels> {
    Tier::ALL.iter().filter_map(|&tier| Kernels::for_tier(tier))
}

const DIMS: [usize; 7] = [1, 7, 24, 25, 100, 129, 300];

fn layouts(symbols: usize) -> Vec<(Layout, u8)> {
    let mut all: Vec<_> =
        [1, 2, 3, 6].into_iter().map(|bits| (Layout::Sixes { symbols, bits }, bits)).collect();
    all.extend([(Layout::Nibbles { symbols }, 4), (Layout::Bytes { symbols }, 8)]);
    all.extend([
        (Layout::Rows1 { symbols }, 1),
        (Layout::Rows4 { symbols }, 4),
        (Layout::Rows8 { symbols }, 8),
    ]);
    all
}

#[test]
fn what_is_written_is_read_and_nothing_else_is_touched() {
    let mut random = Random(1);
    for symbols in DIMS {
        for (layout, bits) in layouts(symbols) {
            let mut block = vec![0; layout.block_bytes()];
            let codes: Vec<Vec<u8>> = (0..BLOCK_ROWS)
                .map(|_| {
                    (0..symbols).map(|_| (random.next() >> 40) as u8 & (((1u16 << bits) - 1) as u8)).collect()
                })
                .collect();
            // Twice, in another order: an old code leaves nothing behind.
            for row in (0..BLOCK_ROWS).chain((0..BLOCK_ROWS).rev()) {
                let code = if row % 2 == 0 { &codes[row] } else { &codes[BLOCK_ROWS - 1 - row] };
                layout.write(&mut block, row, code).unwrap();
            }
            for (row, code) in codes.iter().enumerate() {
                layout.write(&mut block, row, code).unwrap();
            }
            let mut back = vec![0; symbols];
            for (row, code) in codes.iter().enumerate() {
                layout.read(&block, row, &mut back).unwrap();
                assert_eq!(&back, code, "{layout:?} row {row}");
            }
            // Bits too many are dropped.
            let full = vec![0xff; symbols];
            layout.write(&mut block, 3, &full).unwrap();
            layout.read(&block, 3, &mut back).unwrap();
            assert!(back.iter().all(|&symbol| u16::from(symbol) == (1 << bits) - 1));
            layout.read(&block, 4, &mut back).unwrap();
            assert_eq!(back, codes[4]);
        }
    }
}

/// The planes, byte by byte, as quantization.md 3.2 has them.
#[test]
fn the_planes_are_those_of_the_specification() {
    let layout = Layout::Sixes { symbols: 48, bits: 1 };
    assert_eq!(layout.block_bytes(), 2 * 192);
    let mut random = Random(2);
    let code: Vec<u8> = (0..48).map(|_| (random.next() >> 63) as u8).collect();
    let mut block = vec![0; layout.block_bytes()];
    layout.write(&mut block, 17, &code).unwrap();
    for pack in 0..2 {
        let v = |k: usize| (0..6).map(|j| code[24 * pack + 6 * k + j] << j).sum::<u8>();
        for k in 0..3 {
            let expected = v(k) | ((v(3) >> (2 * k)) & 3) << 6;
            assert_eq!(block[192 * pack + 64 * k + 17], expected);
        }
    }
}

fn quantisers(rows: &[f32], dim: usize) -> Vec<Box<dyn Quantiser>> {
    let mut all: Vec<Box<dyn Quantiser>> = Vec::new();
    for bits in 1..=8 {
        for access in [Access::Blocks, Access::Rows] {
            let params = RabitqParams { bits, seed: 5, access, ..Default::default() };
            all.push(Box::new(Rabitq::new(dim, &params).unwrap()));
        }
    }
    for bits in [4, 8] {
        all.push(Box::new(Lvq::new(dim, bits).unwrap()));
    }
    let kernels = Kernels::active().unwrap();
    for bits in [SymbolBits::Four, SymbolBits::Six, SymbolBits::Eight] {
        for subspaces in [dim.div_ceil(3), dim] {
            let params = ProductParams { subspaces, bits, iterations: 3, ..Default::default() };
            all.push(Box::new(ProductQuantiser::train(kernels, rows, dim, &params).unwrap()));
        }
    }
    all
}

#[test]
fn every_scan_is_the_sum_over_the_symbols_on_every_tier() {
    for dim in DIMS {
        // Not whole blocks.
        let (n, rows) = (150, gaussian(150, dim, 3));
        let query = gaussian(1, dim, 4);
        for quantiser in quantisers(&rows, dim) {
            let active = Kernels::active().unwrap();
            let codes = Codes::encode(active, &*quantiser, &rows, None, Metric::L2Squared).unwrap();
            let layout = codes.layout();
            let mut prepared = Prepared::default();
            quantiser.prepare(&query, &mut prepared).unwrap();
            let mut code = vec![0; layout.symbols()];
            let expected: Vec<i32> = (0..192)
                .map(|row| {
                    let start = row / BLOCK_ROWS * layout.block_bytes();
                    let block = &codes.as_bytes()[start..start + layout.block_bytes()];
                    layout.read(block, row % BLOCK_ROWS, &mut code).unwrap();
                    if prepared.tables().is_empty() {
                        code.iter().zip(prepared.query()).map(|(&u, &q)| i32::from(u) * i32::from(q)).sum()
                    } else if let Layout::Sixes { bits, .. } = layout {
                        let groups = code.chunks(6 / usize::from(bits));
                        let tables = prepared.tables().chunks_exact(64);
                        let index = |group: &[u8]| group.iter().rev().fold(0, |v, u| v << bits | usize::from(*u));
                        groups.zip(tables).map(|(group, table)| i32::from(table[index(group)])).sum::<i32>()
                            // Groups beyond the last symbol are zeros.
                            + prepared.tables().chunks_exact(64).skip(code.len().div_ceil(6 / usize::from(bits)))
                                .map(|table| i32::from(table[0])).sum::<i32>()
                    } else {
                        let tables = prepared.tables().chunks_exact(layout.entries());
                        code.iter().zip(tables).map(|(&u, table)| i32::from(table[usize::from(u)])).sum()
                    }
                })
                .collect();
            assert!(expected.iter().take(n).any(|&sum| sum != 0) || dim == 1, "{quantiser:?}");
            for kernels in tiers() {
                let mut sums = vec![-1; 192];
                prepared.scan(kernels, codes.as_bytes(), &mut sums).unwrap();
                assert_eq!(sums, expected, "{:?} {dim} {:?}", layout, kernels.tier());
                let ids = [149, 0, 64, 63, 0];
                let mut picked = [0; 5];
                let result = prepared.scan_ids(kernels, codes.as_bytes(), &ids, &mut picked);
                if layout.row_bytes() == 0 {
                    assert!(matches!(result, Err(Error::Layout)));
                } else {
                    result.unwrap();
                    assert_eq!(picked, ids.map(|id| expected[id as usize]));
                    assert!(prepared.scan_ids(kernels, codes.as_bytes(), &[192], &mut picked[..1]).is_err());
                }
            }
        }
    }
}

/// Sums that 16 bits do not hold: more tables than any of the kernels may take at once.
#[test]
fn long_codes_are_summed_in_parts() {
    let kernels = Kernels::active().unwrap();
    let dim = 6300;
    let rows = gaussian(70, dim, 3);
    let rabitq = Rabitq::new(dim, &RabitqParams { bits: 1, ..Default::default() }).unwrap();
    let params = ProductParams { subspaces: 300, iterations: 1, ..Default::default() };
    let product = ProductQuantiser::train(kernels, &rows, dim, &params).unwrap();
    // Signs of the first code, so that it looks up the greatest entry of every table.
    let signs: Vec<f32> = {
        let codes = Codes::encode(kernels, &rabitq, &rows, None, Metric::L2Squared).unwrap();
        codes.decode(&rabitq, 0).unwrap().unwrap().iter().map(|x| x.signum()).collect()
    };
    for quantiser in [&rabitq as &dyn Quantiser, &product] {
        let codes = Codes::encode(kernels, quantiser, &rows, None, Metric::L2Squared).unwrap();
        let mut prepared = Prepared::default();
        quantiser.prepare(&signs, &mut prepared).unwrap();
        let layout = codes.layout();
        let mut code = vec![0; layout.symbols()];
        layout.read(&codes.as_bytes()[..layout.block_bytes()], 0, &mut code).unwrap();
        let per_table = if let Layout::Sixes { .. } = layout { 6 } else { 1 };
        let tables = prepared.tables().chunks_exact(layout.entries());
        let expected: i32 = code
            .chunks(per_table)
            .zip(tables)
            .map(|(group, table)| {
                let index = group.iter().rev().fold(0, |v, u| v << 1 | usize::from(*u));
                i32::from(table[index])
            })
            .sum();
        for kernels in tiers() {
            let mut sums = vec![-1; 128];
            prepared.scan(kernels, codes.as_bytes(), &mut sums).unwrap();
            assert_eq!(sums[0], expected);
        }
        let greatest = layout.tables() * usize::from(layout.greatest_entry());
        assert!(greatest > usize::from(u16::MAX), "{greatest} fits 16 bits");
        assert!(expected > i32::from(u16::MAX) || layout.entries() == 16, "{expected} fits 16 bits");
    }
}

#[test]
fn codes_factors_and_estimates_are_the_same_bits_on_every_tier() {
    for dim in [7, 100, 128] {
        let (rows, centre) = (gaussian(150, dim, 5), gaussian(1, dim, 6));
        let mut all = quantisers(&rows, dim);
        for bits in [3, 8] {
            for encoding in [Encoding::Exact, Encoding::CoordinateDescent { rounds: 6 }] {
                let params = RabitqParams { bits, encoding, ..Default::default() };
                all.push(Box::new(Rabitq::new(dim, &params).unwrap()));
            }
        }
        for quantiser in all {
            let mut first: Option<(Codes, Vec<u32>)> = None;
            for kernels in tiers() {
                let metric = Metric::L2Squared;
                let codes = Codes::encode(kernels, &*quantiser, &rows, Some(&centre), metric).unwrap();
                let mut estimates = vec![0.0; 150];
                let mut prepared = Prepared::default();
                codes.estimate(kernels, &*quantiser, &rows[..dim], &mut prepared, &mut estimates).unwrap();
                let estimates: Vec<u32> = estimates.iter().map(|x| x.to_bits()).collect();
                if let Some((other, others)) = &first {
                    assert_eq!(codes.as_bytes(), other.as_bytes(), "{quantiser:?}");
                    let (a, b) = (codes.factors(), other.factors());
                    assert_eq!((a.add, a.rescale, a.slope, a.error), (b.add, b.rescale, b.slope, b.error));
                    assert_eq!(&estimates, others);
                } else {
                    first = Some((codes, estimates));
                }
            }
        }
    }
}

#[test]
fn rotations_are_the_same_bits_on_every_tier_and_orthogonal() {
    for dim in [1, 2, 3, 7, 25, 64, 100, 128, 129, 768, 1000] {
        let (rotation, vector) = (Rotation::new(dim, 9).unwrap(), gaussian(1, dim, 7));
        let mut first: Option<Vec<u32>> = None;
        for kernels in tiers() {
            let (mut rotated, mut back) = (vec![0.0; dim], vec![0.0; dim]);
            rotation.apply(kernels, &vector, &mut rotated).unwrap();
            let bits: Vec<u32> = rotated.iter().map(|x| x.to_bits()).collect();
            assert_eq!(first.get_or_insert_with(|| bits.clone()), &bits, "{dim}");
            let length = |x: &[f32]| crate::quantiser_support::dot(x, x).sqrt();
            assert!((length(&rotated) / length(&vector) - 1.0).abs() < 1e-5, "{dim}");
            rotation.invert(kernels, &rotated, &mut back).unwrap();
            let off = crate::quantiser_support::l2_squared(&back, &vector).sqrt();
            assert!(off < 1e-5 * length(&vector), "{dim}: {off}");
        }
        // Unit vectors stay orthogonal, and spread over the dimensions.
        let kernels = Kernels::active().unwrap();
        let rotated: Vec<Vec<f32>> = (0..dim.min(40))
            .map(|i| {
                let (mut unit, mut rotated) = (vec![0.0; dim], vec![0.0; dim]);
                unit[i] = 1.0;
                rotation.apply(kernels, &unit, &mut rotated).unwrap();
                rotated
            })
            .collect();
        for (i, a) in rotated.iter().enumerate() {
            for (j, b) in rotated.iter().enumerate() {
                let expected = f64::from(u8::from(i == j));
                assert!((crate::quantiser_support::dot(a, b) - expected).abs() < 1e-5, "{dim}: {i} {j}");
            }
            let largest = a.iter().fold(0.0f32, |largest, x| largest.max(x.abs()));
            assert!(dim < 64 || largest < 8.0 / (dim as f32).sqrt(), "{dim}: unit {i} stays at {largest}");
        }
        assert_ne!(Rotation::new(dim, 10 + dim as u64 % 2).unwrap().seed(), rotation.seed());
    }
}

#[test]
fn training_is_the_same_on_every_tier_and_for_any_number_of_threads() {
    let (rows, dim) = (gaussian(700, 20, 8), 20);
    for bits in [SymbolBits::Four, SymbolBits::Six, SymbolBits::Eight] {
        let params = ProductParams { subspaces: 6, bits, rotation: Some(3), ..Default::default() };
        let mut first: Option<Vec<f32>> = None;
        for kernels in tiers() {
            let product = ProductQuantiser::train(kernels, &rows, dim, &params).unwrap();
            let book = product.codebook().to_vec();
            assert_eq!(first.get_or_insert_with(|| book.clone()), &book, "{:?}", kernels.tier());
        }
        #[cfg(feature = "rayon")]
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let kernels = Kernels::active().unwrap();
            let product = pool.install(|| ProductQuantiser::train(kernels, &rows, dim, &params).unwrap());
            assert_eq!(first.as_deref(), Some(product.codebook()));
        }
    }
}
