//! One vector against one.

use super::Step;
use crate::element::{Distance, Element};

/// The measure of one pair, with `U` accumulators.
///
/// # Safety
/// `query` must hold the dimensions that `row` holds; the tier's features must be there.
#[inline(always)]
pub(crate) unsafe fn pair<S: Step, const U: usize>(query: &[S::Query], row: &[S::Elem]) -> S::Out {
    let dim = query.len();
    let (query, row) = (query.as_ptr(), row.as_ptr());
    // SAFETY: every offset stays below `dim`, which both slices hold.
    unsafe {
        let mut acc = [S::zero(); U];
        let mut at = 0;
        while at + U * S::WIDTH <= dim {
            for (lane, acc) in acc.iter_mut().enumerate() {
                let at = at + lane * S::WIDTH;
                *acc = S::step(*acc, S::load_query(query.add(at)), S::load_row(row.add(at / S::PACK)));
            }
            at += U * S::WIDTH;
        }
        // What is left is less than U vectors: give each its own accumulator again.
        for acc in &mut acc {
            if at + S::WIDTH <= dim {
                *acc = S::step(*acc, S::load_query(query.add(at)), S::load_row(row.add(at / S::PACK)));
                at += S::WIDTH;
            }
        }
        if S::HAS_TAIL && at < dim {
            let n = dim - at;
            let last = &mut acc[U - 1];
            *last = S::step(
                *last,
                S::load_query_partial(query.add(at), n),
                S::load_row_partial(row.add(at / S::PACK), n),
            );
        }
        let mut width = U;
        while width > 1 {
            width /= 2;
            for lane in 0..width {
                acc[lane] = S::merge(acc[lane], acc[lane + width]);
            }
        }
        S::finish(acc[0], S::context(query, dim))
    }
}

/// The cosine of the angle between two vectors, from the tier's inner-product step; 0 if either has no length.
///
/// # Safety
/// Both slices must be equally long; the tier's features must be there.
#[inline(always)]
pub(crate) unsafe fn cosine<S, E>(a: &[E], b: &[E]) -> E::Real
where
    E: Element,
    S: Step<Query = E, Elem = E>,
{
    let dim = a.len();
    let (a, b) = (a.as_ptr(), b.as_ptr());
    // SAFETY: every offset stays below `dim`, which both slices hold.
    unsafe {
        // Two accumulators for each of the three products: six chains cover the multiply-add's latency.
        let (mut ab, mut aa, mut bb) = ([S::zero(); 2], [S::zero(); 2], [S::zero(); 2]);
        let mut at = 0;
        while at + 2 * S::WIDTH <= dim {
            // Unrolled: an accumulator that is picked at run time would live in memory.
            for lane in 0..2 {
                let (x, y) = (a.add(at + lane * S::WIDTH), b.add(at + lane * S::WIDTH));
                ab[lane] = S::step(ab[lane], S::load_query(x), S::load_row(y));
                aa[lane] = S::step(aa[lane], S::load_query(x), S::load_row(x));
                bb[lane] = S::step(bb[lane], S::load_query(y), S::load_row(y));
            }
            at += 2 * S::WIDTH;
        }
        if at + S::WIDTH <= dim {
            let (x, y) = (a.add(at), b.add(at));
            ab[0] = S::step(ab[0], S::load_query(x), S::load_row(y));
            aa[0] = S::step(aa[0], S::load_query(x), S::load_row(x));
            bb[0] = S::step(bb[0], S::load_query(y), S::load_row(y));
            at += S::WIDTH;
        }
        if at < dim {
            let n = dim - at;
            let (x, y) = (a.add(at), b.add(at));
            ab[1] = S::step(ab[1], S::load_query_partial(x, n), S::load_row_partial(y, n));
            aa[1] = S::step(aa[1], S::load_query_partial(x, n), S::load_row_partial(x, n));
            bb[1] = S::step(bb[1], S::load_query_partial(y, n), S::load_row_partial(y, n));
        }
        let (of_a, of_b) = (S::context(a, dim), S::context(b, dim));
        let ab = S::finish(S::merge(ab[0], ab[1]), of_a).to_f64();
        let aa = S::finish(S::merge(aa[0], aa[1]), of_a).to_f64();
        let bb = S::finish(S::merge(bb[0], bb[1]), of_b).to_f64();
        E::Real::from_f64(if aa == 0.0 || bb == 0.0 { 0.0 } else { ab / (aa.sqrt() * bb.sqrt()) })
    }
}
