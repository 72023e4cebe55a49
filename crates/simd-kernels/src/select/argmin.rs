//! The least value and where it is.

use super::{Compare, Ordered};

/// Registers whose least value is found without asking where it is.
const STRETCH: usize = 32;

/// The place and value of the least value.
///
/// Only values are compared in the inner loop, one instruction a register in four independent chains; which
/// stretch brought the least value is noted once a stretch, and that stretch is searched at the end.
#[inline(always)]
pub(crate) fn argmin<T: Ordered, C: Compare<T>>(c: C, values: &[T]) -> Option<(usize, T)> {
    let (from, len) = (values.as_ptr(), values.len());
    let stretch = STRETCH * C::WIDTH;
    let mut best = T::GREATEST;
    let (mut start, mut end) = (0, len);
    let mut at = 0;
    while at + 4 * C::WIDTH <= len {
        let stop = (at + stretch).min(len);
        let begun = at;
        let mut least = [c.splat(best); 4];
        while at + 4 * C::WIDTH <= stop {
            for (index, least) in least.iter_mut().enumerate() {
                // SAFETY: four whole registers from `at` lie below `stop <= len`.
                let x = unsafe { c.load(from.add(at + index * C::WIDTH)) };
                *least = c.least(x, *least);
            }
            at += 4 * C::WIDTH;
        }
        let two = [c.least(least[0], least[1]), c.least(least[2], least[3])];
        let one = c.least(two[0], two[1]);
        if c.below(one, c.splat(best)) != 0 {
            (start, end) = (begun, at);
            for &lane in c.lanes(one).iter().take(C::WIDTH) {
                best = if lane < best { lane } else { best };
            }
        }
    }
    let mut of_tail = None;
    while at < len {
        // SAFETY: `at < len`.
        let value = unsafe { from.add(at).read() };
        if value < best {
            best = value;
            of_tail = Some((at, value));
        }
        at += 1;
    }
    if of_tail.is_some() {
        return of_tail;
    }
    // If nothing below `GREATEST` was found, `best` is that, and all places are searched for it.
    let wanted = c.splat(best);
    let mut at = start;
    while at + C::WIDTH <= end {
        // SAFETY: one whole register from `at` lies below `end <= len`.
        let bits = c.equal(unsafe { c.load(from.add(at)) }, wanted);
        if bits != 0 {
            let place = at + bits.trailing_zeros() as usize;
            // SAFETY: the place is a lane of that register.
            return Some((place, unsafe { from.add(place).read() }));
        }
        at += C::WIDTH;
    }
    while at < end {
        // SAFETY: `at < end <= len`.
        let value = unsafe { from.add(at).read() };
        if value == best {
            return Some((at, value));
        }
        at += 1;
    }
    None
}
