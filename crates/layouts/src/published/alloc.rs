//! One value on the heap, by an allocation that can say no.

use std::ptr::NonNull;

use crate::error::{Error, no_memory};

/// `value` in memory of its own. `Box::new` would abort where there is none.
pub(super) fn new_box<T>(value: T) -> Result<NonNull<T>, Error> {
    let mut one = Vec::new();
    one.try_reserve_exact(1).map_err(|_| no_memory::<T>(1))?;
    one.push(value);
    Ok(NonNull::from(Box::leak(one.into_boxed_slice())).cast())
}

/// Drops the value and frees its memory.
///
/// # Safety
/// `value` comes from `new_box`, and nobody uses it from now on.
pub(super) unsafe fn free_box<T>(value: NonNull<T>) {
    // SAFETY: `new_box` made it as a boxed slice of one, which has the layout of a boxed `T`; the caller owns it.
    drop(unsafe { Box::from_raw(value.as_ptr()) });
}
