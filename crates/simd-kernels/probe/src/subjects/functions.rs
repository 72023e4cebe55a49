//! Elementwise functions, transforms and selections with their scalar twins.

use std::cell::RefCell;
use std::hint::black_box;

use simd_kernels::{
    Affine, Band, BandRows, Covariance, Distance, Element, Kernels, LEAST_ESTIMATES, Ordered, PANEL_ROWS,
    Real, reference,
};

use super::Subject;

/// Values: 16 KiB of the widest type.
const COUNT: usize = 2048;

/// All of them, of one table.
pub(super) fn of_table(kernels: &'static Kernels, list: &mut Vec<Subject>) {
    math::<f32>(kernels, list);
    math::<f64>(kernels, list);
    selection::<f32>(kernels, "f32", list);
    selection::<f64>(kernels, "f64", list);
    selection::<i32>(kernels, "i32", list);
    estimates(kernels, list);
    bands(kernels, list);
    near::<f32>(kernels, list);
    near::<f64>(kernels, list);
}

/// Adds a pair of closures that each read the same values and write into a buffer of their own.
fn add<T: Distance>(
    list: &mut Vec<Subject>,
    kernel: String,
    values: &[T],
    work: impl Fn(&mut [T]) + 'static,
    twin: impl Fn(&mut [T]) + 'static,
) {
    list.push(Subject { kernel, work: on_fresh_values(values, work), twin: on_fresh_values(values, twin) });
}

/// Runs a function that works in place on the same values each time; both sides pay for the copy.
fn on_fresh_values<T: Distance>(values: &[T], run: impl Fn(&mut [T]) + 'static) -> Box<dyn Fn()> {
    let (values, out) = (values.to_vec(), RefCell::new(values.to_vec()));
    Box::new(move || {
        let mut out = out.borrow_mut();
        out.copy_from_slice(black_box(&values));
        run(&mut out);
        black_box(&*out);
    })
}

fn math<T: Real + Distance>(kernels: &'static Kernels, list: &mut Vec<Subject>) {
    fn each<T: Real>(function: impl Fn(f64) -> f64) -> impl Fn(&mut [T]) {
        move |x| x.iter_mut().for_each(|x| *x = <T as Element>::from_f64(function(Element::to_f64(*x))))
    }
    let values: Vec<T> = (0..COUNT).map(|index| Distance::from_f64((index % 97) as f64 * 0.1)).collect();
    let name = |function: &str| format!("{function}_{}", T::NAME);
    add(list, name("exp"), &values, |x| kernels.exp(x), each(reference::math::exp));
    add(list, name("sqrt"), &values, |x| kernels.sqrt(x), each(f64::sqrt));
    let named = ["rbf", "matern12", "matern32", "matern52"].into_iter().zip(Covariance::ALL);
    for (function, kind) in named {
        let one = || <T as Element>::from_f64(1.0);
        let work = move |x: &mut [T]| kernels.covariance(kind, one(), one(), x).expect("valid parameters");
        let twin = each(move |r2| reference::math::covariance(kind, 1.0, 1.0, r2));
        add(list, name(function), &values, work, twin);
    }
    let scale = || <T as Element>::from_f64(0.03125);
    let work = move |x: &mut [T]| kernels.walsh_hadamard(x, None, scale()).expect("a power of two");
    let twin = move |x: &mut [T]| reference::wht::walsh_hadamard(x, None, scale());
    add(list, name("walsh_hadamard"), &values, work, twin);
}

/// Table, query, block, limit, and the places of the distances.
type OfBlock<T> = fn(&'static Kernels, &[T], &[T], T, &mut [T]) -> u64;

fn near<T: Real + Ordered>(kernels: &'static Kernels, list: &mut Vec<Subject>) {
    // Blocks of four panels of four dimensions; a bit for a part of the rows.
    const DIM: usize = 4;
    const BLOCK: usize = 4 * PANEL_ROWS;
    let query = [1.0; DIM].map(<T as Element>::from_f64);
    let values: Vec<T> =
        (0..COUNT).map(|index| <T as Element>::from_f64((index * 1_031 % COUNT) as f64)).collect();
    let limit = <T as Element>::from_f64((COUNT * COUNT / 4) as f64);
    let name = |kernel: &str| format!("{kernel}_{}", T::NAME);
    let of_blocks = move |call: OfBlock<T>| {
        move |x: &mut [T]| {
            let mut out = [T::default(); BLOCK];
            for block in x.chunks_exact(BLOCK * DIM) {
                black_box(call(kernels, &query, block, limit, &mut out));
                black_box(&out);
            }
        }
    };
    let within = of_blocks(|kernels, query, block, limit, out| {
        kernels.panel_within(query, block, limit, out).expect("a block")
    });
    let nearest = of_blocks(|kernels, query, block, limit, out| {
        kernels.panel_nearest(query, block, limit, out).expect("a block")
    });
    add(list, name("panel_within"), &values, within, move |x| {
        for block in x.chunks_exact(BLOCK * DIM) {
            black_box(reference::near::panel_within(&query, block, limit));
        }
    });
    add(list, name("panel_nearest"), &values, nearest, move |x| {
        for block in x.chunks_exact(BLOCK * DIM) {
            black_box(reference::near::panel_nearest(&query, block, limit));
        }
    });
    let boxes = move |x: &mut [T]| {
        let mut out = [T::default(); PANEL_ROWS];
        for panel in x.chunks_exact(PANEL_ROWS * DIM) {
            black_box(kernels.box_bounds(&query, panel, limit, &mut out).expect("a panel"));
            black_box(&out);
        }
    };
    add(list, name("box_bounds"), &values, boxes, move |x| {
        for panel in x.chunks_exact(PANEL_ROWS * DIM) {
            black_box(reference::near::box_bounds(&query, panel, limit));
        }
    });
}

fn estimates(kernels: &'static Kernels, list: &mut Vec<Subject>) {
    // Every estimate once, in no order; the threshold lets one in fifty pass.
    let sums: Vec<i32> = (0..COUNT as i32).map(|index| index * 1_031 % COUNT as i32).collect();
    let adds = vec![0.5f32; COUNT];
    let line = Affine { base: 4.0 * COUNT as f32, slope: 2.0 };
    let threshold = line.estimate(COUNT as i32 / 50 * 49, 0.5);
    let (ids, twin_sums, of_least) = (RefCell::new(vec![0; COUNT]), sums.clone(), sums.clone());
    let work = move |x: &mut [f32]| {
        let (sums, mut ids) = (black_box(&sums), ids.borrow_mut());
        let found = kernels.select_estimates_below(sums, &adds, line, threshold, &mut ids, x);
        black_box(found.expect("room for all"));
    };
    add(list, "select_estimates_below_f32".to_owned(), &vec![0.5f32; COUNT], work, move |x| {
        black_box(reference::select::select_estimates_below(black_box(&twin_sums), x, line, threshold));
    });
    let twin_sums = of_least.clone();
    let work = move |x: &mut [f32]| {
        let mut least = [0.0; LEAST_ESTIMATES];
        let found = kernels.least_estimates(black_box(&of_least), x, line, &mut least);
        black_box(found.map(|()| least).expect("equal lengths"));
    };
    add(list, "least_estimates_f32".to_owned(), &vec![0.5f32; COUNT], work, move |x| {
        black_box(reference::select::least_estimates(black_box(&twin_sums), x, line));
    });
}

fn bands(kernels: &'static Kernels, list: &mut Vec<Subject>) {
    // Every estimate once, in no order; the level lets one in fifty pass.
    let minuends: Vec<f32> = (0..COUNT).map(|index| (index * 1_031 % COUNT) as f32).collect();
    let scales = vec![1.0f32; COUNT];
    let band = Band { weight: 1.0, base: 0.0, slope: 0.25, remainder: 2.0, slack: 1.0 };
    let level = COUNT as f32 / 50.0 * 49.0;
    let sums = vec![2; COUNT];
    let twin = (minuends.clone(), sums.clone(), scales.clone());
    let room = RefCell::new((vec![0; COUNT], vec![0.0; COUNT]));
    let work = move |x: &mut [f32]| {
        let (ids, uppers) = &mut *room.borrow_mut();
        let minuends = Some(black_box(&minuends[..]));
        let rows = BandRows { sums: &sums, minuends, remainders: x, scales: &scales };
        black_box(kernels.select_bands_reaching(rows, band, level, ids, uppers).expect("room for all"));
    };
    let name = "select_bands_reaching_f32".to_owned();
    add(list, name, &vec![0.5f32; COUNT], work, move |x| {
        let (minuends, sums, scales) = &twin;
        let rows = BandRows { sums, minuends: Some(black_box(minuends)), remainders: x, scales };
        black_box(reference::select::select_bands_reaching(rows, band, level));
    });
}

fn selection<T: Ordered>(kernels: &'static Kernels, name: &str, list: &mut Vec<Subject>) {
    // Every value once, in no order; the threshold lets one in four pass.
    let values: Vec<T> = (0..COUNT).map(|index| T::from_f64((index * 1_031 % COUNT) as f64)).collect();
    let threshold = T::from_f64(COUNT as f64 / 4.0);
    let (ids, kept) = (RefCell::new(vec![0; COUNT]), RefCell::new(vec![threshold; COUNT]));
    let below = move |x: &mut [T]| {
        let (mut ids, mut kept) = (ids.borrow_mut(), kept.borrow_mut());
        black_box(kernels.select_below(x, threshold, 0, &mut ids, &mut kept).expect("room for all"));
    };
    add(list, format!("select_below_{name}"), &values, below, move |x| {
        black_box(reference::select::select_below(x, threshold));
    });
    let argmin = |x: &mut [T]| {
        black_box(kernels.argmin(x));
    };
    add(list, format!("argmin_{name}"), &values, argmin, |x| {
        black_box(reference::select::argmin(x));
    });
    let (ids, least) = (RefCell::new(vec![0; 10]), RefCell::new(vec![threshold; 10]));
    let top_k = move |x: &mut [T]| {
        let (mut ids, mut least) = (ids.borrow_mut(), least.borrow_mut());
        black_box(kernels.top_k(x, 0, 10, &mut ids, &mut least).expect("room for ten"));
    };
    add(list, format!("top_k_{name}"), &values, top_k, |x| {
        black_box(reference::select::top_k(x, 10));
    });
}
