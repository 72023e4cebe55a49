//! Rows in shared blocks are those of a plain array under any order of changes, in every copy; refused arguments
//! change nothing.

#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use layouts::{Blocks, Error};
use proptest::prelude::*;

fn agrees(blocks: &Blocks<u16>, model: &[Vec<u16>]) -> Result<(), TestCaseError> {
    prop_assert_eq!(blocks.len(), model.len());
    prop_assert_eq!(blocks.is_empty(), model.is_empty());
    for (at, row) in model.iter().enumerate() {
        prop_assert_eq!(blocks.row(at), Some(&row[..]));
    }
    prop_assert_eq!(blocks.row(model.len()), None);
    let all: Vec<u16> = (0..).map_while(|block| blocks.block(block)).flatten().copied().collect();
    prop_assert_eq!(all, model.concat());
    Ok(())
}

#[derive(Clone, Debug)]
enum Change {
    Push(u16),
    Write(usize, u16),
    Copy,
    /// Goes on with the copy, and keeps what was changed as a copy.
    Swap,
    Forget,
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => any::<u16>().prop_map(Change::Push),
        4 => (any::<usize>(), any::<u16>()).prop_map(|(row, value)| Change::Write(row, value)),
        1 => Just(Change::Copy),
        1 => Just(Change::Swap),
        1 => Just(Change::Forget),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn under_any_order_of_changes(
        width in 1usize..5,
        shift in 0u32..3,
        start in 0usize..600,
        changes in prop::collection::vec(change(), 0..60),
    ) {
        let rows: Vec<u16> = (0..start * width).map(|at| at as u16).collect();
        let mut model: Vec<Vec<u16>> = rows.chunks(width).map(<[u16]>::to_vec).collect();
        let mut blocks = Blocks::from_rows(&rows, width, 1 << shift).unwrap();
        let mut copies = Vec::new();
        for change in changes {
            match change {
                Change::Push(value) => {
                    blocks.push(&vec![value; width]).unwrap();
                    model.push(vec![value; width]);
                }
                Change::Write(row, value) if !model.is_empty() => {
                    let row = row % model.len();
                    blocks.row_mut(row).unwrap()[value as usize % width] = value;
                    model[row][value as usize % width] = value;
                }
                Change::Write(row, _) => {
                    let refused = blocks.row_mut(row).is_err();
                    prop_assert!(refused);
                }
                Change::Copy => copies.push((blocks.try_clone().unwrap(), model.clone())),
                Change::Swap => if let Some(copy) = copies.first_mut() {
                    std::mem::swap(&mut copy.0, &mut blocks);
                    std::mem::swap(&mut copy.1, &mut model);
                },
                Change::Forget => drop(copies.pop()),
            }
        }
        agrees(&blocks, &model)?;
        for (copy, model) in &copies {
            agrees(copy, model)?;
        }
    }
}

#[test]
fn a_change_copies_its_block_and_no_other() {
    let mut blocks = Blocks::from_rows(&[7u32; 16 * 1000], 16, 2).unwrap();
    let copy = blocks.try_clone().unwrap();
    assert_eq!((blocks.blocks(), blocks.shared_blocks(&copy)), (500, 500));
    let before = blocks.row(500).unwrap().as_ptr();
    blocks.row_mut(500).unwrap()[0] = 8;
    blocks.row_mut(501).unwrap()[0] = 9; // the same block: copied once
    let after = blocks.row(500).unwrap().as_ptr();
    assert_ne!(before, after);
    assert_eq!(blocks.shared_blocks(&copy), 499);
    assert_eq!((copy.row(500).unwrap()[0], copy.row(501).unwrap()[0]), (7, 7));
    blocks.row_mut(500).unwrap()[0] = 10;
    assert_eq!(blocks.row(500).unwrap().as_ptr(), after, "alone, and copied again");
    drop(blocks);
    assert!((0..1000).all(|row| copy.row(row) == Some(&[7; 16])));
}

#[test]
fn rows_of_whole_lines_lie_on_lines() {
    let blocks = Blocks::from_rows(&[0u8; 64 * 100], 64, 8).unwrap();
    assert!((0..100).all(|row| blocks.row(row).unwrap().as_ptr().align_offset(64) == 0));
    assert!(blocks.memory_bytes() >= 104 * 64);
    blocks.prefetch(3);
    blocks.prefetch(usize::MAX);
}

#[test]
fn rows_are_gathered_in_order() {
    let blocks = Blocks::from_rows(&(0u32..200).collect::<Vec<_>>(), 2, 4).unwrap();
    let mut out = [0; 6];
    blocks.gather(&[99, 0, 50], &mut out).unwrap();
    assert_eq!(out, [198, 199, 0, 1, 100, 101]);
    assert_eq!(
        blocks.gather(&[1, 100, 2], &mut out),
        Err(Error::Range { argument: "rows", value: 100, limit: 100 })
    );
    assert_eq!(blocks.gather(&[1], &mut out), Err(Error::Length { argument: "out", expected: 2, actual: 6 }));
}

#[test]
fn what_cannot_be_is_refused() {
    assert_eq!(Blocks::<u8>::new(0, 4).unwrap_err(), Error::Zero { argument: "width" });
    assert_eq!(Blocks::<u8>::new(4, 0).unwrap_err(), Error::Zero { argument: "rows_per_block" });
    assert!(matches!(Blocks::<u8>::new(4, 3), Err(Error::Invariant { .. })));
    assert!(matches!(Blocks::<u32>::new(usize::MAX / 2, 2), Err(Error::Memory { .. })));
    assert_eq!(
        Blocks::from_rows(&[1u8; 7], 2, 4).unwrap_err(),
        Error::Length { argument: "rows", expected: 6, actual: 7 }
    );
    // A block that no system has memory for.
    let mut blocks = Blocks::<u8>::new(1, 1 << 62).unwrap();
    assert!(matches!(blocks.push(&[1]), Err(Error::Memory { .. })));
    assert!(blocks.is_empty() && blocks.row(0).is_none());
    let mut blocks = Blocks::from_rows(&[1u8, 2, 3, 4], 2, 2).unwrap();
    assert_eq!(blocks.push(&[1]), Err(Error::Length { argument: "row", expected: 2, actual: 1 }));
    assert_eq!(blocks.row_mut(2), Err(Error::Range { argument: "row", value: 2, limit: 2 }));
    assert_eq!(
        (blocks.block(0), blocks.block(1), blocks.block(usize::MAX)),
        (Some(&[1, 2, 3, 4][..]), None, None)
    );
}
