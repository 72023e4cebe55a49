//! Bytes with a known length: every size is compared with what is left before anything is allocated.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use bytemuck::Pod;

use super::fault::Fault;
use crate::vectors::Matrix;

/// The order of the bytes of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Little,
    Big,
}

/// A reader that knows how much it holds.
pub(crate) struct Input<R> {
    reader: R,
    len: u64,
    at: u64,
}

impl Input<BufReader<File>> {
    pub(crate) fn open(path: &Path) -> Result<Self, Fault> {
        let file = File::open(path).map_err(Fault::Io)?;
        let meta = file.metadata().map_err(Fault::Io)?;
        if !meta.is_file() {
            return Err(Fault::NotAFile);
        }
        Ok(Self { reader: BufReader::with_capacity(1 << 16, file), len: meta.len(), at: 0 })
    }
}

impl<'a> Input<&'a [u8]> {
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        Self { reader: bytes, len: bytes.len() as u64, at: 0 }
    }
}

impl<R: Read> Input<R> {
    /// Bytes of the whole file.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Bytes not yet read.
    pub(crate) fn remaining(&self) -> u64 {
        self.len - self.at
    }

    /// Refuses a file that does not end `bytes` after the present place.
    pub(crate) fn expect_exactly(&self, what: &str, bytes: u64) -> Result<(), Fault> {
        let remaining = self.remaining();
        if remaining < bytes {
            return Err(Fault::Truncated { what: what.to_owned(), expected: bytes, actual: remaining });
        }
        if remaining > bytes {
            return Err(Fault::Trailing { expected: self.at + bytes, extra: remaining - bytes });
        }
        Ok(())
    }

    /// The next `N` bytes.
    pub(crate) fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], Fault> {
        let mut bytes = [0; N];
        self.fill(what, &mut bytes)?;
        Ok(bytes)
    }

    /// The next bytes, as many as `into` holds.
    pub(crate) fn fill(&mut self, what: &str, into: &mut [u8]) -> Result<(), Fault> {
        let expected = into.len() as u64;
        if self.remaining() < expected {
            return Err(Fault::Truncated { what: what.to_owned(), expected, actual: self.remaining() });
        }
        self.reader.read_exact(into).map_err(Fault::Io)?;
        self.at += expected;
        Ok(())
    }

    /// The next `count` numbers, allocated once, after their size was compared with what is left.
    pub(crate) fn numbers<T: Pod>(&mut self, what: &str, count: u64, order: Order) -> Result<Vec<T>, Fault> {
        let bytes = product(&[count, size_of::<T>() as u64])?;
        if self.remaining() < bytes {
            let actual = self.remaining();
            return Err(Fault::Truncated { what: what.to_owned(), expected: bytes, actual });
        }
        let mut values = reserve::<T>(count)?;
        values.resize(count as usize, T::zeroed());
        let raw: &mut [u8] = bytemuck::cast_slice_mut(&mut values);
        self.fill(what, raw)?;
        to_native(raw, size_of::<T>(), order);
        Ok(values)
    }

    /// The next `rows` rows of `dim` numbers, or the first `limit` of them.
    pub(crate) fn matrix<T: Pod>(
        &mut self,
        rows: u64,
        dim: u64,
        order: Order,
        limit: Option<usize>,
    ) -> Result<Matrix<T>, Fault> {
        let rows = limit.map_or(rows, |limit| rows.min(limit as u64));
        let values = self.numbers("the rows", product(&[rows, dim])?, order)?;
        Ok(Matrix::new(values, dim as usize)?)
    }
}

/// The product, or a fault when it does not fit.
pub(crate) fn product(factors: &[u64]) -> Result<u64, Fault> {
    factors
        .iter()
        .try_fold(1u64, |product, &factor| product.checked_mul(factor))
        .filter(|&product| usize::try_from(product).is_ok())
        .ok_or(Fault::Overflow)
}

/// Room for `count` values.
pub(crate) fn reserve<T>(count: u64) -> Result<Vec<T>, Fault> {
    let bytes = product(&[count, size_of::<T>() as u64])?;
    let mut values = Vec::new();
    values.try_reserve_exact(count as usize).map_err(|_| Fault::Memory { bytes })?;
    Ok(values)
}

fn to_native(bytes: &mut [u8], size: usize, order: Order) {
    let native = if cfg!(target_endian = "little") { Order::Little } else { Order::Big };
    if order != native && size > 1 {
        for number in bytes.chunks_exact_mut(size) {
            number.reverse();
        }
    }
}
