//! How codes lie in memory: blocks of 64 rows, by planes that a look-up scans or by rows that a product takes.

use layouts::BlockedCodes;

use super::Error;
use super::error::expect_len;

/// Rows of a block.
pub const BLOCK_ROWS: usize = 64;

/// How the symbols of 64 codes lie in a block. A symbol is what a code holds for a dimension or a sub-space.
///
/// A block is always for 64 rows; the rows that a last block has too many hold zeros. Blocks follow one another, so
/// that codes in a `Rows` layout are one matrix. Planes are those of [`simd_kernels::CodeBlocks`]. The layouts are the
/// same on every CPU.
///
/// | layout | bytes of a block | for |
/// |---|---|---|
/// | `Sixes` | 192 for each four groups of 6 bits | 1, 2 and 3 bits a dimension; sub-spaces of 6 bits |
/// | `Nibbles` | 128 for each four symbols | sub-spaces of 4 bits |
/// | `Bytes` | 256 for each four symbols | sub-spaces of 8 bits |
/// | `Rows1` | 64 rows of one bit a symbol, whole groups of 8 bytes | 1 bit a dimension, row by row |
/// | `Rows4` | 64 rows of 16 bytes for each 32 symbols | 4 bits a dimension |
/// | `Rows8` | 64 rows of one byte a symbol, whole groups of 16 | 5 to 8 bits a dimension |
///
/// ```
/// use zonal_pq::quantiser::Layout;
/// let layout = Layout::Sixes { symbols: 96, bits: 1 };
/// assert_eq!(layout.block_bytes(), 64 * 96 / 8);
/// let mut block = vec![0; layout.block_bytes()];
/// let code: Vec<u8> = (0..96).map(|i| i % 3 % 2).collect();
/// layout.write(&mut block, 5, &code)?;
/// let mut back = vec![0; 96];
/// layout.read(&block, 5, &mut back)?;
/// assert_eq!(back, code);
/// # Ok::<(), zonal_pq::quantiser::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Layout {
    /// Six bits make a group: six symbols of one bit, three of two, two of three or one of six, the first in the
    /// low bits. Four groups v₀ to v₃ make three planes of 64 bytes, a byte a row:
    /// `b_k = v_k | ((v₃ >> 2k) & 3) << 6`. A look-up in 64 entries that ignores the upper two bits of its index
    /// (`vpermb`, or four registers of `tbl`) takes the planes as they are.
    Sixes {
        /// Symbols of a code.
        symbols: usize,
        /// Bits of a symbol: 1, 2, 3 or 6.
        bits: u8,
    },
    /// Symbols 2 i (low half) and 2 i + 1 (high half) make plane i of 64 bytes, a byte a row.
    Nibbles {
        /// Symbols of a code.
        symbols: usize,
    },
    /// Symbol i makes plane i of 64 bytes, a byte a row.
    Bytes {
        /// Symbols of a code.
        symbols: usize,
    },
    /// A row is a string of bits, symbol i being bit `i % 8` of byte `i / 8`.
    Rows1 {
        /// Symbols of a code.
        symbols: usize,
    },
    /// A row is what [`Kernels::codes_u4`](simd_kernels::Kernels::codes_u4) takes: byte `j` of group `g` holds
    /// symbol `32 g + j` in its low half and `32 g + 16 + j` in its high half.
    Rows4 {
        /// Symbols of a code.
        symbols: usize,
    },
    /// A row is what [`Kernels::codes_u8`](simd_kernels::Kernels::codes_u8) takes: a byte a symbol.
    Rows8 {
        /// Symbols of a code.
        symbols: usize,
    },
}

impl Layout {
    /// Symbols of a code.
    pub fn symbols(self) -> usize {
        match self {
            Self::Sixes { symbols, .. }
            | Self::Nibbles { symbols }
            | Self::Bytes { symbols }
            | Self::Rows1 { symbols }
            | Self::Rows4 { symbols }
            | Self::Rows8 { symbols } => symbols,
        }
    }

    /// Look-up tables that a scan needs: groups of six bits or sub-spaces, on whole packs; 0 for rows.
    pub fn tables(self) -> usize {
        match self {
            Self::Sixes { symbols, bits } => symbols.div_ceil(symbols_of_a_group(bits)).next_multiple_of(4),
            Self::Nibbles { symbols } | Self::Bytes { symbols } => symbols.next_multiple_of(4),
            _ => 0,
        }
    }

    /// Entries of a look-up table: 64, 16 or 256; 0 for rows.
    pub fn entries(self) -> usize {
        match self {
            Self::Sixes { .. } => 64,
            Self::Nibbles { .. } => 16,
            Self::Bytes { .. } => 256,
            _ => 0,
        }
    }

    /// The greatest value that an entry may have. Four entries of a `Sixes` table add up within a byte.
    pub fn greatest_entry(self) -> u8 {
        match self {
            Self::Sixes { .. } => 63,
            Self::Nibbles { .. } | Self::Bytes { .. } => 255,
            _ => 0,
        }
    }

    /// Bytes of 64 codes.
    pub fn block_bytes(self) -> usize {
        match self {
            Self::Sixes { .. } => self.tables() / 4 * unit_bytes::<6>(),
            Self::Nibbles { .. } => self.tables() / 4 * unit_bytes::<4>(),
            Self::Bytes { .. } => self.tables() / 4 * unit_bytes::<8>(),
            _ => BLOCK_ROWS * self.row_bytes(),
        }
    }

    /// Bytes from one row to the next; 0 if codes lie in planes.
    pub fn row_bytes(self) -> usize {
        match self {
            Self::Rows1 { symbols } => symbols.div_ceil(64) * 8,
            Self::Rows4 { symbols } => symbols.div_ceil(32) * 16,
            Self::Rows8 { symbols } => symbols.next_multiple_of(16),
            _ => 0,
        }
    }

    /// Bytes of `len` codes, on whole blocks.
    pub fn bytes(self, len: usize) -> usize {
        len.div_ceil(BLOCK_ROWS) * self.block_bytes()
    }

    /// Puts the code of one row into its block, leaving the other rows alone. O(symbols).
    ///
    /// # Errors
    /// [`Error::Length`] unless `block` is one block and `code` one byte a symbol; [`Error::Parameter`] if `row` is
    /// above 63. Bits of a symbol beyond the layout's are dropped.
    pub fn write(self, block: &mut [u8], row: usize, code: &[u8]) -> Result<(), Error> {
        self.check(block, row, code)?;
        match self {
            Self::Sixes { bits, .. } => {
                let groups = code.chunks(symbols_of_a_group(bits)).map(|symbols| group(symbols, bits));
                write_planes::<6>(block, row, groups)?;
            }
            Self::Nibbles { .. } => write_planes::<4>(block, row, code.iter().copied())?,
            Self::Bytes { .. } => write_planes::<8>(block, row, code.iter().copied())?,
            Self::Rows1 { .. } => {
                let bytes = self.row_mut(block, row);
                for (byte, bits) in bytes.iter_mut().zip(code.chunks(8)) {
                    *byte = bits.iter().rev().fold(0, |byte, bit| byte << 1 | bit & 1);
                }
            }
            Self::Rows4 { .. } => {
                let bytes = self.row_mut(block, row);
                for (bytes, symbols) in bytes.chunks_exact_mut(16).zip(code.chunks(32)) {
                    for (j, byte) in bytes.iter_mut().enumerate() {
                        let at = |j: usize| symbols.get(j).copied().unwrap_or(0);
                        *byte = at(j) & 15 | at(j + 16) << 4;
                    }
                }
            }
            Self::Rows8 { symbols } => self.row_mut(block, row)[..symbols].copy_from_slice(code),
        }
        Ok(())
    }

    /// Takes the code of one row out of its block. O(symbols).
    ///
    /// # Errors
    /// As for [`write`](Self::write).
    pub fn read(self, block: &[u8], row: usize, code: &mut [u8]) -> Result<(), Error> {
        self.check(block, row, code)?;
        let bytes = self.row_bytes();
        let line = &block[row * bytes..(row + 1) * bytes];
        match self {
            Self::Sixes { bits, .. } => {
                let groups = code.chunks_mut(symbols_of_a_group(bits)).zip(read_planes::<6>(block, row));
                for (symbols, value) in groups {
                    for (i, symbol) in symbols.iter_mut().enumerate() {
                        *symbol = value >> (i * usize::from(bits)) & ((1 << bits) - 1);
                    }
                }
            }
            Self::Nibbles { .. } => copy(read_planes::<4>(block, row), code),
            Self::Bytes { .. } => copy(read_planes::<8>(block, row), code),
            Self::Rows1 { .. } => {
                for (i, symbol) in code.iter_mut().enumerate() {
                    *symbol = line[i / 8] >> (i % 8) & 1;
                }
            }
            Self::Rows4 { .. } => {
                for (i, symbol) in code.iter_mut().enumerate() {
                    *symbol = line[i / 32 * 16 + i % 16] >> (i % 32 / 16 * 4) & 15;
                }
            }
            Self::Rows8 { symbols } => code.copy_from_slice(&line[..symbols]),
        }
        Ok(())
    }

    fn check(self, block: &[u8], row: usize, code: &[u8]) -> Result<(), Error> {
        expect_len("block", self.block_bytes(), block.len())?;
        expect_len("code", self.symbols(), code.len())?;
        if row >= BLOCK_ROWS {
            return Err(Error::Parameter { argument: "row", value: row, expected: "0 to 63" });
        }
        Ok(())
    }

    fn row_mut(self, block: &mut [u8], row: usize) -> &mut [u8] {
        let bytes = self.row_bytes();
        &mut block[row * bytes..(row + 1) * bytes]
    }
}

/// Symbols of a group of six bits.
pub(super) fn symbols_of_a_group(bits: u8) -> usize {
    // Only the quantisers of this crate choose `bits`, but the variant is public.
    6 / usize::from(bits.clamp(1, 6))
}

fn group(symbols: &[u8], bits: u8) -> u8 {
    symbols.iter().rev().fold(0, |value, symbol| value << bits | symbol & ((1 << bits) - 1))
}

/// Bytes of the planes that four codes of `BITS` bits take: one a row.
const fn unit_bytes<const BITS: usize>() -> usize {
    4 * BITS / 8 * BLOCK_ROWS
}

/// Puts codes of `BITS` bits into the planes of one row.
fn write_planes<const BITS: usize>(
    block: &mut [u8],
    row: usize,
    mut codes: impl Iterator<Item = u8>,
) -> Result<(), Error> {
    for unit in block.chunks_exact_mut(unit_bytes::<BITS>()) {
        let four = std::array::from_fn::<u8, 4, _>(|_| codes.next().unwrap_or(0));
        BlockedCodes::<BITS>::write_row(unit, row, &four)?;
    }
    Ok(())
}

/// What [`write_planes`] put there.
fn read_planes<const BITS: usize>(block: &[u8], row: usize) -> impl Iterator<Item = u8> {
    let codes = move |unit| (0..4).filter_map(move |at| BlockedCodes::<BITS>::code(unit, 4, row, at));
    block.chunks_exact(unit_bytes::<BITS>()).flat_map(codes)
}

fn copy(from: impl Iterator<Item = u8>, to: &mut [u8]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to = from);
}
