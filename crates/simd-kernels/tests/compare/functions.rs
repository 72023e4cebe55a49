//! exp, sqrt, covariances, the Walsh-Hadamard transform and selection, at every length. Their own tests go
//! deeper; here they run wherever the table runs, on emulated CPUs too.

use simd_kernels::{
    Affine, Band, BandRows, Covariance, Distance, Element, Kernels, LEAST_ESTIMATES, Ordered, PANEL_ROWS,
    Real, reference,
};

use super::{Judge, Random, Tally, Truth};

/// All functions of one table.
pub(super) fn of_table(kernels: &'static Kernels, tally: &mut Tally) {
    math::<f32>(kernels, f64::from(f32::EPSILON), f64::from(f32::MIN_POSITIVE), tally);
    math::<f64>(kernels, f64::EPSILON, f64::MIN_POSITIVE, tally);
    transforms::<f32>(kernels, "walsh_hadamard_f32", tally);
    transforms::<f64>(kernels, "walsh_hadamard_f64", tally);
    selection::<f32>(kernels, "select_f32", tally);
    selection::<f64>(kernels, "select_f64", tally);
    selection::<i32>(kernels, "select_i32", tally);
    estimates(kernels, tally);
    bands(kernels, tally);
    near::<f32>(kernels, "near_f32", tally);
    near::<f64>(kernels, "near_f64", tally);
}

fn draw<T: Distance>(len: usize, scale: f64) -> Vec<T> {
    let mut random = Random(len as u64);
    (0..len).map(|_| T::from_f64((random.next() % 4096) as f64 * scale)).collect()
}

fn math<T: Real + Distance>(kernels: &'static Kernels, epsilon: f64, smallest: f64, tally: &mut Tally) {
    let ulp = reference::math::exp_max_ulp(kernels.tier());
    for len in 1..=70 {
        let x = draw::<T>(len, -0.01);
        let mut judge = Judge { name: T::NAME, dim: len, tally };
        let y = judge.call("exp", len, |out| {
            out.copy_from_slice(&x);
            kernels.exp(out);
            Ok(())
        });
        let exact = |x: T| reference::math::exp(Element::to_f64(x));
        for (at, (&x, y)) in x.iter().zip(y).enumerate() {
            judge.value("exp", at, y, Truth { value: exact(x), tolerance: ulp * epsilon * exact(x) });
        }
        let x = draw::<T>(len, 0.01);
        let y = judge.call("sqrt", len, |out| {
            out.copy_from_slice(&x);
            kernels.sqrt(out);
            Ok(())
        });
        for (at, (&x, y)) in x.iter().zip(y).enumerate() {
            let value = Element::to_f64(x).sqrt();
            judge.value("sqrt", at, y, Truth { value, tolerance: 0.5 * epsilon * value });
        }
        for kind in Covariance::ALL {
            let form = format!("{kind:?}");
            let mut refused = None;
            let y = judge.call(&form, len, |out| {
                out.copy_from_slice(&x);
                refused = kernels
                    .covariance(kind, <T as Element>::from_f64(1.5), <T as Element>::from_f64(2.0), out)
                    .err();
                Ok(())
            });
            if let Some(error) = refused {
                judge.fail(format!("{form} refused valid parameters: {error}"));
            }
            for (at, (&x, y)) in x.iter().zip(y).enumerate() {
                let r2 = Element::to_f64(x);
                let value = reference::math::covariance(kind, 1.5, 2.0, r2);
                let tolerance = reference::math::covariance_bound(kind, 1.5, 2.0, r2, epsilon, smallest);
                judge.value(&form, at, y, Truth { value, tolerance });
            }
        }
    }
}

fn transforms<T: Real + Distance>(kernels: &'static Kernels, name: &str, tally: &mut Tally) {
    for len in (0..=14).map(|log| 1 << log) {
        let x = draw::<T>(len, 0.37);
        let signs: Vec<u64> = (0..len.div_ceil(64) as u64).map(|word| Random(word).next()).collect();
        let mut expected = x.clone();
        reference::wht::walsh_hadamard(&mut expected, Some(&signs), <T as Element>::from_f64(0.25));
        let mut judge = Judge { name, dim: len, tally };
        let y = judge.call("", len, |out| {
            out.copy_from_slice(&x);
            kernels.walsh_hadamard(out, Some(&signs), <T as Element>::from_f64(0.25))
        });
        for (at, (y, expected)) in y.into_iter().zip(expected).enumerate() {
            judge.value("", at, y, Truth { value: Element::to_f64(expected), tolerance: 0.0 });
        }
    }
}

fn selection<T: Ordered>(kernels: &'static Kernels, name: &str, tally: &mut Tally) {
    for len in 1..=150 {
        let values = draw::<T>(len, 1.0);
        let threshold = T::from_f64(1000.0);
        let mut judge = Judge { name, dim: len, tally };
        let mut ids = vec![0; len];
        let mut count = 0;
        let kept = judge.call("select_below", len, |out| {
            count = kernels.select_below(&values, threshold, 5, &mut ids, out)?;
            Ok(())
        });
        let expected = reference::select::select_below(&values, threshold);
        judge.chosen("select_below", &ids[..count], &kept[..count], &expected);
        let argmin: Vec<_> = kernels.argmin(&values).into_iter().collect();
        let (place, least): (Vec<_>, Vec<_>) =
            argmin.into_iter().map(|(at, value)| (at as u32 + 5, value)).unzip();
        let expected: Vec<_> = reference::select::argmin(&values).into_iter().collect();
        judge.chosen("argmin", &place, &least, &expected);
        for k in [1, 10] {
            let mut ids = vec![0; k];
            let least = judge.call("top_k", k, |out| {
                count = kernels.top_k(&values, 5, k, &mut ids, out)?;
                Ok(())
            });
            let expected = reference::select::top_k(&values, k);
            judge.chosen("top_k", &ids[..count], &least[..count], &expected);
        }
    }
}

fn estimates(kernels: &'static Kernels, tally: &mut Tally) {
    let line = Affine { base: 30.25, slope: 0.37 };
    for len in 1..=150 {
        let sums: Vec<i32> = draw::<f32>(len, 1.0).iter().map(|&x| x as i32).collect();
        let adds = draw::<f32>(len, 0.3);
        let threshold = line.estimate(sums[len / 2], adds[len / 2]);
        let mut judge = Judge { name: "select_estimates_below_f32", dim: len, tally };
        let (mut ids, mut count) = (vec![0; len], 0);
        let kept = judge.call("", len, |out| {
            count = kernels.select_estimates_below(&sums, &adds, line, threshold, &mut ids, out)?;
            Ok(())
        });
        // The judge expects ids from 5 on.
        ids.iter_mut().for_each(|id| *id = id.wrapping_add(5));
        let expected = reference::select::select_estimates_below(&sums, &adds, line, threshold);
        judge.chosen("", &ids[..count], &kept[..count], &expected);
        let mut judge = Judge { name: "least_estimates_f32", dim: len, tally };
        let least = judge.call("", LEAST_ESTIMATES, |out| {
            let mut least = [0.0; LEAST_ESTIMATES];
            kernels.least_estimates(&sums, &adds, line, &mut least)?;
            out.copy_from_slice(&least);
            Ok(())
        });
        let ids: Vec<u32> = (5..).take(least.len()).collect();
        let expected: Vec<_> =
            reference::select::least_estimates(&sums, &adds, line).into_iter().enumerate().collect();
        judge.chosen("", &ids, &least, &expected);
    }
}

fn bands(kernels: &'static Kernels, tally: &mut Tally) {
    let band = Band { weight: 0.7, base: -0.21, slope: 0.03, remainder: 1.3, slack: 0.01 };
    for len in 1..=150 {
        let sums: Vec<i32> = draw::<f32>(len, 40.0).iter().map(|&x| x as i32).collect();
        let [minuends, remainders, scales] = &[0.9, 0.3, 0.2].map(|spread| draw::<f32>(len, spread));
        for minuends in [None, Some(&minuends[..])] {
            let rows = BandRows { sums: &sums, minuends, remainders, scales };
            let all = reference::select::select_bands_reaching(rows, band, f32::NEG_INFINITY);
            let level = all[len / 2].1;
            let mut judge = Judge { name: "select_bands_reaching_f32", dim: len, tally };
            let (mut ids, mut count) = (vec![0; len], 0);
            let kept = judge.call("", len, |out| {
                count = kernels.select_bands_reaching(rows, band, level, &mut ids, out)?;
                Ok(())
            });
            // The judge expects ids from 5 on.
            ids.iter_mut().for_each(|id| *id = id.wrapping_add(5));
            let expected = reference::select::select_bands_reaching(rows, band, level);
            judge.chosen("", &ids[..count], &kept[..count], &expected);
        }
    }
}

fn near<T: Real + Ordered>(kernels: &'static Kernels, name: &str, tally: &mut Tally) {
    for (dim, rows) in (1..=12).flat_map(|dim| [16, 32, 48, 64].map(|rows| (dim, rows))) {
        let query: Vec<T> = draw(dim, 0.01);
        let panels: Vec<T> = draw(1000 + dim * rows, 0.01).split_off(1000);
        let mut judge = Judge { name, dim, tally };
        // Of a distance, and below all.
        let some = reference::near::panel_within(&query, &panels, query[0]).0[rows / 2];
        for limit in [some, <T as Element>::from_f64(-1.0), T::GREATEST] {
            for nearest in [false, true] {
                let (form, expected) = if nearest {
                    ("nearest", reference::near::panel_nearest(&query, &panels, limit))
                } else {
                    ("within", reference::near::panel_within(&query, &panels, limit))
                };
                let mut bits = 0;
                let distances = judge.call(form, rows, |out| {
                    bits = if nearest {
                        kernels.panel_nearest(&query, &panels, limit, out)?
                    } else {
                        kernels.panel_within(&query, &panels, limit, out)?
                    };
                    Ok(())
                });
                judge.same(form, &distances, &expected.0, bits, expected.1);
            }
            let panel = &panels[..dim * PANEL_ROWS];
            let (expected, found) = reference::near::box_bounds(&query, panel, limit);
            let mut bits = 0;
            let bounds = judge.call("boxes", PANEL_ROWS, |out: &mut [T]| {
                let mut bounds = [limit; PANEL_ROWS];
                let found = kernels.box_bounds(&query, panel, limit, &mut bounds)?;
                bits = u64::from(found.within) << 8 | u64::from(found.nearest);
                out.copy_from_slice(&bounds);
                Ok(())
            });
            let truth = u64::from(found.within) << 8 | u64::from(found.nearest);
            judge.same("boxes", &bounds, &expected, bits, truth);
        }
    }
}

impl Judge<'_> {
    /// Compares distances and bits, which must be equal.
    fn same<T: Real>(&mut self, form: &str, values: &[T], expected: &[T], bits: u64, truth: u64) {
        self.tally.comparisons += 1 + expected.len() as u64;
        if values != expected || bits != truth {
            self.fail(format!("{form} gave {bits:x} of {values:?}, expected {truth:x} of {expected:?}"));
        }
    }

    /// Compares what was chosen, with ids from 5 on.
    fn chosen<T: Ordered>(&mut self, form: &str, ids: &[u32], values: &[T], expected: &[(usize, T)]) {
        self.tally.comparisons += 1 + expected.len() as u64;
        let same = ids.len() == expected.len()
            && ids
                .iter()
                .zip(values)
                .zip(expected)
                .all(|((&id, &value), &(at, other))| id as usize == at + 5 && value == other);
        if !same {
            self.fail(format!("{form} chose {ids:?} {values:?}, expected {expected:?}"));
        }
    }
}
