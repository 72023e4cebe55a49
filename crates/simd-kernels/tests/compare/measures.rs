//! Every measure of every type, with its truth and its bound.

use simd_kernels::{Distance, Element, Kernels, Measure, bf16, f16, reference};

use super::{Plan, Random, Tally, Truth, element, lengths, measure};

/// All measures of one table.
pub(super) fn of_table(kernels: &'static Kernels, tally: &mut Tally) {
    distances::<f32>(kernels, tally);
    distances::<f64>(kernels, tally);
    distances::<f16>(kernels, tally);
    distances::<bf16>(kernels, tally);
    distances::<u8>(kernels, tally);
    distances::<i8>(kernels, tally);
    bits_and_codes(kernels, tally);
}

fn distances<T: Element>(kernels: &'static Kernels, tally: &mut Tally) {
    for kind in Measure::ALL {
        measure(&plan_of::<T>(kind, &|a, b| truth::<T>(kind, a, b)), kernels.forms::<T>(kind), tally);
    }
    for dim in lengths() {
        let mut random = Random(dim as u64);
        let mut draw = |len: usize| -> Vec<T> { (0..len).map(|_| element(random.next())).collect() };
        let (a, b) = (draw(dim + 3), draw(dim + 5));
        cosine(kernels, &a[dim % 3..][..dim], &b[dim % 5..][..dim], tally);
    }
    cosine(kernels, &[T::from_f64(0.0); 9], &[T::from_f64(1.0); 9], tally);
    cosine(kernels, &[T::from_f64(1.0); 33], &[T::from_f64(0.0); 33], tally);
}

/// The plan of one distance of one type.
pub(super) fn plan_of<'a, T: Element>(
    kind: Measure,
    truth: &'a dyn Fn(&[T], &[T]) -> Truth,
) -> Plan<'a, T, T> {
    let name = format!("{}_{}", kind.name(), T::NAME);
    Plan { name, pack: 1, granule: 1, query: element, row: element, truth }
}

/// The truth about one pair, and the published bound.
pub(super) fn truth<T: Element>(kind: Measure, a: &[T], b: &[T]) -> Truth {
    let (value, magnitude) = (reference::measure(kind, a, b), reference::magnitude(kind, a, b));
    let steps = a.len().div_ceil(4) as f64 + 16.0;
    let tolerance = match T::NAME {
        "u8" | "i8" => 0.0,
        // The truth is itself a sum of `f64`s, rounded once per dimension.
        "f64" => (steps + a.len() as f64) * f64::EPSILON * magnitude,
        // Below the normal range the spacing of values no longer shrinks with them.
        _ => {
            let spacing = f64::from(f32::MIN_POSITIVE) * f64::from(f32::EPSILON);
            steps * f64::from(f32::EPSILON) * magnitude + a.len() as f64 * spacing
        }
    };
    Truth { value, tolerance }
}

/// Compares one cosine: three sums, each within its bound, relative to the two norms.
pub(super) fn cosine<T: Element>(kernels: &'static Kernels, a: &[T], b: &[T], tally: &mut Tally) {
    // A squared norm that underflows in the accumulator's type is one of a vector without length.
    let underflows = |x| (1e-300..1e-30).contains(&reference::measure(Measure::InnerProduct, x, x));
    if underflows(a) || underflows(b) {
        return;
    }
    tally.comparisons += 1;
    let expected = reference::cosine(a, b);
    let steps = 2.0 * (a.len().div_ceil(4) as f64 + 16.0);
    let tolerance = match T::NAME {
        "f64" => (steps + 2.0 * a.len() as f64) * f64::EPSILON,
        _ => steps * f64::from(f32::EPSILON),
    };
    match kernels.cosine(a, b).map(Distance::to_f64) {
        Ok(actual) if (actual - expected).abs() <= tolerance || (actual.is_nan() && expected.is_nan()) => {}
        answer => tally.failures.push(format!(
            "cosine_{} at dimension {}: {answer:?}, expected {expected:e}",
            T::NAME,
            a.len()
        )),
    }
}

fn bits_and_codes(kernels: &'static Kernels, tally: &mut Tally) {
    let plan = |name: &str, truth| Plan {
        name: name.to_owned(),
        pack: 1,
        granule: 1,
        query: element::<u8>,
        row: element::<u8>,
        truth,
    };
    let exact = |value| Truth { value, tolerance: 0.0 };
    let hamming = move |a: &[u8], b: &[u8]| exact(f64::from(reference::hamming(a, b)));
    measure(&plan("hamming_bits", &hamming), kernels.hamming(), tally);
    let jaccard = move |a: &[u8], b: &[u8]| exact(f64::from(reference::jaccard(a, b)));
    measure(&plan("jaccard_bits", &jaccard), kernels.jaccard(), tally);

    let codes = |name: &str, pack, granule, truth| Plan {
        name: name.to_owned(),
        pack,
        granule,
        query: element::<i8>,
        row: element::<u8>,
        truth,
    };
    let codes_u8 = move |a: &[i8], b: &[u8]| exact(f64::from(reference::codes_u8(a, b)));
    measure(&codes("codes_u8", 1, 1, &codes_u8), kernels.codes_u8(), tally);
    let codes_u4 = move |a: &[i8], b: &[u8]| exact(f64::from(reference::codes_u4(a, b)));
    measure(&codes("codes_u4", 2, 32, &codes_u4), kernels.codes_u4(), tally);
    // Any bits are a query of codes of mixed width: what does not count of its masks and shifts is at random too.
    let codes_mixed = move |a: &[i8], b: &[u8]| exact(f64::from(reference::codes_mixed(a, b)));
    measure(&codes("codes_mixed", 5, 320, &codes_mixed), kernels.codes_mixed(), tally);
}
