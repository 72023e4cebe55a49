//! An order in which near rows follow one another: the Z-order curve of the first dimensions.

use crate::scalar::Scalar;

/// Dimensions that take part; more would have too few bits each.
const MOST: usize = 8;

/// The bits of a byte with places for those of the other axes between them, by the number of axes.
static SPREAD: [[u64; 256]; MOST] = spread();

const fn spread() -> [[u64; 256]; MOST] {
    let mut table = [[0; 256]; MOST];
    let mut at = 0;
    while at < MOST * 256 * 8 {
        let (axes, byte, bit) = (at / 2048 + 1, at / 8 % 256, at % 8);
        table[axes - 1][byte] |= (byte as u64 >> bit & 1) << (bit * axes);
        at += 1;
    }
    table
}

/// The numbers of the rows along the curve. O(n log n).
pub(super) fn along_a_curve<T: Scalar>(rows: &[T], dim: usize, count: usize) -> Vec<u32> {
    let axes = dim.min(MOST);
    let bits = (32 / axes).min(16) as u32;
    let mut low = [f64::INFINITY; MOST];
    let mut high = [f64::NEG_INFINITY; MOST];
    for row in rows.chunks_exact(dim) {
        for axis in 0..axes {
            low[axis] = low[axis].min(row[axis].wide());
            high[axis] = high[axis].max(row[axis].wide());
        }
    }
    let spread = &SPREAD[axes - 1];
    let cells = f64::from(1u32 << bits);
    let mut scale = [0.0; MOST];
    for axis in 0..axes {
        scale[axis] = cells / (high[axis] - low[axis]);
    }
    let mut keys = Vec::with_capacity(count);
    for (index, row) in (0u32..).zip(rows.chunks_exact(dim)) {
        let mut cell = [0u32; MOST];
        for axis in 0..axes {
            // Saturates; what is no number counts as 0.
            cell[axis] = (((row[axis].wide() - low[axis]) * scale[axis]) as u32).min((1 << bits) - 1);
        }
        let mut key = 0;
        for (axis, &cell) in cell[..axes].iter().enumerate() {
            // The first axis has the highest bit of each level.
            let low = spread[cell as usize & 255] | spread[cell as usize >> 8 & 255] << (8 * axes % 64);
            key |= low << (axes - 1 - axis);
        }
        keys.push(key << 32 | u64::from(index));
    }
    keys.sort_unstable();
    keys.into_iter().map(|key| key as u32).collect()
}
