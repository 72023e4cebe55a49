//! Rows that are equal byte for byte, found once: only the first of them becomes a node of the graph.
//!
//! Equal rows at distance 0 never occlude each other's other neighbours and would fill one another's slots until no
//! edge leads out of their midst.

use simd_kernels::{Element, Rows};

use crate::Error;
use crate::build::partition::mix;
use crate::parallel;

/// Rows grouped by equality: groups in the order of their first rows, rows ascending.
#[derive(Debug)]
pub(crate) struct Groups {
    /// The first row of every group.
    pub(crate) first: Vec<u32>,
    /// Where a group's rows begin in `rows`, one more than groups; `None` if no two rows are equal.
    pub(crate) starts: Option<Vec<u32>>,
    /// All rows, group by group; empty if no two are equal.
    pub(crate) rows: Vec<u32>,
}

fn hash(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let last = rest.iter().fold(rest.len() as u64, |last, &byte| last << 8 | u64::from(byte));
    words.iter().fold(mix(last, 1), |hash, word| mix(hash, u64::from_le_bytes(*word)))
}

pub(crate) fn groups<T: Element>(rows: Rows<'_, T>) -> Result<Groups, Error> {
    let bytes = |row: u32| bytemuck::cast_slice::<T, u8>(rows.row(row as usize).unwrap_or_default());
    let hashes = parallel::blocks(rows.len(), 4096, |range| {
        Ok(range.map(|row| (hash(bytes(row as u32)), row as u32)).collect::<Vec<_>>())
    })?;
    let mut sorted = hashes.concat();
    sorted.sort_unstable();
    // Rows of one hash are compared with the first of each kind met; kinds of one hash are rare.
    let mut leader: Vec<u32> = (0..rows.len() as u32).collect();
    let mut any = false;
    for bucket in sorted.chunk_by(|a, b| a.0 == b.0).filter(|bucket| bucket.len() > 1) {
        let mut kinds: Vec<u32> = Vec::new();
        for &(_, row) in bucket {
            match kinds.iter().find(|&&kind| bytes(kind) == bytes(row)) {
                Some(&kind) => {
                    leader[row as usize] = kind;
                    any = true;
                }
                None => kinds.push(row),
            }
        }
    }
    if !any {
        return Ok(Groups { first: leader, starts: None, rows: Vec::new() });
    }
    let first: Vec<u32> = (0..rows.len() as u32).filter(|&row| leader[row as usize] == row).collect();
    let mut place = vec![0u32; rows.len()];
    for (group, &row) in first.iter().enumerate() {
        place[row as usize] = group as u32;
    }
    let mut starts = vec![0u32; first.len() + 1];
    for &leader in &leader {
        starts[place[leader as usize] as usize + 1] += 1;
    }
    for group in 0..first.len() {
        starts[group + 1] += starts[group];
    }
    let mut next = starts.clone();
    let mut members = vec![0u32; rows.len()];
    for (row, &leader) in leader.iter().enumerate() {
        let at = &mut next[place[leader as usize] as usize];
        members[*at as usize] = row as u32;
        *at += 1;
    }
    Ok(Groups { first, starts: Some(starts), rows: members })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_rows_are_one_group() {
        let data = [1.0f32, 2.0, 3.0, 4.0, 1.0, 2.0, 5.0, 6.0, 1.0, 2.0, 3.0, 4.0];
        let groups = groups(Rows::new(&data, 2).unwrap()).unwrap();
        assert_eq!(groups.first, [0, 1, 3]);
        assert_eq!(groups.starts, Some(vec![0, 3, 5, 6]));
        assert_eq!(groups.rows, [0, 2, 4, 1, 5, 3]);
    }

    #[test]
    fn different_rows_cost_nothing() {
        let data: Vec<u8> = (0..100).collect();
        let groups = groups(Rows::new(&data, 4).unwrap()).unwrap();
        assert_eq!((groups.first.len(), groups.starts), (25, None));
    }
}
