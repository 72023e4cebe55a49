//! Every kernel of a table with its scalar twin, as two closures over rows that stay in the first-level cache.

mod codes;
mod functions;

use std::hint::black_box;
use std::rc::Rc;

use simd_kernels::{
    Distance, Element, Forms, Kernels, Measure, PANEL_ROWS, PanelElement, Panels, Rows, bf16, f16, reference,
};

use crate::faults;

/// One kernel and its twin; a call of either does the same work.
pub(crate) struct Subject {
    /// The kernel's name, as in the inventory.
    pub(crate) kernel: String,
    /// Runs the kernel.
    pub(crate) work: Box<dyn Fn()>,
    /// Runs plain scalar code that computes the same.
    pub(crate) twin: Box<dyn Fn()>,
}

/// Dimensions of the vectors; bytes of the bit strings are four times that.
const DIM: usize = 256;
/// Bytes of all rows: what first-level caches hold, with room for the queries.
const BYTES: usize = 16 << 10;
const QUERIES: usize = 4;

/// All kernels of one table. `fault` names the one that is replaced, if it is one that runs.
pub(crate) fn of_table(kernels: &'static Kernels, fault: Option<&str>) -> Vec<Subject> {
    let mut list = Vec::new();
    distances::<f32>(kernels, &mut list);
    distances::<f64>(kernels, &mut list);
    distances::<f16>(kernels, &mut list);
    distances::<bf16>(kernels, &mut list);
    distances::<u8>(kernels, &mut list);
    distances::<i8>(kernels, &mut list);
    let count = |value: u32| f64::from(value);
    forms(
        "hamming_bits",
        kernels.hamming(),
        4 * DIM,
        1,
        move |a, b| count(reference::hamming(a, b)),
        &mut list,
    );
    let jaccard = |a: &[u8], b: &[u8]| f64::from(reference::jaccard(a, b));
    forms("jaccard_bits", kernels.jaccard(), 4 * DIM, 1, jaccard, &mut list);
    let codes = |a: &[i8], b: &[u8]| f64::from(reference::codes_u8(a, b));
    forms("codes_u8", kernels.codes_u8(), DIM, 1, codes, &mut list);
    let codes = |a: &[i8], b: &[u8]| f64::from(reference::codes_u4(a, b));
    forms("codes_u4", kernels.codes_u4(), DIM, 2, codes, &mut list);
    // Two lines of 64 bytes, for each of which a query brings 320.
    let codes = |a: &[i8], b: &[u8]| f64::from(reference::codes_mixed(a, b));
    forms("codes_mixed", kernels.codes_mixed(), 640, 5, codes, &mut list);
    panels::<f32>(kernels, &mut list);
    panels::<f64>(kernels, &mut list);
    panels::<u8>(kernels, &mut list);
    panels::<i8>(kernels, &mut list);
    codes::of_table(kernels, &mut list);
    functions::of_table(kernels, &mut list);
    faults::slow_down(fault, kernels.tier(), &mut list);
    list
}

fn elements<T: Element>(count: usize) -> Vec<T> {
    (0..count)
        .map(|index| T::from_f64((index * 7 % 64) as f64 - if T::NAME == "u8" { 0.0 } else { 32.0 }))
        .collect()
}

fn distances<T: Element>(kernels: &'static Kernels, list: &mut Vec<Subject>) {
    for measure in Measure::ALL {
        let name = format!("{}_{}", measure.name(), T::NAME);
        let twin = move |a: &[T], b: &[T]| reference::measure(measure, a, b);
        forms(&name, kernels.forms::<T>(measure), DIM, 1, twin, list);
    }
    let (a, b) = (Rc::new(elements::<T>(DIM)), Rc::new(elements::<T>(DIM + 1)));
    let (twin_a, twin_b) = (a.clone(), b.clone());
    list.push(Subject {
        kernel: format!("cosine_{}", T::NAME),
        work: Box::new(move || {
            black_box(kernels.cosine(black_box(&a), black_box(&b[1..])).expect("equal lengths"));
        }),
        twin: Box::new(move || {
            black_box(reference::cosine(black_box(&*twin_a), black_box(&twin_b[1..])));
        }),
    });
}

/// Vectors for one measure in all its forms.
struct Block<Q, E> {
    queries: Vec<Q>,
    data: Vec<E>,
    ids: Vec<u32>,
    dim: usize,
    row_len: usize,
}

impl<Q: Element, E: Element> Block<Q, E> {
    fn rows(&self) -> Rows<'_, E> {
        Rows::new(&self.data, self.row_len).expect("whole rows")
    }
    fn queries(&self) -> Rows<'_, Q> {
        Rows::new(&self.queries, self.dim).expect("whole queries")
    }
    fn query(&self) -> &[Q] {
        black_box(&self.queries[..self.dim])
    }
}

fn forms<Q: Element, E: Element, O: Distance>(
    name: &str,
    forms: &'static Forms<Q, E, O>,
    dim: usize,
    pack: usize,
    twin: impl Fn(&[Q], &[E]) -> f64 + Copy + 'static,
    list: &mut Vec<Subject>,
) {
    let row_len = dim / pack;
    let count = BYTES / (row_len * size_of::<E>());
    let block = Rc::new(Block {
        queries: elements::<Q>(QUERIES * dim),
        data: elements::<E>(count * row_len),
        ids: (0..count as u32).rev().collect(),
        dim,
        row_len,
    });
    let mut add = |form: &str, queries: usize, work: Box<dyn Fn()>| {
        let block = block.clone();
        let twin = move || {
            for query in black_box(&block.queries).chunks_exact(block.dim).take(queries) {
                for row in block.rows().iter() {
                    black_box(twin(query, row));
                }
            }
        };
        list.push(Subject { kernel: format!("{name}_{form}"), work, twin: Box::new(twin) });
    };
    let results = move || std::cell::RefCell::new(vec![O::default(); QUERIES * count]);
    let at = block.clone();
    add(
        "pair",
        1,
        Box::new(move || {
            for row in at.rows().iter() {
                black_box(forms.pair(at.query(), row).expect("equal lengths"));
            }
        }),
    );
    let (at, out) = (block.clone(), results());
    add(
        "rows",
        1,
        Box::new(move || {
            let out = &mut out.borrow_mut()[..count];
            forms.rows(at.query(), at.rows(), out).expect("equal lengths");
            black_box(out);
        }),
    );
    let (at, out) = (block.clone(), results());
    add(
        "ids",
        1,
        Box::new(move || {
            let out = &mut out.borrow_mut()[..count];
            forms.ids(at.query(), at.rows(), &at.ids, out).expect("equal lengths");
            black_box(out);
        }),
    );
    let (at, out) = (block.clone(), results());
    add(
        "tile",
        QUERIES,
        Box::new(move || {
            let out = &mut out.borrow_mut()[..];
            forms.tile(at.queries(), at.rows(), out).expect("equal lengths");
            black_box(out);
        }),
    );
}

fn panels<T: PanelElement>(kernels: &'static Kernels, list: &mut Vec<Subject>) {
    /// Two full tiles on every tier.
    const QUERIES: usize = 24;
    let count = BYTES / (PANEL_ROWS * DIM * size_of::<T>()).min(BYTES);
    let queries = Rc::new(elements::<T>(QUERIES * DIM));
    let data = Rc::new(elements::<T>(count * PANEL_ROWS * DIM));
    let places = QUERIES * count * PANEL_ROWS;
    let twin = |measure: Measure| {
        let (queries, data) = (queries.clone(), data.clone());
        Box::new(move || {
            for query in black_box(&*queries).chunks_exact(DIM) {
                for row in black_box(&*data).chunks_exact(DIM) {
                    black_box(reference::measure(measure, query, row));
                }
            }
        })
    };
    for measure in [Measure::InnerProduct, Measure::L2Squared] {
        let twin = twin(measure);
        let (queries, data) = (queries.clone(), data.clone());
        let (query_norms, row_norms) =
            (vec![T::Distance::default(); QUERIES], vec![T::Distance::default(); count * PANEL_ROWS]);
        let out = std::cell::RefCell::new(vec![T::Distance::default(); places]);
        let work = move || {
            let (forms, out) = (kernels.panels::<T>(), &mut out.borrow_mut()[..]);
            let queries = Rows::new(black_box(&queries), DIM).expect("whole queries");
            let panels = Panels::new(black_box(&data), DIM).expect("whole panels");
            match measure {
                Measure::InnerProduct => forms.inner_product(queries, panels, out),
                _ => forms.l2_squared(queries, &query_norms, panels, &row_norms, out),
            }
            .expect("equal lengths");
            black_box(out);
        };
        list.push(Subject {
            kernel: format!("panel_{}_{}", measure.name(), T::NAME),
            work: Box::new(work),
            twin,
        });
    }
}
