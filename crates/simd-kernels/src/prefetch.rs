//! Asking for memory before it is needed.

/// Bytes that one prefetch brings in.
const LINE: usize = 64;

/// Asks for the cache lines of the first `bytes` bytes at `from`, for reading, into the first-level cache.
/// Reads nothing, so any address will do.
#[inline(always)]
pub(crate) fn prefetch<T>(from: *const T, bytes: usize) {
    let mut at = 0;
    while at < bytes {
        prefetch_line(from.cast::<u8>().wrapping_add(at));
        at += LINE;
    }
}

#[inline(always)]
fn prefetch_line(line: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch is a hint that touches no memory and cannot fault; SSE is in every x86-64 CPU.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(line.cast());
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: `prfm` is a hint that touches no memory and cannot fault.
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{0}]", in(reg) line, options(nostack, readonly, preserves_flags));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = line;
}

/// Asks for the cache lines that `data` covers, at most `bytes` of them, before they are read.
///
/// A hint: it never faults and changes no result. Use it one step ahead of a read that is bound to miss.
pub fn prefetch_slice<T>(data: &[T], bytes: usize) {
    prefetch(data.as_ptr(), bytes.min(size_of_val(data)));
}
