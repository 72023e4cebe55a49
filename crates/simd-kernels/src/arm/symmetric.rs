//! Measures of two vectors of one type: everything of a [`Step`] that does not depend on the measure.

use std::marker::PhantomData;

use super::load::Load;
use super::sums::Sums;
use crate::drive::Step;
use crate::element::Element;

/// A measure whose query and rows are held alike and whose sums need no correction.
pub(super) trait Symmetric {
    /// What vectors are made of.
    type Elem: Element;
    /// How they are held.
    type Vec: Load<Self::Elem>;
    /// Running sums of one row.
    type Acc: Sums;

    /// # Safety
    /// The CPU must have the tier's features.
    unsafe fn step(acc: Self::Acc, query: Self::Vec, row: Self::Vec) -> Self::Acc;
}

/// The [`Step`] of a symmetric measure.
pub(super) struct Alike<M>(PhantomData<M>);

// SAFETY: `Load` reads exactly the elements that it states.
unsafe impl<M: Symmetric> Step for Alike<M> {
    type Query = M::Elem;
    type Elem = M::Elem;
    type Out = <M::Acc as Sums>::Total;
    type QueryVec = M::Vec;
    type RowVec = M::Vec;
    type Acc = M::Acc;
    type Context = ();
    const WIDTH: usize = M::Vec::WIDTH;

    #[inline(always)]
    unsafe fn load_query(from: *const M::Elem) -> M::Vec {
        // SAFETY: the same contract, here and in the other loads.
        unsafe { M::Vec::load(from) }
    }
    #[inline(always)]
    unsafe fn load_query_partial(from: *const M::Elem, n: usize) -> M::Vec {
        // SAFETY: as above.
        unsafe { M::Vec::load_partial(from, n) }
    }
    #[inline(always)]
    unsafe fn load_row(from: *const M::Elem) -> M::Vec {
        // SAFETY: as above.
        unsafe { M::Vec::load(from) }
    }
    #[inline(always)]
    unsafe fn load_row_partial(from: *const M::Elem, n: usize) -> M::Vec {
        // SAFETY: as above.
        unsafe { M::Vec::load_partial(from, n) }
    }
    #[inline(always)]
    unsafe fn context(_: *const M::Elem, _: usize) {}
    #[inline(always)]
    unsafe fn zero() -> M::Acc {
        // SAFETY: the caller vouches for the tier's features, here and below.
        unsafe { M::Acc::zero() }
    }
    #[inline(always)]
    unsafe fn step(acc: M::Acc, query: M::Vec, row: M::Vec) -> M::Acc {
        // SAFETY: as above.
        unsafe { M::step(acc, query, row) }
    }
    #[inline(always)]
    unsafe fn merge(a: M::Acc, b: M::Acc) -> M::Acc {
        // SAFETY: as above.
        unsafe { M::Acc::merge(a, b) }
    }
    #[inline(always)]
    unsafe fn finish(acc: M::Acc, (): ()) -> Self::Out {
        // SAFETY: as above.
        unsafe { acc.total() }
    }
    #[inline(always)]
    unsafe fn finish4(acc: [M::Acc; 4], (): ()) -> [Self::Out; 4] {
        // SAFETY: as above.
        unsafe { M::Acc::totals(acc) }
    }
}
