//! The last few bytes of a vector, read without reading past them.

/// The `n <= 16` bytes at `from`, followed by zeros.
///
/// Two overlapping reads cover every length of at least four, so there is no loop and no call to `memcpy`,
/// which for a handful of bytes would cost more than the distance itself.
///
/// # Safety
/// `from` must be readable for `n` bytes.
#[inline(always)]
pub(crate) unsafe fn read_partial(from: *const u8, n: usize) -> u128 {
    // SAFETY: each branch reads only offsets below `n`.
    unsafe {
        if n >= 16 {
            u128::from_le_bytes(from.cast::<[u8; 16]>().read())
        } else if n >= 8 {
            let low = u64::from_le_bytes(from.cast::<[u8; 8]>().read());
            let last = u64::from_le_bytes(from.add(n - 8).cast::<[u8; 8]>().read());
            // In two steps, because eight bytes leave none for the upper half. Shifting 128 bits costs more.
            let high = last >> (8 * (15 - n)) >> 8;
            u128::from(low) | u128::from(high) << 64
        } else if n >= 4 {
            let low = u32::from_le_bytes(from.cast::<[u8; 4]>().read());
            let high = u32::from_le_bytes(from.add(n - 4).cast::<[u8; 4]>().read());
            u128::from(u64::from(low) | u64::from(high) << (8 * (n - 4)))
        } else if n > 0 {
            // First, middle and last byte: for one or two bytes some of them are the same.
            let (first, middle, last) = (from.read(), from.add(n / 2).read(), from.add(n - 1).read());
            u128::from(
                u32::from(first) | u32::from(middle) << (8 * (n / 2)) | u32::from(last) << (8 * (n - 1)),
            )
        } else {
            0
        }
    }
}

/// The `n <= 32` bytes at `from`, followed by zeros.
///
/// # Safety
/// `from` must be readable for `n` bytes.
#[inline(always)]
pub(crate) unsafe fn read_partial_32(from: *const u8, n: usize) -> [u128; 2] {
    // SAFETY: the two halves together read `n` bytes.
    unsafe {
        if n <= 16 {
            [read_partial(from, n), 0]
        } else {
            [read_partial(from, 16), read_partial(from.add(16), n - 16)]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_reads_its_bytes_and_zeros() {
        let bytes: Vec<u8> = (1..=32).collect();
        for n in 0..=32 {
            // An exact allocation, so that a sanitizer sees any byte read beyond it.
            let exact: Box<[u8]> = bytes[..n].into();
            let mut expected = [0u8; 32];
            expected[..n].copy_from_slice(&exact);
            // SAFETY: `exact` holds `n` bytes.
            let read = unsafe { read_partial_32(exact.as_ptr(), n) };
            assert_eq!(read.map(u128::to_le_bytes).concat(), expected, "{n}");
        }
    }
}
