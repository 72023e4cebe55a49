//! Functions of values in place, and selections from slices of them.

use std::hint::black_box;

use layouts::AlignedVec;
use simd_kernels::{
    Affine, Band, BandRows, Covariance, Element, Kernels, LEAST_ESTIMATES, Ordered, PANEL_ROWS, Real,
};

use super::KernelSuiteError;
use super::cases::{Case, VALUES, Visitor};

/// Values of a call; a power of two, see [`scattered`].
const LEN: usize = 2048;
/// Values of a transform.
const TRANSFORMED: usize = 1024;
/// Of [`LEN`] values so many are below the threshold: 2 %.
const HITS: usize = LEN / 50;
/// How many of the least are taken.
const LEAST: usize = 10;

fn case(measure: &'static str, dtype: &'static str, shape: String, len: usize, value_bytes: usize) -> Case {
    Case {
        kernel: format!("{measure}_{dtype}"),
        measure,
        dtype,
        form: VALUES,
        shape,
        n: len,
        dim: 1,
        results: len,
        block_bytes: len * value_bytes,
        bytes_per_result: None,
        read_bound: false,
    }
}

/// exp, sqrt, the covariances and the Walsh-Hadamard transform.
///
/// All work in place, again and again on the same values: √x settles at 1, covariances of covariances stay
/// between 0 and 1, and the scaled transform undoes itself. Only exp would leave its range, so its values are
/// copied in before every call, and the copy is a part of what is timed.
pub(super) fn maps<T: Real>(visitor: &mut Visitor<'_>) -> Result<(), KernelSuiteError> {
    let input: Vec<T> = (0..LEN).map(|at| T::from_f64(at as f64 / LEN as f64 * 16.0 - 12.0)).collect();
    let mut values = AlignedVec::from_slice(&input)?;
    let named = |measure| case(measure, T::NAME, format!("{LEN} values"), LEN, size_of::<T>());
    visitor(&named("exp"), &mut |kernels, times| {
        for _ in 0..times {
            values.copy_from_slice(black_box(&input));
            kernels.exp(&mut values);
            black_box(&mut *values);
        }
        Ok(())
    })?;
    let restart = |values: &mut [T]| {
        values
            .iter_mut()
            .enumerate()
            .for_each(|(at, place)| *place = T::from_f64(at as f64 / LEN as f64 * 9.0));
    };
    restart(&mut values);
    visitor(&named("sqrt"), &mut |kernels, times| {
        for _ in 0..times {
            kernels.sqrt(black_box(&mut *values));
        }
        Ok(())
    })?;
    for covariance in Covariance::ALL {
        restart(&mut values);
        visitor(&named(covariance.name()), &mut |kernels, times| {
            for _ in 0..times {
                let one = T::from_f64(1.0);
                kernels.covariance(covariance, one, one, black_box(&mut *values))?;
            }
            Ok(())
        })?;
    }
    restart(&mut values);
    let mut transformed = AlignedVec::from_slice(values.get(..TRANSFORMED).unwrap_or_default())?;
    let scale = T::from_f64(1.0 / (TRANSFORMED as f64).sqrt());
    let shape = format!("{TRANSFORMED} values");
    visitor(
        &case("walsh_hadamard", T::NAME, shape, TRANSFORMED, size_of::<T>()),
        &mut |kernels: &Kernels, times| {
            for _ in 0..times {
                kernels.walsh_hadamard(black_box(&mut *transformed), None, scale)?;
            }
            Ok(())
        },
    )
}

/// The numbers below [`LEN`], each once and in no order: triangular numbers differ modulo a power of two.
fn scattered(at: usize) -> usize {
    at * (at + 1) / 2 * 997 % LEN
}

/// Values below a threshold, the least value, and the least ten.
pub(super) fn selections<T: Ordered>(
    dtype: &'static str,
    visitor: &mut Visitor<'_>,
) -> Result<(), KernelSuiteError> {
    let mut values = AlignedVec::zeroed(LEN)?;
    values.iter_mut().enumerate().for_each(|(at, place)| *place = T::from_f64(scattered(at) as f64));
    let threshold = T::from_f64(HITS as f64);
    let (mut ids, mut chosen) = (vec![0; LEN], vec![T::default(); LEN]);
    // A selection reads every value once and does little else.
    let named = |measure, what: &str| Case {
        bytes_per_result: Some(size_of::<T>()),
        read_bound: true,
        ..case(measure, dtype, format!("{LEN} values{what}"), LEN, size_of::<T>())
    };
    visitor(&named("select_below", ", 2 % below"), &mut |kernels, times| {
        for _ in 0..times {
            black_box(kernels.select_below(black_box(&values), threshold, 0, &mut ids, &mut chosen)?);
        }
        Ok(())
    })?;
    visitor(&named("argmin", ""), &mut |kernels, times| {
        for _ in 0..times {
            black_box(kernels.argmin(black_box(&*values)));
        }
        Ok(())
    })?;
    visitor(&named("top_k", ", k = 10"), &mut |kernels, times| {
        for _ in 0..times {
            black_box(kernels.top_k(black_box(&values), 0, LEAST, &mut ids, &mut chosen)?);
        }
        Ok(())
    })
}

/// Estimates below a threshold.
pub(super) fn estimates(visitor: &mut Visitor<'_>) -> Result<(), KernelSuiteError> {
    let mut sums = AlignedVec::zeroed(LEN)?;
    sums.iter_mut().enumerate().for_each(|(at, place)| *place = -(scattered(at) as i32));
    let mut adds = AlignedVec::zeroed(LEN)?;
    adds.iter_mut().for_each(|add| *add = 0.25f32);
    let (mut ids, mut chosen) = (vec![0; LEN], vec![0.0; LEN]);
    let line = Affine { base: 0.0, slope: 1.0 };
    let bytes = size_of::<i32>() + size_of::<f32>();
    let what = format!("{LEN} rows, 2 % below");
    let named = Case {
        bytes_per_result: Some(bytes),
        read_bound: true,
        ..case("select_estimates_below", "f32", what, LEN, bytes)
    };
    visitor(&named, &mut |kernels, times| {
        for _ in 0..times {
            let (sums, out) = (black_box(&*sums), (&mut ids, &mut chosen));
            black_box(kernels.select_estimates_below(sums, &adds, line, HITS as f32, out.0, out.1)?);
        }
        Ok(())
    })?;
    let named = Case {
        bytes_per_result: Some(bytes),
        read_bound: true,
        ..case("least_estimates", "f32", format!("{LEN} rows"), LEN, bytes)
    };
    visitor(&named, &mut |kernels, times| {
        for _ in 0..times {
            let mut least = [0.0; LEAST_ESTIMATES];
            kernels.least_estimates(black_box(&*sums), &adds, line, &mut least)?;
            black_box(least);
        }
        Ok(())
    })
}

/// Bands that reach a level.
pub(super) fn bands(visitor: &mut Visitor<'_>) -> Result<(), KernelSuiteError> {
    let mut minuends = AlignedVec::zeroed(LEN)?;
    minuends.iter_mut().enumerate().for_each(|(at, place)| *place = scattered(at) as f32);
    let (mut sums, mut remainders, mut scales) =
        (AlignedVec::zeroed(LEN)?, AlignedVec::zeroed(LEN)?, AlignedVec::zeroed(LEN)?);
    sums.iter_mut().for_each(|place| *place = 1);
    remainders.iter_mut().for_each(|place| *place = 0.5f32);
    scales.iter_mut().for_each(|place| *place = 1.0f32);
    let (mut ids, mut uppers) = (vec![0; LEN], vec![0.0; LEN]);
    let band = Band { weight: 1.0, base: 0.0, slope: 0.25, remainder: 2.0, slack: 1.0 };
    let bytes = 4 * size_of::<f32>();
    let what = format!("{LEN} rows, 2 % reach");
    let named = Case {
        bytes_per_result: Some(bytes),
        read_bound: true,
        ..case("select_bands_reaching", "f32", what, LEN, bytes)
    };
    visitor(&named, &mut |kernels, times| {
        for _ in 0..times {
            let minuends = Some(black_box(&*minuends));
            let rows = BandRows { sums: &sums, minuends, remainders: &remainders, scales: &scales };
            let level = (LEN - HITS) as f32;
            black_box(kernels.select_bands_reaching(rows, band, level, &mut ids, &mut uppers)?);
        }
        Ok(())
    })
}

/// Distances of a query to a leaf of a tree, and bounds of the children of a node.
pub(super) fn near<T: Real + Ordered>(visitor: &mut Visitor<'_>) -> Result<(), KernelSuiteError> {
    const DIM: usize = 3;
    const ROWS: usize = 2 * PANEL_ROWS;
    let query = [1.0; 2 * DIM].map(<T as Element>::from_f64);
    let mut panels = AlignedVec::zeroed(ROWS * DIM)?;
    panels
        .iter_mut()
        .enumerate()
        .for_each(|(at, place)| *place = <T as Element>::from_f64(scattered(at) as f64));
    let limit = <T as Element>::from_f64((HITS * HITS) as f64);
    let mut out = AlignedVec::<T>::zeroed(ROWS)?;
    let named = |measure, rows: usize, dim: usize| Case {
        dim,
        ..case(measure, T::NAME, format!("{rows} rows x {dim}"), rows, dim * size_of::<T>())
    };
    visitor(&named("panel_within", ROWS, DIM), &mut |kernels, times| {
        for _ in 0..times {
            let panels = black_box(&panels);
            black_box(kernels.panel_within(&query[..DIM], panels, limit, &mut out)?);
        }
        Ok(())
    })?;
    visitor(&named("panel_nearest", ROWS, DIM), &mut |kernels, times| {
        for _ in 0..times {
            let panels = black_box(&panels);
            black_box(kernels.panel_nearest(&query[..DIM], panels, limit, &mut out)?);
        }
        Ok(())
    })?;
    let mut bounds = [limit; PANEL_ROWS];
    // As many values, for a box has two of each dimension.
    visitor(&named("box_bounds", PANEL_ROWS, 2 * DIM), &mut |kernels, times| {
        for _ in 0..times {
            black_box(kernels.box_bounds(&query, black_box(&panels), limit, &mut bounds)?);
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_of_a_hundred_values_are_below_the_threshold() {
        let mut values: Vec<usize> = (0..LEN).map(scattered).collect();
        assert_eq!(values.iter().filter(|&&value| value < HITS).count(), HITS);
        values.sort_unstable();
        assert!(values.into_iter().eq(0..LEN));
    }
}
