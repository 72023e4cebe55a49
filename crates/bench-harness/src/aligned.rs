//! A vector whose first element lies on a cache line, without `unsafe`: a little more is allocated and the
//! aligned part used.

/// Alignment in bytes: a cache line, and the widest vector register.
const LINE: usize = 64;

/// `len` elements that start on a 64-byte boundary.
#[derive(Debug, Default)]
pub struct Aligned<T> {
    data: Vec<T>,
    start: usize,
    len: usize,
}

impl<T: bytemuck::Pod> Aligned<T> {
    /// `len` elements, element `i` being `value(i)`.
    pub fn filled_by(len: usize, mut value: impl FnMut(usize) -> T) -> Self {
        let spare = LINE / size_of::<T>().max(1);
        let mut data: Vec<T> = Vec::with_capacity(len + spare);
        // The allocation stays where it is from here on, because it never grows past its capacity. An allocator
        // for which the offset cannot be told gives unaligned data, which is slower and not wrong.
        let start = data.as_ptr().align_offset(LINE).min(spare);
        data.resize(start, T::zeroed());
        data.extend((0..len).map(&mut value));
        Self { data, start, len }
    }

    /// A copy of `from`.
    pub fn copied(from: &[T]) -> Self {
        let spare = LINE / size_of::<T>().max(1);
        let mut data: Vec<T> = Vec::with_capacity(from.len() + spare);
        let start = data.as_ptr().align_offset(LINE).min(spare);
        data.resize(start, T::zeroed());
        data.extend_from_slice(from);
        Self { data, start, len: from.len() }
    }

    /// The elements.
    pub fn as_slice(&self) -> &[T] {
        self.data.get(self.start..self.start + self.len).unwrap_or(&[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_start_on_a_cache_line() {
        for len in [0, 1, 7, 64, 1000] {
            let numbers = Aligned::filled_by(len, |index| index as u16);
            assert_eq!(numbers.as_slice().len(), len);
            assert_eq!(numbers.as_slice().as_ptr() as usize % LINE, 0);
            assert!(numbers.as_slice().iter().enumerate().all(|(index, &value)| value == index as u16));
            assert_eq!(Aligned::copied(numbers.as_slice()).as_slice(), numbers.as_slice());
        }
    }
}
