//! The k least values.

use super::{Compare, Ordered};

/// Registers that are tested together.
const TOGETHER: usize = 4;

/// Fills `ids` and `out` with the least values and their ids, sorted; returns how many. The outputs are a heap
/// with the worst of the kept values on top while values are read.
///
/// # Safety
/// `ids` and `out` must be equally long, and `0 < ids.len() <= values.len()`.
#[inline(always)]
pub(crate) unsafe fn top_k<T: Ordered, C: Compare<T>>(
    c: C,
    values: &[T],
    base_id: u32,
    ids: &mut [u32],
    out: &mut [T],
) -> usize {
    let (from, len) = (values.as_ptr(), values.len());
    let heap = Heap { ids: ids.as_mut_ptr(), values: out.as_mut_ptr() };
    let k = ids.len();
    // SAFETY: offsets into `values` stay below `len`, those into the heap below `k`.
    unsafe {
        let (mut at, mut held) = (0, 0);
        while at < len && held < k {
            let value = from.add(at).read();
            // Only NaN differs from itself.
            if value.partial_cmp(&value).is_some() {
                // Volatile, or for integers the compiler would make the loop a call that copies memory.
                heap.values.add(held).write_volatile(value);
                heap.ids.add(held).write(base_id.wrapping_add(at as u32));
                held += 1;
            }
            at += 1;
        }
        if held == k {
            for node in (0..k / 2).rev() {
                heap.sink(node, k);
            }
            // Ids rise, so a value that equals the worst one never replaces it.
            let mut worst = heap.values.read();
            let mut limits = c.splat(worst);
            while at + TOGETHER * C::WIDTH <= len {
                let mut hits = 0;
                for index in 0..TOGETHER {
                    let x = c.load(from.add(at + index * C::WIDTH));
                    hits |= u64::from(c.below(x, limits)) << (index * C::WIDTH);
                }
                while hits != 0 {
                    let place = at + hits.trailing_zeros() as usize;
                    hits &= hits - 1;
                    let value = from.add(place).read();
                    // The limit may have fallen since the registers were compared.
                    if value < worst {
                        heap.write(0, value, base_id.wrapping_add(place as u32));
                        heap.sink(0, k);
                        worst = heap.values.read();
                        limits = c.splat(worst);
                    }
                }
                at += TOGETHER * C::WIDTH;
            }
            while at < len {
                let value = from.add(at).read();
                if value < worst {
                    heap.write(0, value, base_id.wrapping_add(at as u32));
                    heap.sink(0, k);
                    worst = heap.values.read();
                }
                at += 1;
            }
        } else {
            for node in (0..held / 2).rev() {
                heap.sink(node, held);
            }
        }
        // The worst goes to the end, until the heap is used up.
        let mut left = held;
        while left > 1 {
            left -= 1;
            heap.swap(0, left);
            heap.sink(0, left);
        }
        let mut at = 0;
        while at < len && held < k {
            let value = from.add(at).read();
            if value.partial_cmp(&value).is_none() {
                heap.write(held, value, base_id.wrapping_add(at as u32));
                held += 1;
            }
            at += 1;
        }
        held
    }
}

/// A binary heap in two parallel arrays, the greatest (value, id) at 0.
#[derive(Clone, Copy)]
struct Heap<T> {
    ids: *mut u32,
    values: *mut T,
}

impl<T: Ordered> Heap<T> {
    /// # Safety
    /// `node` must be within both arrays.
    #[inline(always)]
    unsafe fn write(self, node: usize, value: T, id: u32) {
        // SAFETY: the caller vouches for `node`.
        unsafe {
            self.values.add(node).write(value);
            self.ids.add(node).write(id);
        }
    }

    /// # Safety
    /// Both nodes must be within both arrays.
    #[inline(always)]
    unsafe fn swap(self, a: usize, b: usize) {
        // SAFETY: the caller vouches for the nodes.
        unsafe {
            let (value, id) = (self.values.add(a).read(), self.ids.add(a).read());
            self.write(a, self.values.add(b).read(), self.ids.add(b).read());
            self.write(b, value, id);
        }
    }

    /// Moves the entry at `node` down to where neither child is greater.
    ///
    /// # Safety
    /// Both arrays must hold `len` entries, `node < len`.
    #[inline(always)]
    unsafe fn sink(self, mut node: usize, len: usize) {
        // SAFETY: every child looked at is below `len`.
        unsafe {
            let (value, id) = (self.values.add(node).read(), self.ids.add(node).read());
            loop {
                let mut child = 2 * node + 1;
                if child >= len {
                    break;
                }
                let right = child + 1;
                if right < len
                    && self.is_less(child, self.values.add(right).read(), self.ids.add(right).read())
                {
                    child = right;
                }
                let (greater, its_id) = (self.values.add(child).read(), self.ids.add(child).read());
                if !(value < greater || value == greater && id < its_id) {
                    break;
                }
                self.write(node, greater, its_id);
                node = child;
            }
            self.write(node, value, id);
        }
    }

    /// # Safety
    /// `node` must be within both arrays.
    #[inline(always)]
    unsafe fn is_less(self, node: usize, value: T, id: u32) -> bool {
        // SAFETY: the caller vouches for `node`.
        let (own, own_id) = unsafe { (self.values.add(node).read(), self.ids.add(node).read()) };
        own < value || own == value && own_id < id
    }
}
